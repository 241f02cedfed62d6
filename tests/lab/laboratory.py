# SPDX-License-Identifier: Apache-2.0
"""laboratory - a world brought to life: network, programs, database, homes.

    with Laboratory(world) as lab:
        lab.home("64496/1").check()
        lab.collector.stop()

Must run inside the namespaces of enter.py.  Nothing in here judges results:
truth.py knows what is right and compare.py holds the two together.
"""

import glob
import json
import os
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import netns
import plan
import ports
import topology
from answers import Answers
from oracle import required_reflectors
from postgres import Postgres
from program import (Daemon, make_directory, must, run, unprivileged,
                     wait_until, write_file)
from rules import Applied
from world import CORE4, CORE6, TRANSIT_ASN

STATE = "/run/lab"
BIN = "/run/lab-bin"
GEO = os.path.join(ports.ROOT, "tests", "geo", "make_mmdb.pl")
PARALLEL = 12       # homes that measure at a time


class MissingPrograms(Exception):
    """The programs are not built."""


def programs_in(build):
    """The paths of the programs in a build directory, by name."""
    return _programs_below(os.path.join(os.path.abspath(build), "bin"))


def _programs_below(directory):
    names = ("periplus", "periplus-fetch", "periplus-reflector",
             "periplus-collector")
    found = {n: os.path.join(directory, n) for n in names}
    missing = [p for p in found.values() if not os.access(p, os.X_OK)]
    if missing:
        raise MissingPrograms(f"not built: {', '.join(missing)}; run make, or "
                              "name the build directory with --build")
    return found


def open_to_all(build):
    """The same programs where nobody may enter, whatever lies above them.

    A clone below /root would be closed to the user that the programs run as.
    """
    binaries = os.path.dirname(programs_in(build)["periplus"])
    os.makedirs(BIN, exist_ok=True)
    subprocess.run(["mount", "--bind", binaries, BIN], check=True)
    return _programs_below(BIN)


@dataclass
class Check:
    """What "periplus check --json" of a home gave."""
    home: str
    round: int
    status: int         # exit status
    document: dict      # None when the output is no JSON
    stderr: str


class Reflector:
    def __init__(self, lab, reflector):
        self.spec = reflector
        node = topology.reflector_node(reflector)
        self.node = node
        self.where = where = make_directory(os.path.join(STATE, node))
        self.receipt_key = secrets.token_hex(32)
        self.use_receipt_key(self.receipt_key)
        lines = [f"name = {reflector.name}",
                 f"seed = {plan.seed_of(lab.world)}",
                 f"receipt_key_file = {where}/receipt.key"]
        if not reflector.net6:
            lines.append("listen6 =")
        if reflector.without:
            lines.append("without = " + " ".join(
                f"{t}/{p}" for t, p in sorted(reflector.without)))
        write_file(f"{where}/conf", "\n".join(lines) + "\n")
        self.daemon = Daemon(node, where, [lab.programs["periplus-reflector"],
                                           "--config", f"{where}/conf"],
                             "net_bind_service")

    def use_receipt_key(self, key):
        """Seal manifests with another key from the next start on."""
        write_file(os.path.join(self.where, "receipt.key"), key + "\n", 0o600)

    def start(self):
        self.daemon.start()
        port = next(p for p in plan.HELLO_PORTS
                    if ("tcp", p) not in self.spec.without)
        self.daemon.wait_ready(self.spec.addr4, port)

    def stop(self):
        return self.daemon.stop()

    def kill(self):
        self.daemon.kill()


