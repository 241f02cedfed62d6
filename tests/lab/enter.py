# SPDX-License-Identifier: Apache-2.0
"""enter - run a program inside namespaces of its own, and leave no trace.

The lab lives in private network, mount, process and IPC namespaces with a
private tmpfs on /run and /dev/shm.  When the first process in there ends, for
whatever reason, the kernel ends all others and takes networks and files with
them: there is nothing to clean up that a SIGKILL could prevent.

supervise() runs outside: it starts the program again inside, waits, and
passes on a signal by ending all of it.  settle() runs inside, first thing.
"""

import os
import signal
import subprocess
import sys

MARK = "PERIPLUS_LAB_INSIDE"


class EnterError(Exception):
    """The namespaces cannot be made."""


def inside():
    return os.environ.get(MARK) == "1"


def require_root(what):
    if os.geteuid() != 0:
        raise EnterError(f"{what} makes network namespaces and firewall rules "
                         "of its own and must be started by root: use sudo")


def _command(argv):
    return ["setpriv", "--pdeathsig", "KILL",
            "unshare", "--net", "--mount", "--ipc", "--pid", "--fork",
            "--kill-child", "--mount-proc",
            "/usr/bin/python3", "-B", *argv]


def supervise(argv):
    """Run argv (a python script and its arguments) inside; return its status.

    SIGINT, SIGTERM and SIGHUP end everything inside and give 128 + signal.
    """
    caught = []

    def stop(number, _frame):
        caught.append(number)
        child.kill()    # pdeathsig and --kill-child do the rest

    child = subprocess.Popen(_command(argv), env={**os.environ, MARK: "1"},
                             start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    status = child.wait()
    if caught:
        return 128 + caught[0]
    return 128 - status if status < 0 else status


def reenter():
    """For test scripts: continue only inside; outside, run oneself there."""
    if inside():
        settle()
        return
    try:
        require_root(os.path.basename(sys.argv[0]))
    except EnterError as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(0)
    sys.exit(supervise([os.path.abspath(sys.argv[0]), *sys.argv[1:]]))


def settle():
    """Cover what must not leak, and bring up loopback."""
    os.umask(0o022)
    for path, mode in (("/run", "755"), ("/dev/shm", "1777")):
        if not os.path.isdir(path):
            continue    # /dev/shm may be missing in a container
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode={mode}", "lab",
                        path], check=True)
    os.mkdir("/run/netns", 0o755)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
