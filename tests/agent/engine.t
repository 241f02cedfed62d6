#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The probe engine against a real reflector over real packets.

A home, a router and a reflector in namespaces; nftables blocks in every way
that matters.  Asserts on facts, never on times.  Needs root for the
namespaces; the engine itself runs as nobody without capabilities.
"""

import base64
import json
import os
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wire_lab import (BUILD, HOME4, HOME6, OTHER4, OTHER6, REFLECTOR4,
                      REFLECTOR6, ROUTER4, ROUTER6, Lab)

count = 0
failed = 0


def ok(good, name, detail=""):
    global count, failed
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    if not good:
        failed += 1
        for line in str(detail).splitlines():
            print(f"# {line}")
    sys.stdout.flush()


def same(got, wanted, name):
    ok(got == wanted, name, f"got    {got!r}\nwanted {wanted!r}")


def probe_of(run, transport, port):
    for p in run["probes"]:
        if p["transport"] == transport and p["port"] == port:
            return p
    raise KeyError((transport, port))


# ---- every way to block, IPv4 and IPv6 ------------------------------------

ROUTER_RULES = f"""
table inet filter {{
  chain forward {{
    type filter hook forward priority 0
    tcp dport 139 reject with tcp reset
    tcp dport 445 reject with icmpx admin-prohibited
    tcp dport 3389 reject with icmpx port-unreachable
    tcp dport 5900 reject with icmpx host-unreachable
    tcp dport 6379 drop
    tcp sport 3306 drop
    tcp dport 5432 tcp flags & psh == psh reject with tcp reset
    tcp dport 1433 tcp flags & psh == psh drop
    udp dport 123 drop
    udp dport 137 reject with icmpx port-unreachable
    udp dport 161 reject with icmpx admin-prohibited
    udp sport 500 drop
  }}
}}
table ip nat4 {{
  chain pre {{
    type nat hook prerouting priority dstnat
    iifname pah1 tcp dport 25 redirect to :2525
    iifname pah1 tcp dport 8080 redirect to :2526
    iifname pah1 tcp dport 21 redirect to :2527
    iifname pah1 tcp dport 23 redirect to :2528
    iifname pah1 udp dport 53 redirect to :2553
    iifname pah1 tcp dport 110 dnat to :995
    iifname pah1 udp dport 69 dnat to :1434
  }}
  chain post {{
    type nat hook postrouting priority srcnat
    oifname pad0 udp dport 1900 snat to {OTHER4}
    oifname pad0 tcp dport 2049 snat to {OTHER4}
  }}
}}
table ip6 nat6 {{
  chain pre {{
    type nat hook prerouting priority dstnat
    iifname pah1 tcp dport 25 redirect to :2525
    iifname pah1 tcp dport 8080 redirect to :2526
    iifname pah1 tcp dport 21 redirect to :2527
    iifname pah1 tcp dport 23 redirect to :2528
    iifname pah1 udp dport 53 redirect to :2553
    iifname pah1 tcp dport 110 dnat to :995
    iifname pah1 udp dport 69 dnat to :1434
  }}
  chain post {{
    type nat hook postrouting priority srcnat
    oifname pad0 udp dport 1900 snat to {OTHER6}
    oifname pad0 tcp dport 2049 snat to {OTHER6}
  }}
}}
"""

HOME_RULES = """
table inet filter {
  chain output {
    type filter hook output priority 0
    tcp dport 143 drop
    tcp dport 993 reject
    udp dport 389 drop
    udp dport 1194 reject
  }
}
"""

BANNER = base64.b64encode(b"220 mail.isp.example ESMTP\r\n").decode()
NOISE = base64.b64encode(b"not the reflector").decode()
EPERM, ECONNREFUSED = 1, 111


class Between:
    """Equal to the numbers from one to another."""

    def __init__(self, least, most):
        self.least, self.most = least, most

    def __eq__(self, other):
        return self.least <= other <= self.most

    def __repr__(self):
        return f"{self.least} to {self.most}"


# Two that agree, and more until something else gets through.
TRIES = Between(2, 4)


def expected(family):
    """(transport, port) -> what the probe's JSON must contain."""
    v6 = family == 6
    router, home = (ROUTER6, HOME6) if v6 else (ROUTER4, HOME4)
    prohibited = [1, 1] if v6 else [3, 13]
    no_port = [1, 4] if v6 else [3, 3]
    no_host = [1, 3] if v6 else [3, 1]
    wanted = {
        ("tcp", 22): {"outcome": "open", "attempts": 1, "seen": "yes"},
        ("tcp", 80): {"outcome": "open", "attempts": 1, "seen": "yes"},
        ("tcp", 443): {"outcome": "open", "attempts": 1, "seen": "yes"},
        ("udp", 443): {"outcome": "open", "attempts": 1, "seen": "yes"},
        ("tcp", 25): {"outcome": "intercepted", "banner": BANNER,
                      "attempts": TRIES, "seen": "no"},
        ("tcp", 8080): {"outcome": "timeout", "attempts": 4, "seen": "no"},
        ("tcp", 21): {"outcome": "reset", "attempts": TRIES, "seen": "no"},
        ("tcp", 23): {"outcome": "intercepted", "attempts": TRIES,
                      "seen": "no"},
        ("tcp", 110): {"outcome": "altered", "arrived": 995, "attempts": 2},
        ("tcp", 139): {"outcome": "refused", "attempts": TRIES, "seen": "no"},
        ("tcp", 445): {"outcome": "unreachable", "icmp": prohibited,
                       "from": router, "attempts": TRIES, "seen": "no"},
        ("tcp", 3389): {"outcome": "unreachable", "icmp": no_port,
                        "from": router, "attempts": TRIES},
        ("tcp", 5900): {"outcome": "unreachable", "icmp": no_host,
                        "from": router, "attempts": TRIES},
        ("tcp", 6379): {"outcome": "timeout", "attempts": 4, "seen": "no",
                        "rtt_us": 0},
        ("tcp", 3306): {"outcome": "timeout", "attempts": 4, "seen": "yes"},
        ("tcp", 5432): {"outcome": "reset", "attempts": TRIES},
        ("tcp", 1433): {"outcome": "timeout", "attempts": 4},
        ("tcp", 143): {"outcome": "denied", "errno": EPERM, "attempts": 4},
        ("tcp", 993): {"outcome": "denied", "errno": ECONNREFUSED,
                       "from": home, "attempts": TRIES},
        ("udp", 389): {"outcome": "denied", "errno": EPERM, "attempts": TRIES},
        ("udp", 1194): {"outcome": "denied", "attempts": TRIES, "from": home},
        ("udp", 53): {"outcome": "intercepted", "banner": NOISE,
                      "attempts": TRIES, "seen": "no"},
        ("udp", 69): {"outcome": "altered", "arrived": 1434, "attempts": 2},
        ("udp", 123): {"outcome": "timeout", "attempts": 4, "seen": "no"},
        ("udp", 137): {"outcome": "refused", "icmp": no_port, "from": router,
                       "attempts": TRIES, "seen": "no"},
        ("udp", 161): {"outcome": "unreachable", "icmp": prohibited,
                       "from": router, "attempts": TRIES},
        ("udp", 500): {"outcome": "timeout", "attempts": 4, "seen": "yes"},
        ("udp", 1900): {"outcome": "untestable", "seen": "unknown"},
        ("tcp", 2049): {"outcome": "untestable", "seen": "unknown"},
        ("tcp", 111): {"outcome": "untested", "skip": "not_listening",
                       "attempts": 0, "seen": "unknown"},
        ("udp", 547): {"outcome": "open"} if v6 else
                      {"outcome": "untested", "skip": "family"},
    }
    return wanted


