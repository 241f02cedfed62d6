#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Things that go wrong in the middle, in a laboratory of six homes.

Nothing may be called blocked because a server of ours was lost, every run
that an agent was told is stored must be stored, exactly once, and what cannot
be trusted must not count.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import enter
import measure
import netns
import plan
import topology
import world as worlds
from laboratory import Laboratory
from ports import ROOT
from postgres import SCRIPT
from program import wait_until
from tap import Tap

WORLD = """world faults "one provider, two reflectors, one home with a rule"
reflector fra1 network 192.0.2.0/24
reflector nyc1 network 198.51.100.0/24
isp 64496 "Alfa Net" country DE prefix 198.18.0.0/20 homes 6
rule gateway 64496/6 out tcp 445 drop
"""
REAL_BLOCK = ("tcp", 445)
CONTROLS = "443, 80, 8080"


class Bench:
    """The laboratory with what the scenarios share."""

    def __init__(self, lab, tap):
        self.lab = lab
        self.tap = tap
        self.known = []         # ids of all runs that agents told of

    def note(self, check):
        """Remember a check's runs; it must have worked."""
        if check.document is None:
            raise RuntimeError(f"check of {check.home} ended with "
                               f"{check.status}: {check.stderr}")
        self.known += [run["run"] for run in check.document["runs"]]
        return check

    def check(self, number, *args):
        return self.note(self.lab.home(f"64496/{number}").check(*args))

    def stored(self, check):
        """How often each of the check's runs is in the database."""
        ids = ", ".join(f"'{r['run']}'" for r in check.document["runs"])
        return [row["copies"] for row in self.lab.pg.rows(
            "select run_id, count(*) as copies from periplus.run "
            f"where run_id in ({ids}) group by run_id")]

    def status_of(self, run_id):
        return self.lab.pg.value(
            "select s.name from periplus.run r join periplus.run_status s "
            f"on s.code = r.status where r.run_id = '{run_id}'")

    def votes_of(self, run_id):
        """Votes of the line day that a run belongs to."""
        self.lab.aggregate()
        return int(self.lab.pg.value(
            "select count(*) from periplus.line_vote v join periplus.run r "
            "on r.agent_id = v.agent_id and r.family = v.family "
            f"where r.run_id = '{run_id}' and v.vote > 0"))

    def falsely_blocked(self):
        """Cells other than the real block in which any line votes so."""
        self.lab.aggregate()
        return [cell for cell, v in measure.verdicts(self.lab).items()
                if v["counts"]["blocked"]
                and (cell.transport, cell.port) != REAL_BLOCK]


def run_of(check, reflector):
    return next(r for r in check.document["runs"]
                if r["reflector"] == reflector)


# ---- a reflector that is lost in the middle ---------------------------------

def probes_seen(node):
    """Count, from now on, the probes that reach a reflector."""
    netns.feed(node, ["nft", "-f", "-"], (
        "table inet watch\ndelete table inet watch\n"
        "table inet watch {\n counter probes { }\n chain in {\n"
        "  type filter hook input priority -10\n"
        f"  tcp dport != {{ {CONTROLS} }} counter name probes\n"
        " }\n}\n"))

    def count():
        done = netns.call(node, lambda: subprocess.run(
            ["nft", "-j", "list", "counters"], capture_output=True,
            text=True, check=True))
        counters = [o["counter"] for o in json.loads(done.stdout)["nftables"]
                    if "counter" in o]
        return counters[0]["packets"]

    return count


def lose_reflector(bench, number, how):
    """Lose nyc1 while a home probes it; how() does it."""
    home = bench.lab.home(f"64496/{number}")
    node = topology.reflector_node(bench.lab.reflectors["nyc1"].spec)
    count = probes_seen(node)
    process = home.start_check()
    wait_until(lambda: count() > 30, "probes to reach nyc1")
    how()
    return bench.note(home.finish(process))