class Collector:
    def __init__(self, lab):
        self.lab = lab
        self.where = make_directory(os.path.join(STATE, "collector"))
        self.conf = f"{self.where}/conf"
        self.binary = lab.programs["periplus-collector"]
        write_file(f"{self.where}/receipt.keys", "".join(
            " ".join([r.spec.name, r.receipt_key, str(r.spec.addr4),
                      *([str(r.spec.addr6)] if r.spec.addr6 else [])]) + "\n"
            for r in lab.reflectors.values()), 0o600)
        write_file(self.conf, self._settings())
        self.command("keygen")
        self.daemon = Daemon(topology.COLLECTOR, self.where,
                             [self.binary, "--config", self.conf, "serve"])

    def _settings(self):
        pg = self.lab.pg
        return "\n".join([
            f"listen = tcp://{topology.COLLECTOR4}:{plan.COLLECTOR_PORT}",
            f"key_file = {self.where}/collector.key",
            f"line_key_file = {self.where}/line.key",
            f"receipt_keys = {self.where}/receipt.keys",
            f"geo_asn = {self.where}/asn.mmdb",
            f"geo_country = {self.where}/country.mmdb",
            f"database = {pg.conninfo('periplus_collector')}",
            f"database_owner = {pg.conninfo('periplus_owner')}",
            f"database_aggregator = {pg.conninfo('periplus_aggregator')}",
            f"database_reader = {pg.conninfo('researcher')}"]) + "\n"

    def command(self, *args):
        """Run one of its commands to the end; returns stdout."""
        return must(run(topology.COLLECTOR,
                        [self.binary, "--config", self.conf, *args]),
                    f"periplus-collector {args[0]}")

    @property
    def public_key(self):
        with open(f"{self.where}/collector.key", encoding="ascii") as f:
            words = f.read().split()
        return words[words.index("public") + 1]

    def start(self):
        self.daemon.start()
        self.daemon.wait_ready(topology.COLLECTOR4, plan.COLLECTOR_PORT)

    def stop(self):
        return self.daemon.stop()

    def kill(self):
        self.daemon.kill()


