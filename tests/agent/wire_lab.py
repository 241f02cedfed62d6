# SPDX-License-Identifier: Apache-2.0
"""wire_lab - a home, a router and a reflector in three network namespaces.

    home 192.168.7.2 --- 192.168.7.1 router 198.51.100.1 --- 198.51.100.7
         fd00:7::2   --- fd00:7::1          2001:db8:5::1 --- 2001:db8:5::7

The router also runs strangers that answer in the reflector's place.  All of
it ends with the object, whatever happened.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SEED = "000102030405060708090a0b0c0d0e0f"
BUILD = os.environ.get("BUILD", "build")
HOME4, ROUTER4, REFLECTOR4 = "192.168.7.2", "192.168.7.1", "198.51.100.7"
HOME6, ROUTER6, REFLECTOR6 = "fd00:7::2", "fd00:7::1", "2001:db8:5::7"
OTHER4, OTHER6 = "198.51.100.99", "2001:db8:5::99"

STRANGER = r"""
import select, socket, sys
waiting, keep = {}, []
def listen(kind, port, what):
    for family, any_ in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any_, port))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        waiting[s] = what
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
listen(TCP, 2525, "banner")   # speaks first, as mail servers do
listen(TCP, 2526, "silent")   # accepts and says nothing
listen(TCP, 2527, "closing")  # accepts and hangs up
listen(TCP, 2528, "echoing")  # sends back what it gets
listen(UDP, 2553, "noise")    # answers every datagram
print("ready", flush=True)

def answer(s, what):
    if what == "noise":
        data, peer = s.recvfrom(2048)
        s.sendto(b"not the reflector", peer)
        return
    if what == "peer":
        data = s.recv(2048)
        if data:
            s.sendall(data)
        else:
            del waiting[s]
            s.close()
        return
    c, _ = s.accept()
    if what == "banner":
        c.sendall(b"220 mail.isp.example ESMTP\r\n")
    if what == "closing":
        c.close()
    elif what == "echoing":
        waiting[c] = "peer"
    else:
        keep.append(c)

while True:
    for s in select.select(list(waiting), [], [])[0]:
        try:
            answer(s, waiting[s])
        except OSError:         # the engine cuts its connections
            if waiting[s] == "peer":
                del waiting[s]
                s.close()
"""

# Carries packets between a tunnel device here and one in the router's
# namespace, each so many milliseconds late.
SLOW_WIRE = r"""
import ctypes, fcntl, heapq, os, select, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def tunnel(ns):
    if libc.setns(os.open("/run/netns/" + ns, os.O_RDONLY), 0x40000000) != 0:
        sys.exit("setns: " + os.strerror(ctypes.get_errno()))
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"slow", 0x1001))
    return fd
ends = [tunnel(sys.argv[1]), tunnel(sys.argv[2])]
late, queue, n = float(sys.argv[3]) / 1000, [], 0
print("ready", flush=True)
while True:
    wait = max(0, queue[0][0] - time.monotonic()) if queue else None
    for fd in select.select(ends, [], [], wait)[0]:
        try:
            packet = os.read(fd, 2048)
        except BlockingIOError:
            continue
        n += 1
        to = ends[1] if fd == ends[0] else ends[0]
        heapq.heappush(queue, (time.monotonic() + late, n, to, packet))
    while queue and queue[0][0] <= time.monotonic():
        _, _, to, packet = heapq.heappop(queue)
        try:
            os.write(to, packet)
        except OSError:         # the end is not up yet
            pass
