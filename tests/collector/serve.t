#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The real periplus-collector: CURVE connections, PostgreSQL, restarts.

What must hold above all: a run that was acknowledged is in the database
exactly once, whatever is killed when.  The environment variable BUILD names
the build directory.
"""
import base64
import concurrent.futures
import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from tap import Tap  # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
COLLECTOR = os.path.join(BUILD, "bin", "periplus-collector")
SWARM = os.path.join(BUILD, "tests-bin", "swarm")
PEER = os.path.join(BUILD, "tests-bin", "peer")
PG = os.path.join(ROOT, "tests", "db", "pg")
MAKE_MMDB = os.path.join(ROOT, "tests", "geo", "make_mmdb.pl")
RECEIPT_KEY = "07" * 32
SANITIZED = BUILD.endswith("-san")
MANY = 3000 if SANITIZED else 12000
DEADLINE_S = 60


def wait_until(fact, what, seconds=DEADLINE_S):
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Database:
    def __init__(self, where):
        self.where = where
        os.makedirs(where)
        self.call("start")

    def call(self, command, *args):
        return subprocess.run(["sh", PG, command, self.where, *args],
                              check=True, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout

    def conninfo(self, user):
        return f"host={self.where} dbname=periplus user={user}"

    def rows(self, sql):
        out = self.call("psql", "-U", "postgres", "-At", "-F", "\t", "-c", sql)
        return [line.split("\t") for line in out.splitlines()]

    def value(self, sql):
        return self.rows(sql)[0][0]

    def count(self, where="true"):
        return int(self.value(
            f"select count(*) from periplus.run where {where}"))

    def clear(self):
        self.rows("truncate periplus.run, periplus.run_mark")


class Collector:
    def __init__(self, where, db):
        self.where = where
        self.db = db
        self.port = free_port()
        self.process = None
        self.log_path = os.path.join(where, "log")
        self.settings = {
            "listen": f"tcp://127.0.0.1:{self.port}",
            "key_file": f"{where}/collector.key",
            "line_key_file": f"{where}/line.key",
            "receipt_keys": f"{where}/receipt.keys",
            "geo_asn": f"{where}/asn.mmdb",
            "geo_country": f"{where}/country.mmdb",
            "geo_check": "1s",
            "database": db.conninfo("periplus_collector"),
            "database_owner": db.conninfo("periplus_owner"),
            "database_aggregator": db.conninfo("periplus_aggregator"),
            "database_reader": db.conninfo("researcher"),
            "rate_per_key_per_hour": "0",
            "rate_per_prefix_per_hour": "0",
        }
        self.write("receipt.keys", f"r1 {RECEIPT_KEY}\n", 0o600)
        self.make_geo("asn", "198.18.0.0/15\t64501\tNorth Net\n"
                             "203.0.113.0/24\t64502\tFar Net\n")
        self.make_geo("country", "198.18.0.0/15\tXA\n")

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.where, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode),
                  "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def make_geo(self, kind, lines):
        subprocess.run([MAKE_MMDB, f"{self.where}/{kind}.mmdb", kind],
                       input=lines, text=True, check=True)

    def configure(self, changed):
        settings = {**self.settings, **changed}
        return self.write("conf", "".join(f"{k} = {v}\n"
                                          for k, v in settings.items()))

    def command(self, *args, **changed):
        """Run a command to its end."""
        path = self.configure(changed)
        return subprocess.run([COLLECTOR, "--config", path, *args], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=DEADLINE_S, check=False)

    def start(self, ready=True, **changed):
        path = self.configure(changed)
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [COLLECTOR, "--config", path, "serve"], stderr=log)
        if ready:
            wait_until(self.is_listening, "the collector to listen")

    def is_listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the collector ended: {self.log()}")
        with contextlib.closing(socket.socket()) as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        self.process = None
        return status

    def log(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def clear_log(self):
        with open(self.log_path, "w", encoding="utf-8"):
            pass

    def wait_log(self, text):
        wait_until(lambda: text in self.log(), f"the log to say '{text}'")

    def counters(self):
        before = self.log().count("counters:")
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.log().count("counters:") > before,
                   "the counters")
        return self.log().rsplit("counters:", 1)[1]

    @property
    def public_key(self):
        with open(f"{self.where}/collector.key", encoding="ascii") as f:
            return f.read().split()[1]

    @property
    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"


class Agents:
    """What the tests send with."""

    def __init__(self, collector):
        self.collector = collector

    def swarm_command(self, **options):
        options = {"retry-after": 2, "max-wait": 200, "timeout": DEADLINE_S,
                   "agents": 8, **options}
        return [SWARM, "--endpoint", self.collector.endpoint,
                "--server-key", self.collector.public_key,
                "--receipt-key", RECEIPT_KEY,
                *(f"--{k.replace('_', '-')}={v}" for k, v in options.items())]

    def swarm(self, **options):
        run = subprocess.run(self.swarm_command(**options), text=True,
                             stdout=subprocess.PIPE, check=False)
        return json.loads(run.stdout)

    def swarm_start(self, **options):
        return subprocess.Popen(self.swarm_command(**options), text=True,
                                stdout=subprocess.PIPE)

    def records(self, count=1, **options):
        """Records that would be believed, as dicts."""
        run = subprocess.run(
            [*self.swarm_command(agents=1, count=count, **options), "--print"],
            text=True, stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in run.stdout.splitlines()]

    def send_frames(self, lines, key=None, routing_id=None, replies=None):
        """Send messages, frames apart by tabs; returns the replies.

        Without their number, they end with a second of silence.
        """
        wanted = {"PEER_REPLIES": str(replies)} if replies else {}
        command = [PEER, self.collector.endpoint,
                   key or self.collector.public_key]
        run = subprocess.run(command + ([routing_id] if routing_id else []),
                             input="".join(f"{x}\n" for x in lines),
                             env={**os.environ, **wanted},
                             text=True, stdout=subprocess.PIPE, check=True)
        return run.stdout.splitlines()

    def send(self, *records):
        return self.send_frames([f"RUN\t{compact(r)}" for r in records])

    def send_all(self, *records):
        """Send records of which each is answered once, whenever that is."""
        return self.send_frames([f"RUN\t{compact(r)}" for r in records],
                                replies=len(records))


def compact(record):
    if isinstance(record, str):
        return record
    return json.dumps(record, separators=(",", ":"))


def moment(delta):
    at = datetime.now(timezone.utc) + delta
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@contextlib.contextmanager
def one_agent(c):
    """All that is sent comes from one key, over however many connections."""
    c.command("keygen", key_file=f"{c.where}/agent.key")
    with open(f"{c.where}/agent.key", encoding="ascii") as f:
        words = f.read().split()
    os.environ["PEER_PUBLIC"], os.environ["PEER_SECRET"] = words[1], words[3]
    try:
        yield
    finally:
        del os.environ["PEER_PUBLIC"], os.environ["PEER_SECRET"]


# ---- what is stored ----------------------------------------------------------

def test_runs_are_stored(t, c, agents):
    c.db.clear()
    got = agents.swarm(count=400)
    t.equal((got["stored"], got["unanswered"], c.db.count("status = 0")),
            (400, 0, 400), "every run is acknowledged and stored")
    t.equal(c.db.rows("select distinct asn, country, masklen(prefix), "
                      "geo_source_id <> 0, reflector_id <> 0 "
                      "from periplus.run"),
            [["64501", "XA", "24", "t", "t"]],
            "ASN, country and prefix are of the address that was seen")
    t.equal(c.db.value("select count(distinct line) from periplus.run"), "8",
            "each agent is one line")
    t.equal(c.db.rows("select name from periplus.asn where asn = 64501"),
            [["North Net"]], "the provider's name is known")


def test_a_record_arrives_whole(t, c, agents):
    c.db.clear()
    record = agents.records()[0]
    record["probe"]["hop"][3] = 7
    replies = agents.send(record)
    t.equal(replies, [f"ACK {record['run']} stored"], "one reply, an ACK")
    probe = record["probe"]
    columns = ["direction", "transport", "port", "outcome", "rtt_us",
               "attempts", "hop"]
    row = c.db.rows(
        "select " + ", ".join(f"array_to_json(probe_{x})" for x in columns)
        + ", run_id, plan, family, evidence, agent_version, duration_ms, "
        "extract(epoch from started) from periplus.run")[0]
    t.equal([json.loads(x) for x in row[:7]], [probe[x] for x in columns],
            "all seven arrays are as sent")
    t.equal(row[7:10] + row[11:13],
            [record["run"], "1", "4", "0.1.0", "8000"],
            "so is what stands beside them")
    t.equal(json.loads(row[10]),
            [{"i": len(probe["port"]) - 1, "icmp": [3, 13],
              "from": "100.64.7.1"}], "so is the evidence")
    started = datetime.fromtimestamp(float(row[13]), timezone.utc)
    t.equal(started.strftime("%Y-%m-%dT%H:%M:%S.") +
            f"{started.microsecond // 1000:03d}Z", record["started"],
            "so is the time")
    seen, place = c.db.rows("select array_to_json(probe_seen), "
                            "array_to_json(probe_place) from periplus.run")[0]
    blocked = probe["port"].index(25)
    t.equal((json.loads(seen)[blocked], json.loads(place)[blocked],
             json.loads(place)[-1], json.loads(seen)[0]), (0, 7, 4, 1),
            "seen is the manifest's word, places are judged")


def test_duplicates(t, c, agents):
    c.db.clear()
    got = agents.swarm(count=300, duplicates=50)
    t.ok(got["duplicate"] > 50, "runs sent twice are acknowledged twice", got)
    t.equal((got["stored"], got["unanswered"], c.db.count()), (300, 0, 300),
            "and stored once")
    with one_agent(c):
        record = agents.records()[0]
        replies = agents.send(record) + agents.send(record)
    t.equal(replies, [f"ACK {record['run']} stored",
                      f"ACK {record['run']} duplicate"],
            "a run sent again later is a duplicate")


def test_forged_manifests(t, c, agents):
    c.db.clear()
    got = agents.swarm(count=100, bad=100)
    t.equal((got["stored"], c.db.count("status = 2"), c.db.count()),
            (100, 100, 100), "runs with forged manifests are kept, unproven")
    t.equal(c.db.rows("select distinct asn, country, prefix is null, "
                      "line is null from periplus.run"),
            [["0", "ZZ", "t", "t"]], "nothing of them is believed")
    t.ok("unproven manifest-forged 100" in c.counters(),
         "and they are counted by reason", c.log())


def test_unproven(t, c, agents):
    c.db.clear()
    records = agents.records(count=4)
    records[0]["manifest"] = None
    records[1]["reflector"] = "nobody"
    unseen = records[2]["probe"]
    unseen["outcome"][unseen["port"].index(25)] = 1
    records[3]["manifest"] = base64.b64encode(b"no manifest").decode()
    agents.send(*records)
    t.equal(c.db.count("status = 2"), 4,
            "no manifest, an unknown reflector, a false 'open', a malformed "
            "manifest: unproven")
    t.equal(c.db.count("line is not null"), 1,
            "a false claim does not spoil the address that was seen")


def test_void(t, c, agents):
    c.db.clear()
    record = agents.records()[0]
    record["manifest"] = None
    record["void"] = {"tcp": "no_hello", "udp": "no_hello"}
    for key in record["probe"]:
        record["probe"][key] = []
    record["evidence"] = []
    agents.send(record)
    t.equal(c.db.rows("select status, void_tcp, void_udp, "
                      "cardinality(probe_port) from periplus.run"),
            [["1", "1", "1", "0"]], "a run that reached nobody is void")


# ---- what is refused ---------------------------------------------------------

def spoiled(record):
    """(reason, text of a record that deserves it)"""
    def changed(**fields):
        return compact({**record, **fields})

    twice = json.loads(compact(record))
    for values in twice["probe"].values():
        values.append(values[0])
    short = json.loads(compact(record))
    short["probe"]["hop"].pop()
    missing = dict(record)
    del missing["plan"]
    return [
        ("not-json", compact(record)[:-1]),
        ("format", changed(format="periplus-run/9")),
        ("field", compact(missing)),
        ("range", changed(family=5)),
        ("arrays", compact(short)),
        ("duplicate", compact(twice)),
        ("manifest", changed(manifest="***")),
        ("too-long", compact(record) + " " * 131072),
        ("too-old", changed(started=moment(timedelta(days=-31)))),
        ("in-future", changed(started=moment(timedelta(hours=2)))),
    ]


def test_refusals(t, c, agents):
    c.db.clear()
    for reason, text in spoiled(agents.records(probes=20)[0]):
        want = re.search(r'"run":"([^"]+)"', text).group(1)
        t.equal(agents.send(text), [f"NAK {want} {reason}"],
                f"{reason}: refused with the reason")
    t.equal(agents.send("{}"), ["NAK - format"],
            "without a run id the reply names '-'")
    t.equal(c.db.count(), 0, "nothing of it is stored")
    counters = c.counters()
    t.ok(all(f"rejected {reason} 1" in counters for reason in
             ("not-json", "field", "arrays", "too-old", "in-future")),
         "refusals are counted by reason", counters)


def test_strange_messages(t, c, agents):
    record = compact(agents.records()[0])
    replies = agents.send_frames(
        ["RUN", f"RUN\t{record}\textra", f"WALK\t{record}", "",
         f"RUN\t{record}\t" + "\t".join("x" * 100)])
    t.equal(replies, [], "messages of other than two frames get no answer")
    t.ok(re.search(r"odd 5\b", c.counters()), "they are counted", c.log())
    t.equal(agents.send_frames([f"RUN\t{record}"], routing_id="me"), [],
            "who chooses a name is not listened to")
    t.equal(agents.send_frames([f"RUN\t{record}"], key="-"), [],
            "who does not speak CURVE is not let in")
    t.equal(agents.send_frames([f"RUN\t{record}"]),
            [f"ACK {json.loads(record)['run']} stored"],
            "everybody else still is")


def test_one_bad_row(t, c, agents):
    c.db.clear()
    records = agents.records(count=60, probes=5)
    records[41]["plan"] = 4242
    c.db.rows("alter table periplus.run add constraint test_plan "
              "check (plan <> 4242)")
    try:
        replies = agents.send(*records)
    finally:
        c.db.rows("alter table periplus.run drop constraint test_plan")
    t.equal((len(replies), sum(" stored" in r for r in replies)), (60, 59),
            "a row that the database refuses harms no other")
    t.ok(f"NAK {records[41]['run']} database" in replies,
         "and is refused itself", replies)


# ---- other collectors --------------------------------------------------------

class Rival:
    """A session that has stored a run and not committed yet."""

    def __init__(self, db, run):
        self.psql = subprocess.Popen(
            ["sh", PG, "psql", db.where, "-U", "postgres", "-qAt"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.say("begin; insert into periplus.run select * from public.kept "
                 f"where run_id = '{run}'; select pg_backend_pid();")
        self.pid = self.psql.stdout.readline().strip()

    def say(self, sql):
        self.psql.stdin.write(sql + "\n")
        self.psql.stdin.flush()

    def commit(self):
        self.psql.communicate("commit;\n")


def test_rivals(t, c, agents):
    """However often others are quicker, the rest of the batch is stored."""
    records = agents.records(count=40, probes=5)
    taken = [r["run"] for r in records[::7]]
    with one_agent(c), concurrent.futures.ThreadPoolExecutor() as pool:
        c.db.clear()
        agents.send_all(*records)
        c.db.rows("create table public.kept as select * from periplus.run")
        c.db.clear()
        rivals = {r.pid: r for r in (Rival(c.db, run) for run in taken)}
        replies = pool.submit(agents.send_all, *records)
        while rivals:
            wait_until(lambda: blocking(c.db) in rivals, "the collector to "
                       "wait for somebody else's run")
            rivals.pop(blocking(c.db)).commit()
    c.db.rows("drop table public.kept")
    t.equal((sorted(r.split()[1] for r in replies.result()
                    if r.endswith("duplicate")), c.db.count()),
            (sorted(taken), len(records)),
            "runs that others store meanwhile are duplicates")
    t.equal(sum(r.endswith("stored") for r in replies.result()),
            len(records) - len(taken), "and all others are stored")


def blocking(db):
    """The session that the collector's waits for, or None."""
    rows = db.rows("select unnest(pg_blocking_pids(pid)) from "
                   "pg_stat_activity where usename = 'periplus_collector'")
    return rows[0][0] if rows else None


