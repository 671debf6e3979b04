"""Requests for network interfaces, alone or with instances, and their limits."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.actions.instance_place import Place, group_ids_of_request
from ecsmachine.localcloud.actions.security_groups import (
    MAX_GROUPS_OF_INSTANCE,
    check_membership,
)
from ecsmachine.localcloud.catalog.instance_types import InstanceType
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import mac_address, new_id
from ecsmachine.localcloud.protocol.names import checked_description, checked_text, valid_name
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.addresses import free_private, private_is_free, usable
from ecsmachine.localcloud.state.interfaces import attached_interfaces
from ecsmachine.localcloud.state.model import Instance, NetworkInterface, SecurityGroup, VSwitch
from ecsmachine.localcloud.state.resources import status_now

MAX_FREE_ADDRESSES = 10
"""Addresses of an interface that is attached to nothing; those given at its birth may be more."""
MAX_SECONDARY_ADDRESSES = 49
_VPC_MISMATCH = Refusal("InvalidOperation.VpcMismatch")
INTERFACE_STATUS = Refusal("InvalidOperation.InvalidEniState")
_TOO_MANY_ADDRESSES = Refusal("InvalidOperation.Ipv4CountExceeded")


@dataclass(frozen=True)
class InterfaceRequest:
    """A requested secondary interface that may be created."""

    vswitch: VSwitch
    groups: tuple[SecurityGroup, ...]
    name: str
    description: str
    delete_on_release: bool
    primary_ip: str
    secondary_ips: tuple[str, ...]
    more_ips: int
    resource_group_id: str


def interface_request(
    call: Call, parameters: Parameters, vswitch: VSwitch, groups: Sequence[SecurityGroup]
) -> InterfaceRequest:
    """Return the secondary interface of ``parameters``; raises their refusals."""
    if status_now(vswitch.ready_at) != "Available":
        raise refusals.VSWITCH_STATUS()
    for group in groups:
        check_vpc(group.vpc_id, vswitch.vpc_id)
    check_membership(call, groups)
    primary_ip = parameters.text("PrimaryIpAddress")
    secondary_ips, more_ips = secondary_addresses(parameters)
    return InterfaceRequest(
        vswitch=vswitch,
        groups=tuple(groups),
        name=interface_name(parameters),
        description=checked_description(parameters),
        delete_on_release=parameters.boolean("DeleteOnRelease", True),
        primary_ip=primary_ip,
        secondary_ips=tuple(secondary_ips),
        more_ips=more_ips,
        # Only one that is made alone can be asked for in a group.
        resource_group_id=parameters.text("ResourceGroupId"),
    )


def make_interface(
    call: Call, request: InterfaceRequest, instance: Instance | None = None, index: int = 0
) -> NetworkInterface:
    """Make an interface, of an instance or free; raises the refusals of its addresses."""
    state, vswitch = call.state, request.vswitch
    given = [ip for ip in (request.primary_ip, *request.secondary_ips) if ip]
    check_addresses(call, vswitch, given)
    wanted = request.more_ips + (not request.primary_ip)
    picked = free_addresses_for(call, vswitch, wanted, given)
    return state.network_interfaces.put(
        NetworkInterface(
            id=new_id("eni", vswitch.region),
            region=vswitch.region,
            zone=vswitch.zone,
            vpc_id=vswitch.vpc_id,
            vswitch_id=vswitch.id,
            name=request.name,
            description=request.description,
            mac=mac_address(),
            private_ip=request.primary_ip or picked.pop(0),
            secondary_ips=(*request.secondary_ips, *picked),
            security_group_ids=tuple(group.id for group in request.groups),
            status="InUse" if instance else "Available",
            created=timestamp(),
            instance_id=instance.id if instance else "",
            index=index,
            delete_on_release=request.delete_on_release,
            resource_group_id=request.resource_group_id,
        )
    )


def groups_named(call: Call, ids: Sequence[str]) -> list[SecurityGroup]:
    """Return the security groups of an interface; raises the refusals of their number."""
    if not ids:
        raise missing_parameter("SecurityGroupId")
    if len(ids) > MAX_GROUPS_OF_INSTANCE:
        raise invalid_parameter(
            "SecurityGroupId", f"At most {MAX_GROUPS_OF_INSTANCE} are accepted."
        )
    return [call.find(call.state.security_groups, group_id) for group_id in dict.fromkeys(ids)]


def interface_name(parameters: Parameters) -> str:
    """Return ``NetworkInterfaceName``; raises ``InvalidNetworkInterfaceName.Malformed``."""
    return checked_text(parameters, "NetworkInterfaceName", valid_name)


def secondary_addresses(parameters: Parameters) -> tuple[list[str], int]:
    """Return ``PrivateIpAddress.N``, and how many more ``SecondaryPrivateIpAddressCount`` asks."""
    parameters.only_one("PrivateIpAddress", "SecondaryPrivateIpAddressCount")
    given = parameters.listed("PrivateIpAddress", most=MAX_SECONDARY_ADDRESSES)
    more = parameters.integer(
        "SecondaryPrivateIpAddressCount", least=1, most=MAX_SECONDARY_ADDRESSES
    )
    return given, more


def check_addresses(call: Call, vswitch: VSwitch, addresses: Sequence[str]) -> None:
    """Raise unless the addresses are free in the VSwitch, and without duplicates."""
    if len(set(addresses)) < len(addresses):
        raise ApiError("InvalidIp.IpRepeated", "The specified IP address is repeated.", 403)
    for address in addresses:
        try:
            inside = ipaddress.IPv4Address(address) in ipaddress.IPv4Network(vswitch.cidr)
        except ValueError as error:
            raise refusals.malformed("PrivateIpAddress") from error
        if not inside or not usable(vswitch, address):
            raise ApiError(
                "InvalidVSwitchId.IpInvalid",
                f"The specified IP address {address} is not one of the VSwitch {vswitch.id}.",
                403,
            )
        if not private_is_free(call.state, vswitch, address):
            raise ApiError(
                "InvalidIp.IpAssigned", f"The specified IP address {address} is assigned.", 403
            )


def free_addresses_for(
    call: Call, vswitch: VSwitch, number: int, besides: Sequence[str] = ()
) -> list[str]:
    """Return this many free addresses of a VSwitch; raises ``InvalidVSwitchId.IpNotEnough``."""
    found = free_private(call.state, vswitch, number, besides)
    if len(found) < number:
        raise ApiError(
            "InvalidVSwitchId.IpNotEnough",
            f'The specified VSwitch "{vswitch.id}" has not enough IpAddress.',
            403,
        )
    return found


def check_vpc(*vpc_ids: str) -> None:
    """Raise ``InvalidOperation.VpcMismatch`` unless all are the same."""
    if len(set(vpc_ids)) > 1:
        raise _VPC_MISMATCH()


def check_same_zone(zone: str, other: str) -> None:
    """Raise ``InvalidOperation.AvailabilityZoneMismatch`` unless both zones are the same."""
    if zone != other:
        raise refusals.of("InvalidOperation.AvailabilityZoneMismatch")


def check_number_of_addresses(number: int, kind: InstanceType | None) -> None:
    """Raise if an interface has too many addresses for an instance type, or for a free one."""
    if number > (kind.addresses_per_interface if kind else MAX_FREE_ADDRESSES):
        raise _TOO_MANY_ADDRESSES()


def check_number_of_interfaces(number: int, kind: InstanceType) -> None:
    """Raise if an instance of this type cannot have this many interfaces, with the primary one."""
    if number > kind.interfaces:
        raise refusals.of("EniPerInstanceLimitExceeded")


def free_index(call: Call, instance_id: str) -> int:
    """Return the number that the next interface of an instance has in its guest."""
    taken = {each.index for each in attached_interfaces(call.state, instance_id)}
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


def secondary_interfaces(
    call: Call, said: Sequence[Parameters], place: Place, kind: InstanceType, amount: int
) -> list[InterfaceRequest | NetworkInterface]:
    """Return the interfaces to make, or to attach, with each of ``amount`` instances."""
    check_number_of_interfaces(1 + len(said), kind)
    found: list[InterfaceRequest | NetworkInterface] = []
    for parameters in said:
        interface_id = parameters.text("NetworkInterfaceId")
        if not interface_id:
            request = _new(call, parameters, place)
            zone, vpc_id = request.vswitch.zone, request.vswitch.vpc_id
            addresses = 1 + len(request.secondary_ips) + request.more_ips
            found.append(request)
        else:
            if amount > 1:
                raise refusals.conflicting(parameters.name("NetworkInterfaceId"), "Amount")
            interface = call.find(call.state.network_interfaces, interface_id)
            if interface.status != "Available":
                raise INTERFACE_STATUS()
            zone, vpc_id = interface.zone, interface.vpc_id
            addresses = len(interface.addresses)
            found.append(interface)
        check_vpc(vpc_id, place.vswitch.vpc_id)
        check_same_zone(zone, place.vswitch.zone)
        check_number_of_addresses(addresses, kind)
    return found


def put_interfaces(
    call: Call,
    instance: Instance,
    wanted: Iterable[InterfaceRequest | NetworkInterface],
) -> list[str]:
    """Give a new instance its secondary interfaces; return the ids of those that were made."""
    made = []
    for index, each in enumerate(wanted, 1):
        if isinstance(each, InterfaceRequest):
            made.append(make_interface(call, each, instance, index).id)
        else:
            attached = replace(each, status="InUse", instance_id=instance.id, index=index)
            call.state.network_interfaces.put(attached)
    return made


def check_interfaces_of(call: Call, instance: Instance, kind: InstanceType) -> None:
    """Raise unless an instance of another type could have the interfaces that this one has."""
    attached = attached_interfaces(call.state, instance.id)
    if 1 + len(attached) > kind.interfaces:
        raise refusals.of("InvalidOperation.EniCountExceeded")
    for secondary_ips in (instance.secondary_ips, *(each.secondary_ips for each in attached)):
        check_number_of_addresses(1 + len(secondary_ips), kind)


def _new(call: Call, parameters: Parameters, place: Place) -> InterfaceRequest:
    vswitch_id = parameters.text("VSwitchId")
    vswitch = call.find(call.state.vswitches, vswitch_id) if vswitch_id else place.vswitch
    ids = group_ids_of_request(parameters)
    groups = groups_named(call, ids) if ids else place.groups
    return interface_request(call, parameters, vswitch, groups)