def every_way(lab):
    lab.rules(lab.router, ROUTER_RULES)
    lab.rules(lab.home, HOME_RULES)
    probes = [(t, p, "basic") for t, p in expected(4)]
    probes.append(("tcp", 9001, "tor_vpn"))
    check = lab.check(lab.plan(probes), families="46", classes=1)
    same([r["family"] for r in check["runs"]].count(6), 1, "IPv6 is its own run")
    for run in check["runs"]:
        family = run["family"]
        same(run["void"], {"tcp": None, "udp": None},
             f"IPv{family}: nothing is void")
        same(run["seen_address"],
             HOME6 if family == 6 else HOME4,
             f"IPv{family}: the reflector saw the address")
        for (transport, port), facts in expected(family).items():
            got = probe_of(run, transport, port)
            ok(all(got.get(k) == v for k, v in facts.items()),
               f"IPv{family}: {transport} {port} {facts['outcome']}",
               f"got {got}\nwanted {facts}")
        got = probe_of(run, "tcp", 9001)
        same((got["outcome"], got["skip"], got["attempts"]),
             ("untested", "no_consent", 0),
             f"IPv{family}: without consent nothing is sent")
        timed = [p for p in run["probes"] if p["outcome"] == "open"]
        ok(all(p["rtt_us"] > 0 for p in timed), f"IPv{family}: opens are timed")
    text = " ".join(check["stderr"].split())
    ok("refused by your home router (192.168.7.1)" in text,
       "the table names the home router", check["stderr"])
    lab.rules(lab.router, "")
    lab.rules(lab.home, "")