def test_two_collectors(t, c, agents):
    where = os.path.join(c.where, "second")
    os.mkdir(where)
    second = Collector(where, c.db)
    for same in ("line_key_file", "geo_asn", "geo_country"):
        second.settings[same] = c.settings[same]
    second.command("keygen")
    second.start()
    c.db.clear()
    records = agents.records(count=1000, probes=5)
    try:
        with one_agent(c), concurrent.futures.ThreadPoolExecutor() as pool:
            both = [pool.submit(a.send_all, *order) for a, order in
                    ((agents, records), (Agents(second), records[::-1]))]
            replies = [r for x in both for r in x.result()]
    finally:
        second.end()
    t.equal((sum(r.endswith("stored") for r in replies),
             sum(r.endswith("duplicate") for r in replies), c.db.count()),
            (1000, 1000, 1000),
            "two collectors with the same runs store each of them once")


# ---- too much ----------------------------------------------------------------

def test_rate_limits(t, c, agents):
    c.end()
    c.start(rate_per_key_per_hour=5)
    replies = agents.send(*agents.records(count=7, probes=5))
    t.equal((sum(r.startswith("ACK") for r in replies),
             sum(r.startswith("WAIT") for r in replies)), (5, 2),
            "past the hourly rate of a key agents are told to wait")
    seconds = int([r for r in replies if r.startswith("WAIT")][0].split()[2])
    t.ok(600 <= seconds <= 720, "until the next is allowed", seconds)
    c.end()
    c.start(rate_per_prefix_per_hour=3)
    replies = [agents.send(r)[0].split()[0]
               for r in agents.records(count=5, probes=5)]
    t.equal(replies, ["ACK"] * 3 + ["WAIT"] * 2,
            "so they are past the rate of an address prefix")
    c.end()
    c.start()


