"""What security groups let through: the state's rules as nftables rules of the router.

Every packet between a guest and anything else crosses the cloud's router, so the rules stand
there, beside the guest's link: its root cannot flush them, a reboot does not lose them, and a
port that the engine publishes inside the guest is filtered before the engine's own rules see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ecsmachine.localcloud.host.network import UPLINK, link_name
from ecsmachine.localcloud.state.interfaces import all_interfaces
from ecsmachine.localcloud.state.model import NetworkInterface, Rule, SecurityGroup
from ecsmachine.localcloud.state.state import State

TABLE = "ip security_groups"


@dataclass(frozen=True)
class LinkFirewall:
    """The rules of one network interface, in the order in which they are looked at.

    ``link`` is the router's name for its link to the guest.

    ``inner_groups`` are those whose members reach each other (InnerAccessPolicy Accept);
    what no rule speaks of goes out if ``egress_open``, and never comes in.
    """

    link: str
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]
    inner_groups: tuple[str, ...]
    egress_open: bool


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
    """Return the input for ``nft -f`` that puts the firewall in place of the one before.

    nft applies it whole or not at all, so that there is no moment without rules.
    """
    lines = [f"table {TABLE} {{}}", f"delete table {TABLE}", f"table {TABLE} {{"]
    for group, addresses in firewall.members:
        elements = f"elements = {{ {', '.join(addresses)} }};" if addresses else ""
        lines.append(f"set {_set_name(group)} {{ type ipv4_addr; {elements} }}")
    links = [each.link for each in firewall.links]
    for each in firewall.links:
        lines += _chain(f"out_{each.link}", each.egress, "egress", _egress_end(each))
        lines += _chain(f"in_{each.link}", each.ingress, "ingress", _ingress_end(each))
    outgoing = ", ".join(f'"{link}" : jump out_{link}' for link in links)
    incoming = ", ".join(f'"{link}" : jump in_{link}' for link in links)
    for hook in ("input", "forward"):
        lines += [
            f"chain {hook} {{",
            # Before the router's own rules, which have the last word on what is accepted here.
            f"type filter hook {hook} priority filter - 1; policy accept;",
            # Groups are stateful: what was let through once goes on, and is answered.
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


def _ingress_end(link: LinkFirewall) -> list[str]:
    inner = [f"ip saddr @{_set_name(group)} accept" for group in link.inner_groups]
    return [*inner, "drop"]


def _egress_end(link: LinkFirewall) -> list[str]:
    inner = [f"ip daddr @{_set_name(group)} return" for group in link.inner_groups]
    return [*inner, "return" if link.egress_open else "drop"]


def _chain(name: str, rules: Iterable[Rule], direction: str, end: list[str]) -> list[str]:
    written = (_statement(rule, direction) for rule in rules)
    return [f"chain {name} {{", *filter(None, written), *end, "}"]


def _statement(rule: Rule, direction: str) -> str:
    """Return a rule as nftables has it; "" for one that is about IPv6 alone."""
    if rule.protocol == "ICMPV6" or not (rule.cidr or rule.group_id):
        return ""
    if rule.own_ipv6_cidr and not rule.own_cidr:
        return ""
    peer, own = ("saddr", "daddr") if direction == "ingress" else ("daddr", "saddr")
    parts = []
    if rule.group_id:
        parts.append(f"ip {peer} @{_set_name(rule.group_id)}")
    elif not rule.cidr.endswith("/0"):
        parts.append(f"ip {peer} {rule.cidr}")
    if rule.own_cidr and not rule.own_cidr.endswith("/0"):
        parts.append(f"ip {own} {rule.own_cidr}")
    protocol = rule.protocol.lower()
    if protocol in ("tcp", "udp"):
        if rule.source_port_range:
            parts.append(f"{protocol} sport {_ports(rule.source_port_range)}")
        parts.append(f"{protocol} dport {_ports(rule.port_range)}")
    elif protocol != "all":
        parts.append(f"meta l4proto {protocol}")
    # What may go out has still to be let in by whom it goes to.
    accept = "accept" if direction == "ingress" else "return"
    parts.append(accept if rule.policy == "Accept" else "drop")
    return " ".join(parts)


def _ports(text: str) -> str:
    return text.replace("/", "-")


def _set_name(group_id: str) -> str:
    return group_id.replace("-", "_")
