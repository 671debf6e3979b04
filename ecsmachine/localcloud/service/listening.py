"""Where the API listens besides 127.0.0.1, on purpose: an address of this machine, or all."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from ecsmachine.localcloud.host.processes import why_not_listening
from ecsmachine.localcloud.protocol.errors import LocalCloudError

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # only where they are asked for


@dataclass(frozen=True)
class ListenAddress:
    """An address of this machine (``address``), as it was named: by itself, or by a host name."""

    name: str
    address: str

    @property
    def everywhere(self) -> bool:
        """Whether it means all addresses of this machine."""
        return self.address in _WILDCARDS

    @property
    def names(self) -> tuple[str, ...]:
        """The host names allowed in requests, besides the address that they come to."""
        return () if self.everywhere else (self.name, self.address)

    @property
    def from_outside(self) -> bool:
        """Whether other machines can reach it."""
        return not ipaddress.ip_address(self.address).is_loopback

    def host(self) -> str:
        """Return its form in URLs on this machine."""
        if self.everywhere:
            return "127.0.0.1"
        return f"[{self.name}]" if ":" in self.name else self.name


def parse(name: str) -> ListenAddress:
    """Return the address that ``--listen`` names; raises :class:`LocalCloudError`."""
    plain = name.strip("[]").rstrip(".").lower()
    try:
        return ListenAddress(plain, str(ipaddress.ip_address(plain)))
    except ValueError:
        pass
    host, _, port = plain.rpartition(":")
    if host and port.isdigit():
        raise LocalCloudError(
            f"{name} is not an address to listen on.",
            hint=f"Give the port separately: --port {port}",
        )
    try:
        found = socket.getaddrinfo(plain, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise LocalCloudError(
            f"{name} is not an address to listen on.",
            hint="Give an address of this computer, or 0.0.0.0 for all",
        ) from None
    # IPv4 first: that is what clients try
    addresses = sorted({str(item[4][0]) for item in found}, key=lambda one: ":" in one)
    return ListenAddress(plain, addresses[0])


def listen_at(where: ListenAddress, port: int) -> socket.socket:
    """Listen there; raises :class:`LocalCloudError`."""
    family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
    try:
        listening = socket.create_server(
            (where.address, port),
            family=family,
            backlog=256,
            dualstack_ipv6=where.address == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise LocalCloudError(
            f"The API cannot listen on {where.address}, port {port}: "
            f"{why_not_listening(error, port)}",
            hint="Give an address of this computer, or 0.0.0.0 for all",
        ) from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