def test_pressure(t, c, agents):
    c.db.clear()
    c.end()
    c.start(batch_max_runs=20, queue_max_runs=40, pause_max="0s", wait="1s")
    blocker = subprocess.Popen(
        ["sh", PG, "psql", c.db.where, "-U", "postgres", "-q"],
        stdin=subprocess.PIPE, text=True)
    blocker.stdin.write("begin; lock table periplus.run in access exclusive "
                        "mode;\n")
    blocker.stdin.flush()
    wait_until(lambda: c.db.value(
        "select count(*) from pg_locks where mode = 'AccessExclusiveLock' "
        "and granted and relation = 'periplus.run'::regclass") == "1",
        "the lock")
    swarm = agents.swarm_start(count=600, agents=4)
    wait_until(lambda: "told to wait" in c.counters(), "WAIT", 20)
    t.ok(c.is_listening(), "with its queue full the collector says WAIT")
    blocker.stdin.write("commit;\n")
    blocker.stdin.close()
    blocker.wait()
    got = json.loads(swarm.communicate()[0])
    t.ok(got["waits"] > 0, "agents hear it", got)
    t.equal((got["unanswered"], got["stored"] + got["duplicate"],
             c.db.count()), (0, 600, 600), "and nothing is lost")
    c.end()
    c.start()


