#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The plan over HTTPS: from a server that is known, and from one that is not.

What counts as known is the system's list of authorities.  A mount namespace
puts a list with the test's own authority in its place.
"""

import os
import ssl
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lab")]
from scene import Scene
from tap import Tap

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
PLAN = 5


def enter_namespaces():
    if os.environ.get("SCENE_NAMESPACE") != "entered":
        os.environ["SCENE_NAMESPACE"] = "entered"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--",
                              sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_authority(s):
    """An authority with a certificate for 127.0.0.1; returns its own."""
    os.mkdir(s.path("tls"))
    authority, key = s.path("tls", "ca.pem"), s.path("tls", "ca.key")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=Test authority", "-keyout", key, "-out", authority)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=plan host",
            "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", s.path("tls", "host.key"),
            "-out", s.path("tls", "host.csr"))
    openssl("x509", "-req", "-days", "2", "-in", s.path("tls", "host.csr"),
            "-CA", authority, "-CAkey", key, "-CAcreateserial",
            "-copy_extensions", "copy", "-out", s.path("tls", "host.pem"))
    return authority


def secure(s, web):
    """Let a web server speak TLS from now on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(s.path("tls", "host.pem"),
                            s.path("tls", "host.key"))
    web.server.socket = context.wrap_socket(web.server.socket,
                                            server_side=True)
    web.url = web.url.replace("http:", "https:")


def main():
    enter_namespaces()
    with Tap() as tap, Scene() as s:
        authority = make_authority(s)
        web = s.web()
        secure(s, web)
        s.reflector()
        s.plan(serial=3)
        s.configure(web.url + "/plan.json", s.signer.public_key)

        done = s.run("check")
        tap.ok(done.returncode == PLAN and web.url in done.stderr
               and "certificate" in done.stderr,
               "a server that no authority knows gives no plan", done.stderr)
        tap.equal(web.log, [], "and is asked for nothing")

        subprocess.run(["mount", "--bind", authority, AUTHORITIES],
                       check=True)
        done = s.run("check")
        tap.ok(done.returncode == 0 and s.status()["plan"]["serial"] == 3,
               "a plan comes from a server that is known", done.stderr)
        s.run("check")
        tap.equal(web.log[-1], ("/plan.json", 304),
                  "and then only whether it changed is asked")

        plain = s.web(8001)
        web.answers["/plan.json"] = (
            302, {"Location": plain.url + "/plan.json"}, b"")
        s.fresh_state()
        done = s.run("check")
        tap.ok(done.returncode == PLAN and plain.log == [],
               "nobody is led from HTTPS to HTTP", done.stderr)


main()
