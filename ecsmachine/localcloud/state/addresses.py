"""Addresses: which are free, and what elastic ones (EIPs) are bound to."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.model import Eip, VSwitch
from ecsmachine.localcloud.state.state import State


def usable(vswitch: VSwitch, address: str) -> bool:
    """Return whether ECS would give this address of the VSwitch to an instance.

    The first address of the network and its last three are the cloud's own.
    """
    network = ipaddress.IPv4Network(vswitch.cidr)
    try:
        number = int(ipaddress.IPv4Address(address))
    except ValueError:
        return False
    first = int(network.network_address)
    return first + 1 <= number <= first + network.num_addresses - 4


def free_addresses(state: State, vswitch: VSwitch) -> int:
    """Return how many addresses of the VSwitch are free."""
    total = ipaddress.IPv4Network(vswitch.cidr).num_addresses - 4
    return total - len({ip for ip, _, of in _private_in_use(state) if of == vswitch.id})


def pick_private(state: State, vswitch: VSwitch) -> str:
    """Return a free address of the VSwitch; raises ``InvalidVSwitchId.IpInsufficient``."""
    for address in free_private(state, vswitch, 1):
        return address
    raise refusals.of("InvalidVSwitchId.IpInsufficient")


def free_private(
    state: State, vswitch: VSwitch, number: int, besides: Iterable[str] = ()
) -> list[str]:
    """Return this many free addresses of the VSwitch, or fewer if there are no more.

    Networks of several VPCs may overlap, but all run on one machine: an address in use anywhere is
    skipped, and so are those of ``besides``.
    """
    network = ipaddress.IPv4Network(vswitch.cidr)
    first = int(network.network_address)
    taken = {*(ip for ip, _, _ in _private_in_use(state)), *state.reserved, *besides}
    # The cloud's gateway and the like are at the start and the end.
    numbers = range(first + 1, first + network.num_addresses - 3)
    addresses = (str(ipaddress.IPv4Address(each)) for each in numbers)
    return list(itertools.islice((each for each in addresses if each not in taken), number))


def private_is_free(state: State, vswitch: VSwitch, address: str) -> bool:
    """Return whether no interface of the VSwitch's VPC has the address."""
    in_use = (ip for ip, vpc_id, _ in _private_in_use(state) if vpc_id in (None, vswitch.vpc_id))
    return address not in (*state.reserved, *in_use)


def pick_public(state: State, wanted: str = "") -> str:
    """Return a free public address of the pool (the ``wanted`` one, if it is in there).

    Raises ``InsufficientPublicIp``.
    """
    pool = ipaddress.IPv4Network(state.public_pool)
    taken = state.reserved | public_in_use(state)
    first = int(pool.network_address)
    for number in range(first + 2, first + pool.num_addresses - 1):
        address = str(ipaddress.IPv4Address(number))
        if address not in taken and wanted in ("", address):
            return address
    raise ApiError(
        "InsufficientPublicIp", f"No address of the local cloud's public pool {pool} is free."
    )


def public_in_use(state: State) -> set[str]:
    """Return the public addresses that are in use."""
    return (
        {instance.public_ip for instance in state.instances}
        | {eip.address for eip in state.eips}
        | {balancer.address for balancer in state.load_balancers}
        | {removal.public_ip for removal in state.removals}
    )


def _private_in_use(state: State) -> Iterator[tuple[str, str | None, str]]:
    """Yield the private addresses in use, each with its VPC and VSwitch.

    Those of a guest that is being removed are in use in every VPC (None).
    """
    # The primary interface is part of its instance.
    for holder in (*state.instances, *state.network_interfaces):
        for ip in (holder.private_ip, *holder.secondary_ips):
            yield ip, holder.vpc_id, holder.vswitch_id
    for balancer in state.load_balancers:
        yield balancer.address, balancer.vpc_id, balancer.vswitch_id
    for removal in state.removals:
        for ip in (removal.private_ip, *removal.secondary_ips):
            yield ip, None, ""


def eips_of(state: State, holder_id: str) -> list[Eip]:
    """Return the addresses bound to an instance, a secondary interface or a load balancer."""
    return [eip for eip in state.eips if holder_id and eip.instance_id == holder_id]


def unbind_eips(state: State, holder_id: str) -> None:
    """Unbind the addresses of removed resources; inside a transaction."""
    for eip in eips_of(state, holder_id):
        state.eips.put(replace(eip, instance_id="", instance_type="", status="Available"))
