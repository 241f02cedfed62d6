# SPDX-License-Identifier: Apache-2.0
"""truth - what every probe must come to, computed from the world alone.

Nothing here looks at what the programs said: it walks a packet along the path
host, gateway, ISP, transit, reflector, and the answer back, and applies the
first rule that matches, as Linux would.  Where physics leaves more than one
outcome, all of them are listed.
"""

from dataclasses import dataclass

from world import CONTROL_LOW, HELLO_PORTS, PLACES

OPEN, TIMEOUT, REFUSED = "open", "timeout", "refused"
UNREACHABLE, INTERCEPTED, DENIED = "unreachable", "intercepted", "denied"
UNTESTED = "untested"

BLOCKED = frozenset({TIMEOUT, REFUSED, UNREACHABLE, "reset"})
CONTROL_TCP = 443


@dataclass(frozen=True)
class Expected:
    """What one probe must come to."""
    outcomes: frozenset
    places: frozenset       # as the collector names them
    seen: frozenset         # by the reflector
    vote: str               # open, blocked, intercepted; None: no vote
    why: str                # the rule, or what else decides


@dataclass(frozen=True)
class ExpectedRun:
    """Whether a run must be void, by transport; None: it must not."""
    void: dict


def _expected(outcome, place, seen, vote, why):
    return Expected(frozenset({outcome}), frozenset({place}), frozenset(seen),
                    vote, why)


def _applies(rule, home, reflector):
    if rule.place == "transit":
        return True
    if rule.place == "isp":
        return home.asn in rule.targets and home.name not in rule.exempt
    if rule.place == "reflector":
        return reflector.name in rule.targets
    return home.name in rule.targets


class Path:
    """The way between one home and one reflector in one round."""

    def __init__(self, world, home, reflector, family, round_number):
        self.home = home
        self.reflector = reflector
        self.family = family
        self.rules = [r for r in world.rules
                      if family in r.families and r.active(round_number)
                      and _applies(r, home, reflector)]

    def _first(self, place, direction, transport, port):
        """The rule that decides at a place; redirects come first there."""
        matching = [r for r in self.rules if r.place == place
                    and r.direction == direction
                    and r.covers(transport, port)]
        for rule in matching:
            if rule.action == "redirect":
                return rule
        return matching[0] if matching else None

    def _lost_on_return(self, places, transport, port):
        """The rule that stops an answer from port on its way home."""
        for place in reversed(places):
            rule = self._first(place, "in", transport, port)
            if rule:
                return rule
        return None

    def probe(self, transport, port):
        """What a probe of a port that the reflector listens on comes to."""
        for i, place in enumerate(PLACES):
            rule = self._first(place, "out", transport, port)
            if rule:
                nearer = PLACES[:i]
                return self._stopped(rule, transport, port, nearer)
        rule = self._lost_on_return(PLACES, transport, port)
        if rule:
            return self._answer_lost(rule, transport)
        return _expected(OPEN, "none", {"yes"}, "open", "no rule")

    def _stopped(self, rule, transport, port, nearer):
        """A rule on the way out; its own answer must pass nearer places."""
        if rule.action == "redirect":
            if not self._lost_on_return(nearer, transport, port):
                return _expected(INTERCEPTED, "unknown", {"no"}, INTERCEPTED,
                                 rule.where)
        elif rule.action == "icmp":
            return self._icmp(rule)
        elif rule.action == "reset" and transport == "tcp" and \
                not self._lost_on_return(nearer, transport, port):
            return _expected(REFUSED, "unknown", {"no"}, "blocked",
                             rule.where)
        elif rule.place == "host":
            # The kernel tells who sends over UDP (EPERM), and over TCP it
            # counts the segments that never left.
            return _expected(DENIED, "host", {"no"}, None, rule.where)
        return _expected(TIMEOUT, "unknown", {"no"}, "blocked", rule.where)

    def _icmp(self, rule):
        """An ICMP error names its sender, and so the place."""
        if rule.place == "host":
            return _expected(DENIED, "host", {"no"}, None, rule.where)
        place = {"gateway": "gateway", "isp": "isp"}.get(rule.place, "transit")
        vote = "blocked" if place == "isp" else None
        return _expected(UNREACHABLE, place, {"no"}, vote, rule.where)

    def _answer_lost(self, rule, transport):
        """A rule on the way back: the reflector saw what was sent."""
        if transport == "udp":
            return _expected(TIMEOUT, "return", {"yes"}, "blocked", rule.where)
        if rule.action == "drop":
            # While its SYN-ACK goes unanswered the reflector's kernel shows
            # the half-open connection.
            return _expected(TIMEOUT, "return", {"yes"}, "blocked", rule.where)
        # The reflector is told, and may forget it before anybody looks.
        return Expected(frozenset({TIMEOUT}), frozenset({"return", "unknown"}),
                        frozenset({"yes", "no"}), "blocked", rule.where)

    def listens(self, transport, port):
        return (transport, port) not in self.reflector.without

    def reaches(self, transport, port):
        return self.listens(transport, port) and \
            OPEN in self.probe(transport, port).outcomes


def expected_probe(path, transport, port, only_family):
    """What a probe comes to; only_family is the catalogue's: 0, 4 or 6."""
    if only_family not in (0, path.family):
        return _expected(UNTESTED, "none", {"unknown", "no"}, None,
                         "means nothing over this family")
    if not path.listens(transport, port):
        return _expected(UNTESTED, "none", {"unknown", "no"}, None,
                         "the reflector does not listen there")
    return path.probe(transport, port)


def expected_run(path):
    """Whether controls or the hello must fail."""
    if not any(path.reaches("tcp", port) for port in HELLO_PORTS):
        return ExpectedRun({"tcp": "no_hello", "udp": "no_hello"})
    # CONTROL_LOW stands for any of the control ports drawn by chance: the
    # world's rules hit all of them or none.
    tcp = path.reaches("tcp", CONTROL_TCP) and path.reaches("tcp", CONTROL_LOW)
    udp = path.reaches("udp", CONTROL_LOW)
    return ExpectedRun({"tcp": None if tcp else "control_before",
                        "udp": None if udp else "control_before"})
