"""Predicts what the cloud's router does with the first packet of a connection.

It uses the same filters that the router's nftables rules are generated from
(:func:`~ecsmachine.localcloud.host.firewall.filters_of`), so that the two cannot differ.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ecsmachine.localcloud.host.firewall import Filter, Firewall, LinkFirewall, filters_of
from ecsmachine.localcloud.state.model import Direction

USUAL_SOURCE_PORT = 50_000
"""In the range that systems choose the port of a connection from (RFC 6335: 49152 to 65535)."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection: IPv4 addresses, ``tcp``, ``udp`` or ``icmp``, ports."""

    source: str
    target: str
    protocol: str
    port: int = 0
    source_port: int = USUAL_SOURCE_PORT


@dataclass(frozen=True)
class Verdict:
    """The verdict at one interface, and the filter that decides."""

    direction: Direction
    filter: Filter

    @property
    def passes(self) -> bool:
        """Whether the packet passes."""
        return self.filter.accept


def verdicts(
    firewall: Firewall, packet: Packet, leaves: str | None, enters: str | None
) -> list[Verdict]:
    """Return the verdicts on a packet, in order; a refusal is the last one.

    ``leaves`` and ``enters`` are the router's names of its source and destination links, None if
    not of a guest. A guest's link without a known group accepts nothing.
    """
    links = {link.link: link for link in firewall.links}
    members = {group: frozenset(addresses) for group, addresses in firewall.members}
    found: list[Verdict] = []
    if leaves is not None and leaves in links:
        found.append(_decided(links[leaves], "egress", packet, members))
        if not found[-1].passes:
            return found
    if enters is not None:
        known = links.get(enters)
        found.append(
            Verdict("ingress", Filter(accept=False))
            if known is None
            else _decided(known, "ingress", packet, members)
        )
    return found


def _decided(
    link: LinkFirewall, direction: Direction, packet: Packet, members: dict[str, frozenset[str]]
) -> Verdict:
    peer, own = packet.source, packet.target
    if direction == "egress":
        peer, own = own, peer
    for each in filters_of(link, direction):
        if each.peer_group and peer not in members.get(each.peer_group, frozenset()):
            continue
        if not (_within(peer, each.peer) and _within(own, each.own)):
            continue
        if each.protocol and each.protocol != packet.protocol:
            continue
        if _among(packet.source_port, each.source_ports) and _among(packet.port, each.ports):
            return Verdict(direction, each)
    raise AssertionError("the last filter matches everything")


def _within(address: str, network: str) -> bool:
    if not network:
        return True
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _among(port: int, ports: str) -> bool:
    if not ports:
        return True
    first, _, last = ports.partition("/")
    return int(first) <= port <= int(last or first)
