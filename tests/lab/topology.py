# SPDX-License-Identifier: Apache-2.0
"""topology - the namespaces, cables, addresses and routes of a world.

    home host -- gateway -- ISP router -- transit -- reflectors
     (eth0)    (lan, wan)   (hN, core)    (iASN, rN)  collector, plan host

Every node is a network namespace, every cable a veth pair.  Routers are
unnumbered: each has one address that it uses on all its cables, so that ICMP
errors come from where they would come from on the Internet: a gateway answers
from its private LAN address, an ISP's router from the ISP's prefix.  IPv6
next hops are link-local: ::1 is always the side nearer to the core.
plan() only computes; build() changes the current namespaces.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import netns
from world import CORE4, CORE6

TRANSIT4, TRANSIT6 = CORE4[1], CORE6[1]
COLLECTOR4, PLAN4 = CORE4[20], CORE4[30]
TRANSIT, COLLECTOR, PLAN = "transit", "collector", "plan"

# Before any device exists: no waiting for duplicate address detection, no
# router solicitation, and no limit on the ICMP errors that the rules send.
SYSCTLS = (
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/addr_gen_mode", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/icmp/ratemask", ""),
)
FORWARD = (("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1"))


@dataclass
class Node:
    name: str
    router: bool = False
    lines: list = field(default_factory=list)   # for ip -batch
    nft: list = field(default_factory=list)     # what never changes: NAT


def host_node(home):
    return f"h{home.asn}-{home.number}"


def gateway_node(home):
    return f"g{home.asn}-{home.number}"


def isp_node(asn):
    return f"i{asn}"


def relay_node(asn):
    """The server that an ISP's, or the transit's, redirects lead to."""
    return f"m{asn}" if asn else "mtransit"


def reflector_node(reflector):
    return f"r{reflector.number}"


class Network:
    """All nodes and cables of a world, by name."""

    def __init__(self):
        self.nodes = {}
        self.cables = []

    def node(self, name, router=False):
        node = Node(name, router)
        node.lines.append("link set lo up")
        self.nodes[name] = node
        return node

    def cable(self, node_a, if_a, node_b, if_b):
        """b is nearer to the core: its link-local address is fe80::1."""
        self.cables.append(f"link add name {if_a} netns {node_a.name} "
                           f"type veth peer name {if_b} netns {node_b.name}")
        for node, name, local in ((node_a, if_a, "fe80::2"),
                                  (node_b, if_b, "fe80::1")):
            node.lines += [f"addr add {local}/64 dev {name} nodad",
                           f"link set {name} up"]


def _unnumbered(node, own, peer, device):
    node.lines.append(f"addr add {own} peer {peer} dev {device}")


def _default(node, via4, device):
    node.lines.append(f"route add default via {via4} dev {device} onlink")


def _default6(node, device):
    node.lines.append(f"route add default via fe80::1 dev {device}")


def _lan_nat(host, gateway, home, isp):
    """Private addresses behind one public address."""
    lan = home.lan4
    host.lines.append(f"addr add {lan[2]}/24 dev eth0")
    _default(host, lan[1], "eth0")
    gateway.lines.append(f"addr add {lan[1]}/24 dev lan")
    _unnumbered(gateway, home.addr4, isp.router4, "wan")
    gateway.nft += [
        "table ip nat {",
        "  chain post {",
        "    type nat hook postrouting priority srcnat",
        f'    oifname "wan" snat to {home.addr4}',
        "  }",
        "}"]


def _lan_routed(host, gateway, home, isp):
    """The host has the public address; the gateway only routes."""
    lan = home.lan4
    host.lines += [f"addr add {home.addr4}/32 dev eth0"]
    host.lines.append(f"route add {lan[1]}/32 dev eth0 src {home.addr4}")
    _default(host, lan[1], "eth0")
    gateway.lines += [f"addr add {lan[1]}/32 dev lan",
                      f"route add {home.addr4}/32 dev lan",
                      f"route add {isp.router4}/32 dev wan"]


def _home(net, router, isp, home):
    host = net.node(host_node(home))
    gateway = net.node(gateway_node(home), router=True)
    port = f"h{home.number}"
    net.cable(host, "eth0", gateway, "lan")
    net.cable(gateway, "wan", router, port)
    if home.nat:
        _unnumbered(router, isp.router4, home.addr4, port)
        _lan_nat(host, gateway, home, isp)
    else:
        _unnumbered(router, isp.router4, home.lan4[1], port)
        router.lines.append(f"route add {home.addr4}/32 via {home.lan4[1]} "
                            f"dev {port}")
        _lan_routed(host, gateway, home, isp)
    _default(gateway, isp.router4, "wan")
    if home.prefix6:
        lan = home.lan6
        host.lines.append(f"addr add {lan[2]}/64 dev eth0 nodad")
        _default6(host, "eth0")
        gateway.lines.append(f"addr add {lan[1]}/64 dev lan nodad")
        _default6(gateway, "wan")
        router.lines.append(f"route add {home.prefix6} via fe80::2 dev {port}")


def _relay(net, owner, router, addr4, addr6, own4):
    """A server beside a router, for its redirects."""
    relay = net.node(relay_node(owner))
    net.cable(relay, "eth0", router, "relay")
    _unnumbered(relay, addr4, own4, "eth0")
    _default(relay, own4, "eth0")
    _unnumbered(router, own4, addr4, "relay")
    if addr6:
        relay.lines.append(f"addr add {addr6}/128 dev eth0 nodad")
        _default6(relay, "eth0")
        router.lines.append(f"route add {addr6}/128 via fe80::2 dev relay")


def _isp(net, transit, isp):
    router = net.node(isp_node(isp.asn), router=True)
    port = f"i{isp.asn}"
    net.cable(router, "core", transit, port)
    _unnumbered(router, isp.router4, TRANSIT4, "core")
    _default(router, TRANSIT4, "core")
    _unnumbered(transit, TRANSIT4, isp.router4, port)
    for prefix in isp.prefixes4:
        transit.lines.append(
            f"route add {prefix} via {isp.router4} dev {port} onlink")
    if isp.prefixes6:
        router.lines.append(f"addr add {isp.router6}/128 dev lo")
        _default6(router, "core")
    for prefix in isp.prefixes6:
        transit.lines.append(f"route add {prefix} via fe80::2 dev {port}")
    for home in isp.homes:
        _home(net, router, isp, home)
    return router


def _reflector(net, transit, reflector):
    node = net.node(reflector_node(reflector))
    port = f"r{reflector.number}"
    net.cable(node, "eth0", transit, port)
    bits = reflector.net4.prefixlen
    node.lines.append(f"addr add {reflector.addr4}/{bits} dev eth0")
    transit.lines.append(f"addr add {reflector.net4[1]}/{bits} dev {port}")
    _default(node, reflector.net4[1], "eth0")
    if reflector.net6:
        node.lines.append(f"addr add {reflector.addr6}/128 dev eth0 nodad")
        _default6(node, "eth0")
        transit.lines.append(
            f"route add {reflector.net6} via fe80::2 dev {port}")


def _core_host(net, transit, name, addr):
    node = net.node(name)
    net.cable(node, "eth0", transit, name)
    _unnumbered(node, addr, TRANSIT4, "eth0")
    _default(node, TRANSIT4, "eth0")
    _unnumbered(transit, TRANSIT4, addr, name)


def redirecting(world, place):
    """The targets whose rules at this place redirect."""
    return {target for rule in world.rules
            if rule.place == place and rule.action == "redirect"
            for target in rule.targets}


def plan(world):
    """Return the Network of a world."""
    net = Network()
    transit = net.node(TRANSIT, router=True)
    transit.lines.append(f"addr add {TRANSIT6}/128 dev lo")
    for reflector in world.reflectors:
        _reflector(net, transit, reflector)
    _core_host(net, transit, COLLECTOR, COLLECTOR4)
    _core_host(net, transit, PLAN, PLAN4)
    relayed = redirecting(world, "isp")
    for isp in world.isps:
        router = _isp(net, transit, isp)
        if isp.asn in relayed:
            _relay(net, isp.asn, router, isp.relay4, isp.relay6, isp.router4)
    if redirecting(world, "transit"):
        _relay(net, 0, transit, CORE4[25], CORE6[0x25], TRANSIT4)
    return net


def _batch(lines):
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n",
                          text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise netns.CommandError(f"ip -batch failed: {done.stderr}")


def _configure(node):
    # Routes need links and addresses first: keep that order.
    rank = {"link": 0, "addr": 1, "route": 2}
    lines = sorted(node.lines, key=lambda line: (
        rank[line.split()[0]], "default" in line))
    four = [l for l in lines if not (l.startswith("route") and ":" in l)]
    six = [l for l in lines if l.startswith("route") and ":" in l]
    netns.feed(node.name, ["ip", "-batch", "-"], "\n".join(four) + "\n")
    if six:
        netns.feed(node.name, ["ip", "-6", "-batch", "-"],
                   "\n".join(six) + "\n")
    if node.nft:
        netns.feed(node.name, ["nft", "-f", "-"], "\n".join(node.nft) + "\n")


def build(net, workers=4):
    """Make all of it in the current namespaces."""
    nodes = list(net.nodes.values())
    _batch([f"netns add {node.name}" for node in nodes])
    for node in nodes:
        netns.call(node.name, netns.write_sysctls,
                   SYSCTLS + (FORWARD if node.router else ()))
    _batch(net.cables)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_configure, nodes))
