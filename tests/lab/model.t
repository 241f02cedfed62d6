#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""The lab's own reasoning: world files, truth, verdict model, comparison.

Pure: no root, no network, no database.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bayes
import compare
import ports
import world as worlds
from oracle import Truth
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))

HEAD = """world test "for a test"
ports tcp/25,tcp/443,udp/53
reflector fra1 network 192.0.2.0/24 v6 2001:db8:f1::/48
reflector nyc1 network 198.51.100.0/24 v6 2001:db8:f2::/48
isp 64496 "Alfa" country DE prefix 198.18.0.0/20 v6 2001:db8:1000::/40 homes 5
"""

# A line of a world, and what its error must say beside file and line.
MISTAKES = (
    ('isp 1 "X" country DE prefix 198.18.16.0/20 homes 1', "documentation"),
    ('isp 64497 "X" country DE prefix 10.0.0.0/20 homes 1', "198.18.0.0/15"),
    ('isp 64497 "X" country DE prefix 198.18.16.0/20', "homes N"),
    ('isp 64497 "X" country de prefix 198.18.16.0/20 homes 1', "capital"),
    ('isp 64497 "X" country DE prefix 198.18.0.0/24 homes 1', "overlaps"),
    ('isp 64497 "X" country DE prefix 198.18.16.0/24 homes 201', "1 to 200"),
    ("reflector fra1 network 203.0.113.0/24", "already"),
    ("reflector x network 203.0.113.0/24", "192.0.2.0/24"),
    ("reflectr x", 'did you mean "reflector"'),
    ("rule isp 64499 out tcp 25 drop", "no ISP"),
    ("rule host 64496/9 out tcp 25 drop", "64496/1-5"),
    ("rule ips out tcp 25 drop", 'did you mean "isp"'),
    ("rule isp out tcp 25 dorp", 'did you mean "drop"'),
    ("rule isp sideways tcp 25 drop", "sideways"),
    ("rule isp out sctp 25 drop", "allowed: tcp, udp, both"),
    ("rule isp out tcp 70000 drop", "65535"),
    ("rule isp out tcp 30000-40000 drop", "whole range"),
    ("rule isp in tcp 25 redirect", "out only"),
    ("rule host out tcp 25 drop opt-out 1", "isp only"),
    ("rule isp out tcp 25 drop opt-out 9", "only 5 homes"),
    ("rule isp out tcp 25 drop from round 3 to 2", "from 3"),
    ("rule isp out tcp 25", "an action"),
    ("rule isp out tcp 25 drop v5", "allowed: v4, v6"),
    ('isp 64497 "X', "quotation"),
)

# place, action, direction: outcome of TCP, of UDP, and the votes.
TRUTH = {
    ("host", "drop", "out"): ("denied", "denied", None, None),
    ("host", "reset", "out"): ("refused", "denied", "blocked", None),
    ("host", "icmp", "out"): ("denied", "denied", None, None),
    ("gateway", "drop", "out"): ("timeout", "timeout", "blocked", "blocked"),
    ("gateway", "icmp", "out"): ("unreachable", "unreachable", None, None),
    ("isp", "drop", "out"): ("timeout", "timeout", "blocked", "blocked"),
    ("isp", "reset", "out"): ("refused", "timeout", "blocked", "blocked"),
    ("isp", "icmp", "out"): ("unreachable", "unreachable",
                             "blocked", "blocked"),
    ("isp", "redirect", "out"): ("intercepted", "intercepted",
                                 "intercepted", "intercepted"),
    ("isp", "drop", "in"): ("timeout", "timeout", "blocked", "blocked"),
    ("transit", "icmp", "out"): ("unreachable", "unreachable", None, None),
    ("reflector", "icmp", "out"): ("unreachable", "unreachable", None, None),
    ("reflector", "drop", "in"): ("timeout", "timeout", "blocked", "blocked"),
}


def truth_of(*rules, rounds=1):
    world = worlds.parse(HEAD + "\n".join(rules), "test.world")
    return Truth(world, ports.of_world(world), rounds)


def probe(truth, transport, port, family=4, round_number=1):
    return truth.probes["64496/1", "fra1", family, round_number, transport,
                        port]


def cell(truth, transport, port, family=4):
    return next(v for c, v in truth.cells.items()
                if (c.transport, c.port, c.family) ==
                (transport, port, family))


def world_files(tap):
    for name in sorted(os.listdir(os.path.join(HERE, "worlds"))):
        world = worlds.load(os.path.join(HERE, "worlds", name))
        tap.ok(world.homes() and ports.of_world(world), f"{name} is a world")
    for line, says in MISTAKES:
        try:
            worlds.parse(HEAD + line, "test.world")
            error = "accepted"
        except worlds.WorldError as e:
            error = str(e)
        tap.ok(error.startswith("test.world") and says in error,
               f"told in one line: {line}", error)