# ---- when the transport or the reflector fails -----------------------------

FEW = [("tcp", 22, "basic"), ("tcp", 25, "basic"), ("udp", 53, "basic"),
       ("udp", 123, "basic"), ("tcp", 443, "basic")]


def forward(rule):
    return f"""table inet filter {{
      chain forward {{
        type filter hook forward priority 0
        {rule}
      }}
    }}
    """


def only_run(check):
    same(len(check["runs"]), 1, "one run")
    return check["runs"][0]


def outcomes(run):
    return {(p["transport"], p["port"]): (p["outcome"], p["skip"])
            for p in run["probes"]}


def udp_dead(lab):
    lab.rules(lab.router, forward("meta l4proto udp drop"))
    run = only_run(lab.check(lab.plan(FEW)))
    same(run["void"], {"tcp": None, "udp": "control_before"},
         "without UDP only UDP is void")
    same(outcomes(run)["udp", 53], ("untested", "void"),
         "its probes are not made")
    same(outcomes(run)["tcp", 25], ("open", None), "TCP is measured")


def https_dead(lab):
    lab.rules(lab.router, forward("tcp dport 443 drop"))
    run = only_run(lab.check(lab.plan(FEW)))
    same(run["hello_error"], None, "hello gets through on another port")
    same(run["void"], {"tcp": "control_before", "udp": None},
         "443 is a control: TCP is void without it")
    same(outcomes(run)["udp", 53], ("open", None), "UDP is measured")


def all_dead(lab):
    lab.rules(lab.router, forward("drop"))
    check = lab.check(lab.plan(FEW))
    run = only_run(check)
    same(run["void"], {"tcp": "no_hello", "udp": "no_hello"},
         "no reflector: both transports are void")
    same(run["probes"], [], "and nothing was probed")
    ok("no answer" in run["hello_error"], "the reason is kept",
       run["hello_error"])
    same(check["summary"]["blocked_ports"], 0, "nothing is called blocked")


def not_there(lab):
    run = only_run(lab.check(lab.plan(FEW)))
    ok("refused" in run["hello_error"], "a reflector that is down refuses",
       run["hello_error"])


def portal(lab):
    """A captive portal: whatever the port, something else answers."""
    lab.rules(lab.router, """table ip nat4 {
      chain pre {
        type nat hook prerouting priority dstnat
        iifname pah1 ip protocol tcp redirect to :2525
      }
    }
    """)
    run = only_run(lab.check(lab.plan(FEW)))
    same(run["void"]["tcp"], "no_hello", "a captive portal is no reflector")
    ok("something else" in run["hello_error"], "and is told apart",
       run["hello_error"])


def other_source(lab):
    lab.rules(lab.router, f"""table ip nat4 {{
      chain post {{
        type nat hook postrouting priority srcnat
        oifname pad0 meta l4proto udp snat to {OTHER4}
      }}
    }}
    """)
    run = only_run(lab.check(lab.plan(FEW)))
    same(run["void"], {"tcp": None, "udp": "source_changed"},
         "a NAT that sends UDP from another address is recognised")


