#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The service: what it waits for, what it does when, how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lab")]
from scene import NOBODY, Scene, enter_namespace, wait_for
from tap import Tap

RSS_MAX_KB = 12 * 1024


def proc_status(child, field):
    with open(f"/proc/{child.pid}/status", encoding="ascii") as f:
        return re.search(rf"^{field}:\s*(\S+)", f.read(), re.M).group(1)


def switches(child):
    """How often each thread gave up the processor: wake-ups of an idle one."""
    total = 0
    for task in os.listdir(f"/proc/{child.pid}/task"):
        with open(f"/proc/{child.pid}/task/{task}/status",
                  encoding="ascii") as f:
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)",
                                   f.read(), re.M).group(1))
    return total


def waits_for_round(s):
    return wait_for(lambda: s.status()["service"] ==
                    "waiting for the next round", "the round is over")


def refuses_to_start(tap, s):
    s.fresh_state(consent=None)
    done = s.run("run")
    tap.ok(done.returncode == 4 and "consent --grant" in done.stderr,
           "no consent, no start", done.stderr)


def waits_for_plan(tap, s):
    s.fresh_state()
    path = s.plan(days=-1)
    child = s.start("run")
    wait_for(lambda: "waiting for a plan" in s.log(), "it waits for a plan")
    status = s.status()
    tap.ok("expired" in s.log() and "expired" in status["service"] and
           status["service_running"],
           "an expired plan: the service says so and waits", s.log())
    tap.equal(status["last_run"], None, "and probes nothing")
    os.kill(child.pid, signal.SIGHUP)
    wait_for(lambda: "reloaded" in s.log(), "it reloads")
    wait_for(lambda: s.status()["service"].startswith("waiting for a plan"),
             "it waits again")
    tap.equal(s.log().count("waiting for a plan"), 1, "it says so once")
    s.plan(serial=2)
    os.kill(child.pid, signal.SIGHUP)
    waits_for_round(s)
    tap.equal(s.status()["last_run"]["open"], 3,
              "with a new plan it measures at once, having never done so")
    done = s.run("run")
    tap.ok(done.returncode == 1 and "another" in done.stderr,
           "a second service on the same state is refused", done.stderr)
    before = s.log()
    s.plan(serial=1)
    os.kill(child.pid, signal.SIGHUP)
    wait_for(lambda: "older" in s.log(), "it notices the older plan")
    tap.ok(s.status()["plan"]["serial"] == 2, "an older plan is not used",
           s.log()[len(before):])
    tap.equal(s.end(child), 0, "SIGTERM ends it cleanly")
    tap.equal(s.status()["service_running"], False, "status knows")
    s.plan(serial=3)
    child = s.start("run")
    waits_for_round(s)
    status = s.status()
    tap.ok(status["last_round"] < status["next_round"] and
           s.log().count("plan 3") == 1,
           "after a restart it keeps to its slot", s.log())
    tap.equal(status["spool"]["runs"], 1, "one run, not two")
    s.end(child)
    return path


def frugal(tap, s):
    """What an agent that waits costs."""
    peer, entry = s.peer(7601, "stored")
    s.configure(s.plan(serial=10, collectors=[entry]), s.signer.public_key,
                upload="yes")
    s.fresh_state()
    child = s.start("run")
    wait_for(lambda: s.status()["uplink"]["stored"] == 1, "a run is stored")
    waits_for_round(s)
    wait_for(lambda: len(os.listdir(f"/proc/{child.pid}/task")) == 1,
             "libzmq's threads are gone")
    before = switches(child)
    time.sleep(3)
    tap.equal(switches(child) - before, 0, "an idle agent never wakes up")
    rss = int(proc_status(child, "VmHWM"))
    if "san" not in os.path.basename(os.environ.get("BUILD", "")):
        tap.ok(rss <= RSS_MAX_KB, "its memory stays within 12 MB at most",
               f"{rss} kB")
    tap.say(f"peak {rss} kB")
    tap.equal((proc_status(child, "CapEff"), proc_status(child, "CapBnd"),
               proc_status(child, "NoNewPrivs")),
              ("0" * 16, "0" * 16, "1"), "it has no capability")
    s.end(child)
    tap.ok("1 run stored by" in s.log(), "the log says that it was stored")
    s.end(peer)


def started_by_root(tap, s):
    s.fresh_state()
    child = s.start("run", user=0)
    waits_for_round(s)
    tap.equal((proc_status(child, "Uid"), proc_status(child, "CapPrm"),
               proc_status(child, "CapBnd"), proc_status(child, "NoNewPrivs")),
              (str(NOBODY), "0" * 16, "0" * 16, "1"),
              "started by root it becomes the owner of its state")
    s.end(child)