# ---- things that break -------------------------------------------------------

def check_exactly_once(t, c, swarm, what):
    got = json.loads(swarm.communicate()[0])
    t.equal((got["unanswered"], got["refused"],
             got["stored"] + got["duplicate"]), (0, 0, MANY),
            f"{what}: every run is acknowledged in the end")
    t.equal(c.db.count(), MANY, f"{what}: each is stored exactly once")
    return got


def test_database_restarts(t, c, agents):
    for mode in ("immediate", "fast"):
        c.db.clear()
        swarm = agents.swarm_start(count=MANY)
        wait_until(lambda: c.db.count() > 0, "the first runs")
        c.db.call("restart", mode)
        check_exactly_once(t, c, swarm, f"PostgreSQL restarted ({mode})")
        c.wait_log("database: back after")


def test_collector_is_killed(t, c, agents):
    c.db.clear()
    swarm = agents.swarm_start(count=MANY)
    for more in (0, 500, 1000):
        wait_until(lambda enough=more: c.db.count() > enough, "more runs")
        c.end(signal.SIGKILL)
        c.start()
    got = check_exactly_once(t, c, swarm, "collector killed three times")
    t.ok(got["reconnects"] + got["duplicate"] > 0,
         "agents had to send again", got)


def test_stopping(t, c, agents):
    c.db.clear()
    swarm = agents.swarm_start(count=MANY, timeout=4, retry_after=30)
    wait_until(lambda: c.db.count() > 0, "the first runs")
    t.equal(c.end(), 0, "SIGTERM under load ends it with status 0")
    got = json.loads(swarm.communicate()[0])
    t.ok(0 < got["stored"] <= c.db.count(),
         "what was acknowledged by then is stored",
         f"{got['stored']} acknowledged, {c.db.count()} stored")
    c.start()


