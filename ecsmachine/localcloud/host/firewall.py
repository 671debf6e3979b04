"""Security groups: the rules of the state as nftables rules of the router.

Every packet between a guest and anything else crosses the cloud's router, so the rules are there,
at the guest's link: its root cannot flush them, a reboot does not lose them, and a
port that the engine publishes inside the guest is filtered before the engine's own rules see it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ecsmachine.localcloud.host.network import UPLINK, link_name
from ecsmachine.localcloud.state.interfaces import all_interfaces
from ecsmachine.localcloud.state.model import Direction, NetworkInterface, Rule, SecurityGroup
from ecsmachine.localcloud.state.state import State

TABLE = "ip security_groups"


@dataclass(frozen=True)
class LinkFirewall:
    """The rules of one network interface, in the order of evaluation.

    ``link`` is the router's name for its link to the guest.

    ``inner_groups`` are the groups whose members reach each other (InnerAccessPolicy Accept).
    Without a matching rule, outgoing traffic passes if ``egress_open``, incoming never.
    """

    link: str
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]
    inner_groups: tuple[str, ...]
    egress_open: bool


@dataclass(frozen=True)
class Filter:
    """A filter of packets: those that match pass (``accept``), or do not.

    Empty fields match anything. ``peer`` (a network) or ``peer_group`` is the source of a packet,
    or for egress its destination; ``own`` is the interface's side. Ports have the form of rules
    (``22/22``). ``rule`` is its origin, None for the default of a group.
    """

    accept: bool
    peer_group: str = ""
    peer: str = ""
    own: str = ""
    protocol: str = ""
    source_ports: str = ""
    ports: str = ""
    rule: Rule | None = None


@dataclass(frozen=True)
class Firewall:
    """The rules of all guests; ``members``: (group, private addresses) that rules speak of."""

    links: tuple[LinkFirewall, ...] = ()
    members: tuple[tuple[str, tuple[str, ...]], ...] = ()


def firewall_of(state: State) -> Firewall:
    """Return the firewall that the state's instances and security groups amount to."""
    interfaces = [each for each in all_interfaces(state) if each.instance_id]
    links = tuple(_link(state, interface) for interface in interfaces)
    named = {
        group
        for link in links
        for group in (
            *link.inner_groups,
            *(rule.group_id for rule in (*link.ingress, *link.egress) if rule.group_id),
        )
    }
    addresses: dict[str, list[str]] = {group: [] for group in sorted(named)}
    for interface in interfaces:
        for group in interface.security_group_ids:
            if group in addresses:
                addresses[group] += filter(None, interface.addresses)
    return Firewall(links, tuple((group, tuple(sorted(ips))) for group, ips in addresses.items()))


def nft_script(firewall: Firewall) -> str:
    """Return the input for ``nft -f`` that replaces the former firewall.

    nft applies all of it or nothing, so that there is no moment without rules.
    """
    lines = [f"table {TABLE} {{}}", f"delete table {TABLE}", f"table {TABLE} {{"]
    for group, addresses in firewall.members:
        elements = f"elements = {{ {', '.join(addresses)} }};" if addresses else ""
        lines.append(f"set {_set_name(group)} {{ type ipv4_addr; {elements} }}")
    links = [each.link for each in firewall.links]
    for each in firewall.links:
        lines += _chain(f"out_{each.link}", each, "egress")
        lines += _chain(f"in_{each.link}", each, "ingress")
    outgoing = ", ".join(f'"{link}" : jump out_{link}' for link in links)
    incoming = ", ".join(f'"{link}" : jump in_{link}' for link in links)
    for hook in ("input", "forward"):
        lines += [
            f"chain {hook} {{",
            # Before the router's own rules, which have the last word on what is accepted here.
            f"type filter hook {hook} priority filter - 1; policy accept;",
            # Groups are stateful: an accepted connection continues, in both directions.
            "ct state established,related accept",
        ]
        if links:
            lines.append(f"iifname vmap {{ {outgoing} }}")
        if hook == "forward":
            if links:
                lines.append(f"oifname vmap {{ {incoming} }}")
            # To a guest of which no group is known; the uplink is the router's matter.
            lines.append(f'oifname != "{UPLINK}" drop')
        lines.append("}")
    return "\n".join([*lines, "}", ""])