"""


def run(*argv, **options):
    return subprocess.run(argv, check=True, text=True, **options)


class Lab:
    def __init__(self):
        name = f"pa{os.getpid()}"
        self.home, self.router, self.far = f"{name}h", f"{name}r", f"{name}f"
        self.children = []
        self.reflector = None
        self.dir = tempfile.mkdtemp(prefix="periplus-engine-")
        os.chmod(self.dir, 0o755)
        try:
            self._wire()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for ns in (self.home, self.router, self.far):
            subprocess.run(["ip", "netns", "del", ns],
                           stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- the network

    def _link(self, a, b, name, *addresses):
        run("ip", "link", "add", name + "0", "netns", a, "type", "veth",
            "peer", "name", name + "1", "netns", b)
        for ns, end, four, six in ((a, name + "0", *addresses[0]),
                                   (b, name + "1", *addresses[1])):
            run("ip", "-n", ns, "addr", "add", four, "dev", end)
            run("ip", "-n", ns, "addr", "add", six, "dev", end, "nodad")
            run("ip", "-n", ns, "link", "set", end, "up")

    def _wire(self):
        for ns in (self.home, self.router, self.far):
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        self._link(self.home, self.router, "pah",
                   (HOME4 + "/24", HOME6 + "/64"),
                   (ROUTER4 + "/24", ROUTER6 + "/64"))
        self._link(self.router, self.far, "pad",
                   ("198.51.100.1/24", "2001:db8:5::1/64"),
                   (REFLECTOR4 + "/24", REFLECTOR6 + "/64"))
        run("ip", "-n", self.router, "addr", "add", OTHER4 + "/24",
            "dev", "pad0")
        run("ip", "-n", self.router, "addr", "add", OTHER6 + "/64",
            "dev", "pad0", "nodad")
        for ns, four, six in ((self.home, ROUTER4, ROUTER6),
                              (self.far, "198.51.100.1", "2001:db8:5::1")):
            run("ip", "-n", ns, "route", "add", "default", "via", four)
            run("ip", "-n", ns, "-6", "route", "add", "default", "via", six)
        # A few errors a second are a router's default; here it tells all.
        for key, value in (("ipv4/ip_forward", "1"),
                           ("ipv6/conf/all/forwarding", "1"),
                           ("ipv4/icmp_ratelimit", "0"),
                           ("ipv6/icmp/ratelimit", "0")):
            self.inside(self.router, "sh", "-c",
                        f"echo {value} > /proc/sys/net/{key}")
        self.inside(self.home, "sh", "-c",
                    "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; "
                    "echo 0 > /proc/sys/net/ipv6/icmp/ratelimit")

    def inside(self, ns, *argv, **options):
        return run("ip", "netns", "exec", ns, *argv, **options)

    def start_inside(self, ns, *argv, **options):
        child = subprocess.Popen(["ip", "netns", "exec", ns, *argv],
                                 text=True, **options)
        self.children.append(child)
        return child

    def rules(self, ns, text):
        """Replace all nftables rules of a namespace."""
        self.inside(ns, "nft", "-f", "-", input="flush ruleset\n" + text)

    def start_strangers(self):
        child = self.start_inside(self.router, "/usr/bin/python3", "-c",
                                  STRANGER, stdout=subprocess.PIPE)
        assert child.stdout.readline().strip() == "ready"

    def slow_down(self, one_way_ms):
        """Make the path from home to router long; IPv4 only."""
        child = subprocess.Popen(
            ["/usr/bin/python3", "-c", SLOW_WIRE, self.home, self.router,
             str(one_way_ms)], stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        assert child.stdout.readline().strip() == "ready"
        for ns, mine, other in ((self.home, "10.9.0.2", "10.9.0.1"),
                                (self.router, "10.9.0.1", "10.9.0.2")):
            run("ip", "-n", ns, "addr", "add", mine, "peer", other,
                "dev", "slow")
            run("ip", "-n", ns, "link", "set", "slow", "up")
        run("ip", "-n", self.home, "route", "replace", "default", "via",
            "10.9.0.1")
        run("ip", "-n", self.far, "route", "replace", "10.9.0.0/24", "via",
            "198.51.100.1")

    # ---- the programs

    def path(self, name):
        return os.path.join(self.dir, name)

    def start_reflector(self, **settings):
        key = self.path("receipt.key")
        with open(key, "w", encoding="ascii") as f:
            f.write("5a" * 32 + "\n")
        os.chmod(key, 0o600)
        config = {"name": "fra1", "seed": SEED, "receipt_key_file": key,
                  "threads": 1, **settings}
        with open(self.path("reflector.conf"), "w", encoding="ascii") as f:
            for k, v in config.items():
                f.write(f"{k} = {v}\n")
        log = open(self.path("reflector.log"), "w", encoding="utf-8")
        self.reflector = self.start_inside(
            self.far, f"{BUILD}/bin/periplus-reflector", "--config",
            self.path("reflector.conf"), stderr=log, stdout=log)
        self.await_port(443)

    def await_port(self, port):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            done = self.inside(self.far, "ss", "-ltnH", "sport", f"= :{port}",
                               capture_output=True)
            if done.stdout.count("LISTEN") >= 2:
                return
            time.sleep(0.02)
        with open(self.path("reflector.log"), encoding="utf-8") as f:
            sys.exit("# the reflector does not start:\n" + f.read())

    def stop_reflector(self):
        self.reflector.send_signal(signal.SIGKILL)
        self.reflector.wait()

    def plan(self, probes, **changes):
        plan = {
            "format": "periplus-plan/1", "serial": 12,
            "valid_until": "2099-01-01T00:00:00Z", "interval_s": 21600,
            "min_agent": "0.1.0", "seed": SEED,
            "collectors": [{"endpoint": "tcp://198.51.100.8:443",
                            "key": "x" * 40}],
            "reflectors": [{"name": "fra1", "ipv4": REFLECTOR4,
                            "ipv6": REFLECTOR6,
                            "control_ports": [443, 80, 8080]}],
            "probes": [{"direction": "out", "transport": t, "port": p,
                        "class": c} for t, p, c in probes],
            **changes,
        }
        with open(self.path("plan.json"), "w", encoding="ascii") as f:
            json.dump(plan, f)
        return self.path("plan.json")

    def engine(self, plan, pace="check", classes=15, families="4", cancel=None,
               timeout=120):
        """Start engine_run as nobody, with no capability at all."""
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs",
                "timeout", str(timeout), self.path("engine_run"), plan, pace,
                str(classes), families]
        if cancel is not None:
            argv.append(str(cancel))
        return self.start_inside(self.home, *argv, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)

    def check(self, *args, **kwargs):
        """Run the engine to its end: the check as parsed JSON."""
        child = self.engine(*args, **kwargs)
        out, err = child.communicate()
        if child.returncode != 0:
            raise RuntimeError(f"engine_run: status {child.returncode}\n{err}")
        check = json.loads(out)
        check["stderr"] = err
        return check
