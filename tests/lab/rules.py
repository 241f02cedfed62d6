# SPDX-License-Identifier: Apache-2.0
"""rules - a world's rules as nftables, node by node.

Routers filter what they forward, hosts and reflectors what they send and
receive.  "out" is matched by its destination port, "in" (answers on their way
to the home) by its source port.  At one place redirects come first, because
address translation does; the others are tried in the order of the file and
the first that matches decides.  The lab's own plan host and collector are
exempt everywhere, so that no world can cut itself off from its results.
"""

import netns
from topology import (COLLECTOR4, PLAN4, TRANSIT, gateway_node, host_node,
                      isp_node, reflector_node)
from world import CORE4, CORE6

# What a redirected packet is sent to: see answers.py.
ANSWER_PORT = 61025

# Interface match of what a router takes from, or sends to, the homes' side.
_HOMEWARD = {"gateway": '"lan"', "isp": '"h*"', "transit": '"i*"'}


def nodes_of(world, rule):
    """The namespaces that hold the rule."""
    if rule.place == "transit":
        return [TRANSIT]
    if rule.place == "isp":
        return [isp_node(asn) for asn in rule.targets]
    if rule.place == "reflector":
        return [reflector_node(r) for r in world.reflectors
                if r.name in rule.targets]
    node = host_node if rule.place == "host" else gateway_node
    return [node(h) for h in world.homes() if h.name in rule.targets]


def _set(items):
    return "{ " + ", ".join(map(str, items)) + " }"


def _ports(rule):
    return _set(str(low) if low == high else f"{low}-{high}"
                for low, high in rule.ports)


def _exempt(world, rule, family):
    """Match everybody but the homes that opted out."""
    homes = [h for h in world.homes() if h.name in rule.exempt]
    side = "saddr" if rule.direction == "out" else "daddr"
    if family == 4:
        return f"ip {side} != {_set(h.addr4 for h in homes)} "
    prefixes = [h.prefix6 for h in homes if h.prefix6]
    return f"ip6 {side} != {_set(prefixes)} " if prefixes else ""


def _matches(world, rule):
    """The beginnings of the nft rules, (family, transport, text) each."""
    field = "dport" if rule.direction == "out" else "sport"
    for family in rule.families:
        exempt = _exempt(world, rule, family) if rule.exempt else ""
        for transport in rule.transports:
            yield family, transport, (
                f"meta nfproto ipv{family} {exempt}"
                f"{transport} {field} {_ports(rule)}")


def _verdict(action, transport):
    if action == "reset" and transport == "tcp":
        return "reject with tcp reset"
    if action == "icmp":
        return "reject with icmpx admin-prohibited"
    return "drop"


def _filter_hook(place, direction):
    """The hook, and the interface match, where a filter rule stands."""
    if place in ("host", "reflector"):
        leaves = (direction == "out") == (place == "host")
        return ("output" if leaves else "input"), ""
    side = "iifname" if direction == "out" else "oifname"
    return "forward", f"{side} {_HOMEWARD[place]} "


def _relay(world, node, rule, family):
    """Where a redirect leads: a server beside the router, or this node."""
    if rule.place == "isp":
        isp = next(i for i in world.isps if isp_node(i.asn) == node)
        addr = isp.relay4 if family == 4 else isp.relay6
    elif rule.place == "transit":
        addr = CORE4[25] if family == 4 else CORE6[0x25]
    else:
        return f"redirect to :{ANSWER_PORT}"
    if addr is None:
        return None     # an ISP without IPv6 has nothing to redirect there
    return (f"dnat ip to {addr}:{ANSWER_PORT}" if family == 4
            else f"dnat ip6 to [{addr}]:{ANSWER_PORT}")


def _add_redirect(chains, world, node, rule):
    hook = "nat output" if rule.place == "host" else "nat prerouting"
    side = _HOMEWARD.get(rule.place)
    interface = f"iifname {side} " if side else ""
    for family, _transport, match in _matches(world, rule):
        target = _relay(world, node, rule, family)
        if target:
            chains.setdefault(hook, []).append(f"{interface}{match} {target}")


def _add_filter(chains, world, rule):
    hook, interface = _filter_hook(rule.place, rule.direction)
    for _family, transport, match in _matches(world, rule):
        chains.setdefault(hook, []).append(
            f"{interface}{match} counter {_verdict(rule.action, transport)}")


def _chain(hook, lines):
    kind = "nat" if hook.startswith("nat ") else "filter"
    name = hook.split()[-1]
    priority = {"nat prerouting": "dstnat", "nat output": "-100"}.get(hook, "0")
    core = _set((COLLECTOR4, PLAN4))
    return [f"  chain {kind}_{name} {{",
            f"    type {kind} hook {name} priority {priority}",
            f"    ip daddr {core} accept",
            f"    ip saddr {core} accept",
            *(f"    {line}" for line in lines), "  }"]


def render(world, round_number):
    """Return {node: nft text} for every node that has a rule in any round."""
    chains = {}
    for rule in world.rules:
        for node in nodes_of(world, rule):
            mine = chains.setdefault(node, {})
            if not rule.active(round_number):
                continue
            if rule.action == "redirect":
                _add_redirect(mine, world, node, rule)
            else:
                _add_filter(mine, world, rule)
    texts = {}
    for node, hooks in chains.items():
        lines = ["table inet world", "delete table inet world",
                 "table inet world {"]
        for hook, rules in hooks.items():
            lines += _chain(hook, rules)
        texts[node] = "\n".join(lines + ["}"]) + "\n"
    return texts


class Applied:
    """Keeps the nodes' nftables as the round wants them."""

    def __init__(self, world):
        self.world = world
        self.current = {}

    def set_round(self, round_number):
        """Load what differs from the round before."""
        for node, text in render(self.world, round_number).items():
            if self.current.get(node) != text:
                netns.feed(node, ["nft", "-f", "-"], text)
                self.current[node] = text
