# SPDX-License-Identifier: Apache-2.0
"""netns - do something in another network namespace.

A network namespace belongs to a thread, so each call borrows a thread that
enters the namespace; sockets that it opens and programs that it starts stay
there.  The caller's own thread never leaves its namespace.  This costs no
process, which matters with a hundred namespaces.
"""

import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class CommandError(Exception):
    """ip or nft refused what the lab needs; the text has what it said."""


def _enter(name):
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"setns {name}: {os.strerror(code)}")
    finally:
        os.close(fd)


def call(name, function, *args):
    """Return function(*args) as run inside the namespace."""
    box = {}

    def work():
        try:
            _enter(name)
            box["value"] = function(*args)
        except BaseException as e:      # handed to the caller below
            box["error"] = e

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if "error" in box:
        raise box["error"]
    return box["value"]


def popen(name, argv, **options):
    """Start a program inside the namespace."""
    return call(name, lambda: subprocess.Popen(argv, **options))


def feed(name, argv, text):
    """Run a program inside with text on its stdin; CommandError when it
    fails."""
    done = call(name, lambda: subprocess.run(
        argv, input=text, text=True, capture_output=True, check=False))
    if done.returncode != 0:
        raise CommandError(f"{' '.join(argv)} in {name} failed:\n"
                           f"{done.stderr}{text}")


def write_sysctls(settings):
    """Set sysctls of the namespace this thread is in; skip unknown ones.

    Which of them exist depends on the kernel's version and modules; whether
    the network works as planned is checked later, by pinging through it.
    """
    for key, value in settings:
        try:
            with open(f"/proc/sys/net/{key}", "w", encoding="ascii") as f:
                f.write(value)
        except FileNotFoundError:
            continue
