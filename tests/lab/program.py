# SPDX-License-Identifier: Apache-2.0
"""program - the real programs, run in the lab as an operator would run them.

All run as nobody, with no capability (the reflector may bind low ports), each
in its namespace, with its own directory for configuration, keys and log.
Waiting is always for a fact, with a deadline.
"""

import os
import socket
import subprocess
import time

import netns

NOBODY = 65534


class ProgramError(Exception):
    """A program did not do what the lab needs; the text says which and why."""


def wait_until(fact, what, seconds=20.0):
    """Poll until fact() is true; ProgramError after the deadline."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise ProgramError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.02)


def write_file(path, text, mode=0o644):
    """Write a file that the programs' user owns."""
    with open(path, "w", encoding="utf-8") as f:
        os.fchmod(f.fileno(), mode)
        f.write(text)
    os.chown(path, NOBODY, NOBODY)


def make_directory(path):
    os.makedirs(path, exist_ok=True)
    os.chown(path, NOBODY, NOBODY)
    return path


def unprivileged(argv, capability=None):
    """The command that runs argv as nobody with at most one capability."""
    caps = "-all" + (f",+{capability}" if capability else "")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
            "--clear-groups", f"--inh-caps={caps}", f"--ambient-caps={caps}",
            f"--bounding-set={caps}", "--no-new-privs", "--", *argv]


def run(node, argv, **options):
    """Run an unprivileged command to its end; returns CompletedProcess."""
    return netns.call(node, lambda: subprocess.run(
        unprivileged(argv), capture_output=True, text=True, check=False,
        cwd="/", **options))


def must(done, what):
    """Raise unless a finished command succeeded; returns its stdout."""
    if done.returncode != 0:
        raise ProgramError(f"{what} failed with status {done.returncode}: "
                           f"{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def accepts(node, address, port):
    """Does a TCP connection from within the node succeed?"""
    def attempt():
        try:
            socket.create_connection((str(address), port), timeout=1).close()
        except OSError:
            return False
        return True

    return netns.call(node, attempt)


class Daemon:
    """A long-running program that can be stopped, killed and started."""

    def __init__(self, node, directory, argv, capability=None):
        self.node = node
        self.log = os.path.join(directory, "log")
        self.argv = unprivileged(argv, capability)
        self.name = os.path.basename(argv[0])
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = netns.popen(
                self.node, self.argv, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd="/")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, address, port):
        """Wait until it takes connections; say what its log says if not."""
        def ready():
            if not self.running():
                raise ProgramError(f"{self.name} ended with status "
                                   f"{self.process.returncode}:\n"
                                   f"{self.log_text()[-2000:]}")
            return accepts(self.node, address, port)

        wait_until(ready, f"{self.name} to listen on port {port}")

    def stop(self, seconds=15.0):
        """Ask it to end; returns its exit status."""
        if not self.running():
            return None
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProgramError(f"{self.name} ignored SIGTERM for "
                               f"{seconds:g} s") from None

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def log_text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""
