"""Addresses that lead nowhere: a local cloud without guests gives out ones with nobody behind.

Its public addresses come from 198.18.0.0/15, which is reserved for benchmarks and routed nowhere
on the internet (RFC 2544). Where guests run, this machine has a route of its own to them. Without
one, a connection would leave over the default route and meet whoever answers there.
"""

from __future__ import annotations

import socket

from ecsmachine.documents.rules import is_ipv4
from ecsmachine.errors import MachineError

_BENCHMARKS = ("198.18.", "198.19.")
_SOMEWHERE = "203.0.113.1"  # for documentation (RFC 5737): only ever the default route leads there


class NoGuestError(MachineError):
    """The address is one of a local cloud, and nothing of it runs on this machine."""


def check_route(host: str) -> None:
    """Raise :class:`NoGuestError` for a local cloud's address that no route of its own leads to.

    Sends nothing: routes are looked up by connecting datagram sockets.
    """
    if not host.startswith(_BENCHMARKS) or not is_ipv4(host):
        return
    source = source_towards(host)
    if source is None or source == source_towards(_SOMEWHERE):
        raise NoGuestError(
            f"{host} is an address of a local cloud, but no guest of this computer has it: "
            'if the cloud is down, start it with "ecsmachine local up"',
            hint='A cloud with "--guests none" answers only API requests: its machines do not run.',
        )


def source_towards(host: str) -> str | None:
    """Return our own address on the way to ``host``; None without a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
