# SPDX-License-Identifier: Apache-2.0
"""scene - one agent with everything that it talks to, on one loopback.

A test calls enter_namespace() first: it starts itself again in a network
namespace of its own.  Agent, reflector, web server and collector's stand-in
then share 127.0.0.1, and all of it ends with the scene.
"""

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
SEED = "000102030405060708090a0b0c0d0e0f"
NOBODY = 65534
DEADLINE_S = 60


def enter_namespace():
    if os.environ.get("SCENE_NAMESPACE") != "entered":
        os.environ["SCENE_NAMESPACE"] = "entered"
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable,
                              *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def wait_for(fact, what, seconds=DEADLINE_S):
    """Wait until fact() is true and return it; an error names what."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = fact()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"not within {seconds} s: {what}")


def utc(days=0.0):
    t = datetime.datetime.now(datetime.timezone.utc)
    t += datetime.timedelta(days=days)
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


class Signer:
    """A minisign key pair."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        subprocess.run(["minisign", "-G", "-W", "-p", self._path("pub"),
                        "-s", self._path("key")],
                       check=True, capture_output=True)
        with open(self._path("pub"), encoding="ascii") as f:
            self.public_key = f.read().splitlines()[1]

    def _path(self, kind):
        return os.path.join(self.directory, f"{self.name}.{kind}")

    def sign(self, path):
        subprocess.run(["minisign", "-S", "-s", self._path("key"),
                        "-m", path, "-x", path + ".minisig"],
                       check=True, capture_output=True)


