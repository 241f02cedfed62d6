# SPDX-License-Identifier: Apache-2.0
"""world - a small internet as data, read from a plain text file.

A world file says which ISPs, homes and reflectors exist and who blocks what;
tests/lab/README.md documents it.  Reading is all or nothing: parse() returns
a World that every other module may trust, or raises WorldError whose text has
one line per mistake, "file:line: what is wrong; what is allowed".
Nothing here touches the network.
"""

import difflib
import ipaddress
import re
import shlex
from dataclasses import dataclass, field

PLACES = ("host", "gateway", "isp", "transit", "reflector")
DIRECTIONS = ("out", "in")
TRANSPORTS = ("tcp", "udp")
ACTIONS = ("drop", "reset", "icmp", "redirect")

# Controls are drawn from here every day: see lib/control.h.
CONTROL_LOW, CONTROL_HIGH = 20000, 59999
# TCP ports that the lab's plan lets an agent say hello on, in this order.
HELLO_PORTS = (443, 80, 8080)

ISP_SPACE4 = ipaddress.ip_network("198.18.0.0/15")
SPACE6 = ipaddress.ip_network("2001:db8::/32")
REFLECTOR_SPACE4 = [ipaddress.ip_network(n) for n in
                    ("192.0.2.0/24", "198.51.100.0/24", "198.18.0.0/15")]
# Transit, collector and plan host live here.
CORE4 = ipaddress.ip_network("203.0.113.0/24")
CORE6 = ipaddress.ip_network("2001:db8:ffff::/48")
TRANSIT_ASN = 64511
HOMES_MAX = 200


class WorldError(Exception):
    """The world file is wrong; the text says where and what is allowed."""


@dataclass(frozen=True)
class Reflector:
    name: str
    number: int             # from 1
    net4: object
    net6: object            # None: IPv4 only
    asn: int
    network_name: str
    country: str
    without: frozenset      # {("tcp", 7), ...}: not listening there

    @property
    def addr4(self):
        return self.net4[10]

    @property
    def addr6(self):
        return self.net6[0x10] if self.net6 else None

    def addr(self, family):
        return self.addr4 if family == 4 else self.addr6


@dataclass(frozen=True)
class Home:
    asn: int
    number: int             # from 1 within the ISP
    addr4: object           # public address
    prefix6: object         # delegated /56, or None
    nat: bool

    @property
    def name(self):
        return f"{self.asn}/{self.number}"

    @property
    def lan4(self):
        return ipaddress.ip_network(f"192.168.{self.number}.0/24")

    @property
    def lan6(self):
        """The first /64 but one of the delegated prefix."""
        return ipaddress.ip_network((int(self.prefix6[0]) + (1 << 64), 64))

    def families(self):
        return (4, 6) if self.prefix6 else (4,)

    def prefix(self, family):
        """What the database keeps of the address: /24 or /48."""
        if family == 4:
            return ipaddress.ip_network(f"{self.addr4}/24", strict=False)
        return self.prefix6.supernet(new_prefix=48)


@dataclass(frozen=True)
class Isp:
    asn: int
    name: str
    country: str
    prefixes4: tuple
    prefixes6: tuple        # empty: no IPv6
    homes: tuple

    @property
    def router4(self):
        return self.prefixes4[0][1]

    @property
    def router6(self):
        return self.prefixes6[0][1] if self.prefixes6 else None

    @property
    def relay4(self):
        return self.prefixes4[0][25]

    @property
    def relay6(self):
        return self.prefixes6[0][0x25] if self.prefixes6 else None


@dataclass(frozen=True)
class Rule:
    where: str              # "demo.world:12"
    text: str
    place: str
    targets: frozenset      # home names, ASNs, reflector names; transit: {""}
    direction: str
    transports: tuple
    ports: tuple            # ((low, high), ...)
    action: str
    families: tuple
    exempt: frozenset       # names of homes that opted out
    first: int = 1
    last: int = 1 << 30

    def active(self, round_number):
        return self.first <= round_number <= self.last

    def covers(self, transport, port):
        return transport in self.transports and \
            any(low <= port <= high for low, high in self.ports)


