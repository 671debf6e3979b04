"""Faults of guests and downloads, and the rules of the router for guests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Marks of connections; no other rule in the router's namespace has any.
_BEGUN, _COUNTED, _DROPPED = "0x65637362", "0x65637363", "0x65637364"

# A connection of which one side has closed its end is known for two minutes more at most: what
# the other side still has to say is no reason to break it off, and count it.
_OPEN = "ct state established ct expiration > 3m"


@dataclass(frozen=True)
class SshDrop:
    """Connections to port 22 that break off; ``id`` is the fault's.

    After ``seconds``, or ``bytes`` in both directions together; or at once, and only the one
    with the number ``connection`` of those that began since the fault did. It is noticed with
    the next packet.
    """

    id: int
    seconds: float = 0.0
    bytes: int = 0
    connection: int = 0


@dataclass(frozen=True)
class GuestFaults:
    """The faults of a guest.

    ``never_boots``: it runs, but nothing in it ever answers. ``ssh_late_s``: port 22 refuses
    connections for this time after the start. ``free_mib``: MiB that a new guest's system disk
    has left, if it is to be full.
    """

    never_boots: bool = False
    ssh_late_s: float = 0.0
    ssh_drops: tuple[SshDrop, ...] = ()
    free_mib: int | None = None


NO_FAULTS = GuestFaults()


@dataclass(frozen=True)
class DownloadFault:
    """The fault of a download: it is not found, or stops half way while this ``lasts``."""

    not_found: bool
    lasts: Callable[[], bool]


DownloadFaults = Callable[[str, str, bool], DownloadFault | None]
"""Counts a download and returns its fault, given the client address, the path, and whether the
request is for the content (and not only HEAD). Called from any thread."""


def fault_table(link: str) -> str:
    """Return the name of the nftables table of the guest behind a link of the router."""
    return f"fault_{link}"


def dropped_set(fault_id: int) -> str:
    """Return the name of that table's set of the connections that a fault has broken off.

    They are counted in it, and not by their packets, as two processors may take one each at once.
    """
    return f"dropped_{fault_id}"


def nft_script(link: str, address: str, faults: GuestFaults) -> str:
    """Return the input for ``nft -f`` that makes SSH of one guest late, or drop."""
    table = f"table ip {fault_table(link)}"
    lines = [f"{table} {{}}", f"delete {table}"]
    if not faults.ssh_late_s and not faults.ssh_drops:
        return "\n".join([*lines, ""])
    lines.append(f"{table} {{")
    if faults.ssh_late_s:
        until = f"{address} timeout {round(faults.ssh_late_s * 1000)}ms"
        lines.append(f"set late {{ type ipv4_addr; flags timeout; elements = {{ {until} }}; }}")
    for drop in faults.ssh_drops:
        lines.append(
            f"set {dropped_set(drop.id)} {{ typeof ct id; flags dynamic,timeout; timeout 5m; "
            "size 65535; }"
        )
        if drop.seconds:
            # Each connection stays in there as long as it may last. Those that were open before
            # these rules, of which nobody knows how old they are, may last as long from now on.
            last = f"timeout {round(drop.seconds * 1000)}ms"
            lines += [
                f"set young_{drop.id} {{ type ipv4_addr . inet_service; flags dynamic,timeout; "
                f"{last}; size 65535; }}",
                f"set new_{drop.id} {{ type ipv4_addr; flags timeout; "
                f"elements = {{ {address} {last} }}; }}",
            ]
        # What the guest sends becomes the reset itself. Refused, it would tell the guest alone: a
        # client that only listens would wait until it has something to say.
        for name, end in (("drop", "reject with tcp reset"), ("cut", "tcp flags set rst accept")):
            lines += [
                f"chain {name}_{drop.id} {{",
                f"add @{dropped_set(drop.id)} {{ ct id }}",
                f"ct mark set {_DROPPED}",
                end,
                "}",
            ]
    numbered = [drop for drop in faults.ssh_drops if drop.connection]
    if numbered:
        lines.append("chain count {")
        for drop in numbered:
            number = f"numgen inc mod 2147483647 {drop.connection - 1}"
            lines.append(f"{number} jump drop_{drop.id}")
        lines += [f"ct mark set {_COUNTED}", "}"]
    incoming, outgoing = f'oifname "{link}" tcp dport 22', f'iifname "{link}" tcp sport 22'
    lines += [
        "chain forward {",
        # Before the security groups, which let go on what was let in once.
        "type filter hook forward priority filter - 2; policy accept;",
        f"ct mark {_DROPPED} meta l4proto tcp reject with tcp reset",
    ]
    if faults.ssh_late_s:
        lines.append(f"{incoming} ip daddr @late reject with tcp reset")
    if numbered:
        # Once for each connection that came to be after the fault: an older one has no mark.
        lines += [
            f"{incoming} ct state new ct mark set {_BEGUN}",
            f"{incoming} ct state established ct mark {_BEGUN} jump count",
        ]
    for drop in faults.ssh_drops:
        jump, cut = f"jump drop_{drop.id}", f"jump cut_{drop.id}"
        if drop.bytes:
            too_long = f"{_OPEN} ct bytes > {drop.bytes}"
            lines += [f"{incoming} {too_long} {jump}", f"{outgoing} {too_long} {cut}"]
        if drop.seconds:
            young, new = f"@young_{drop.id}", f"@new_{drop.id}"
            lines += [
                f"{incoming} ct state new add {young} {{ ip saddr . tcp sport }}",
                f"{incoming} {_OPEN} ip daddr != {new} ip saddr . tcp sport != {young} {jump}",
                f"{outgoing} {_OPEN} ip saddr != {new} ip daddr . tcp dport != {young} {cut}",
            ]
    return "\n".join([*lines, "}", "}", ""])