def test_database_away(t, c, agents):
    c.db.clear()
    c.clear_log()
    c.db.call("stop")
    record = agents.records()[0]
    first = agents.send(record)
    second = agents.send(record)
    t.equal(first, [], "what was in hand when the database left is kept")
    t.ok(second and re.fullmatch(rf"WAIT {record['run']} \d+", second[0]),
         "after that agents are told to wait", second)
    time.sleep(1)
    t.ok(c.log().count("waiting for it") == 1, "it is said once", c.log())
    c.db.call("start")
    wait_until(lambda: c.db.count() == 1, "the run in hand")
    t.ok(True, "what was in hand is stored when the database is back")
    c.wait_log("database: back after")
    t.ok(agents.send(record)[0].endswith("stored"), "then it goes on")
    c.db.call("stop")
    t.equal(c.end(), 0, "stopping does not wait for a database that is away")
    c.clear_log()
    c.start()
    c.wait_log("waiting for it")
    t.ok(c.is_listening(), "without a database it starts and says so")
    c.db.call("start")
    c.wait_log("database: back after")
    t.ok(agents.send(agents.records()[0])[0].endswith("stored"),
         "and serves when there is one")


def test_geo_data(t, c, agents):
    c.db.clear()
    c.make_geo("asn", "198.18.0.0/15\t64999\tRenamed\n")
    c.wait_log("geo data: reloaded")
    agents.send(agents.records()[0])
    t.equal(c.db.rows("select r.asn, a.name from periplus.run as r "
                      "join periplus.asn as a on a.asn = r.asn"),
            [["64999", "Renamed"]], "a replaced MMDB file is picked up")
    t.equal(c.db.value("select count(*) from periplus.geo_source "
                       "where geo_source_id > 0"), "2",
            "the database knows both files")
    shutil.copy(f"{c.where}/asn.mmdb", f"{c.where}/saved")
    c.write("asn.mmdb", "broken")
    c.wait_log("keeping what was loaded before")
    time.sleep(2.5)
    t.equal(c.log().count("keeping what was loaded before"), 1,
            "a broken one is told once")
    agents.send(agents.records()[0])
    t.equal(c.db.count("asn = 64999"), 2, "and not used")
    shutil.copy(f"{c.where}/saved", f"{c.where}/asn.mmdb")