@dataclass
class World:
    path: str
    name: str = ""
    description: str = ""
    tiers: tuple = (1, 2)
    ports: tuple = ()       # (("tcp", 25), ...); empty: the tiers' ports
    reflectors: list = field(default_factory=list)
    isps: list = field(default_factory=list)
    rules: list = field(default_factory=list)

    def homes(self):
        return [home for isp in self.isps for home in isp.homes]

    def isp(self, asn):
        return next(isp for isp in self.isps if isp.asn == asn)

    def home(self, name):
        for home in self.homes():
            if home.name == name:
                return home
        raise KeyError(f"no home {name} in world {self.name}")


class _Bad(Exception):
    """A mistake in the current line."""


def _nearest(word, allowed):
    match = difflib.get_close_matches(word, allowed, 1)
    return f' (did you mean "{match[0]}"?)' if match else ""


def _choice(word, allowed, what):
    if word not in allowed:
        raise _Bad(f'{what} "{word}" is not known{_nearest(word, allowed)}; '
                   f"allowed: {', '.join(allowed)}")
    return word


def _number(word, low, high, what):
    if not re.fullmatch(r"[0-9]{1,10}", word) or not low <= int(word) <= high:
        raise _Bad(f'{what} "{word}" is not a number from {low} to {high}')
    return int(word)


def _network(word, version, spaces, longest, what):
    try:
        net = ipaddress.ip_network(word)
    except ValueError as e:
        raise _Bad(f"{what}: {e}") from None
    if net.version != version or net.prefixlen > longest or \
            not any(net.version == s.version and net.subnet_of(s)
                    for s in spaces):
        raise _Bad(f"{what} {word} must be an IPv{version} prefix of at most "
                   f"{longest} bits inside {' or '.join(map(str, spaces))}")
    return net


def _asn(word):
    if re.fullmatch(r"[0-9]{1,10}", word) and \
            (64496 <= int(word) < TRANSIT_ASN or 65536 <= int(word) <= 65551):
        return int(word)
    raise _Bad(f'AS number "{word}" must be for documentation: 64496-64510 or '
               f"65536-65551 ({TRANSIT_ASN} is the lab's transit)")


def _country(word):
    if not re.fullmatch(r"[A-Z]{2}", word):
        raise _Bad(f'country "{word}" must be two capital letters')
    return word


def _ports(word):
    """Read "25", "135-139" or "445,139" or "all"."""
    if word == "all":
        return ((0, 65535),)
    ranges = []
    for part in word.split(","):
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", part)
        low = int(match[1]) if match else -1
        high = int(match[2] or match[1]) if match else -1
        if not 0 <= low <= high <= 65535:
            raise _Bad(f'ports "{word}" must be like 25, 135-139, 139,445 '
                       "or all, each from 0 to 65535")
        ranges.append((low, high))
    return tuple(ranges)


def _transport_ports(word):
    """Read "tcp/7,udp/19" as [("tcp", 7), ("udp", 19)]."""
    found = []
    for part in word.split(","):
        match = re.fullmatch(r"(tcp|udp)/([0-9]{1,5})", part)
        if not match or int(match[2]) > 65535:
            raise _Bad(f'"{part}" must be like tcp/25 or udp/53')
        found.append((match[1], int(match[2])))
    return found


def _guard_controls(ports):
    """A rule must either hit all random controls or none: see README."""
    for low, high in ports:
        if low == high or high < CONTROL_LOW or low > CONTROL_HIGH:
            continue
        if low > CONTROL_LOW or high < CONTROL_HIGH:
            raise _Bad(
                f"ports {low}-{high} cover a part of {CONTROL_LOW}-"
                f"{CONTROL_HIGH}, where the controls are drawn by chance: "
                "name single ports there, or the whole range")


