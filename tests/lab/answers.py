# SPDX-License-Identifier: Apache-2.0
"""answers - the server that redirected traffic ends at.

It behaves like a provider's mail relay: greets, and answers each line of a
client; over UDP it answers each datagram.  One thread serves all namespaces,
because a socket stays in the namespace that it was opened in.
"""

import selectors
import socket
import threading

import netns
from rules import ANSWER_PORT, nodes_of
from topology import relay_node

GREETING = b"220 relay.lab ESMTP this is not the server you asked for\r\n"


def _tcp():
    return socket.create_server(("::", ANSWER_PORT), family=socket.AF_INET6,
                                dualstack_ipv6=True, backlog=128)


def _udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    s.bind(("::", ANSWER_PORT))
    return s


def nodes(world):
    """The namespaces that need the server."""
    found = set()
    for rule in world.rules:
        if rule.action != "redirect":
            continue
        if rule.place == "isp":
            found |= {relay_node(asn) for asn in rule.targets}
        elif rule.place == "transit":
            found.add(relay_node(0))
        else:
            found |= set(nodes_of(world, rule))
    return sorted(found)


def _reply(line):
    word = line.strip().upper()[:4]
    if word == b"QUIT":
        return b"221 bye\r\n"
    if word in (b"HELO", b"EHLO", b"MAIL", b"RCPT", b"RSET", b"NOOP"):
        return b"250 ok\r\n"
    return b"500 what?\r\n"


class Answers:
    """Serves for as long as the lab lives."""

    def __init__(self, world):
        self.selector = selectors.DefaultSelector()
        for node in nodes(world):
            self._add(netns.call(node, _tcp), self._accept)
            self._add(netns.call(node, _udp), self._datagram)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _add(self, sock, handler):
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, handler)

    def _accept(self, sock):
        connection, _peer = sock.accept()
        connection.send(GREETING)
        self._add(connection, self._line)

    def _line(self, sock):
        try:
            data = sock.recv(4096)
        except OSError:
            data = b""
        if data:
            sock.send(_reply(data))
        if not data or data.strip().upper() == b"QUIT":
            self.selector.unregister(sock)
            sock.close()

    def _datagram(self, sock):
        """Answer from the address that was asked: a redirect on this very
        host leads to loopback, and conntrack wants that address back."""
        _data, info, _flags, peer = sock.recvmsg(4096, 256)
        sock.sendmsg([GREETING], info, 0, peer)

    def _serve(self):
        while True:
            for key, _events in self.selector.select():
                try:
                    key.data(key.fileobj)
                except OSError:
                    continue    # that client left; the others go on