# ---- the commands ------------------------------------------------------------

def one_line(run, pattern):
    """Is there one line on stderr that matches?"""
    lines = run.stderr.splitlines()
    return len(lines) == 1 and re.search(pattern, lines[0]) is not None


def test_exit_statuses(t, c):
    away = "host=/nonexistent dbname=x"
    cases = [
        (2, [], {}, "no command"),
        (2, ["walk"], {}, "unknown command 'walk'"),
        (2, ["verdicts", "--direction", "up"], {}, "out or in"),
        (3, ["serve"], {"batch_max_runs": 0}, "batch_max_runs"),
        (3, ["serve"], {"lisen": "x"}, "lisen"),
        (3, ["serve"], {"listen": "here"}, "here"),
        (3, ["serve"], {"queue_max_runs": 1}, "queue_max_runs"),
        (3, ["serve"], {"database": "nonsense"}, "database"),
        (9, ["serve"], {"key_file": "/nonexistent"}, "keygen"),
        (9, ["serve"], {"line_key_file": "/nonexistent"}, "/nonexistent"),
        (9, ["serve"], {"receipt_keys": "/dev/null"}, "/dev/null"),
        (13, ["serve"], {"geo_asn": "/nonexistent"}, "/nonexistent"),
        (13, ["serve"], {"geo_asn": f"{c.where}/country.mmdb"}, "wrong type"),
        (14, ["serve"], {}, "cannot listen on tcp"),
        (10, ["migrate"], {"database_owner": away}, "/nonexistent"),
        (10, ["aggregate"], {"database_aggregator": away}, "/nonexistent"),
        (10, ["verdicts"], {"database_reader": away}, "/nonexistent"),
    ]
    for status, args, changed, pattern in cases:
        run = c.command(*args, **changed)
        t.ok(run.returncode == status and one_line(run, pattern),
             f"{' '.join(args)} {changed}: status {status}, one line",
             f"{run.returncode}\n{run.stderr}")
    t.equal(c.command("serve", "--check-config").returncode, 0,
            "--check-config: status 0 when all is well")
    for option, pattern in (("--check-config", "^$"),
                            ("--print-config", "listen = tcp"),
                            ("--help-config", "batch_max_runs")):
        run = c.command(option)
        t.ok(run.returncode == 0 and re.search(pattern, run.stdout),
             f"{option} needs no command", run.stdout + run.stderr)
    t.equal(c.command("--check-config", batch_max_runs=0).returncode, 3,
            "--check-config: status 3 when it is not")