def _link(state: State, interface: NetworkInterface) -> LinkFirewall:
    groups = [
        group
        for group_id in interface.security_group_ids
        if (group := state.security_groups.get(group_id)) is not None
    ]
    primary = interface.kind == "Primary"
    return LinkFirewall(
        link_name(interface.instance_id if primary else interface.id),
        _in_order(groups, "ingress"),
        _in_order(groups, "egress"),
        tuple(
            group.id
            for group in groups
            if group.kind == "normal" and group.inner_access == "Accept"
        ),
        any(group.kind == "normal" for group in groups),
    )


def _in_order(groups: Iterable[SecurityGroup], direction: str) -> tuple[Rule, ...]:
    # The rules of all groups together: the lowest number first, and of equal ones Drop.
    rules = [rule for group in groups for rule in group.rules if rule.direction == direction]
    return tuple(sorted(rules, key=lambda rule: (rule.priority, rule.policy != "Drop")))


def filters_of(link: LinkFirewall, direction: Direction) -> Iterator[Filter]:
    """Yield what decides on the packets of a link, in order: the first that matches, and no other.

    The last one matches everything.
    """
    for rule in link.ingress if direction == "ingress" else link.egress:
        if rule.protocol == "ICMPV6" or not (rule.cidr or rule.group_id):
            continue  # it is only about IPv6
        if rule.own_ipv6_cidr and not rule.own_cidr:
            continue
        protocol = rule.protocol.lower()
        with_ports = protocol in ("tcp", "udp")
        yield Filter(
            accept=rule.policy == "Accept",
            peer_group=rule.group_id,
            peer="" if rule.group_id or rule.cidr.endswith("/0") else rule.cidr,
            own="" if rule.own_cidr.endswith("/0") else rule.own_cidr,
            protocol="" if protocol == "all" else protocol,
            source_ports=rule.source_port_range if with_ports else "",
            ports=rule.port_range if with_ports else "",
            rule=rule,
        )
    for group in link.inner_groups:
        yield Filter(accept=True, peer_group=group)
    yield Filter(accept=direction == "egress" and link.egress_open)


def _chain(name: str, link: LinkFirewall, direction: Direction) -> list[str]:
    return [
        f"chain {name} {{",
        *(_statement(each, direction) for each in filters_of(link, direction)),
        "}",
    ]


def _statement(each: Filter, direction: Direction) -> str:
    peer, own = ("saddr", "daddr") if direction == "ingress" else ("daddr", "saddr")
    parts = []
    if each.peer_group:
        parts.append(f"ip {peer} @{_set_name(each.peer_group)}")
    if each.peer:
        parts.append(f"ip {peer} {each.peer}")
    if each.own:
        parts.append(f"ip {own} {each.own}")
    if each.source_ports:
        parts.append(f"{each.protocol} sport {_ports(each.source_ports)}")
    if each.ports:
        parts.append(f"{each.protocol} dport {_ports(each.ports)}")
    elif each.protocol:
        # by number: without /etc/protocols (Debian's netbase) nft knows few names
        parts.append(f"meta l4proto {getattr(socket, f'IPPROTO_{each.protocol.upper()}'):d}")
    # Allowed outgoing traffic must still be accepted by its destination.
    accept = "accept" if direction == "ingress" else "return"
    return " ".join([*parts, accept if each.accept else "drop"])


def _ports(text: str) -> str:
    return text.replace("/", "-")


def _set_name(group_id: str) -> str:
    return group_id.replace("-", "_")