def probes(tap):
    for (place, action, direction), want in TRUTH.items():
        truth = truth_of(f"rule {place} {direction} tcp 25 {action}",
                         f"rule {place} {direction} udp 53 {action}")
        for family in (4, 6):
            tcp = probe(truth, "tcp", 25, family)
            udp = probe(truth, "udp", 53, family)
            got = (*tcp.outcomes, *udp.outcomes, tcp.vote, udp.vote)
            tap.equal(got, want, f"{action} at the {place}, {direction}, "
                      f"IPv{family}")
    nearest = truth_of("rule isp out tcp 25 icmp", "rule host out tcp 25 drop")
    tap.equal(set(probe(nearest, "tcp", 25).outcomes), {"denied"},
              "the nearest place decides")
    first = truth_of("rule isp out tcp 25 icmp", "rule isp out tcp 25 drop")
    tap.equal(set(probe(first, "tcp", 25).outcomes), {"unreachable"},
              "at one place the first rule decides")
    lost = truth_of("rule isp out tcp 25 reset", "rule gateway in tcp 25 drop")
    tap.equal(set(probe(lost, "tcp", 25).outcomes), {"timeout"},
              "a reset can be lost on its way, too")
    v6 = truth_of("rule isp out tcp 25 drop v6")
    tap.ok("open" in probe(v6, "tcp", 25, 4).outcomes
           and "timeout" in probe(v6, "tcp", 25, 6).outcomes,
           "a rule may hold for one family")
    later = truth_of("rule isp out tcp 25 drop from round 2", rounds=2)
    tap.ok("open" in probe(later, "tcp", 25).outcomes
           and "timeout" in probe(later, "tcp", 25, 4, 2).outcomes,
           "a rule may begin later")
    void = truth_of("rule isp out tcp 443 drop")
    tap.equal(void.runs["64496/1", "fra1", 4, 1].void,
              {"tcp": "control_before", "udp": None},
              "a lost control voids its transport")


def verdicts(tap):
    for n, blocked_from, open_to in ((5, 5, 0), (10, 9, 2), (20, 17, 4),
                                     (50, 41, 12)):
        got = (min(k for k in range(n + 1)
                   if bayes.claims(n, k).blocked >= bayes.CERTAIN),
               max(k for k in range(n + 1)
                   if bayes.claims(n, k).open >= bayes.CERTAIN))
        tap.equal(got, (blocked_from, open_to),
                  f"of {n} lines: least blocked, most open")
    blocked = truth_of("rule isp out udp 53 drop")
    tap.equal(cell(blocked, "udp", 53).label, "blocked", "five of five")
    exempt = truth_of("rule isp out udp 53 drop opt-out 2")
    tap.equal((cell(exempt, "udp", 53).k, cell(exempt, "udp", 53).n), (3, 5),
              "who opted out is open")
    one = truth_of("rule reflector fra1 out udp 53 drop")
    tap.equal(cell(one, "udp", 53).n, 0, "reflectors that differ: no vote")
    own = truth_of("rule host 64496/1 out udp 53 drop")
    tap.equal((cell(own, "udp", 53).n, cell(own, "udp", 53).label),
              (4, "insufficient"), "a home's own denial does not vote")


def measured(truth, outcome):
    """Runs as they must be, but for udp/53 of one home."""
    runs = {}
    for key, expected in truth.probes.items():
        run = runs.setdefault(key[:4], compare.MeasuredRun(
            "id", dict(truth.runs[key[:4]].void), {}, True, "valid"))
        run.outcomes[key[4:]] = min(expected.outcomes)
        run.places[key[4:]] = min(expected.places)
        run.seen[key[4:]] = min(expected.seen)
    runs["64496/1", "fra1", 4, 1].outcomes["udp", 53] = outcome
    return runs


def comparison(tap):
    truth = truth_of("rule isp out udp 53 drop")
    for outcome, want in (("timeout", "right"), ("open", "wrong"),
                          ("untested", "unknown"), ("refused", "wrong")):
        graded = [p for p in compare.probes(truth, measured(truth, outcome))
                  if p["transport"] == "udp" and p["home"] == "64496/1"
                  and p["reflector"] == "fra1" and p["family"] == 4]
        tap.equal([p["grade"] for p in graded], [want],
                  f"{outcome} where a drop is: {want}")
    for label, blocked, want in (("blocked", 5, "right"),
                                 ("partial", 5, "wrong"),
                                 ("blocked", 4, "wrong")):
        said = {c: {"label": label, "counts": {
            "open": 5 - blocked, "blocked": blocked, "intercepted": 0,
            "altered": 0}} for c in truth.cells
            if (c.transport, c.port) == ("udp", 53)}
        graded = [c["grade"] for c in compare.cells(truth, said)
                  if c["transport"] == "udp"]
        tap.equal(set(graded), {want}, f"{label} {blocked}/5: {want}")
    unsaid = [c["grade"] for c in compare.cells(truth, {})]
    tap.equal(set(unsaid), {"wrong"}, "a missing verdict is wrong")


with Tap() as t:
    world_files(t)
    probes(t)
    verdicts(t)
    comparison(t)