class Home:
    """The agent of one home."""

    def __init__(self, lab, home):
        self.lab = lab
        self.spec = home
        self.node = topology.host_node(home)
        self.where = make_directory(os.path.join(STATE, self.node))
        self.conf = f"{self.where}/conf"
        self.ready = False
        self.configure()

    def configure(self, **changes):
        """Write the configuration; changes replace or add keys."""
        settings = {"plan": plan.URL,
                    "plan_key": self.lab.signer.public_key,
                    "state_dir": f"{self.where}/state",
                    "allow_any_target": "yes", **changes}
        write_file(self.conf, "".join(f"{k} = {v}\n"
                                      for k, v in settings.items()))

    def argv(self, command, *args):
        return [self.lab.programs["periplus"], command, "--config", self.conf,
                *args]

    def command(self, *args):
        """Run "periplus ARGS" as the home's agent."""
        return run(self.node, self.argv(*args))

    def prepare(self):
        """What the owner of the line does once: keys and consent."""
        if not self.ready:
            must(self.command("keygen"), "periplus keygen")
            must(self.command("consent", "--grant", "all"),
                 "periplus consent")
            self.ready = True

    def check(self, *args):
        """Measure once; the runs are uploaded unless args say otherwise."""
        return self.finish(self.start_check(*args))

    def start_check(self, *args):
        """Start a check, to be disturbed; finish() waits for it."""
        self.prepare()
        return netns.popen(
            self.node, unprivileged(self.argv("check", "--json", *args)),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")

    def finish(self, process, seconds=120.0):
        """Wait for a check that was started; returns the Check."""
        stdout, stderr = process.communicate(timeout=seconds)
        try:
            document = json.loads(stdout)
        except ValueError:
            document = None
        return Check(self.spec.name, self.lab.round, process.returncode,
                     document, stderr)

    def service(self):
        """Return "periplus run" as a Daemon that is not started."""
        self.prepare()
        return Daemon(self.node, self.where, self.argv("run"))

    def spool(self):
        """The files of the runs that wait to be uploaded."""
        return sorted(glob.glob(f"{self.where}/state/spool/*.json"))


class Laboratory:
    """Everything; a context manager."""

    def __init__(self, world, build, progress=None, pg_directory=None):
        self.world = world
        self.ports = ports.of_world(world)
        self.programs = open_to_all(build)
        self.say = progress or (lambda _text: None)
        self.round = 1
        self.own_pg = pg_directory is None
        self.pg = Postgres(pg_directory or os.path.join(STATE, "pg"))
        self.reflectors, self.homes = {}, {}
        self.collector = None

    def __enter__(self):
        with ThreadPoolExecutor(1) as pool:
            # A server outside cannot be seen from here: never start a second
            # one on its data.
            database = pool.submit(self.pg.start) if self.own_pg else None
            self._build_network()
            self._make_operator()
            if database:
                database.result()
        self._start_programs()
        return self

    def __exit__(self, *_error):
        daemons = [r.daemon for r in self.reflectors.values()]
        if self.collector:
            daemons.append(self.collector.daemon)
        for daemon in daemons:
            daemon.kill()
        if self.own_pg:
            self.pg.stop()
        return False

    def _build_network(self):
        network = topology.plan(self.world)
        topology.build(network)
        self.rules = Applied(self.world)
        self.rules.set_round(1)
        self.answers = Answers(self.world)
        self.say(f"network: {len(network.nodes)} namespaces, "
                 f"{len(network.cables)} cables, "
                 f"{len(self.world.rules)} rules")

    def _make_operator(self):
        os.makedirs(STATE, exist_ok=True)
        self.signer = plan.Signer(os.path.join(STATE, "signer"))
        self.reflectors = {r.name: Reflector(self, r)
                           for r in self.world.reflectors}
        self.collector = Collector(self)
        self._make_geo()
        self.plan_host = plan.PlanHost()
        self.publish(plan.write(self.world, self.ports,
                                self.collector.public_key))

    def _geo(self, kind, lines):
        path = os.path.join(self.collector.where, f"{kind}.mmdb")
        done = subprocess.run(["perl", GEO, path, kind], input="".join(lines),
                              capture_output=True, text=True, check=False)
        must(done, "make_mmdb.pl")
        os.chmod(path, 0o644)

    def _make_geo(self):
        """Addresses to AS numbers and countries, as the world has them."""
        nets = [(n, i.asn, i.name, i.country) for i in self.world.isps
                for n in i.prefixes4 + i.prefixes6]
        nets += [(n, r.asn, r.network_name, r.country)
                 for r in self.world.reflectors
                 for n in (r.net4, r.net6) if n]
        nets += [(n, TRANSIT_ASN, "Lab Transit", "ZZ")
                 for n in (CORE4, CORE6)]
        self._geo("asn", [f"{n}\t{a}\t{name}\n" for n, a, name, _c in nets])
        self._geo("country", [f"{n}\t{c}\n" for n, _a, _n, c in nets])

    def _start_programs(self):
        for reflector in self.reflectors.values():
            reflector.start()
        self.collector.command("migrate")
        self.pg.value("update periplus.setting set value = "
                      f"{required_reflectors(self.world)} "
                      "where name = 'required_reflectors'")
        self.collector.start()
        self.homes = {h.name: Home(self, h) for h in self.world.homes()}
        self.say(f"programs: {len(self.reflectors)} reflectors, collector, "
                 f"plan of {len(self.ports)} ports, {len(self.homes)} homes")

    def publish(self, text, signer=None):
        """Sign a plan and serve it."""
        self.plan_host.publish(text, (signer or self.signer).sign(text))

    def home(self, name):
        return self.homes[name]

    def set_round(self, number):
        self.round = number
        self.rules.set_round(number)

    def check_all(self, on_done=None):
        """Let every home measure once; returns the Checks."""
        def one(home):
            check = home.check()
            if on_done:
                on_done(check)
            return check

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(one, self.homes.values()))

    def wait_spools_empty(self, seconds=30.0):
        wait_until(lambda: not any(h.spool() for h in self.homes.values()),
                   "all spools to drain", seconds)

    def aggregate(self):
        self.collector.command("aggregate")