class _Words:
    """The words of a line, taken from the left."""

    def __init__(self, words):
        self.left = words

    def take(self, what):
        if not self.left:
            raise _Bad(f"the line ends where {what} is expected")
        return self.left.pop(0)

    def take_if(self, word):
        if self.left and self.left[0] == word:
            self.left.pop(0)
            return True
        return False

    def peek(self):
        return self.left[0] if self.left else None

    def end(self, allowed):
        if self.left:
            raise _Bad(f'"{self.left[0]}" is not expected here'
                       f"{_nearest(self.left[0], allowed)}; "
                       f"allowed: {', '.join(allowed)}")


def _spread4(prefixes, homes):
    """Public addresses, one /24 after the other; the routers have the first."""
    nets = [n for p in prefixes for n in
            (p.subnets(new_prefix=24) if p.prefixlen < 24 else [p])]
    usable = nets[1:] or nets
    # Above the router's and the relay's addresses; HOMES_MAX fits into a /24.
    start = 50
    return [usable[i % len(usable)][start + i // len(usable)]
            for i in range(homes)]


def _spread6(prefixes, homes):
    """Delegated /56s, one /48 after the other; the routers have the first."""
    if not prefixes:
        return [None] * homes
    nets = []
    for prefix in prefixes:
        step = 1 << 80
        count = min(1 << (48 - prefix.prefixlen), HOMES_MAX + 1)
        nets += [ipaddress.ip_network((int(prefix[0]) + i * step, 48))
                 for i in range(count)]
    usable = nets[1:] or nets
    return [ipaddress.ip_network(
        (int(usable[i % len(usable)][0]) + (1 + i // len(usable) << 72), 56))
        for i in range(homes)]


class _Parser:
    def __init__(self, path, label):
        self.world = World(path)
        self.label = label
        self.errors = []
        self.where = ""
        self.text = ""
        self.late = []      # rules wait until all names are known

    def error(self, message, where=None):
        self.errors.append(f"{where or self.where}: {message}")

    def line(self, number, text):
        self.where = f"{self.label}:{number}"
        self.text = text.strip()
        try:
            words = shlex.split(text, comments=True)
        except ValueError as e:
            self.error(f"{str(e).lower()}: a name in quotes must end on the "
                       "same line")
            return
        if not words:
            return
        try:
            kind = _choice(words[0], list(self.KINDS), "line")
            self.KINDS[kind](self, _Words(words[1:]))
        except _Bad as e:
            self.error(str(e))

    def do_world(self, w):
        if self.world.name:
            raise _Bad("the world has a name already")
        name = w.take("the world's name")
        if not re.fullmatch(r"[a-z0-9-]{1,40}", name):
            raise _Bad(f'name "{name}" must be of a-z, 0-9 and -')
        self.world.description = w.take("a description in quotes")
        self.world.name = name
        w.end(["the end of the line"])

    def do_ports(self, w):
        word = w.take('"tiers" or a list like tcp/25,udp/53')
        if word == "tiers":
            self.world.tiers = tuple(
                _number(t, 1, 3, "tier")
                for t in w.take("tiers like 1,2").split(","))
        else:
            self.world.ports = tuple(dict.fromkeys(_transport_ports(word)))
        w.end(["the end of the line"])

    def do_reflector(self, w):
        name = w.take("the reflector's name")
        if not re.fullmatch(r"[a-z0-9-]{1,31}", name):
            raise _Bad(f'name "{name}" must be of a-z, 0-9 and -, at most 31')
        if any(r.name == name for r in self.world.reflectors):
            raise _Bad(f"there is a reflector {name} already")
        allowed = ["network", "v6", "as", "without"]
        number = len(self.world.reflectors) + 1
        net4 = net6 = None
        asn, net_name, country = 65552 - number, f"Hosting {name}", "ZZ"
        without = []
        while w.peek():
            word = _choice(w.take("a word"), allowed, "word")
            if word == "network":
                net4 = _network(w.take("a prefix"), 4, REFLECTOR_SPACE4, 28,
                                "network")
            elif word == "v6":
                net6 = _network(w.take("a prefix"), 6, [SPACE6], 64, "v6")
            elif word == "as":
                asn = _asn(w.take("an AS number"))
                net_name = w.take("the network's name")
                country = _country(w.take("a country"))
            else:
                without += _transport_ports(w.take("ports like tcp/7,udp/19"))
        if not net4:
            raise _Bad("a reflector needs: network PREFIX")
        self.world.reflectors.append(Reflector(
            name, number, net4, net6, asn, net_name, country,
            frozenset(without)))

    def do_isp(self, w):
        asn = _asn(w.take("an AS number"))
        name = w.take("the ISP's name in quotes")
        if any(i.asn == asn or i.name == name for i in self.world.isps):
            raise _Bad(f'there is an ISP {asn} or "{name}" already')
        allowed = ["country", "prefix", "v6", "homes", "no-nat"]
        country, homes, nat = None, None, True
        nets4, nets6 = [], []
        while w.peek():
            word = _choice(w.take("a word"), allowed, "word")
            if word == "country":
                country = _country(w.take("a country"))
            elif word == "prefix":
                nets4.append(_network(w.take("a prefix"), 4, [ISP_SPACE4], 24,
                                      "prefix"))
            elif word == "v6":
                nets6.append(_network(w.take("a prefix"), 6, [SPACE6], 48,
                                      "v6"))
            elif word == "homes":
                homes = _number(w.take("a number of homes"), 1, HOMES_MAX,
                                "homes")
            else:
                nat = False
        for value, need in ((country, "country CC"), (nets4, "prefix PREFIX"),
                            (homes, "homes N")):
            if not value:
                raise _Bad(f"an ISP needs: {need}")
        self.world.isps.append(Isp(
            asn, name, country, tuple(nets4), tuple(nets6), tuple(
                Home(asn, i + 1, a4, p6, nat) for i, (a4, p6) in
                enumerate(zip(_spread4(nets4, homes),
                              _spread6(nets6, homes))))))

    def do_rule(self, w):
        self.late.append((self.where, self.text, w))

    KINDS = {"world": do_world, "ports": do_ports, "reflector": do_reflector,
             "isp": do_isp, "rule": do_rule}

    def find_isp(self, word):
        for isp in self.world.isps:
            if word in (str(isp.asn), isp.name):
                return isp
        known = [str(i.asn) for i in self.world.isps] + \
            [i.name for i in self.world.isps]
        raise _Bad(f'there is no ISP "{word}"{_nearest(word, known)}; '
                   f"known: {', '.join(known)}")

    def find_homes(self, word):
        """Read "64496/3", "64496/1-3" or "64496/*"."""
        isp_word, _, numbers = word.rpartition("/")
        isp = self.find_isp(isp_word or word)
        if numbers == "*":
            return [h.name for h in isp.homes]
        match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", numbers)
        low = int(match[1]) if match else 0
        high = int(match[2] or match[1]) if match else 0
        if not isp_word or not 1 <= low <= high <= len(isp.homes):
            raise _Bad(f'home "{word}" must be like {isp.asn}/1, '
                       f"{isp.asn}/1-{len(isp.homes)} or {isp.asn}/*")
        return [f"{isp.asn}/{i}" for i in range(low, high + 1)]

    def targets(self, place, w):
        """The selector after the place; without one, everything there."""
        if place == "transit":
            return [""]
        everything = {"isp": [i.asn for i in self.world.isps],
                      "reflector": [r.name for r in self.world.reflectors],
                      }.get(place, [h.name for h in self.world.homes()])
        if w.peek() in DIRECTIONS:
            return everything
        word = w.take("in or out")
        if place == "isp":
            return [self.find_isp(word).asn]
        if place == "reflector":
            return [_choice(word, everything, "reflector")]
        return self.find_homes(word)

    def opted_out(self, place, targets, word):
        """The homes with the highest numbers opted out."""
        if place != "isp":
            raise _Bad("opt-out is for rules of an isp only")
        match = re.fullmatch(r"([0-9]{1,3})(%?)", word)
        if not match or (match[2] and int(match[1]) > 100):
            raise _Bad(f'opt-out "{word}" must be a number of homes, or a '
                       "share like 20%")
        names = []
        for asn in targets:
            homes = self.world.isp(asn).homes
            count = int(match[1])
            if match[2]:
                count = round(len(homes) * count / 100)
            if count > len(homes):
                raise _Bad(f"opt-out {word}: AS {asn} has only "
                           f"{len(homes)} homes")
            names += [h.name for h in homes[len(homes) - count:]]
        return names

    def rule(self, w):
        place = _choice(w.take("a place"), PLACES, "place")
        targets = self.targets(place, w)
        direction = _choice(w.take("in or out"), DIRECTIONS, "direction")
        transport = _choice(w.take("a transport"), (*TRANSPORTS, "both"),
                            "transport")
        ports = _ports(w.take("a list of ports"))
        _guard_controls(ports)
        action = _choice(w.take("an action"), ACTIONS, "action")
        if action == "redirect" and direction == "in":
            raise _Bad("redirect works on what leaves the home: out only")
        families, exempt, first, last = (4, 6), [], 1, 1 << 30
        allowed = ["v4", "v6", "opt-out", "from"]
        while w.peek():
            word = _choice(w.take("a word"), allowed, "word")
            if word in ("v4", "v6"):
                families = (int(word[1]),)
            elif word == "opt-out":
                exempt = self.opted_out(place, targets, w.take("opt-out"))
            else:
                if not w.take_if("round"):
                    raise _Bad('"from" must be followed by: round N [to N]')
                first = _number(w.take("a round"), 1, 1000, "round")
                if w.take_if("to"):
                    last = _number(w.take("a round"), first, 1000, "round")
        return Rule(self.where, self.text, place, frozenset(targets),
                    direction,
                    TRANSPORTS if transport == "both" else (transport,),
                    ports, action, families, frozenset(exempt), first, last)

    def rules(self):
        for self.where, self.text, words in self.late:
            try:
                self.world.rules.append(self.rule(words))
            except _Bad as e:
                self.error(str(e))

    def check_whole(self):
        w = self.world
        for value, need in ((w.name, 'world NAME "DESCRIPTION"'),
                            (w.reflectors, "reflector NAME network PREFIX"),
                            (w.isps, "isp ASN \"NAME\" country CC "
                                     "prefix PREFIX homes N")):
            if not value:
                self.error(f"a line is missing: {need}", self.label)
        nets = [(CORE4, "the lab's core"), (CORE6, "the lab's core")]
        nets += [(n, f"reflector {r.name}") for r in w.reflectors
                 for n in (r.net4, r.net6) if n]
        nets += [(n, f"ISP {i.asn}") for i in w.isps
                 for n in i.prefixes4 + i.prefixes6]
        for i, (net, owner) in enumerate(nets):
            for other, other_owner in nets[:i]:
                if net.version == other.version and net.overlaps(other):
                    self.error(f"{net} of {owner} overlaps {other} of "
                               f"{other_owner}", self.label)


def parse(text, label, path=""):
    """Return the World that the text describes; label names it in errors."""
    parser = _Parser(path or label, label)
    for number, line in enumerate(text.splitlines(), 1):
        parser.line(number, line)
    if not parser.errors:
        parser.rules()
    if not parser.errors:
        parser.check_whole()
    if parser.errors:
        raise WorldError("\n".join(parser.errors))
    return parser.world


def load(path):
    """Read a world file; WorldError also when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except (OSError, UnicodeDecodeError) as e:
        reason = getattr(e, "strerror", None) or "it is not UTF-8 text"
        raise WorldError(f"cannot read world {path}: {reason}") from None
    return parse(text, path, path)