def collector_away(tap, s):
    s.configure(s.plan(serial=20), s.signer.public_key, upload="yes")
    s.fresh_state()
    child = s.start("run")
    wait_for(lambda: "no collector takes runs" in s.log(), "it gives up")
    status = s.status()
    tap.ok(status["spool"]["runs"] == 1 and
           "next attempt" in status["uplink"]["state"],
           "without a collector the run stays, and status says what comes",
           json.dumps(status))
    peer, entry = s.peer(7602, "stored")
    s.plan(serial=21, collectors=[entry])
    os.kill(child.pid, signal.SIGHUP)
    wait_for(lambda: s.status()["spool"]["runs"] == 0, "the spool drains")
    tap.ok("takes runs again" in s.log(), "it drains when one is back")
    s.end(child)
    s.end(peer)


def service_manager(tap, s):
    """READY, STATUS, STOPPING, and the watchdog only when it is wanted."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(s.path("notify"))
    os.chmod(s.path("notify"), 0o777)
    notify.settimeout(30)
    s.configure(s.plan(serial=30), s.signer.public_key)
    s.fresh_state()
    child = s.start("run", env={"NOTIFY_SOCKET": s.path("notify"),
                                "WATCHDOG_USEC": "400000"})
    got = []
    while sum("WATCHDOG=1" in x for x in got) < 3:
        got += notify.recv(4096).decode().splitlines()
    s.end(child)
    notify.settimeout(1)
    try:
        while True:
            got += notify.recv(4096).decode().splitlines()
    except TimeoutError:
        pass
    tap.ok("READY=1" in got and "STOPPING=1" in got and
           any(x.startswith("STATUS=waiting") for x in got),
           "it talks to the service manager", got)


def interrupted(tap, s):
    """SIGTERM in the middle of a round; the reflector does not answer."""
    s.configure(s.plan(serial=40, reflectors=[
        {"name": "silent", "ipv4": "127.0.0.1", "control_ports": [4]}],
        probes=[{"direction": "out", "transport": "tcp", "port": 25,
                 "class": "basic"}]), s.signer.public_key)
    s.fresh_state()
    rules = """table inet t {
      chain c {
        type filter hook input priority 0
        tcp dport 4 drop
      }
    }
    """
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    child = s.start("run")
    wait_for(lambda: s.status()["service"] == "measuring", "a round runs")
    tap.equal(s.end(child), 0, "SIGTERM ends it in the middle of a round")
    names = sorted(os.listdir(s.state("spool")))
    tap.equal(names, ["rejected"], "and nothing half-written is left")
    subprocess.run(["nft", "flush", "ruleset"], check=True)


def consent_taken_back(tap, s):
    s.configure(s.plan(serial=50), s.signer.public_key)
    s.fresh_state()
    child = s.start("run")
    waits_for_round(s)
    s.run("consent", "--revoke")
    os.kill(child.pid, signal.SIGHUP)
    tap.equal(child.wait(timeout=30), 4, "without consent it ends")


def consent_taken_back_meanwhile(tap, s):
    """Nobody tells the service: it looks before each round."""
    web = s.web(18090)
    s.plan(serial=51)
    s.configure(web.url + "/plan.json", s.signer.public_key)
    s.fresh_state()
    asked, go_on, answer = threading.Event(), threading.Event(), web.answer

    def answer_late(path, headers):
        asked.set()
        go_on.wait(20)
        return answer(path, headers)

    web.answer = answer_late
    child = s.start("run")
    asked.wait(20)
    s.run("consent", "--revoke")
    go_on.set()
    tap.equal(child.wait(timeout=30), 4, "also when it is not told so")
    tap.equal(s.status()["last_run"], None, "and sends nothing")


def full_disk(tap, s):
    """Runs are held in memory, and sent from there."""
    s.configure(s.plan(serial=60), s.signer.public_key, upload="yes")
    s.fresh_state()
    spool = s.state("spool")
    os.mkdir(spool)
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    f"size=64k,uid={NOBODY},gid={NOBODY}", "none", spool],
                   check=True)
    s.mounts.append(spool)
    os.mkdir(spool + "/rejected")
    os.chown(spool + "/rejected", NOBODY, NOBODY)
    with open(spool + "/ballast", "wb") as f:
        try:
            f.write(b"x" * 65536)
        except OSError:
            pass
    child = s.start("run")
    wait_for(lambda: "held in memory" in s.log(), "it says so")
    tap.ok("No space left" in s.log(), "a full disk is said", s.log())
    waits_for_round(s)
    os.unlink(spool + "/ballast")
    s.end(child)
    names = [x for x in os.listdir(spool) if x.endswith(".json")]
    tap.ok(len(names) == 1 and "lost" not in s.log(),
           "with room again nothing is lost", s.log())
    subprocess.run(["umount", spool], check=True)
    s.mounts.remove(spool)


def main():
    enter_namespace()
    with Tap() as tap, Scene() as s:
        s.configure(s.path("plan", "plan.json"), s.signer.public_key)
        s.reflector()
        refuses_to_start(tap, s)
        waits_for_plan(tap, s)
        frugal(tap, s)
        started_by_root(tap, s)
        collector_away(tap, s)
        service_manager(tap, s)
        interrupted(tap, s)
        consent_taken_back(tap, s)
        consent_taken_back_meanwhile(tap, s)
        full_disk(tap, s)


main()
