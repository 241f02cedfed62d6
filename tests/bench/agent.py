# SPDX-License-Identifier: Apache-2.0
"""agent - what the agent costs: memory, wake-ups, bytes, and time beside nmap.

Runs in the lab's namespaces, with the real programs on real paths.
"""

import json
import os
import re
import statistics
import subprocess
import time
import xml.etree.ElementTree as xml

import netns
from program import must, unprivileged, wait_until

DROPPED = "64496/1"
OPEN = "64497/1"
PAIRS = 3           # of nmap and check, one after the other
IDLE_S = 5.0


class BenchError(Exception):
    """What was measured cannot be compared."""


def _status(path, field):
    """A number of /proc/.../status; 0 when a zombie has none."""
    with open(f"{path}/status", encoding="ascii") as f:
        found = re.search(rf"^{field}:\s+(\d+)", f.read(), re.M)
    return int(found[1]) if found else 0


def _start(home, *args):
    argv = [home.lab.programs["periplus"], args[0], "--config", home.conf,
            *args[1:]]
    return netns.popen(home.node, unprivileged(argv), text=True, cwd="/",
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def peak_rss_mb(home):
    """Peak resident memory of one whole check with upload."""
    home.prepare()
    process = _start(home, "check", "--json")
    peak_kb = 0
    while process.poll() is None:
        peak_kb = max(peak_kb, _status(f"/proc/{process.pid}", "VmHWM"))
        time.sleep(0.01)
    stdout, stderr = process.communicate()
    if process.returncode != 0 or not json.loads(stdout)["runs"]:
        raise BenchError(f"check failed: {stderr}")
    return peak_kb / 1024


def idle_wakeups(home):
    """How often any thread of the service woke while it waited for a slot."""
    def switches():
        tasks = f"/proc/{process.pid}/task"
        return sum(_status(f"{tasks}/{t}", "voluntary_ctxt_switches")
                   for t in os.listdir(tasks))

    def settled():
        before = switches()
        time.sleep(0.5)
        return switches() == before

    process = _start(home, "run")
    try:
        wait_until(settled, "the service to fall asleep", 120)
        before = switches()
        time.sleep(IDLE_S)
        if process.poll() is not None:
            raise BenchError(f"the service ended: {process.stderr.read()}")
        return switches() - before
    finally:
        process.terminate()
        process.communicate()


def _bytes_of(node):
    """All bytes that the namespace's interfaces sent and received so far."""
    def read():
        with open("/proc/thread-self/net/dev", encoding="ascii") as f:
            lines = [line.split(":", 1) for line in f if ":" in line]
        return sum(int(rest.split()[0]) + int(rest.split()[8])
                   for name, rest in lines if name.strip() != "lo")

    return netns.call(node, read)


def run_bytes(home):
    """Bytes on the wire for one full run: plan, probes, manifest, upload."""
    home.prepare()
    before = _bytes_of(home.node)
    check = home.check("--family", "4")
    after = _bytes_of(home.node)
    if check.status != 0 or len(check.document["runs"]) != 1:
        raise BenchError(f"check failed: {check.stderr}")
    return after - before


def _nmap(home, target, ports):
    """Scan with nmap; returns seconds and the state of each TCP port."""
    lists = {t: ",".join(str(p) for u, p in ports if u == t)
             for t in ("tcp", "udp")}
    argv = ["nmap", "-n", "-sT", "-sU", "-oX", "-",
            "-p", f"T:{lists['tcp']},U:{lists['udp']}", str(target)]
    start = time.monotonic()
    out = must(netns.call(home.node, lambda: subprocess.run(
        argv, capture_output=True, text=True, check=False)), "nmap")
    seconds = time.monotonic() - start
    states = {int(p.get("portid")): p.find("state").get("state")
              for p in xml.fromstring(out).iter("port")
              if p.get("protocol") == "tcp"}
    unlisted = {p for t, p in ports if t == "tcp"} - states.keys()
    if unlisted:
        raise BenchError(f"nmap says nothing about TCP {sorted(unlisted)}")
    return seconds, states


def _check(home):
    start = time.monotonic()
    check = home.check("--no-upload", "--family", "4")
    seconds = time.monotonic() - start
    if check.status != 0:
        raise BenchError(f"check failed: {check.stderr}")
    return seconds, check.document["runs"][0]["probes"]


SAME = {"open": {"open"}, "filtered": {"timeout", "unreachable"},
        "closed": {"refused"}}


def check_beside_nmap(home, target, ports):
    """Times of check and of nmap in turn, and the TCP ports they differ on."""
    times = {"check": [], "nmap": []}
    differ = []
    home.prepare()
    for _ in range(PAIRS):
        seconds, states = _nmap(home, target, ports)
        times["nmap"].append(seconds)
        seconds, probes = _check(home)
        times["check"].append(seconds)
        differ += [f"{p['port']}/tcp: nmap {states[p['port']]}, "
                   f"check {p['outcome']}" for p in probes
                   if p["transport"] == "tcp" and p["outcome"] != "untested"
                   and p["outcome"] not in SAME[states[p["port"]]]]
    if differ:
        raise BenchError("check and nmap differ: " + "; ".join(differ))
    return {name: statistics.median(t) for name, t in times.items()}
