"""The part of the address space that one local cloud uses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state.settings import NOBODYS_POOL
from ecsmachine.system import locks

# RFC 2544: for benchmarks, never routed on the internet.
_PUBLIC = (IPv4Network("198.18.0.0/16"), IPv4Network("198.19.0.0/16"))
# Docker takes its own networks from 172.17.0.0 on, and those of Swarm mode from 10.0.0.0 on: the
# upper half of 10.0.0.0/8 collides with neither.
_PRIVATE = IPv4Network("10.128.0.0/9")


@dataclass(frozen=True)
class AddressPlan:
    """Addresses of one cloud: ``public`` for the outside, ``vpc`` for its default VPC.

    No two clouds with guests share any on a host, so that all of these can be reached from it.
    """

    public: IPv4Network
    vpc: IPv4Network

    @property
    def vswitch(self) -> IPv4Network:
        """The range of the default VSwitch: the first part of the VPC's."""
        return next(self.vpc.subnets(new_prefix=20))

    @property
    def gateway(self) -> IPv4Address:
        """The router: the guests' way to each other, and where the install mirror listens."""
        return self.public[1]

    @property
    def host(self) -> IPv4Address:
        """The host's own address on its link to the router."""
        return self.public[254]


def plan_of(public: str) -> AddressPlan:
    """Return the plan that belongs to a public range, such as ``198.18.7.0/24``."""
    network = IPv4Network(public)
    slot = network.network_address.packed[2]
    return AddressPlan(network, IPv4Network((int(_PRIVATE.network_address) + (slot << 15), 17)))


def _is_public(network: IPv4Network) -> bool:
    return any(network.subnet_of(public) for public in _PUBLIC)


def choose(preference: int, taken: Iterable[IPv4Network]) -> AddressPlan:
    """Return a plan for a cloud with guests that overlaps none of the networks in ``taken``.

    ``preference`` is where to look first, so that clouds rarely want the same. Clouds without
    guests all have the plan of :data:`~ecsmachine.localcloud.state.settings.NOBODYS_POOL`.
    """
    used = [*taken, IPv4Network(NOBODYS_POOL)]
    # the route to another cloud's public range tells of its VPC, which has one for each guest only
    used += [plan_of(str(n)).vpc for n in used if n.prefixlen == 24 and _is_public(n)]
    for offset in range(256):
        slot = (preference + offset) % 256
        for public in _PUBLIC:
            plan = plan_of(f"{public.network_address + 256 * slot}/24")
            if not any(n.overlaps(plan.public) or n.overlaps(plan.vpc) for n in used):
                return plan
    raise LocalCloudError(
        "All of 198.18.0.0/15 and 10.128.0.0/9 is in use on this host.",
        hint="Stop a local cloud that you no longer need: ecsmachine local down",
    )


def alone_in_choosing() -> AbstractContextManager[int]:
    """Let no other cloud of the host choose until this one's choice shows in the host's routes."""
    return locks.held(Path("/run"))


def host_networks(*, without_link: str) -> list[IPv4Network]:
    """Return the networks the host has routes to (default routes and one link apart)."""
    found = []
    for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"])):
        destination = route.get("dst", "default")
        if destination == "default" or route.get("dev") == without_link:
            continue
        try:
            network = IPv4Network(destination, strict=False)
        except ValueError:
            continue
        if network.prefixlen > 1:  # the halves of everything that a VPN sets are a default route
            found.append(network)
    return found