def lost_run_is_void(bench, check, what):
    lost, other = run_of(check, "nyc1"), run_of(check, "fra1")
    bench.tap.equal(check.status, 0, f"{what}: the check ends well")
    bench.tap.ok(lost["void"]["tcp"] and lost["void"]["udp"],
                 f"{what}: its run is void", lost["void"])
    bench.tap.equal(other["void"], {"tcp": None, "udp": None},
                    f"{what}: the other reflector's run is not")
    bench.tap.equal(bench.status_of(lost["run"]), "void",
                    f"{what}: it is stored as void")
    bench.tap.equal(bench.falsely_blocked(), [],
                    f"{what}: no cell has a vote for blocked")


def reflector_killed(bench):
    nyc1 = bench.lab.reflectors["nyc1"]
    check = lose_reflector(bench, 1, nyc1.kill)
    lost_run_is_void(bench, check, "reflector killed mid-run")
    nyc1.start()


def reflector_unplugged(bench):
    nyc1 = bench.lab.reflectors["nyc1"]
    node = topology.reflector_node(nyc1.spec)

    def rule(verdict):
        netns.feed(node, ["nft", "-f", "-"], (
            "table inet plug\ndelete table inet plug\ntable inet plug {\n"
            " chain in {\n  type filter hook input priority 10\n"
            f"  {verdict}\n }}\n}}\n"))

    check = lose_reflector(bench, 2, lambda: rule("drop"))
    rule("accept")
    lost_run_is_void(bench, check, "reflector unplugged mid-run")


# ---- the collector and the database -----------------------------------------

