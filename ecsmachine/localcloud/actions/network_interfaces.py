"""Network interfaces: listing, creation, changes, attaching to instances, addresses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ecsmachine.localcloud.actions import interface_requests
from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_place import group_ids_of_request
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.actions.security_groups import check_membership
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import missing_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.names import checked_description
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.addresses import eips_of
from ecsmachine.localcloud.state.interfaces import (
    attached_interfaces,
    find_interface,
    interfaces_in_region,
    put_interface,
    remove_interface,
)
from ecsmachine.localcloud.state.model import Instance, NetworkInterface
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import check_status
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, resource_tags, tags_of_request


def describe_network_interface_attribute(call: Call) -> Answer:
    """DescribeNetworkInterfaceAttribute: one interface."""
    interface = interface_view(call, interface_of_request(call))
    return {
        **interface,
        **fixed("InterfaceAttribute"),
        "Attachment": {**interface["Attachment"], **fixed("InterfaceAttachment")},
        "NetworkInterfaceTrafficConfig": {
            "NetworkInterfaceTrafficMode": interface["NetworkInterfaceTrafficMode"],
            "QueueNumber": interface["QueueNumber"],
            "QueuePairNumber": interface["QueuePairNumber"],
        },
    }


def interface_of_request(call: Call) -> NetworkInterface:
    """Return what ``NetworkInterfaceId`` names; raises ``InvalidEniId.NotFound``."""
    wanted = call.parameters.require("NetworkInterfaceId")
    return find_interface(call.state, wanted, region=call.region_id)


def interface_view(call: Call, interface: NetworkInterface) -> dict[str, Any]:
    """Return an interface in the form of DescribeNetworkInterfaces."""
    public = _public_address(call, interface)
    nothing = {"PublicIpAddress": "", "AllocationId": ""}
    return {
        **api_fields(interface, "Interface"),
        "PrivateIpSets": {
            "PrivateIpSet": [
                {
                    "PrivateIpAddress": address,
                    "PrivateDnsName": "",
                    "Primary": address == interface.private_ip,
                    "AssociatedPublicIp": public if address == interface.private_ip else nothing,
                }
                for address in interface.addresses
            ]
        },
        "AssociatedPublicIp": public,
        "SecurityGroupIds": {"SecurityGroupId": list(interface.security_group_ids)},
        "OwnerId": call.state.account.id,
        "Attachment": {
            "DeviceIndex": interface.index,
            "InstanceId": interface.instance_id,
            "NetworkCardIndex": 0,
            "TrunkNetworkInterfaceId": "",
        },
        "Tags": ecs_tags(resource_tags(call.state, "eni", interface.id)),
    }


def _public_address(call: Call, interface: NetworkInterface) -> dict[str, str]:
    holder = interface.id if interface.kind == "Secondary" else interface.instance_id
    eip = next(iter(eips_of(call.state, holder)), None)
    instance = call.state.instances.get(interface.instance_id)
    other = instance.public_ip if instance and interface.kind == "Primary" else ""
    return {"PublicIpAddress": eip.address if eip else other, "AllocationId": eip.id if eip else ""}


def _by_address(call: Call) -> Test[NetworkInterface] | None:
    wanted = frozenset(call.parameters.listed("PrivateIpAddress", most=100))
    return (lambda interface: not wanted.isdisjoint(interface.addresses)) if wanted else None


INTERFACES = Listing(
    NetworkInterface,
    "NetworkInterfaceSets.NetworkInterfaceSet",
    lambda call: interfaces_in_region(call.state, call.region_id)[::-1],
    interface_view,
    (
        by.one_of("NetworkInterfaceId", "id", Parameters.listed),
        Filter(("PrivateIpAddress",), _by_address),
        by.never("Ipv6Address"),
        by.equals("InstanceId", "instance_id"),
        by.equals("VpcId", "vpc_id"),
        by.equals("VSwitchId", "vswitch_id"),
        by.equals("PrimaryIpAddress", "private_ip"),
        by.contains("SecurityGroupId", "security_group_ids"),
        by.equals("Type", "kind"),
        by.equals("Status", "status"),
        by.like("NetworkInterfaceName", "name"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.never_true("ServiceManaged"),
        by.tagged("eni"),
    ),
    paging=partial(page, results=(10, 500)),
    most=500,
)


_NO_INSTANCE = Refusal("InvalidEcsId.NotFound")
_INSTANCE_STATUS = Refusal("InvalidOperation.InvalidEcsState")
_INTERFACE_KIND = Refusal("InvalidOperation.InvalidEniType")

_OF_LISTINGS = frozenset(
    (
        *("AssociatedPublicIp", "Attachment", "CreationTime", "DeleteOnRelease", "InstanceId"),
        *("NetworkInterfaceTrafficMode", "QueueNumber", "QueuePairNumber"),
    )
)
"""Fields of an interface that the answer to its creation does not have."""


def create_network_interface(call: Call) -> Answer:
    """CreateNetworkInterface: in a VSwitch, attached to nothing, with private addresses."""
    parameters = call.parameters
    vswitch = call.required(call.state.vswitches, "VSwitchId")
    groups = interface_requests.groups_named(call, group_ids_of_request(parameters))
    parameters.choice("InstanceType", ("Secondary",))
    request = interface_requests.interface_request(call, parameters, vswitch, groups)
    tags = tags_of_request(parameters)
    interface = interface_requests.make_interface(call, request)
    put_tags(call.state, "eni", interface.id, interface.region, tags)
    view = interface_view(call, interface)
    pairs = [
        {key: each[key] for key in ("PrivateIpAddress", "Primary")}
        for each in view["PrivateIpSets"]["PrivateIpSet"]
    ]
    told = {key: value for key, value in view.items() if key not in _OF_LISTINGS}
    return {**told, "PrivateIpSets": {"PrivateIpSet": pairs}}


def delete_network_interface(call: Call) -> None:
    """DeleteNetworkInterface: one that is attached to nothing."""
    remove_interface(call.state, _free_of_request(call))


def attach_network_interface(call: Call) -> None:
    """AttachNetworkInterface: a free one to an instance of its zone and VPC."""
    instance = call.required(call.state.instances, "InstanceId", missing=_NO_INSTANCE)
    interface = _free_of_request(call)
    check_status(instance, "Running", "Stopped", refusal=_INSTANCE_STATUS)
    interface_requests.check_vpc(interface.vpc_id, instance.vpc_id)
    interface_requests.check_same_zone(interface.zone, instance.zone)
    kind = known_instance_type(instance.instance_type)
    interface_requests.check_number_of_interfaces(
        2 + len(attached_interfaces(call.state, instance.id)), kind
    )
    interface_requests.check_number_of_addresses(len(interface.addresses), kind)
    index = interface_requests.free_index(call, instance.id)
    attaching = replace(interface, status="Attaching", instance_id=instance.id, index=index)
    call.lifecycle.interfaces.attach(call.state.network_interfaces.put(attaching))


def detach_network_interface(call: Call) -> None:
    """DetachNetworkInterface: a secondary one from its instance."""
    instance = call.required(call.state.instances, "InstanceId", missing=_NO_INSTANCE)
    interface = interface_of_request(call)
    if interface.kind == "Primary":
        raise refusals.of("InvalidOperation.DetachPrimaryEniNotAllowed")
    if interface.status not in ("InUse", "Detaching"):
        raise interface_requests.INTERFACE_STATUS()
    if interface.instance_id != instance.id:
        raise refusals.of("InvalidParams.EniId")
    check_status(instance, "Running", "Stopped", refusal=_INSTANCE_STATUS)
    if interface.status == "InUse":
        detaching = replace(interface, status="Detaching")
        call.lifecycle.interfaces.detach(call.state.network_interfaces.put(detaching))


def modify_network_interface_attribute(call: Call) -> None:
    """ModifyNetworkInterfaceAttribute: name, description, security groups, DeleteOnRelease."""
    parameters = call.parameters
    interface = interface_of_request(call)
    if interface.status not in ("Available", "InUse"):
        raise interface_requests.INTERFACE_STATUS()
    changes: dict[str, Any] = {}
    if parameters.given("NetworkInterfaceName"):
        changes["name"] = interface_requests.interface_name(parameters)
    if parameters.given("Description"):
        changes["description"] = checked_description(parameters)
    if parameters.given("DeleteOnRelease"):
        if interface.kind == "Primary":
            raise _INTERFACE_KIND()
        changes["delete_on_release"] = parameters.boolean("DeleteOnRelease")
    ids = parameters.listed("SecurityGroupId")
    if ids:
        groups = interface_requests.groups_named(call, ids)
        for group in groups:
            interface_requests.check_vpc(group.vpc_id, interface.vpc_id)
        check_membership(call, groups, interface.security_group_ids)
        changes["security_group_ids"] = tuple(group.id for group in groups)
    put_interface(call.state, replace(interface, **changes))


def assign_private_ip_addresses(call: Call) -> Answer:
    """AssignPrivateIpAddresses: secondary ones, named or picked.

    As in ECS they lead to the guest, which has to be given them by its own administrator.
    """
    interface, instance = _addressable(call)
    vswitch = call.state.vswitches.find(interface.vswitch_id, region=interface.region)
    given, more = interface_requests.secondary_addresses(call.parameters)
    if not given and not more:
        raise missing_parameter("SecondaryPrivateIpAddressCount")
    interface_requests.check_number_of_addresses(
        len(interface.addresses) + len(given) + more,
        known_instance_type(instance.instance_type) if instance else None,
    )
    interface_requests.check_addresses(call, vswitch, given)
    added = given or interface_requests.free_addresses_for(call, vswitch, more)
    _readdress(call, interface, (*interface.secondary_ips, *added))
    return {
        "AssignedPrivateIpAddressesSet": {
            "NetworkInterfaceId": interface.id,
            "PrivateIpSet": {"PrivateIpAddress": added},
            "Ipv4PrefixSet": {"Ipv4Prefixes": []},
        }
    }


def unassign_private_ip_addresses(call: Call) -> None:
    """UnassignPrivateIpAddresses: secondary ones."""
    interface, _ = _addressable(call)
    gone = call.parameters.listed("PrivateIpAddress")
    if not gone:
        raise missing_parameter("PrivateIpAddress")
    if not set(gone) <= set(interface.secondary_ips):
        raise refusals.of("InvalidIp.IpUnassigned")
    _readdress(call, interface, tuple(ip for ip in interface.secondary_ips if ip not in gone))


def _free_of_request(call: Call) -> NetworkInterface:
    """Return the interface of a request, a secondary one that is attached to nothing."""
    interface = interface_of_request(call)
    if interface.kind == "Primary":
        raise _INTERFACE_KIND()
    if interface.status != "Available":
        raise interface_requests.INTERFACE_STATUS()
    return interface


def _addressable(call: Call) -> tuple[NetworkInterface, Instance | None]:
    """Return the interface of a request, and its instance; both can be worked on now."""
    interface = interface_of_request(call)
    if interface.status not in ("Available", "InUse"):
        raise interface_requests.INTERFACE_STATUS()
    instance = call.state.instances.get(interface.instance_id)
    if instance is not None:
        check_status(instance, "Running", "Stopped", refusal=_INSTANCE_STATUS)
    return interface, instance


def _readdress(call: Call, interface: NetworkInterface, secondary: tuple[str, ...]) -> None:
    put_interface(call.state, replace(interface, secondary_ips=secondary))
    if interface.instance_id:
        call.lifecycle.interfaces.readdress(interface.instance_id)