def report_dead(lab):
    """Everything works until the reflector is asked what it saw."""
    many = [("tcp", p, "basic") for p in (22, 25, 53, 110, 143, 6379)]
    lab.rules(lab.router, forward("tcp dport 6379 counter drop"))
    child = lab.engine(lab.plan(many))
    await_probe(lab)
    lab.rules(lab.router, forward(
        "tcp dport {80, 443, 8080, 6379} drop"))
    out, err = child.communicate()
    ok(child.returncode == 0, "the run ends by itself", err)
    run = json.loads(out)["runs"][0]
    same(run["void"]["tcp"], "control_after",
         "a control that fails after the probes voids them")
    ok(run["report_error"], "no manifest: the reason is kept", run)
    same(outcomes(run)["tcp", 6379][0], "timeout",
         "the outcome stays in the record")


def await_probe(lab):
    """Until the router has dropped a probe, and so the probes are under way."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        done = lab.inside(lab.router, "nft", "list", "ruleset",
                          capture_output=True)
        if re.search("counter packets [1-9]", done.stdout):
            return
        time.sleep(0.02)


def killed(lab):
    """The reflector dies while probes are under way."""
    lab.rules(lab.router, forward("tcp dport 25 counter drop"))
    child = lab.engine(lab.plan(FEW))
    await_probe(lab)
    lab.stop_reflector()
    out, err = child.communicate()
    ok(child.returncode == 0, "a lost reflector ends the run", err)
    run = json.loads(out)["runs"][0]
    ok(run["void"]["tcp"] and run["void"]["udp"],
       "and voids both transports", run["void"])


def cancelled(lab):
    lab.rules(lab.router, forward("tcp dport 25 drop; udp dport 53 drop"))
    for cancel in (0, 1, 30, 300, 1500):
        child = lab.engine(lab.plan(FEW), families="46", cancel=cancel)
        out, err = child.communicate()
        ok(child.returncode == 0 and out == "",
           f"a run cancelled after {cancel} ms leaves nothing", out + err)


def service(lab):
    """The patient ladder: the same facts, one attempt after the other."""
    lab.rules(lab.router, forward("tcp dport 25 drop; udp dport 53 drop; "
                                  "tcp dport 22 reject with tcp reset"))
    run = only_run(lab.check(lab.plan(FEW), pace="service"))
    same(run["void"], {"tcp": None, "udp": None}, "service: nothing is void")
    got = probe_of(run, "tcp", 25)
    same((got["outcome"], got["attempts"]), ("timeout", 4),
         "service: four attempts over TCP")
    got = probe_of(run, "udp", 53)
    same((got["outcome"], got["attempts"]), ("timeout", 4),
         "service: four attempts over UDP")
    got = probe_of(run, "tcp", 22)
    same((got["outcome"], got["attempts"]), ("refused", TRIES),
         "service: a refusal is found")


def whole_catalogue():
    """The default set, as in the seed file."""
    seed = os.path.join(os.path.dirname(__file__), "../../sql/seed/ports.tsv")
    with open(seed, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    return [(r[1], int(r[0]), "basic") for r in rows if r[7] in "12"]


def most_blocked(lab):
    """More blocked ports than may be open at once."""
    lab.rules(lab.router, forward("tcp dport { 1-79, 81-442, 444-8079 } drop;"
                                  "udp dport 1-9999 drop"))
    probes = whole_catalogue()
    run = only_run(lab.check(lab.plan(probes)))
    same(run["void"], {"tcp": None, "udp": None},
         "with most ports blocked the controls still count")
    wrong = {k: v for k, v in outcomes(run).items()
             if v[1] is None and v[0] != (
                 "open" if (k[0] == "udp" and k[1] > 9999) or
                 (k[0] == "tcp" and (k[1] in (80, 443) or k[1] > 8079))
                 else "timeout")}
    same(wrong, {}, f"all {len(probes)} probes come out right")


def outage(lab):
    """The path is dead for two seconds while the probes are under way."""
    probes = whole_catalogue()
    blocked = ("tcp dport {25, 445} counter drop; "
               "udp dport {69, 161} counter drop")
    truth = {("tcp", 25), ("tcp", 445), ("udp", 69), ("udp", 161)}

    def silent():
        lab.rules(lab.router, forward("drop"))
        time.sleep(2)
        lab.rules(lab.router, forward(blocked))

    def refusing():
        lab.rules(lab.router, forward("reject with icmpx no-route"))
        time.sleep(2)
        lab.rules(lab.router, forward(blocked))

    def unplugged():
        lab.inside(lab.home, "ip", "link", "set", "pah0", "down")
        time.sleep(2)
        lab.inside(lab.home, "ip", "link", "set", "pah0", "up")
        lab.inside(lab.home, "ip", "route", "add", "default", "via", ROUTER4)

    for break_it, name in ((silent, "swallows everything"),
                           (refusing, "answers that there is no route"),
                           (unplugged, "is unplugged here")):
        for pause in (0, 0.4):
            lab.rules(lab.router, forward(blocked))
            child = lab.engine(lab.plan(probes))
            await_probe(lab)
            time.sleep(pause)
            break_it()
            out, err = child.communicate()
            ok(child.returncode == 0, f"a path that {name}: the run ends", err)
            run = json.loads(out)["runs"][0]
            wrong = {k: v for k, v in outcomes(run).items()
                     if v[0] not in ("open", "untested") and k not in truth
                     and not run["void"][k[0]]}
            same(wrong, {}, f"a path that {name} for 2 s blocks nothing")
            same(run["void"], {"tcp": None, "udp": None},
                 "and it is measured all the same")
            found = {k for k in truth if outcomes(run)[k][0] != "open"}
            same(found, truth, "what is blocked is not called open")


def long_outage(lab):
    """Dead when the second chance is taken, and well for the controls."""
    lab.rules(lab.router, forward("tcp dport 25 counter drop; "
                                  "udp dport 53 counter drop"))
    child = lab.engine(lab.plan(FEW))
    await_probe(lab)
    lab.rules(lab.router, forward("drop"))
    time.sleep(9.5)
    lab.rules(lab.router, "")
    out, err = child.communicate()
    ok(child.returncode == 0, "a line that is dead twice: the run ends", err)
    run = json.loads(out)["runs"][0]
    same((run["void"], run["report_error"]),
         ({"tcp": "control_after", "udp": "control_after"}, None),
         "what is doubtful twice voids its transport")


def no_ipv6(lab):
    lab.inside(lab.home, "ip", "-6", "addr", "flush", "scope", "global")
    check = lab.check(lab.plan(FEW), families="46")
    six = [r for r in check["runs"] if r["family"] == 6][0]
    same(six["void"]["tcp"], "no_hello", "without IPv6 its run is void")
    ok("IPv6 was not tested: this line has none that works." in check["stderr"],
       "and the table says why", check["stderr"])


def far_away(lab):
    """A path of 300 ms: patience grows with it, and nothing is sent twice."""
    if not os.path.exists("/dev/net/tun"):
        ok(True, "a long path # SKIP no /dev/net/tun")
        return
    lab.slow_down(150)
    lab.rules(lab.router, forward("tcp dport 22 drop; udp dport 123 drop"))
    run = only_run(lab.check(lab.plan(FEW)))
    ok(run["rtt_us"] > 290000, "a long path is timed", run["rtt_us"])
    for transport, port in (("tcp", 25), ("udp", 53), ("tcp", 443)):
        got = probe_of(run, transport, port)
        same((got["outcome"], got["attempts"]), ("open", 1),
             f"a long path: {transport} {port} is open at once")
    same((outcomes(run)["tcp", 22][0], outcomes(run)["udp", 123][0]),
         ("timeout", "timeout"), "a long path: what is blocked is found")


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root for network namespaces")
        return 0
    with Lab() as lab:
        shutil.copy(f"{BUILD}/tests/agent/engine_run", lab.path("engine_run"))
        lab.start_strangers()
        lab.start_reflector(without="tcp/111")
        chosen = set(sys.argv[1:])
        for scenario in (every_way, udp_dead, https_dead, all_dead, portal,
                         other_source, report_dead, cancelled, service,
                         most_blocked, no_ipv6, outage, long_outage, far_away,
                         killed, not_there):
            if chosen and scenario.__name__ not in chosen:
                continue
            print(f"# {scenario.__name__}")
            lab.rules(lab.router, "")
            scenario(lab)
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