@contextlib.contextmanager
def stuck_store(lab):
    """Hold a lock that keeps the collector from storing; then let go."""
    session = subprocess.Popen(
        [SCRIPT, "psql", lab.pg.directory, "-q"], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    session.stdin.write("begin; lock table periplus.run in exclusive mode;\n")
    session.stdin.flush()
    wait_until(lambda: lab.pg.value(
        "select count(*) from pg_locks where mode = 'ExclusiveLock' and "
        "granted and relation = 'periplus.run'::regclass") == "1",
        "the lock to be held")
    try:
        yield
    finally:
        session.stdin.close()       # psql ends, and its transaction
        session.wait(20)


def wait_store_is_stuck(lab):
    """The collector is inside a transaction, with a batch in hand."""
    wait_until(lambda: lab.pg.value(
        "select count(*) from pg_locks where not granted "
        "and relation = 'periplus.run'::regclass") != "0",
        "the collector to wait for the lock")


def drained(bench, number):
    """Check again, which sends what is left; True when nothing is."""
    check = bench.check(number, "--reflector", "fra1")
    return check.document["upload"]["waiting"] == 0


def acknowledged_are_stored(bench, check, what):
    """Runs that the agent may forget must be there, exactly once."""
    upload = check.document["upload"]
    bench.tap.ok(len(bench.stored(check)) >= upload["stored"],
                 f"{what}: what is acknowledged is stored", upload)


def all_stored_once(bench, check, number, what):
    bench.tap.ok(drained(bench, number), f"{what}: the spool drains")
    bench.tap.equal(bench.stored(check), [1, 1],
                    f"{what}: each run is stored exactly once")


def collector_killed(bench):
    lab, what = bench.lab, "collector killed mid-batch"
    home = lab.home("64496/3")
    with stuck_store(lab):
        process = home.start_check()
        wait_store_is_stuck(lab)
        lab.collector.kill()
    lab.collector.start()
    check = bench.note(home.finish(process))
    acknowledged_are_stored(bench, check, what)
    all_stored_once(bench, check, 3, what)


def database_crashes(bench):
    lab, what = bench.lab, "database crashes mid-batch"
    home = lab.home("64496/4")
    with stuck_store(lab):
        process = home.start_check()
        wait_store_is_stuck(lab)
        lab.pg.restart("immediate")
    check = bench.note(home.finish(process))
    bench.tap.ok(lab.collector.daemon.running(),
                 f"{what}: the collector goes on")
    acknowledged_are_stored(bench, check, what)
    all_stored_once(bench, check, 4, what)


def database_restarts_under_load(bench):
    lab, what = bench.lab, "database restarts under load"
    checks = []

    def measure_on(number):
        for _ in range(3):
            checks.append(bench.check(number))

    threads = [threading.Thread(target=measure_on, args=(n,))
               for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for count in (2, 5, 8):
        wait_until(lambda least=count: len(checks) >= least,
                   "checks to end", 120)
        lab.pg.restart()
    for thread in threads:
        thread.join()
    for number in (1, 2, 3, 4):
        bench.tap.ok(drained(bench, number),
                     f"{what}: the spool of home {number} drains")
    copies = [n for check in checks for n in bench.stored(check)]
    bench.tap.equal((len(copies), set(copies)), (24, {1}),
                    f"{what}: each of 24 runs is stored exactly once")


def answer_lost(bench):
    """The commit happens and its acknowledgement does not arrive."""
    lab, what = bench.lab, "acknowledgement lost"
    home = lab.home("64496/5")

    def rule(verdict):
        netns.feed(topology.COLLECTOR, ["nft", "-f", "-"], (
            "table inet mute\ndelete table inet mute\ntable inet mute {\n"
            " chain out {\n  type filter hook output priority 0\n"
            f"  tcp sport {plan.COLLECTOR_PORT} {verdict}\n }}\n}}\n"))

    before = int(lab.pg.value("select count(*) from periplus.run"))
    with stuck_store(lab):
        process = home.start_check()
        wait_store_is_stuck(lab)
        rule("drop")
    wait_until(lambda: int(lab.pg.value(
        "select count(*) from periplus.run")) > before, "the commit")
    lab.collector.kill()
    rule("accept")
    lab.collector.start()
    check = bench.note(home.finish(process))
    acknowledged_are_stored(bench, check, what)
    all_stored_once(bench, check, 5, what)


# ---- runs that wait, and runs that lie --------------------------------------

def forge_open(path):
    """Claim in a spooled run that the blocked port was open."""
    with open(path, "r+", encoding="utf-8") as f:
        record = json.load(f)
        probe = record["probe"]
        at = next(i for i, port in enumerate(probe["port"])
                  if (probe["transport"][i], port) == (0, REAL_BLOCK[1]))
        probe["outcome"][at] = 1
        f.seek(0)
        f.truncate()
        json.dump(record, f, separators=(",", ":"))
    return record["run"]


def collector_away(bench):
    """Away for a while; one of the runs that wait is tampered with."""
    lab, what = bench.lab, "collector away"
    bench.tap.equal(lab.collector.stop(), 0, f"{what}: it stops cleanly")
    homes = [lab.home("64496/1"), lab.home("64496/6")]
    processes = [home.start_check() for home in homes]
    honest, liar = [bench.note(home.finish(process))
                    for home, process in zip(homes, processes)]
    bench.tap.equal((honest.status, honest.document["upload"]["waiting"],
                     len(homes[0].spool())), (0, 2, 2),
                    f"{what}: runs wait in the spool")
    forged = [forge_open(path) for path in homes[1].spool()]
    lab.collector.start()

    # The service measures before it sends: let it have little to measure.
    few = [p for p in lab.ports if p.port in (53, 443)]
    lab.publish(plan.write(lab.world, few, lab.collector.public_key, serial=2))
    service = homes[0].service()
    service.start()
    wait_until(lambda: not homes[0].spool(), "the service to drain the spool",
               60)
    bench.tap.ok(True, f"{what}: the service drains the spool")
    bench.tap.equal(service.stop(), 0, f"{what}: the service stops cleanly")
    bench.tap.equal(bench.stored(honest), [1, 1],
                    f"{what}: each run is stored exactly once")

    lab.publish(plan.write(lab.world, lab.ports, lab.collector.public_key,
                           serial=3))
    bench.check(6, "--reflector", "fra1")       # sends what waits, too
    bench.tap.equal(bench.stored(liar), [1, 1],
                    "open that nobody saw: the runs are kept")
    bench.tap.equal({bench.status_of(run) for run in forged}, {"unproven"},
                    "open that nobody saw: they are unproven")


def bad_manifest(bench):
    """A reflector that seals with a key the collector does not know."""
    fra1 = bench.lab.reflectors["fra1"]
    fra1.stop()
    fra1.use_receipt_key("00" * 32)
    fra1.start()
    home = bench.lab.home("64496/6")
    os.rename(f"{home.where}/state/agent.key", f"{home.where}/old.key")
    check = bench.check(6)      # as a new agent, so that its votes are its own
    fra1.stop()
    fra1.use_receipt_key(fra1.receipt_key)
    fra1.start()
    bad, good = run_of(check, "fra1")["run"], run_of(check, "nyc1")["run"]
    bench.tap.equal((bench.status_of(bad), bench.status_of(good)),
                    ("unproven", "valid"),
                    "bad manifest: the run is stored as unproven")
    bench.tap.equal(bench.votes_of(good), 0,
                    "bad manifest: with one reflector left nothing is voted")
    bench.check(6)
    bench.tap.ok(bench.votes_of(good) > 100,
                 "bad manifest: with a good one the same line votes")


# ---- plans that must be refused ---------------------------------------------

def refused(bench, home, word, what):
    """The plan being served must be refused, with one clear line."""
    check = home.check("--no-upload")
    lines = check.stderr.strip().splitlines()
    bench.tap.ok(check.status == 5 and len(lines) == 1 and word in lines[0],
                 f"{what} is refused (status 5, one line)",
                 f"status {check.status}: {check.stderr}")


def plans(bench):
    lab = bench.lab
    home = lab.home("64496/5")
    key = lab.collector.public_key
    for name in ("plan.json", "plan.json.minisig", "plan-seen.json"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{home.where}/state/{name}")

    def write(**changes):
        return plan.write(lab.world, lab.ports, key, **changes)

    stranger = plan.Signer("/run/lab/stranger")
    lab.publish(write(serial=7), stranger)
    refused(bench, home, "signed by key", "a plan signed by somebody else")
    lab.plan_host.publish(write(serial=8), lab.signer.sign(write(serial=7)))
    refused(bench, home, "signature", "a plan changed after signing")
    lab.publish(write(serial=7, valid_days=-1))
    refused(bench, home, "expired", "an expired plan")
    lab.publish(write(serial=7, format="periplus-plan/9"))
    refused(bench, home, "periplus-plan/1", "a plan of an unknown format")
    lab.publish(write(serial=7))
    good = home.check("--no-upload", "--reflector", "fra1")
    bench.tap.equal((good.status, good.document and good.document["plan"]),
                    (0, 7), "a good plan is used")
    lab.publish(write(serial=6))
    older = home.check("--no-upload", "--reflector", "fra1")
    bench.tap.equal((older.status, older.document and older.document["plan"]),
                    (0, 7), "an older plan does not replace it")
    bench.tap.ok("6" in older.stderr and "7" in older.stderr,
                 "and the person is told", older.stderr)
    home.configure(allow_any_target="no")
    lab.publish(write(serial=9))
    refused(bench, home, "192.0.2", "a plan with targets that are not public")
    home.configure()
    lab.publish(write(serial=10))


def no_consent(bench):
    home = bench.lab.home("64496/5")
    home.command("consent", "--revoke")
    check = home.check("--no-upload")
    home.command("consent", "--grant", "all")
    bench.tap.ok(check.status == 4 and "consent" in check.stderr,
                 "nothing is measured without consent", check.stderr)


def everything_once(bench):
    """The last word: no run of the whole test is missing or doubled."""
    rows = bench.lab.pg.rows("select run_id from periplus.run")
    ids = [row["run_id"] for row in rows]
    bench.tap.equal(len(ids), len(set(ids)), "no run is stored twice")
    missing = set(bench.known) - set(ids)
    bench.tap.equal(missing, set(), "no run is missing")
    bench.tap.equal(bench.falsely_blocked(), [],
                    "after all this nothing is falsely blocked")


def main():
    enter.reenter()
    world = worlds.parse(WORLD, "faults.world")
    build = os.path.join(ROOT, os.environ.get("BUILD") or "build")
    with Tap() as tap, Laboratory(world, build, tap.say) as lab:
        bench = Bench(lab, tap)
        for scenario in (reflector_killed, reflector_unplugged,
                         collector_killed, database_crashes,
                         database_restarts_under_load, answer_lost,
                         collector_away, bad_manifest, plans, no_consent,
                         everything_once):
            start = time.monotonic()
            scenario(bench)
            tap.say(f"{scenario.__name__}: {time.monotonic() - start:.0f} s")


main()