def test_schema_versions(t, c):
    c.end()
    newest = int(c.db.value("select max(version) from "
                            "periplus.schema_version"))
    c.db.rows("insert into periplus.schema_version (version, name) "
              "values (9999, 'later')")
    for args in (["serve"], ["migrate"], ["aggregate"], ["verdicts"]):
        run = c.command(*args)
        t.ok(run.returncode == 12 and f"knows only {newest}" in run.stderr,
             f"{args[0]}: a schema that is too new is not touched",
             f"{run.returncode}\n{run.stderr}")
    c.db.rows("delete from periplus.schema_version where version >= "
              f"{newest}")
    for args in (["serve"], ["aggregate"], ["verdicts"]):
        run = c.command(*args)
        t.ok(run.returncode == 11 and "migrate" in run.stderr,
             f"{args[0]}: a schema that is too old needs migrate",
             f"{run.returncode}\n{run.stderr}")
    c.db.rows("insert into periplus.schema_version (version, name) "
              f"values ({newest}, 'put back')")
    run = c.command("migrate")
    t.equal((run.returncode, run.stdout), (0, f"schema version {newest}\n"),
            "migrate again changes nothing")
    c.start()


def test_verdicts(t, c, agents):
    c.db.clear()
    c.db.rows("update periplus.setting set value = 1 "
              "where name = 'required_reflectors'")
    agents.swarm(count=60, agents=12, age=60)
    run = c.command("aggregate")
    t.ok(re.fullmatch(r"60 new runs counted, \d+ cells recomputed\n",
                      run.stdout), "aggregate says what it did",
         run.stdout + run.stderr)
    cells = json.loads(c.command("verdicts", "--json").stdout)
    smtp = [x for x in cells if (x["transport"], x["port"]) == ("tcp", 25)]
    t.equal([(x["label"], x["lines"], x["blocked"]) for x in smtp],
            [("blocked", 12, 12)], "25/tcp is blocked for all lines")
    rows = list(csv.DictReader(io.StringIO(
        c.command("verdicts", "--csv").stdout)))
    t.equal([(r["port"], r["label"]) for r in rows],
            [(str(x["port"]), x["label"]) for x in cells],
            "CSV and JSON agree")
    matrix = c.command("verdicts").stdout
    t.ok(re.search(r"25/tcp", matrix) and
         re.search(r"AS64\d+ \w.* \(XA\) +12 .*B 12/12 100%", matrix),
         "the matrix shows provider, lines and share", matrix)
    t.ok("\033" not in matrix and "80/tcp" not in matrix,
         "no colour into a pipe, no port that is open everywhere", matrix)
    t.ok("80/tcp" in c.command("verdicts", "--all").stdout,
         "--all shows those as well")
    t.equal((json.loads(c.command("verdicts", "--json", "--country",
                                  "QQ").stdout),
             c.command("verdicts", "--asn", "7").returncode), ([], 0),
            "filters leave out the rest")