class Web:
    """Serves a directory over HTTP with entity tags, and misbehaves on demand.

    answers[path] replaces an answer: (status, headers, body).
    """

    def __init__(self, directory, port):
        web = self
        self.log = []      # (path, status)
        self.answers = {}
        self.etag = '"one"'

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0]
                status, headers, body = web.answer(path, self.headers)
                web.log.append((path, status))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Transfer-Encoding" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # it had enough

            def log_message(self, *_):
                pass

        self.directory = directory
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        self.url = f"http://127.0.0.1:{port}"

    def answer(self, path, headers):
        if path in self.answers:
            return self.answers[path]
        if self.etag and headers.get("If-None-Match") == self.etag:
            return 304, {"ETag": self.etag}, b""
        try:
            with open(self.directory + path, "rb") as f:
                body = f.read()
        except OSError:
            return 404, {}, b"no such file\n"
        return 200, {"ETag": self.etag} if self.etag else {}, body

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Scene:
    def __init__(self):
        self.children = []
        self.webs = []
        self.mounts = []
        self.dir = tempfile.mkdtemp(prefix="periplus-agent-")
        os.chmod(self.dir, 0o755)
        self.bin = self.path("bin")
        os.mkdir(self.bin)
        for name in ("periplus", "periplus-fetch"):
            shutil.copy(f"{BUILD}/bin/{name}", self.bin)
        os.mkdir(self.path("keys"))
        self.signer = Signer(self.path("keys"), "operator")
        os.mkdir(self.path("plan"))
        self.fresh_state()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            self.end(child, signal.SIGKILL)
        for web in self.webs:
            web.close()
        for mount in self.mounts:
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def state(self, *names):
        return self.path("state", *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    # ---- agent

    def fresh_state(self, consent="basic"):
        """An empty state directory that belongs to nobody."""
        shutil.rmtree(self.state(), ignore_errors=True)
        os.mkdir(self.state())
        os.chown(self.state(), NOBODY, NOBODY)
        if consent:
            self.run("consent", "--grant", consent)

    def configure(self, plan=None, key=None, **more):
        """Write the configuration file; None leaves a key out.

        Nothing is sent unless upload="yes": waiting for nobody takes time.
        """
        lines = {"state_dir": self.state(), "allow_any_target": "yes",
                 "upload": "no", "plan": plan, "plan_key": key, **more}
        return self.write("periplus.conf", "".join(
            f"{k} = {v}\n" for k, v in lines.items() if v is not None))

    def argv(self, *args, user=NOBODY):
        config = [] if "--config" in args else \
            ["--config", self.path("periplus.conf")]
        if not os.path.exists(self.path("periplus.conf")):
            self.configure()
        drop = [] if user == 0 else [
            "setpriv", f"--reuid={user}", f"--regid={user}",
            "--clear-groups", "--bounding-set=-all"]
        return [*drop, f"{self.bin}/periplus", *args, *config]

    def run(self, *args, user=NOBODY, env=None, timeout=DEADLINE_S):
        return subprocess.run(self.argv(*args, user=user), text=True,
                              capture_output=True, timeout=timeout,
                              env={**os.environ, **(env or {})}, check=False)

    def start(self, *args, user=NOBODY, env=None):
        """Start the agent; its stderr goes to the file agent.log."""
        with open(self.path("agent.log"), "w", encoding="utf-8") as log:
            child = subprocess.Popen(
                self.argv(*args, user=user), stderr=log,
                stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        self.children.append(child)
        return child

    def log(self):
        with open(self.path("agent.log"), encoding="utf-8") as f:
            return f.read()

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def end(self, child, how=signal.SIGTERM):
        if child.poll() is None:
            child.send_signal(how)
        return child.wait(timeout=DEADLINE_S)

    # ---- plan

    def plan(self, serial=1, days=7.0, collectors=(), signer=None,
             name="plan.json", **changes):
        """Write and sign a plan; returns its path."""
        plan = {
            "format": "periplus-plan/1", "serial": serial,
            "valid_until": utc(days), "interval_s": 3600,
            "min_agent": "0.1.0", "seed": SEED,
            "collectors": list(collectors) or [
                {"endpoint": "tcp://127.0.0.1:7400", "key": "A" * 40}],
            "reflectors": [{"name": "here", "ipv4": "127.0.0.1",
                            "control_ports": [443, 80]}],
            "probes": [{"direction": "out", "transport": t, "port": p,
                        "class": c}
                       for t, p, c in (("tcp", 25, "basic"),
                                       ("tcp", 22, "basic"),
                                       ("udp", 123, "basic"),
                                       ("tcp", 445, "noisy"))],
            **changes}
        path = self.write(f"plan/{name}", json.dumps(plan))
        (signer or self.signer).sign(path)
        return path

    # ---- the others

    def web(self, port=18080):
        self.webs.append(Web(self.path("plan"), port))
        return self.webs[-1]

    def reflector(self):
        key = self.write("receipt.key", "5a" * 32 + "\n")
        os.chmod(key, 0o600)
        config = self.write("reflector.conf",
                            f"name = here\nseed = {SEED}\n"
                            f"receipt_key_file = {key}\nthreads = 1\n")
        with open(self.path("reflector.log"), "w", encoding="utf-8") as log:
            child = subprocess.Popen(
                [f"{BUILD}/bin/periplus-reflector", "--config", config],
                stderr=log, stdout=log)
        self.children.append(child)
        wait_for(lambda: ":443 " in subprocess.run(
            ["ss", "-ltnH", "sport", "=", ":443"], text=True, check=True,
            capture_output=True).stdout, "the reflector listens")
        return child

    def peer(self, port, *behaviour):
        """Start a collector's stand-in; returns (child, plan's entry)."""
        out = open(self.path(f"peer-{port}.log"), "w", encoding="utf-8")
        endpoint = f"tcp://127.0.0.1:{port}"
        child = subprocess.Popen([f"{BUILD}/tests/agent/router_peer",
                                  endpoint, *behaviour], stdout=out)
        out.close()
        self.children.append(child)
        lines = wait_for(lambda: self.peer_lines(port), "the peer's key")
        return child, {"endpoint": endpoint, "key": lines[0].split()[1]}

    def peer_lines(self, port):
        with open(self.path(f"peer-{port}.log"), encoding="utf-8") as f:
            return [x for x in f.read().splitlines() if x]

    def peer_runs(self, port):
        return [x for x in self.peer_lines(port) if x.startswith("RUN ")]
