# SPDX-License-Identifier: Apache-2.0
"""plan - the operator of the lab: writes, signs and serves the plan.

Plans are signed by minisign itself.  The web server runs as a thread of the
lab with its socket in the plan host's namespace; what it serves can be
replaced at any time, also by plans that agents must refuse.
"""

import datetime
import hashlib
import json
import os
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import netns
from topology import COLLECTOR4, PLAN, PLAN4
from world import HELLO_PORTS

COLLECTOR_PORT = 7400
URL = f"http://{PLAN4}/plan.json"


def _reflector(r):
    entry = {"name": r.name, "ipv4": str(r.addr4),
             "control_ports": list(HELLO_PORTS)}
    if r.addr6:
        entry["ipv6"] = str(r.addr6)
    return entry


def seed_of(world):
    """From which reflectors and agents draw the controls of the day."""
    return hashlib.blake2b(world.name.encode(), digest_size=16).hexdigest()


class Signer:
    """A minisign key pair in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, mode=0o700)
        subprocess.run(["minisign", "-G", "-W", "-p", self._path("key.pub"),
                        "-s", self._path("key")],
                       check=True, capture_output=True)
        with open(self._path("key.pub"), encoding="ascii") as f:
            self.public_key = f.read().splitlines()[1]

    def _path(self, name):
        return os.path.join(self.directory, name)

    def sign(self, text):
        """Return the .minisig file of a text."""
        with open(self._path("message"), "w", encoding="utf-8") as f:
            f.write(text)
        subprocess.run(["minisign", "-S", "-s", self._path("key"),
                        "-m", self._path("message"),
                        "-x", self._path("signature")],
                       check=True, capture_output=True)
        with open(self._path("signature"), encoding="utf-8") as f:
            return f.read()


def write(world, ports, collector_key, serial=1, valid_days=7.0, **changes):
    """Return the plan of a world as JSON text; changes replace members."""
    until = datetime.datetime.now(datetime.timezone.utc) + \
        datetime.timedelta(days=valid_days)
    plan = {
        "format": "periplus-plan/1",
        "serial": serial,
        "valid_until": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "interval_s": 21600,
        "min_agent": "0.1.0",
        "seed": seed_of(world),
        "collectors": [{"endpoint": f"tcp://{COLLECTOR4}:{COLLECTOR_PORT}",
                        "key": collector_key}],
        "reflectors": [_reflector(r) for r in world.reflectors],
        "probes": [{"direction": "out", "transport": p.transport,
                    "port": p.port, "class": p.consent} for p in ports],
    }
    plan.update(changes)
    return json.dumps(plan, indent=1) + "\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content = self.server.files.get(self.path)
        if content is None:
            self._send(404, b"not here\n", None)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            self._send(304, b"", etag)
        else:
            self._send(200, content, etag)

    def _send(self, status, content, etag):
        self.server.counts[status] = self.server.counts.get(status, 0) + 1
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args):
        """Say nothing: the lab's output is for people."""


class PlanHost:
    """Serves a plan and its signature."""

    def __init__(self):
        self.server = ThreadingHTTPServer((str(PLAN4), 80), _Handler,
                                          bind_and_activate=False)
        self.server.daemon_threads = True
        self.server.files = {}
        self.server.counts = {}     # answers by HTTP status
        self.server.socket.close()
        self.server.socket = netns.call(PLAN, lambda: socket.create_server(
            (str(PLAN4), 80), backlog=128))
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    @property
    def counts(self):
        return dict(self.server.counts)

    def publish(self, text, signature):
        self.server.files = {"/plan.json": text.encode(),
                             "/plan.json.minisig": signature.encode()}
