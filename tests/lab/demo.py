# SPDX-License-Identifier: Apache-2.0
"""demo - the commands "lab demo" and "lab demo-clean".

The database is started outside the namespaces, so that it stays when they
are gone.  It trusts whoever reaches its socket, therefore its directory lets
in nobody but root and the server itself.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time

import enter
import measure
import runner
import show
import world as worlds
from laboratory import STATE, Laboratory, programs_in
from postgres import Postgres
from program import run

HOME = "/var/tmp/periplus-demo"
PG = os.path.join(HOME, "pg")
WORLD = os.path.join(runner.HERE, "worlds", "demo.world")
TASTE = "64497/1"       # whose own table is shown at the end


class _Progress:
    """What is going on, on stderr, with the time since the start."""

    def __init__(self, homes):
        self.start = time.monotonic()
        self.homes = homes
        self.done = 0
        self.live = sys.stderr.isatty()

    def seconds(self):
        return time.monotonic() - self.start

    def say(self, text):
        clear = "\r\x1b[K" if self.live else ""
        print(f"{clear}[{self.seconds():5.1f} s] {text}", file=sys.stderr)

    def check_done(self, _check):
        self.done += 1
        if self.live:
            width = 40 * self.done // self.homes
            print(f"\r[{self.seconds():5.1f} s] measuring "
                  f"[{'#' * width}{'.' * (40 - width)}] {self.done} of "
                  f"{self.homes} homes", end="", file=sys.stderr, flush=True)
        elif self.done % 10 == 0:
            self.say(f"measured: {self.done} of {self.homes} homes")


def _lock():
    """Hold the demo's directory against a second demo; None without one."""
    try:
        fd = os.open(HOME, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise enter.EnterError(f"{HOME}: {e.strerror}: look at it and "
                               "remove it") from None
    if os.fstat(fd).st_uid != 0:
        os.close(fd)
        raise enter.EnterError(f"{HOME} does not belong to root: look at it "
                               "and remove it")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise enter.EnterError("a demo is running: wait for its end") from None
    return fd


def _remove():
    """Stop the server and remove everything; False when there is nothing."""
    fd = _lock()
    if fd is None:
        return False
    try:
        if os.path.isdir(PG):
            Postgres(PG).stop()
        shutil.rmtree(HOME)
    finally:
        os.close(fd)
    return True


def clean():
    """The command "lab demo-clean"."""
    if _remove():
        print(f"Stopped the demo's database and removed {HOME}.")
    else:
        print("There is nothing to remove.")
    return 0


@contextlib.contextmanager
def _home():
    """Make the directory and hold it while the demo runs."""
    os.mkdir(HOME, 0o700)
    shutil.chown(HOME, "root", "postgres")
    os.chmod(HOME, 0o710)
    fd = _lock()
    try:
        yield
    finally:
        os.close(fd)


def outside(options):
    """Start the database, run the demo inside, keep or remove."""
    programs_in(options.build)
    if _remove():
        print(f"Removed the data of an earlier demo in {HOME}.",
              file=sys.stderr)
    status = 128
    try:
        with _home():
            Postgres(PG).start()
            status = enter.supervise([
                os.path.join(runner.HERE, "lab"),
                "--build", os.path.abspath(options.build), "demo"])
    finally:
        if status >= 128:       # interrupted, or it never began
            _remove()
            print("\nThe demo did not finish; nothing is left of it.",
                  file=sys.stderr)
    return status


def _open_home():
    """Let the collector, which is nobody, reach the database's socket.

    Only in these namespaces: the directory is covered by one that everybody
    may enter, and the database shown in it under the same name.  Returns a
    path to what was covered.
    """
    real = "/run/demo"
    os.mkdir(real)
    subprocess.run(["mount", "--bind", HOME, real], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "lab", HOME],
                   check=True)
    os.mkdir(PG)
    subprocess.run(["mount", "--bind", f"{real}/pg", PG], check=True)
    return real


def _keep(result, home):
    """Leave the facts beside the database."""
    shutil.copytree(STATE, os.path.join(home, "lab"), symlinks=True)
    shutil.copy(WORLD, home)
    with open(os.path.join(home, "result.json"), "w", encoding="utf-8") as f:
        json.dump(runner.document(result), f, indent=1)


def _taste(lab):
    """What the person in one of the homes is told."""
    home = lab.home(TASTE)
    done = run(home.node, [lab.programs["periplus"], "check", "--config",
                           home.conf, "--no-upload"])
    return done.stdout if done.returncode == 0 else done.stderr


def inside(options):
    """The demo itself."""
    enter.settle()
    world = worlds.load(WORLD)
    progress = _Progress(len(world.homes()))
    home = _open_home()
    with Laboratory(world, options.build, progress.say, PG) as lab:
        checks = measure.rounds(lab, 1, progress.check_done)
        progress.say(f"measured: {len(checks)} homes, nothing waits to be sent")
        taste = _taste(lab)
        result = runner.evaluate(lab, checks, 1)
        progress.say("verdicts computed and compared with the world")
        _keep(result, home)
    _print(result, taste, options.build)
    print(f"\nThe demo took {progress.seconds():.0f} s.", file=sys.stderr)
    return 0 if runner.compare.all_well(result.summary) else 1


def _print(result, taste, build):
    world, summary = result.world, result.summary
    isp = world.isp(int(TASTE.split("/", maxsplit=1)[0]))
    print(f"\nWhat the person in home {TASTE} ({isp.name}) is told:\n")
    print(taste)
    print("Which ISPs block which ports:\n")
    for line in show.matrix(world, result.cells, sys.stdout.isatty()):
        print(line)
    print()
    for line in show.differences(result.cells):
        print(line)
    print(f"{summary['right']} of {summary['probes']} probes came to what the "
          f"world's rules make of them, {summary['unknown']} to nothing,\n"
          f"{summary['wrong']} to something else; {summary['runs_stored']} of "
          f"{summary['runs']} runs are stored.")
    print(f"\nLook further:   sudo psql -h {PG} -U periplus_owner periplus")
    print("  for instance:  select asn_name, transport, port, label, k, lines"
          "\n                 from periplus.verdict_matrix where label <> "
          "'open' order by asn, port;")
    relative = os.path.relpath(build)
    print(f"  or:            sudo {build if '..' in relative else relative}/bin/"
          f"periplus-collector verdicts \\\n                 "
          f"-c {HOME}/lab/collector/conf")
    print(f"The data:       {HOME}  (pg: database, lab: configurations, "
          "logs,\n                result.json: every check, verdict and truth)")
    print("Remove it all:  sudo make demo-clean")
