#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The uplink against collectors that behave in every way one can think of.

The rule under test: a run leaves the spool when a collector says that it is
stored, or refuses it for good, and never otherwise.
"""

import json
import os
import socket
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lab")]
from scene import Scene, enter_namespace
from tap import Tap


class Portal:
    """A captive portal: answers whatever connects with a web page."""

    def __init__(self, port):
        self.count = 0
        self.socket = socket.create_server(("127.0.0.1", port))
        self.entry = {"endpoint": f"tcp://127.0.0.1:{port}", "key": "B" * 40}
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.socket.accept()
            self.count += 1
            client.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://portal/"
                           b"\r\nContent-Length: 0\r\n\r\n")


class Uplink:
    """The scene, with plans that differ in their collectors only."""

    def __init__(self, tap, scene):
        self.tap, self.s, self.serial = tap, scene, 0
        scene.configure(scene.path("plan", "plan.json"),
                        scene.signer.public_key, upload="yes")

    def use(self, *collectors):
        self.serial += 1
        self.s.plan(serial=self.serial, collectors=collectors)

    def check(self):
        """Returns the member "upload" of the report."""
        done = self.s.run("check", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["upload"]

    def spooled(self):
        return self.s.status()["spool"]["runs"]

    def rejected(self):
        return sorted(os.listdir(self.s.state("spool", "rejected")))

    def sent(self, port):
        return [x.split()[2] for x in self.s.peer_runs(port)]


def stored(u):
    peer, entry = u.s.peer(7501, "stored", "duplicate")
    u.use(entry)
    u.s.fresh_state()
    up = u.check()
    u.tap.equal((up["stored"], up["waiting"], up["collector"], u.spooled()),
                (1, 0, entry["endpoint"], 0), "a stored run leaves the spool")
    with open(u.s.state("agent.key"), encoding="ascii") as f:
        key = f.readline().split()[1]
    u.tap.equal(u.s.peer_lines(7501)[1].split()[1], key,
                "the collector knows the agent by its key")
    up = u.check()
    u.tap.equal((up["stored"], u.spooled()), (1, 0), "so does a duplicate")
    u.tap.equal(u.s.status()["uplink"]["stored"], 2, "status counts them")
    u.s.end(peer)


def refused(u):
    peer, entry = u.s.peer(7502, "nak", "nak-nobody", "stored")
    u.use(entry)
    u.s.fresh_state()
    up = u.check()
    u.tap.equal((up["rejected"], up["waiting"], u.spooled()), (1, 0, 0),
                "a refused run is not sent again")
    run = u.sent(7502)[0]
    u.tap.equal(u.rejected(), [f"{run}.json", f"{run}.reason"], "it is kept")
    with open(u.s.state("spool", "rejected", f"{run}.reason"),
              encoding="ascii") as f:
        u.tap.equal(f.read(), "range probe[3]\\x1b[31m\n",
                    "with the reason, made printable")
    u.check()
    u.tap.equal((u.spooled(), len(u.rejected())), (0, 4),
                "NAK of nobody is about the run in flight")
    u.s.end(peer)


def refused_all(u):
    """A collector with a fault must not empty the spool."""
    u.use({"endpoint": "tcp://127.0.0.1:7599", "key": "B" * 40})
    u.s.fresh_state()
    for _ in range(8):
        u.s.run("check", "--set", "upload=no")
    one, entry1 = u.s.peer(7513, "nak")
    u.use(entry1)
    up = u.check()
    u.tap.equal((up["rejected"], up["waiting"], u.spooled()), (5, 4, 4),
                "one that refuses everything is given up for now")
    u.tap.ok("refuses" in (up["why"] or ""), "and it is said why", up)
    two, entry2 = u.s.peer(7514, "stored")
    u.use(entry1, entry2)
    up = u.check()
    u.tap.equal((up["stored"] + up["rejected"], up["rejected"] in (0, 5)),
                (5, True), "another one gets the rest")
    u.s.end(two)
    two, entry2 = u.s.peer(7516, "nak")
    u.use(entry1, entry2)
    for _ in range(12):
        u.s.run("check", "--set", "upload=no")
    up = u.check()
    u.tap.equal((up["rejected"], up["waiting"]), (10, 3),
                "two such are not asked in turns without end")
    u.s.end(one)
    u.s.end(two)


def flood(u):
    bad, entry = u.s.peer(7515, "flood")
    u.use(entry)
    u.s.fresh_state()
    up = u.check()
    u.tap.equal((up["stored"], up["waiting"]), (0, 1),
                "who floods the agent is left")
    u.tap.ok("nobody asked for" in up["why"], "and it is said why", up)
    u.s.end(bad)


def order_and_wait(u):
    u.use({"endpoint": "tcp://127.0.0.1:7599", "key": "B" * 40})
    u.s.fresh_state()
    for _ in range(3):
        u.s.run("check", "--set", "upload=no")
    peer, entry = u.s.peer(7503, "stored", "wait=40", "stored")
    u.use(entry)
    up = u.check()
    u.tap.equal((up["stored"], up["waiting"]), (1, 3),
                "asked to wait, it stops and keeps the rest")
    u.tap.ok("wait" in up["why"], "and says why", up)
    u.check()
    sent = u.sent(7503)
    u.tap.equal(u.spooled(), 0, "the next time everything is sent")
    u.tap.ok(sent[0] > sent[1] and sent[2] > sent[0] and
             sent[2:] == sorted(sent[2:], reverse=True),
             "newest first", sent)
    u.tap.equal(len(set(sent)), 5, "the run that had to wait was sent again")
    u.s.end(peer)


def silence(u):
    """Three collectors share the time of one pass."""
    peers = {b: u.s.peer(port, b) for b, port in
             (("mute", 7504), ("garbage", 7505), ("stranger", 7506))}
    u.use(*(entry for _, entry in peers.values()))
    u.s.fresh_state()
    up = u.check()
    u.tap.equal([len(u.sent(p)) for p in (7504, 7505, 7506)], [1, 1, 1],
                "each of three collectors is offered the run")
    u.tap.equal((up["stored"], up["waiting"], u.spooled()), (0, 1, 1),
                "no answer, nonsense, and an ACK of another run: it stays")
    for peer, _ in peers.values():
        u.s.end(peer)
    peer, entry = u.s.peer(7507, "stored")
    u.use({"endpoint": "tcp://127.0.0.1:7599", "key": "B" * 40},
          {**entry, "key": "C" * 40})
    up = u.check()
    u.tap.equal((up["stored"], up["waiting"], u.sent(7507)), (0, 2, []),
                "a closed port, and a collector whose key is not the plan's, "
                "get nothing")
    u.s.end(peer)


def next_one(u, bad, entry, reached, name):
    """Until the bad collector happened to be the first: keys differ."""
    for _ in range(20):
        u.use(bad, entry)
        u.s.fresh_state()
        up = u.check()
        if up["stored"] != 1 or up["collector"] != entry["endpoint"]:
            u.tap.ok(False, name, up)
            return
        if reached():
            u.tap.ok(u.spooled() == 0, name)
            return
    u.tap.ok(False, name, "it was never the first")


def fail_over(u):
    peer, entry = u.s.peer(7508, "stored")
    portal = Portal(7509)
    next_one(u, portal.entry, entry, lambda: portal.count,
             "a captive portal does not silence the agent")
    mute, mute_entry = u.s.peer(7510, "mute")
    next_one(u, mute_entry, entry, lambda: u.s.peer_runs(7510),
             "nor does a collector that says nothing")
    u.s.end(mute)
    u.s.end(peer)


def spread(u):
    """Each agent has its own first collector."""
    one, entry1 = u.s.peer(7511, "stored")
    two, entry2 = u.s.peer(7512, "stored")
    first = set()
    for _ in range(20):
        u.use(entry1, entry2)
        u.s.fresh_state()
        mine = u.check()["collector"]
        u.use(entry2, entry1)
        if u.check()["collector"] != mine:
            break
        first.add(mine)
        if len(first) == 2:
            break
    u.tap.equal(len(first), 2, "agents spread over the collectors, and each "
                "keeps to its own")
    u.s.end(one)
    u.s.end(two)


def main():
    enter_namespace()
    with Tap() as tap, Scene() as s:
        s.reflector()
        u = Uplink(tap, s)
        stored(u)
        refused(u)
        refused_all(u)
        flood(u)
        order_and_wait(u)
        silence(u)
        fail_over(u)
        spread(u)


main()