def main():
    where = tempfile.mkdtemp(prefix="collector.")
    os.chmod(where, 0o755)
    db = Database(os.path.join(where, "pg"))
    c = Collector(where, db)
    agents = Agents(c)
    with Tap() as t:
        try:
            t.equal(c.command("keygen").returncode, 0, "keygen makes the keys")
            mode = os.stat(f"{where}/collector.key").st_mode & 0o777
            t.equal(mode, 0o600, "which nobody else can read")
            key = c.public_key
            t.ok(c.command("keygen").returncode == 0 and c.public_key == key,
                 "and which stay as they are")
            run = c.command("migrate")
            t.equal(run.returncode, 0, "migrate makes the schema")
            c.start()
            test_runs_are_stored(t, c, agents)
            test_a_record_arrives_whole(t, c, agents)
            test_duplicates(t, c, agents)
            test_forged_manifests(t, c, agents)
            test_unproven(t, c, agents)
            test_void(t, c, agents)
            test_refusals(t, c, agents)
            test_strange_messages(t, c, agents)
            test_one_bad_row(t, c, agents)
            test_rivals(t, c, agents)
            test_two_collectors(t, c, agents)
            test_exit_statuses(t, c)
            test_rate_limits(t, c, agents)
            test_pressure(t, c, agents)
            test_geo_data(t, c, agents)
            test_database_restarts(t, c, agents)
            test_collector_is_killed(t, c, agents)
            test_stopping(t, c, agents)
            test_database_away(t, c, agents)
            test_schema_versions(t, c)
            test_verdicts(t, c, agents)
            t.equal(c.end(), 0, "it ends with status 0, leaving no leak")
            t.ok("ERROR: " not in c.log(), "no sanitizer complains", c.log())
        finally:
            if c.process:
                c.process.kill()
                t.say(c.log()[-3000:])
            db.call("stop")
            shutil.rmtree(where, ignore_errors=True)


main()
