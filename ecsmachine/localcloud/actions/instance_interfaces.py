"""Secondary network interfaces that instances are made with, or that stand in their way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ecsmachine.localcloud.actions import interface_requests
from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.actions.instance_place import Place
from ecsmachine.localcloud.catalog.instance_types import InstanceType
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.interfaces import attached_interfaces
from ecsmachine.localcloud.state.model import Instance, NetworkInterface


def secondary_interfaces(
    call: Call, said: Sequence[Parameters], place: Place, kind: InstanceType, amount: int
) -> list[interface_requests.InterfaceRequest | NetworkInterface]:
    """Return the interfaces to make, or to attach, with each of ``amount`` instances."""
    interface_requests.check_number_of_interfaces(1 + len(said), kind)
    found: list[interface_requests.InterfaceRequest | NetworkInterface] = []
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
                raise interface_requests.INTERFACE_STATUS()
            zone, vpc_id = interface.zone, interface.vpc_id
            addresses = len(interface.addresses)
            found.append(interface)
        interface_requests.check_vpc(vpc_id, place.vswitch.vpc_id)
        interface_requests.check_same_zone(zone, place.vswitch.zone)
        interface_requests.check_number_of_addresses(addresses, kind)
    return found


def put_interfaces(
    call: Call,
    instance: Instance,
    wanted: Iterable[interface_requests.InterfaceRequest | NetworkInterface],
) -> list[str]:
    """Give a new instance its secondary interfaces; return the ids of those that were made."""
    made = []
    for index, each in enumerate(wanted, 1):
        if isinstance(each, interface_requests.InterfaceRequest):
            made.append(interface_requests.make_interface(call, each, instance, index).id)
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
        interface_requests.check_number_of_addresses(1 + len(secondary_ips), kind)


def _new(call: Call, parameters: Parameters, place: Place) -> interface_requests.InterfaceRequest:
    vswitch_id = parameters.text("VSwitchId")
    vswitch = call.find(call.state.vswitches, vswitch_id) if vswitch_id else place.vswitch
    one = parameters.text("SecurityGroupId")
    ids = parameters.listed("SecurityGroupIds") or ([one] if one else [])
    groups = interface_requests.groups_named(call, ids) if ids else place.groups
    return interface_requests.interface_request(call, parameters, vswitch, groups)
