# SPDX-License-Identifier: Apache-2.0
"""A second implementation of the probe protocol, for tests of the reflector.

Written from the description in lib/wire.c, and on purpose not with lib/, so
that an error there shows as a difference here.
"""
import hashlib
import hmac
import ipaddress
import os
import socket
import struct

HELLO, WELCOME, PROBE, ECHO, REPORT, MANIFEST = 1, 2, 3, 4, 7, 8
TCP, UDP = 0, 1
SEEN, OTHER_ADDRESS, HALF_OPEN, UNSURE = 1, 2, 4, 8


def message(kind, body):
    return struct.pack('>IBBH', 0x1b507053, 1, kind, 8 + len(body)) + body


def hello(run, nonce=b'12345678'):
    return message(HELLO, run + nonce)


def probe(run, token, transport, port, attempt=1, nonce=b'abcdefgh'):
    head = struct.pack('>BHB', transport, port, attempt)
    return message(PROBE, run + token + head + nonce + b'p' * 44)


def report(run, token):
    return message(REPORT, run + token)


class Reader:
    def __init__(self, data, kind):
        magic, version, got, length = struct.unpack('>IBBH', data[:8])
        assert (magic, version) == (0x1b507053, 1), data[:8]
        assert got == kind, f'type {got} instead of {kind}'
        assert length == len(data), f'{length} != {len(data)}'
        self.data, self.at = data, 8

    def take(self, n):
        part = self.data[self.at:self.at + n]
        assert len(part) == n, 'too short'
        self.at += n
        return part

    def number(self, n):
        return int.from_bytes(self.take(n), 'big')

    def endpoint(self):
        family, ip, port = self.number(1), self.take(16), self.number(2)
        if family == 4:
            assert ip[4:] == bytes(12)
            ip = ip[:4]
        return str(ipaddress.ip_address(ip)), port

    def end(self):
        assert self.at == len(self.data), 'too long'


def read_welcome(data):
    r = Reader(data, WELCOME)
    w = {'nonce': r.take(8), 'seen': r.endpoint(), 'clock_ns': r.number(8),
         'token': r.take(16)}
    w['ports'] = [(r.number(1), r.number(2)) for _ in range(r.number(2))]
    r.end()
    return w


def blake2b(data, size, person, key=b''):
    person = person.ljust(16, b'\0')
    return hashlib.blake2b(data, digest_size=size, key=key,
                           person=person).digest()


def read_echo(data, request, token):
    """Check the whole echo; returns (seen, arrived)."""
    r = Reader(data, ECHO)
    assert r.take(8) == request[8 + 16 + 16 + 4:][:8], 'nonce'
    seen, arrived = r.endpoint(), r.number(2)
    assert r.take(8) == blake2b(request, 16, b'periplus probe')[:8], 'digest'
    tag = blake2b(data[:-16], 16, b'periplus echo', token)
    assert hmac.compare_digest(r.take(16), tag), 'tag'
    r.end()
    assert len(data) <= len(request), 'amplified'
    return seen, arrived


def read_manifest(data, key):
    r = Reader(data, MANIFEST)
    m = {'name': r.take(32).rstrip(b'\0').decode(), 'run': r.take(16),
         'seen': r.endpoint(), 'hello_ns': r.number(8),
         'report_ns': r.number(8), 'entry': {}}
    for _ in range(r.number(2)):
        port = (r.number(1), r.number(2))
        flags, source = r.number(1), r.number(2)
        other = r.endpoint() if flags & OTHER_ADDRESS else None
        assert port not in m['entry'], f'{port} twice'
        m['entry'][port] = (flags, source, other)
    mac = blake2b(data[:-32], 32, b'periplus manif', key)
    assert hmac.compare_digest(r.take(32), mac), 'MAC'
    r.end()
    return m


def control_ports(seed, day, catalogue):
    """The drawn (tcp, udp) ports of a day, from lib/control.h's words."""
    drawn = []
    for transport in (TCP, UDP):
        counter = 0
        while True:
            digest = hashlib.blake2b(
                struct.pack('>qBI', day, transport, counter), key=seed,
                digest_size=16).digest()
            port = 20000 + int.from_bytes(digest[:8], 'big') % 40000
            if port not in {p for _, p in catalogue}:
                break
            counter += 1
        drawn.append(port)
    return tuple(drawn)


def sock(kind, source=None, to=None, timeout=15):
    family = socket.AF_INET6 if ':' in (source or to[0]) else socket.AF_INET
    s = socket.socket(family, kind)
    s.settimeout(timeout)
    if source:
        s.bind((source, 0))
    if to:
        s.connect(to)
    return s


def read_message(s):
    """One whole message from a stream; b'' when it was closed or reset."""
    data = b''
    try:
        while len(data) < 8 or len(data) < struct.unpack('>H', data[6:8])[0]:
            part = s.recv(65536)
            if not part:
                return b''
            data += part
    except ConnectionError:
        return b''
    return data


def ask(to, request, source=None):
    """Send one request over TCP; returns the reply, b'' when there is none."""
    with sock(socket.SOCK_STREAM, source, to) as s:
        s.sendall(request)
        return read_message(s)


def ask_udp(to, request, source=None, timeout=15):
    """Send one datagram; returns (reply or None, own port)."""
    with sock(socket.SOCK_DGRAM, source, to, timeout) as s:
        s.send(request)
        try:
            return s.recv(65536), s.getsockname()[1]
        except TimeoutError:
            return None, s.getsockname()[1]


class Run:
    """A run as an agent makes it."""

    def __init__(self, host, source, port=443):
        self.host, self.source, self.id = host, source, os.urandom(16)
        self.welcome = read_welcome(ask((host, port), hello(self.id), source))
        self.token = self.welcome['token']

    def probe_tcp(self, port, token=None, source=None):
        request = probe(self.id, token or self.token, TCP, port)
        reply = ask((self.host, port), request, source or self.source)
        return reply and read_echo(reply, request, self.token)

    def probe_udp(self, port, token=None, source=None, timeout=15):
        """(seen, arrived) of the echo, or None; and the own port."""
        request = probe(self.id, token or self.token, UDP, port)
        reply, own = ask_udp((self.host, port), request,
                             source or self.source, timeout)
        return reply and read_echo(reply, request, self.token), own

    def manifest(self, key, port=443):
        reply = ask((self.host, port), report(self.id, self.token),
                    self.source)
        return read_manifest(reply, key)
