#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The real periplus-reflector on real sockets, in a network namespace.

Needs root, to make the namespace and to give the privileges away again.  The
environment variable BUILD names the build directory.
"""
import contextlib
import csv
import itertools
import os
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import peer  # noqa: E402
from peer import (HALF_OPEN, OTHER_ADDRESS, SEEN, TCP, UDP, UNSURE,  # noqa: E402
                  Run, ask, ask_udp)

BINARY = os.path.join(ROOT, os.environ.get('BUILD', 'build'), 'bin',
                      'periplus-reflector')
SEED = bytes(range(16))
KEY = bytes(range(100, 132))
NOBODY = 65534
UNPRIVILEGED = ['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}',
                '--clear-groups', '--inh-caps=-all,+net_bind_service',
                '--ambient-caps=-all,+net_bind_service',
                '--bounding-set=-all,+net_bind_service']
SERVER, SERVER_TOO = '192.0.2.1', '192.0.2.2'
SERVER6, SERVER6_TOO = '2001:db8::1', '2001:db8::2'
HOME, HOME_TOO, STRANGER = '198.51.100.7', '198.51.100.9', '203.0.113.5'
HOME6 = '2001:db8:a::7'
OTHER_HOME = '203.0.113.77'
ADDRESSES = ['192.0.2.1/24', '198.51.100.1/24', '203.0.113.1/24', '10.0.0.1/8']
ADDRESSES6 = [SERVER6, SERVER6_TOO, HOME6, '2001:db8:b::5']
DAY_S = 86400


def enter_namespace():
    if os.environ.get('REFLECTOR_TEST_INSIDE') != '1':
        os.environ['REFLECTOR_TEST_INSIDE'] = '1'
        os.execvp('unshare', ['unshare', '-n', sys.executable, __file__,
                              *sys.argv[1:]])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    for command in ['link set lo up',
                    *(f'addr add {a} dev lo' for a in ADDRESSES),
                    *(f'addr add {a}/128 dev lo nodad' for a in ADDRESSES6)]:
        subprocess.run(['ip', *command.split()], check=True)


def catalogue():
    """All (transport, port) of the catalogue that one can listen on."""
    with open(os.path.join(ROOT, 'sql/seed/ports.tsv'), newline='') as f:
        rows = list(csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE))
    return {(UDP if row['transport'] == 'udp' else TCP, int(row['port']))
            for row in rows if int(row['port']) != 0}


def controls(now_s):
    """The control ports of yesterday, today and tomorrow."""
    day, ports = int(now_s // DAY_S), set()
    for d in (day - 1, day, day + 1):
        tcp, udp = peer.control_ports(SEED, d, catalogue())
        ports |= {(TCP, tcp), (UDP, udp)}
    return ports


def wait_for(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f'{what}: not within {seconds} s')


class Reflector:
    """A running reflector; asserts a clean end."""

    def __init__(self, directory, settings=(), wrap=UNPRIVILEGED, env=None):
        self.config = os.path.join(directory, 'reflector.conf')
        self.log_path = os.path.join(directory, 'log')
        key = os.path.join(directory, 'key')
        with open(key, 'w', opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(KEY.hex() + '\n')
        os.chown(key, NOBODY, NOBODY)
        os.chmod(directory, 0o755)
        with open(self.config, 'w') as f:
            f.write(f'name = fra1\nseed = {SEED.hex()}\n'
                    f'receipt_key_file = {key}\n')
            f.writelines(s + '\n' for s in settings)
        with open(self.log_path, 'w') as log:
            self.process = subprocess.Popen(
                [*wrap, BINARY, '--config', self.config], stderr=log,
                env={**os.environ, **(env or {})})

    def __enter__(self):
        wait_for('start', lambda: 'listening on' in self.log() or
                 self.process.poll() is not None)
        assert self.process.poll() is None, self.log()
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        if kind:
            print(''.join(f'# {line}\n' for line in self.log().split('\n')))
        else:
            assert status == 0, f'exit status {status}: {self.log()}'

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def proc(self, name):
        with open(f'/proc/{self.process.pid}/{name}') as f:
            return f.read()

    def counters(self):
        lines = self.log().count('counters:')
        self.process.send_signal(signal.SIGUSR1)
        wait_for('counters',
                 lambda: self.log().count('counters:') > lines)
        return {k: int(v) for k, v in
                re.findall(r'([a-z-]+)=(\d+)',
                           self.log().split('counters:')[-1])}


@contextlib.contextmanager
def reflector(*settings, **options):
    with tempfile.TemporaryDirectory() as directory:
        with Reflector(directory, settings, **options) as r:
            yield r


FEW = 'ports = tcp/443 tcp/80 tcp/8080 udp/53 udp/123'


def closes_within(s, low, high, start):
    """The peer closes or resets between these seconds after start."""
    try:
        data = s.recv(1)
    except ConnectionError:
        data = b''
    took = time.monotonic() - start
    assert data == b'', 'an answer'
    assert low <= took <= high, f'{took:.2f} s'


TESTS = []


def test(function):
    TESTS.append(function)
    return function


# ---- tests -----------------------------------------------------------------

@test
def hello_is_answered_on_many_ports_and_both_families():
    with reflector():
        for host, source in ((SERVER, HOME), (SERVER6, HOME6)):
            for port in (443, 80, 25, 8080):
                before = time.time_ns()
                run = Run(host, source, port)
                w = run.welcome
                assert w['nonce'] == b'12345678'
                assert w['seen'][0] == source, w['seen']
                assert before <= w['clock_ns'] <= time.time_ns()
                assert len(w['ports']) == len(set(w['ports']))


@test
def welcome_lists_the_catalogue_and_the_drawn_control_ports():
    with reflector():
        for host, source in ((SERVER, HOME), (SERVER6, HOME6)):
            listed = set(Run(host, source).welcome['ports'])
            want = catalogue() | controls(time.time())
            assert listed == want, listed ^ want


@test
def every_listed_port_echoes_over_its_transport():
    with reflector():
        for host, source in ((SERVER, HOME), (SERVER6, HOME6)):
            run = Run(host, source)
            for transport, port in run.welcome['ports']:
                if transport == TCP:
                    seen, arrived = run.probe_tcp(port)
                else:
                    (seen, arrived), own = run.probe_udp(port)
                    assert seen[1] == own
                assert (seen[0], arrived) == (source, port)
            entries = run.manifest(KEY)['entry']
            assert set(entries) == set(run.welcome['ports'])
            assert all(flags == SEEN for flags, _, _ in entries.values())


@test
def replies_leave_from_the_address_that_was_asked():
    with reflector(FEW):
        for host, source in ((SERVER_TOO, HOME), (SERVER6_TOO, HOME6)):
            run = Run(host, source)
            with peer.sock(socket.SOCK_DGRAM, source) as s:
                s.sendto(peer.probe(run.id, run.token, UDP, 53), (host, 53))
                assert s.recvfrom(999)[1][:2] == (host, 53)


@test
def a_bad_token_is_never_answered():
    with reflector(FEW) as r:
        run = Run(SERVER, HOME)
        bad = bytes(16)
        assert run.probe_udp(53, token=bad, timeout=0.3)[0] is None
        assert run.probe_tcp(443, token=bad) == b''
        assert ask((SERVER, 443), peer.report(run.id, bad), HOME) == b''
        entries = run.manifest(KEY)['entry']
        assert entries[(UDP, 53)][0] == 0 and entries[(TCP, 443)][0] == 0
        assert r.counters()['bad-token'] == 3


@test
def a_token_from_another_address_is_noted_and_not_answered():
    with reflector(FEW) as r:
        run = Run(SERVER, HOME)
        reply, own = run.probe_udp(53, source=STRANGER, timeout=0.3)
        assert reply is None
        assert run.probe_udp(123, source=STRANGER, timeout=0.3)[0] is None
        assert run.probe_udp(123)[0]
        assert run.probe_tcp(80, source=STRANGER) == b''
        m = run.manifest(KEY)
        assert m['entry'][(UDP, 53)] == (OTHER_ADDRESS, 0, (STRANGER, own))
        flags, _, other = m['entry'][(UDP, 123)]
        assert flags == SEEN | OTHER_ADDRESS and other[0] == STRANGER
        assert m['entry'][(TCP, 80)][0] == OTHER_ADDRESS
        assert r.counters()['other-address'] == 3


@test
def a_session_is_not_reached_over_the_other_family():
    with reflector(FEW):
        run = Run(SERVER, HOME)
        request = peer.probe(run.id, run.token, UDP, 53)
        assert ask_udp((SERVER6, 53), request, HOME6, 0.3)[0] is None


@test
def noise_over_udp_is_never_answered():
    noise = random.Random(1)
    with reflector(FEW) as r:
        run = Run(SERVER, HOME)
        good = peer.probe(run.id, run.token, UDP, 53)
        with peer.sock(socket.SOCK_DGRAM, HOME, (SERVER, 53)) as s:
            for i in range(3000):
                if i % 3 == 0:
                    data = noise.randbytes(noise.randrange(0, 1400))
                elif i % 3 == 1:  # lengths around the right one
                    data = (good * 2)[:noise.choice([0, 1, 95, 97, 192])]
                else:             # one bit of what is checked is wrong
                    data = bytearray(good)
                    at = noise.choice([*range(0, 40), 40])
                    data[at] ^= 0x80
                s.send(bytes(data))
                if i % 50 == 0:
                    time.sleep(0.005)
            s.settimeout(0.5)
            try:
                raise AssertionError(f'answered {s.recv(999)}')
            except TimeoutError:
                pass
        assert run.probe_udp(53)[0]
        assert r.counters()['udp-probe'] == 1


@test
def a_broadcast_is_not_answered():
    with reflector(FEW) as r:
        run = Run(SERVER, HOME)
        with peer.sock(socket.SOCK_DGRAM, HOME) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.settimeout(0.5)
            s.sendto(peer.probe(run.id, run.token, UDP, 53),
                     ('192.0.2.255', 53))
            wait_for('a copy', lambda: r.counters()['udp-foreign'] > 0)
            try:
                raise AssertionError(f'answered {s.recv(999)}')
            except TimeoutError:
                pass
        assert run.manifest(KEY)['entry'][(UDP, 53)][0] == 0


@test
def eight_datagrams_are_answered_on_each_port_of_a_run():
    with reflector(FEW) as r:
        for _ in range(2):
            run = Run(SERVER, HOME)
            for port in (53, 123):
                for i in range(10):
                    wait_s = 15 if i < 8 else 0.3
                    reply, own = run.probe_udp(port, timeout=wait_s)
                    assert (reply is not None) == (i < 8), i
                entry = run.manifest(KEY)['entry'][(UDP, port)]
                assert entry == (SEEN, own, None)
        assert r.counters()['udp-spent'] == 8


@test
def the_manifest_says_what_came_and_what_did_not():
    with reflector(FEW):
        before = time.time_ns()
        run = Run(SERVER, HOME)
        run.probe_tcp(8080)
        m = run.manifest(KEY, port=80)
        assert (m['name'], m['run']) == ('fra1', run.id)
        assert m['seen'] == run.welcome['seen']
        assert before <= m['hello_ns'] <= m['report_ns'] <= time.time_ns()
        assert m['hello_ns'] == run.welcome['clock_ns']
        assert set(m['entry']) == set(run.welcome['ports'])
        seen = {port for port, e in m['entry'].items() if e[0] & SEEN}
        assert seen == {(TCP, 8080)}, seen


@test
def the_intended_port_does_not_change_where_it_arrived():
    with reflector(FEW):
        run = Run(SERVER, HOME)
        request = peer.probe(run.id, run.token, TCP, 25)
        _, arrived = peer.read_echo(ask((SERVER, 80), request, HOME), request,
                                    run.token)
        assert arrived == 80
        seen = {port for port, e in run.manifest(KEY)['entry'].items() if e[0]}
        assert seen == {(TCP, 80)}


@test
def a_report_without_a_session_is_not_answered():
    with reflector(FEW, 'sessions_max = 16', 'sessions_per_prefix = 1'):
        run = Run(SERVER, HOME)
        Run(SERVER, HOME_TOO)  # same prefix: takes the place
        assert ask((SERVER, 443), peer.report(run.id, run.token), HOME) == b''
        assert run.probe_udp(53, timeout=0.3)[0] is None


@test
def slow_clients_are_cut_off_at_the_deadline():
    start_of = {'silent': b'', 'slow': peer.hello(bytes(16))[:20]}
    with reflector(FEW, 'request_timeout = 1s') as r:
        socks = []
        for data in start_of.values():
            s = peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443))
            s.sendall(data)
            socks.append((s, time.monotonic()))
        # Drop by drop does not help either.
        drip = peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 80))
        began = time.monotonic()
        for i in range(4):
            drip.sendall(peer.hello(bytes(16))[i:i + 1])
            time.sleep(0.2)
        closes_within(drip, 0.8, 8, began)
        for s, start in socks:
            closes_within(s, 0.5, 8, start)
            s.close()
        drip.close()
        assert r.counters()['tcp-deadline'] == 3


@test
def clients_that_stay_after_the_reply_are_closed():
    with reflector(FEW, 'linger_timeout = 1s') as r:
        with peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443)) as s:
            s.sendall(peer.hello(os.urandom(16)))
            peer.read_welcome(peer.read_message(s))
            closes_within(s, 0.7, 8, time.monotonic())
        assert r.counters()['tcp-lingered'] == 1


def kernel_holds(port):
    """Are there sockets of IPv4 connections on a local port?"""
    with open('/proc/net/tcp') as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return any(row[1].endswith(f':{port:04X}') and row[3] != '0A'  # LISTEN
               for row in rows)


@contextlib.contextmanager
def acknowledgements_lost():
    """Whatever is sent to HOME_TOO is never acknowledged by itself."""
    rules = (f'add table ip lost; add chain ip lost in {{ type filter hook '
             f'input priority 0; }}; add rule ip lost in ip saddr {HOME_TOO} '
             'tcp flags & (fin | syn | rst | psh | ack) == ack drop')
    subprocess.run(['nft', rules], check=True)
    try:
        yield
    finally:
        subprocess.run(['nft', 'delete table ip lost'], check=True)


@test
def who_never_takes_the_reply_leaves_nothing_in_the_kernel():
    for half_closed in (False, True):
        with reflector(FEW, 'linger_timeout = 1s') as r, \
                acknowledgements_lost(), \
                peer.sock(socket.SOCK_STREAM, HOME_TOO, (SERVER, 443)) as s:
            if half_closed:  # the request and the FIN in one segment
                s.send(peer.hello(os.urandom(16)), socket.MSG_MORE)
                s.shutdown(socket.SHUT_WR)
            else:
                s.send(peer.hello(os.urandom(16)))
            wait_for('a hello', lambda: r.counters()['hello'] == 1)
            assert kernel_holds(443)
            wait_for('the end', lambda: not kernel_holds(443), 18)


@contextlib.contextmanager
def answers_lost(*ports):
    """Nothing that these TCP ports send gets anywhere."""
    ports = ', '.join(map(str, ports))
    rules = ('add table inet lost; add chain inet lost in { type filter hook '
             'input priority 0; }; add rule inet lost in tcp sport '
             f'{{ {ports} }} drop')
    subprocess.run(['nft', rules], check=True)
    try:
        yield
    finally:
        subprocess.run(['nft', 'delete table inet lost'], check=True)


@contextlib.contextmanager
def setting(name, value):
    """A value of net.ipv4 in this namespace."""
    path = f'/proc/sys/net/ipv4/{name}'
    with open(path) as f:
        before = f.read()
    with open(path, 'w') as f:
        f.write(str(value))
    try:
        yield
    finally:
        with open(path, 'w') as f:
            f.write(before)


def knock(host, port, source):
    """A SYN that nobody waits for: the socket is closed. The port it had."""
    with peer.sock(socket.SOCK_STREAM, source) as s:
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            s.connect((host, port))
        return s.getsockname()[1]


def ask_and_cut(to, request, source):
    """The reply; the connection is reset and leaves no port in TIME_WAIT."""
    with peer.sock(socket.SOCK_STREAM, source) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack('ii', 1, 0))
        s.connect(to)
        s.sendall(request)
        return peer.read_message(s)


new_homes = itertools.count(1)


def pairs():
    """(server, home) by both families; nothing of these homes waits yet."""
    number = next(new_homes)
    home6 = f'2001:db8:c::{number:x}'
    subprocess.run(['ip', 'addr', 'add', home6 + '/128', 'dev', 'lo',
                    'nodad'], check=True)
    return (SERVER, f'10.9.{number}.1'), (SERVER6, home6)


def flags_of(run, transport=TCP):
    """{port: flags} of a manifest, without those of control ports."""
    return {p: e[0] for (t, p), e in run.manifest(KEY)['entry'].items()
            if t == transport and p < 20000}


@test
def a_syn_whose_answer_is_lost_has_arrived():
    for (host, source), (_, other) in zip(pairs(), pairs()):
        with reflector(FEW) as r, answers_lost(80):
            run, stranger = Run(host, source), Run(host, other)
            assert flags_of(run) == {443: 0, 80: 0, 8080: 0}
            own = knock(host, 80, source)
            m = run.manifest(KEY)
            assert m['entry'][(TCP, 80)] == (HALF_OPEN, own, None)
            run.probe_tcp(8080)
            assert flags_of(run) == {443: 0, 80: HALF_OPEN, 8080: SEEN}
            assert set(flags_of(run, UDP).values()) == {0}
            # Somebody else's is nothing to do with it.
            assert flags_of(stranger) == {443: 0, 80: 0, 8080: 0}
            assert r.counters()['report-unsure'] == 0


@test
def a_probe_that_gets_through_at_last_is_seen():
    for host, source in pairs():
        with reflector(FEW):
            run = Run(host, source)
            with answers_lost(80):
                knock(host, 80, source)
                assert flags_of(run)[80] == HALF_OPEN
            run.probe_tcp(80)
            assert flags_of(run)[80] == SEEN


@test
def a_syn_to_another_local_address_is_not_this_run_s():
    with reflector(FEW, f'listen4 = {SERVER} {SERVER_TOO}',
                   f'listen6 = {SERVER6} {SERVER6_TOO}'), answers_lost(80):
        for (host, source), too in zip(pairs(), (SERVER_TOO, SERVER6_TOO)):
            run, run_too = Run(host, source), Run(too, source)
            knock(too, 80, source)
            assert flags_of(run)[80] == 0
            assert flags_of(run_too)[80] == HALF_OPEN


@test
def a_syn_from_before_the_run_says_nothing_of_it():
    for host, source in pairs():
        with reflector(FEW), answers_lost(80, 8080):
            before = Run(host, source)
            knock(host, 80, source)
            knock(host, 8080, source)
            time.sleep(2.5)
            run = Run(host, source)
            own = knock(host, 8080, source)
            assert flags_of(run) == {443: 0, 80: 0, 8080: HALF_OPEN}
            entry = run.manifest(KEY)['entry']
            assert entry[(TCP, 8080)][1] == own
            assert flags_of(before) == {443: 0, 80: HALF_OPEN,
                                        8080: HALF_OPEN}


@test
def a_syn_is_remembered_however_few_retries_the_system_makes():
    with setting('tcp_synack_retries', 1), reflector(FEW), answers_lost(80):
        runs = [Run(*pair) for pair in pairs()]
        for run in runs:
            knock(run.host, 80, run.source)
        time.sleep(5)  # of itself it would be gone after three
        assert [flags_of(run)[80] for run in runs] == [HALF_OPEN] * 2


@test
def many_that_wait_do_not_hide_one():
    for host, source in pairs():
        with reflector(FEW, 'threads = 1'), answers_lost(80, 8080):
            run = Run(host, source)
            for i in range(400):
                if host == SERVER:
                    knock(host, 80, f'10.4.{i % 250}.{i // 250 + 1}')
                knock(host, 80, source)
            knock(host, 8080, source)
            assert flags_of(run) == {443: 0, 80: HALF_OPEN, 8080: HALF_OPEN}


@test
def with_syn_cookies_an_unseen_port_is_not_certain():
    for host, source in pairs():
        with reflector(FEW) as r:
            before = Run(host, source)
            with setting('tcp_syncookies', 2), answers_lost(80):
                run = Run(host, source)
                knock(host, 80, source)
                run.probe_tcp(8080)
                assert flags_of(run) == {443: UNSURE, 80: UNSURE, 8080: SEEN}
                assert set(flags_of(run, UDP).values()) == {0}
            # Nor is it in a run that has begun before them.
            assert flags_of(before)[80] == UNSURE
            assert r.counters()['report-unsure'] == 3
            time.sleep(0.2)  # the count may be so old
            assert flags_of(Run(host, source))[80] == 0


@test
def a_flood_of_syns_leaves_what_it_hides_uncertain():
    with reflector(FEW, 'threads = 1'), answers_lost(80):
        run = Run(*pairs()[0])
        knock(SERVER, 80, run.source)
        for i in range(1100):  # more than the queue of a port holds
            knock(SERVER, 80, f'10.5.{i % 250}.{i // 250 + 1}')
        run.probe_tcp(8080)
        assert flags_of(run) == {443: UNSURE, 80: HALF_OPEN, 8080: SEEN}


@test
def without_the_kernel_s_answer_an_unseen_port_is_not_certain():
    with tempfile.TemporaryDirectory() as directory:
        shim = os.path.join(directory, 'no_netlink.so')
        subprocess.run(['cc', '-shared', '-fPIC', '-o', shim,
                        os.path.join(HERE, 'no_netlink.c')], check=True)
        asan = os.environ.get('ASAN_OPTIONS', '')
        env = {'LD_PRELOAD': shim,
               'ASAN_OPTIONS': asan + ':verify_asan_link_order=0'}
        os.chmod(directory, 0o755)
        with reflector(FEW, wrap=[], env=env) as r:
            assert r.log().count('cannot ask the kernel') == 1, r.log()
            run = Run(SERVER, HOME)
            run.probe_tcp(80)
            assert flags_of(run) == {443: UNSURE, 80: SEEN, 8080: UNSURE}


@test
def a_report_flood_does_not_take_the_machine():
    """What cannot be asked for in the time that there is, is unsure."""
    with reflector(FEW, 'threads = 1') as r, answers_lost(80):
        run = Run(*pairs()[0])
        knock(SERVER, 80, run.source)
        request, sure = peer.report(run.id, run.token), 0
        end = time.monotonic() + 3
        while time.monotonic() < end:
            reply = ask_and_cut((SERVER, 443), request, run.source)
            m = peer.read_manifest(reply, KEY)
            flags = m['entry'][(TCP, 80)][0]
            assert flags in (HALF_OPEN, UNSURE), flags
            sure += flags == HALF_OPEN
        c = r.counters()
        assert sure + c['report-unsure'] == c['report']
        assert sure > 0
        time.sleep(1)
        assert flags_of(run)[80] == HALF_OPEN, 'it does not recover'


@test
def foreign_clients_are_closed_at_once():
    first = [b'GET / HTTP/1.1\r\n', b'\x16\x03\x01', b'\x1bX', b'\0',
             b'\x1bPpS\x02', struct.pack('>IBBH', 0x1b507053, 1, 99, 8),
             struct.pack('>IBBH', 0x1b507053, 1, peer.MANIFEST, 16000)]
    with reflector(FEW) as r:
        for data in first:
            with peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 80)) as s:
                start = time.monotonic()
                s.sendall(data)
                closes_within(s, 0, 5, start)
        assert r.counters()['tcp-foreign'] == len(first)


@test
def garbage_behind_a_request_is_not_answered():
    good = peer.hello(os.urandom(16))
    with reflector(FEW):
        for data in (good + b'x', good * 2, good + b'x' * 100000):
            with peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443)) as s:
                start = time.monotonic()
                with contextlib.suppress(ConnectionError):
                    s.sendall(data)
                closes_within(s, 0, 5, start)
        with peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443)) as s:
            s.sendall(good)
            peer.read_welcome(peer.read_message(s))
            start = time.monotonic()
            s.sendall(good)
            closes_within(s, 0, 5, start)


@test
def a_request_in_pieces_is_answered():
    with reflector(FEW):
        with peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in peer.hello(os.urandom(16)):
                s.sendall(bytes([byte]))
            peer.read_welcome(peer.read_message(s))


@test
def a_half_closed_client_still_gets_its_reply():
    with reflector(FEW):
        with peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443)) as s:
            s.sendall(peer.hello(os.urandom(16)))
            s.shutdown(socket.SHUT_WR)
            peer.read_welcome(peer.read_message(s))
            closes_within(s, 0, 5, time.monotonic())


@test
def a_connection_flood_from_one_prefix_locks_nobody_out():
    with reflector(FEW, 'connections_max = 64', 'connections_per_prefix = 16',
                   'threads = 1', 'request_timeout = 60s') as r:
        early = peer.sock(socket.SOCK_STREAM, OTHER_HOME, (SERVER, 443))
        early.sendall(peer.hello(os.urandom(16))[:10])
        wait_for('accepted', lambda: r.counters()['tcp-accepted'] == 1)
        flood = []
        for i in range(600):
            flood.append(peer.sock(socket.SOCK_STREAM,
                                   f'198.51.100.{i % 250 + 1}', (SERVER, 443)))
        run = Run(SERVER, '203.0.113.200')
        assert run.probe_tcp(80) and run.manifest(KEY)
        # The one from before the flood is still there.
        early.sendall(peer.hello(bytes(16))[10:])
        peer.read_welcome(peer.read_message(early))
        # So is the flooder's newest, and its oldest is gone.
        closes_within(flood[0], 0, 5, time.monotonic())
        flood[-1].sendall(peer.hello(os.urandom(16)))
        peer.read_welcome(peer.read_message(flood[-1]))
        assert r.counters()['tcp-evicted'] == 600 - 16
        for s in [early, *flood]:
            s.close()


@test
def a_full_table_makes_room_for_newcomers():
    with reflector(FEW, 'connections_max = 32', 'threads = 1') as r:
        socks = [peer.sock(socket.SOCK_STREAM, f'10.1.{i}.1', (SERVER, 80))
                 for i in range(100)]
        assert Run(SERVER, HOME).probe_tcp(80)
        assert r.counters()['tcp-evicted'] >= 100 - 32
        for s in socks:
            s.close()


@test
def a_port_in_use_is_reported_and_not_listed():
    with contextlib.ExitStack() as stack:
        taken = []
        for kind, port in ((socket.SOCK_STREAM, 8080), (socket.SOCK_DGRAM, 53),
                           (socket.SOCK_STREAM, 993)):
            s = stack.enter_context(socket.socket(socket.AF_INET, kind))
            if port == 993:  # would even share the port
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.bind(('0.0.0.0', port))
            if kind == socket.SOCK_STREAM:
                s.listen()
            taken.append((TCP if kind == socket.SOCK_STREAM else UDP, port))
        # As root, so that the sharing socket has the same owner.
        with reflector('without = tcp/25,udp/123', wrap=[]) as r:
            log = r.log()
            for name in ('tcp/8080', 'udp/53', 'tcp/993'):
                line = f'cannot listen on {name} at 0.0.0.0: Address already'
                assert log.count(line) == 1, log
            want = catalogue() | controls(time.time())
            want -= {(TCP, 25), (UDP, 123)}
            total = 2 * len(want)
            assert f'listening on {total - 3} of {total} sockets' in log, log
            run = Run(SERVER, HOME)
            assert set(run.welcome['ports']) == want - set(taken)
            assert set(run.manifest(KEY)['entry']) == want - set(taken)
            assert set(Run(SERVER6, HOME6).welcome['ports']) == want


@test
def listed_addresses_are_listened_on_and_no_others():
    with reflector(FEW, f'listen4 = {SERVER} 192.0.2.250 8.8.8.8',
                   f'listen6 = {SERVER6_TOO}') as r:
        assert r.log().count('cannot listen at address 8.8.8.8') == 1
        assert 'listening on 33 of 44 sockets' in r.log(), r.log()
        assert Run(SERVER, HOME).probe_udp(53)[0]
        assert Run('192.0.2.250', HOME).probe_tcp(80)
        assert Run(SERVER6_TOO, HOME6).probe_udp(53)[0]
        for host, source in ((SERVER_TOO, HOME), (SERVER6, HOME6)):
            try:
                Run(host, source)
                raise AssertionError(f'{host} answers')
            except ConnectionRefusedError:
                pass


@test
def it_holds_one_capability_and_nothing_else():
    with reflector() as r:
        status = r.proc('status')
        want = f'{1 << 10:016x}'  # CAP_NET_BIND_SERVICE
        for name in ('CapEff', 'CapPrm', 'CapBnd'):
            assert re.search(rf'{name}:\t(\w+)', status)[1] == want, status
        assert re.search(r'Uid:\t(\d+)', status)[1] == str(NOBODY)


@test
def without_the_capability_high_ports_still_work():
    wrap = ['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}',
            '--clear-groups', '--inh-caps=-all', '--bounding-set=-all']
    with reflector(wrap=wrap) as r:
        line = 'cannot listen on tcp/25 at 0.0.0.0: Permission denied'
        assert line in r.log()
        assert 'tcp/443 is not listened on at 0.0.0.0' in r.log()
        ports = Run(SERVER, HOME, port=8080).welcome['ports']
        assert min(port for _, port in ports) >= 1024


def memory_of(r):
    return int(re.search(r'VmRSS:\s+(\d+) kB', r.proc('status'))[1])


def hello_flood(r, networks, count):
    for i in range(count):
        source = f'10.{i % networks}.{i // networks % 250}.1'
        assert ask_and_cut((SERVER, 443), peer.hello(os.urandom(16)), source)


@test
def memory_stays_bounded_under_a_hello_flood():
    with reflector(FEW, 'sessions_max = 1000') as r:
        hello_flood(r, 200, 3000)
        full = memory_of(r)
        assert r.counters()['sessions'] == 1000
        hello_flood(r, 200, 6000)
        assert memory_of(r) <= full + 256, f'{full} -> {memory_of(r)} kB'
        c = r.counters()
        assert c['sessions'] == 1000 and c['sessions-evicted'] == 8000
        assert Run(SERVER, HOME).manifest(KEY)


@test
def a_hello_flood_from_one_prefix_spares_other_runs():
    with reflector(FEW, 'sessions_max = 100', 'sessions_per_prefix = 10') as r:
        run = Run(SERVER, OTHER_HOME)
        for _ in range(300):
            Run(SERVER, HOME)
        assert run.probe_udp(53)[0] and run.manifest(KEY)
        assert r.counters()['sessions'] == 11


@test
def it_sleeps_while_nothing_happens():
    def switches(r):
        tasks = os.listdir(f'/proc/{r.process.pid}/task')
        return sum(int(re.search(r'voluntary_ctxt_switches:\t(\d+)',
                                 r.proc(f'task/{t}/status'))[1])
                   for t in tasks)
    with reflector() as r:
        Run(SERVER, HOME).manifest(KEY)
        time.sleep(0.3)
        before = switches(r)
        time.sleep(2)
        assert switches(r) == before


def cpu_ticks(r):
    return sum(map(int, r.proc('stat').rsplit(')')[1].split()[11:13]))


def limit_files(r, count):
    subprocess.run(['prlimit', f'--pid={r.process.pid}', f'--nofile={count}:'],
                   check=True)


@test
def short_of_descriptors_the_oldest_connections_go():
    # As root: its limits may only be changed by its own user.
    with reflector(FEW, 'threads = 1', wrap=[]) as r:
        limit_files(r, len(os.listdir(f'/proc/{r.process.pid}/fd')) + 20)
        flood = [peer.sock(socket.SOCK_STREAM, f'10.2.{i % 250}.1',
                           (SERVER, 443)) for i in range(60)]
        run = Run(SERVER, HOME)
        assert run.probe_tcp(80) and run.probe_udp(53)[0]
        assert r.counters()['tcp-evicted'] >= 40
        for s in flood:
            s.close()


@test
def without_any_descriptor_it_waits_and_does_not_spin():
    with reflector(FEW, 'threads = 1', wrap=[]) as r:
        run = Run(SERVER, HOME)
        ask((SERVER, 80), b'x')  # when this is over, so is the HELLO
        used = len(os.listdir(f'/proc/{r.process.pid}/fd'))
        limit_files(r, used)
        with peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443)) as s:
            wait_for('a pause', lambda: r.counters()['accept-paused'] > 0)
            before = cpu_ticks(r)
            time.sleep(1)
            assert cpu_ticks(r) - before < 20, 'spins'
            assert run.probe_udp(53)[0], 'datagrams need no descriptor'
            limit_files(r, used + 50)
            s.sendall(peer.hello(os.urandom(16)))
            peer.read_welcome(peer.read_message(s))
        assert r.log().count('out of file descriptors') == 1


@test
def few_descriptors_mean_fewer_connections():
    wrap = ['prlimit', '--nofile=400:400', *UNPRIVILEGED]
    with reflector(FEW, wrap=wrap) as r:
        assert 'connections at most' in r.log()
        assert Run(SERVER, HOME).probe_tcp(80)


@test
def the_service_manager_is_told_and_the_watchdog_fed():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = os.path.join(directory, 'notify')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            os.chmod(path, 0o777)
            s.settimeout(10)
            env = {'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '600000'}
            with reflector(FEW, env=env) as r:
                first = s.recv(999).decode()
                assert first.startswith('READY=1\nSTATUS=listening on'), first
                start = time.monotonic()
                assert [s.recv(999) for _ in range(4)] == 4 * [b'WATCHDOG=1']
                assert 0.3 < time.monotonic() - start < 8
                r.process.send_signal(signal.SIGTERM)
                while (said := s.recv(999)) == b'WATCHDOG=1':
                    pass
                assert said == b'STOPPING=1', said


@test
def control_ports_are_drawn_again_at_midnight():
    with tempfile.TemporaryDirectory() as directory:
        shim = os.path.join(directory, 'midnight.so')
        subprocess.run(['cc', '-shared', '-fPIC', '-o', shim,
                        os.path.join(HERE, 'midnight.c')], check=True)
        os.chmod(directory, 0o755)
        now = time.time()
        shift = int(DAY_S - now % DAY_S - 4)  # four seconds to midnight
        asan = os.environ.get('ASAN_OPTIONS', '')
        env = {'LD_PRELOAD': shim, 'MIDNIGHT_SHIFT_S': str(shift),
               'ASAN_OPTIONS': asan + ':verify_asan_link_order=0'}
        before, after = controls(now + shift), controls(now + shift + DAY_S)
        with reflector(FEW, wrap=[], env=env) as r:
            run = Run(SERVER, HOME)
            few = {(TCP, 443), (TCP, 80), (TCP, 8080), (UDP, 53), (UDP, 123)}
            assert set(run.welcome['ports']) == few | before
            wait_for('midnight', lambda: 'drawn again' in r.log())
            wait_for('the new ports', lambda: set(
                Run(SERVER, HOME).welcome['ports']) == few | after)
            run = Run(SERVER, HOME)
            for transport, port in after:
                if transport == TCP:
                    assert run.probe_tcp(port)
                else:
                    assert run.probe_udp(port)[0]
            for transport, port in before - after:
                if transport == TCP:
                    try:
                        run.probe_tcp(port)
                        raise AssertionError(f'{port} is still open')
                    except ConnectionRefusedError:
                        pass
            assert set(run.manifest(KEY)['entry']) == few | after
            assert r.log().count('drawn again') == 1


def ends_with(status, text, settings=(), arguments=(), key=None):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'c')
        with open(path, 'w') as f:
            f.write(f'name = fra1\nseed = {SEED.hex()}\n'
                    f'receipt_key_file = {directory}/key\n')
            f.writelines(s + '\n' for s in settings)
        if key:
            with open(f'{directory}/key', 'w', opener=lambda p, f:
                      os.open(p, f, 0o600)) as f:
                f.write(key)
        done = subprocess.run([BINARY, '--config', path, *arguments],
                              capture_output=True, text=True, timeout=20)
    said = done.stdout + done.stderr
    assert done.returncode == status, f'{done.returncode}: {said}'
    assert text in said, said
    return said


@test
def bad_input_is_one_line_and_a_status():
    for settings, text in ((['bogus = 1'], 'unknown key'),
                           (['threads = 99'], 'out of range'),
                           (['ports = tcp/http'], "'tcp/http' is no port")):
        said = ends_with(3, text, settings)
        assert said.count('\n') == 1, said
    said = ends_with(9, 'cannot open key file')
    assert said.count('\n') == 1, said
    assert ends_with(9, 'not 64 hex digits', key='abc\n').count('\n') == 1
    ends_with(2, '--bogus', arguments=['--bogus'])
    done = subprocess.run([BINARY, '--config', '/nonexistent'],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and '/nonexistent' in done.stderr, done


@test
def the_configuration_can_be_checked_and_shown():
    ends_with(0, '', arguments=['--check-config'])
    ends_with(3, 'seed', arguments=['--check-config', '--set', 'seed=1'])
    ends_with(0, 'threads = 3', arguments=['--print-config', '--set',
                                           'threads=3'])
    ends_with(0, 'sessions_per_prefix', arguments=['--help-config'])
    ends_with(0, 'Usage', arguments=['--help'])
    ends_with(0, '0.', arguments=['--version'])


@test
def when_every_port_is_taken_it_says_so_and_ends():
    with reflector():
        ends_with(14, 'not one port could be listened on', key=KEY.hex())
    ends_with(1, 'not one port', ['listen4 = 8.8.8.8', 'listen6 ='],
              key=KEY.hex())


@test
def a_restart_does_not_wait_for_old_connections():
    with peer.sock(socket.SOCK_STREAM, HOME) as s:
        with reflector(FEW):
            s.connect((SERVER, 443))
            s.sendall(peer.hello(os.urandom(16)))
            peer.read_message(s)
        closes_within(s, 0, 5, time.monotonic())  # the reflector closed first
    with reflector(FEW) as r:
        assert 'cannot' not in r.log()


@test
def it_ends_cleanly_in_the_middle_of_work():
    for sign in (signal.SIGTERM, signal.SIGINT):
        with reflector(FEW) as r:
            run = Run(SERVER, HOME)
            held = [peer.sock(socket.SOCK_STREAM, HOME, (SERVER, 443))
                    for _ in range(50)]
            held[0].sendall(peer.hello(run.id)[:9])
            r.process.send_signal(signal.SIGHUP)
            wait_for('counters', lambda: 'counters:' in r.log())
            assert r.process.poll() is None
            start = time.monotonic()
            r.process.send_signal(sign)
            assert r.process.wait(10) == 0
            assert time.monotonic() - start < 5
            for s in held:
                s.close()


@test
def many_runs_at_once_do_not_mix():
    """Forty runs over all threads, each seeing its own ports only."""
    with reflector(FEW, 'threads = 4'):
        runs = [Run(SERVER, f'10.3.{i}.1') for i in range(40)]
        waiting = {}
        for i, run in enumerate(runs):
            port = (53, 123)[i % 2]
            s = peer.sock(socket.SOCK_DGRAM, run.source, (SERVER, port))
            request = peer.probe(run.id, run.token, UDP, port)
            s.send(request)
            waiting[s] = (run, request, port)
        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], 5)
            assert ready, f'{len(waiting)} without an answer'
            for s in ready:
                run, request, port = waiting.pop(s)
                seen, arrived = peer.read_echo(s.recv(999), request, run.token)
                assert seen == s.getsockname() and arrived == port
                s.close()
        for i, run in enumerate(runs):
            entry = run.manifest(KEY)['entry']
            assert entry[(UDP, (53, 123)[i % 2])][0] == SEEN
            assert entry[(UDP, (123, 53)[i % 2])][0] == 0


def main():
    if os.geteuid() != 0:
        print('1..0 # SKIP needs root, to make a network namespace')
        return 0
    enter_namespace()
    chosen = [t for t in TESTS if not sys.argv[1:] or t.__name__ in sys.argv]
    print(f'1..{len(chosen)}', flush=True)
    failed = 0
    for number, function in enumerate(chosen, 1):
        try:
            function()
            result = 'ok'
        except Exception:
            print(''.join(f'# {line}\n'
                          for line in traceback.format_exc().splitlines()))
            result = 'not ok'
            failed += 1
        name = function.__name__.replace('_', ' ')
        print(f'{result} {number} - {name}', flush=True)
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
