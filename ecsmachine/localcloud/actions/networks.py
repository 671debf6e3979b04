"""VPCs and VSwitches, on the ECS version of the API and on the VPC version."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing
from ecsmachine.localcloud.catalog.regions import known_region
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import checked_description
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.addresses import free_addresses, private_is_free, usable
from ecsmachine.localcloud.state.interfaces import all_interfaces
from ecsmachine.localcloud.state.model import Vpc, VSwitch
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import status_now
from ecsmachine.localcloud.state.tagging import put_tags, tags_of_request, vpc_tags

MAX_SECONDARY_CIDRS = 5
MAX_USER_CIDRS = 3
_FORBIDDEN = tuple(
    ipaddress.IPv4Network(cidr)
    for cidr in ("0.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
)


def create_vpc(call: Call) -> Answer:
    """CreateVpc: Pending for a moment, then Available."""
    parameters = call.parameters
    region = call.region
    name, description = name_and_description(parameters, "VpcName")
    cidr = _parse_network(parameters.text("CidrBlock", "172.16.0.0/12"), least=8, most=28)
    tags = tags_of_request(parameters)
    if len(call.state.vpcs.in_region(region.id)) >= call.state.offer.quota("vpcs"):
        raise refusals.QUOTA_OF_VPCS()
    vpc = call.state.vpcs.put(
        Vpc(
            id=new_id("vpc", region.id),
            region=region.id,
            name=name,
            description=description,
            cidr=str(cidr),
            created=timestamp(),
            vrouter_id=new_id("vrt", region.id),
            route_table_id=new_id("vtb", region.id),
            resource_group_id=call.resource_group_id,
            ready_at=time.time() + call.state.delays.network_s,
            user_cidrs=_user_cidrs(parameters),
        )
    )
    put_tags(call.state, "vpc", vpc.id, region.id, tags)
    return {
        "VpcId": vpc.id,
        "VRouterId": vpc.vrouter_id,
        "RouteTableId": vpc.route_table_id,
        "ResourceGroupId": vpc.resource_group_id,
    }


def describe_vpc_attribute(call: Call) -> Answer:
    """DescribeVpcAttribute: one VPC."""
    vpc = call.required(call.state.vpcs, "VpcId")
    return {
        **_vpc_view(call, vpc),
        **fixed("VpcAttribute"),
        "CloudResources": {"CloudResourceSetType": _vpc_resources(call, vpc)},
    }


def modify_vpc_attribute(call: Call) -> None:
    """ModifyVpcAttribute: name, description, and networks, which have to hold its VSwitches."""
    parameters = call.parameters
    vpc = call.required(call.state.vpcs, "VpcId")
    name, description = name_and_description(parameters, "VpcName")
    cidr = _parse_network(parameters.text("CidrBlock", vpc.cidr), least=8, most=28)
    changed = replace(
        vpc,
        name=name or vpc.name,
        description=description or vpc.description,
        cidr=str(cidr),
        user_cidrs=_user_cidrs(parameters) or vpc.user_cidrs,
    )
    _check_vswitches(call, changed)
    call.state.vpcs.put(changed)


def associate_vpc_cidr_block(call: Call) -> Answer:
    """AssociateVpcCidrBlock: a further network for VSwitches."""
    parameters = call.parameters
    vpc = call.required(call.state.vpcs, "VpcId")
    parameters.choice("IpVersion", ("IPV4",))
    cidr = _parse_network(parameters.require("SecondaryCidrBlock"), least=8, most=28)
    if any(cidr.overlaps(other) for other in _networks_of(vpc)):
        raise refusals.of("InvalidCidrBlock.Overlapped#networks")
    if len(vpc.secondary_cidrs) >= MAX_SECONDARY_CIDRS:
        raise ApiError("QuotaExceeded.SecondaryCidrBlock", "Secondary CIDR block quota exceeded.")
    call.state.vpcs.put(replace(vpc, secondary_cidrs=(*vpc.secondary_cidrs, str(cidr))))
    return {"CidrBlock": str(cidr), "IpVersion": "IPv4"}


def unassociate_vpc_cidr_block(call: Call) -> None:
    """UnassociateVpcCidrBlock: only one that no VSwitch is in."""
    vpc = call.required(call.state.vpcs, "VpcId")
    text = call.parameters.require("SecondaryCidrBlock")
    if text not in vpc.secondary_cidrs:
        raise refusals.of("InvalidCidrBlock.NotFound")
    rest = tuple(cidr for cidr in vpc.secondary_cidrs if cidr != text)
    changed = replace(vpc, secondary_cidrs=rest)
    _check_vswitches(call, changed)
    call.state.vpcs.put(changed)


def delete_vpc(call: Call) -> None:
    """DeleteVpc: only one that nothing is in."""
    vpc = call.required(call.state.vpcs, "VpcId")
    dependents = {
        "VSwitch": any(item.vpc_id == vpc.id for item in call.state.vswitches),
        "SecurityGroup": any(item.vpc_id == vpc.id for item in call.state.security_groups),
        "RouteEntry": any(
            item.route_table_id == vpc.route_table_id for item in call.state.route_entries
        ),
    }
    for kind, there in dependents.items():
        if there:
            raise ApiError(
                f"DependencyViolation.{kind}", "Specified object has dependent resources."
            )
    call.state.vpcs.remove(vpc.id)


def create_vswitch(call: Call) -> Answer:
    """CreateVSwitch: a part of a VPC's network that no other VSwitch has, in one zone."""
    parameters = call.parameters
    vpc = call.required(call.state.vpcs, "VpcId")
    zone_id = parameters.require("ZoneId")
    if zone_id not in [zone.id for zone in known_region(vpc.region).zones]:
        raise refusals.ZONE_NOT_FOUND()
    name, description = name_and_description(parameters, "VSwitchName")
    cidr = _parse_network(parameters.require("CidrBlock"), least=16, most=29)
    if not any(cidr.subnet_of(network) for network in _networks_of(vpc)):
        raise ApiError("InvalidParameter", "Specified CIDR block is not valid in VPC.")
    tags = tags_of_request(parameters)
    others = [item for item in call.state.vswitches if item.vpc_id == vpc.id]
    if any(cidr.overlaps(ipaddress.IPv4Network(item.cidr)) for item in others):
        raise refusals.of("InvalidCidrBlock.Overlapped#vswitches")
    if any(
        cidr == ipaddress.IPv4Network(entry.cidr)
        for entry in call.state.route_entries
        if entry.route_table_id == vpc.route_table_id
    ):
        raise refusals.of("InvalidCidrBlock.Overlapped#route-entries")
    if status_now(vpc.ready_at) != "Available":
        raise ApiError("IncorrectVpcStatus", "Current VPC status does not support this operation.")
    if len(others) >= call.state.offer.quota("vswitches"):
        raise refusals.QUOTA_OF_VSWITCHES()
    vswitch = call.state.vswitches.put(
        VSwitch(
            id=new_id("vsw", vpc.region),
            region=vpc.region,
            zone=zone_id,
            vpc_id=vpc.id,
            name=name,
            description=description,
            cidr=str(cidr),
            created=timestamp(),
            resource_group_id=vpc.resource_group_id,
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    put_tags(call.state, "vswitch", vswitch.id, vpc.region, tags)
    return {"VSwitchId": vswitch.id}


def describe_vswitches(call: Call) -> Answer:
    """DescribeVSwitches: by id, VPC, zone, name, default, tags."""
    if not call.parameters.given("RegionId") and not call.parameters.given("VpcId"):
        raise missing_parameter("RegionId")
    return _VSWITCHES.answer(call)


def check_can_allocate(call: Call) -> Answer:
    """CheckCanAllocateVpcPrivateIpAddress: whether a VSwitch has an address free."""
    vswitch = call.required(call.state.vswitches, "VSwitchId")
    call.parameters.choice("IpVersion", ("ipv4",), spelled=str.lower)
    address = call.parameters.require("PrivateIpAddress")
    free = usable(vswitch, address) and private_is_free(call.state, vswitch, address)
    return {"CanAllocate": free}


def describe_vswitch_attributes(call: Call) -> Answer:
    """DescribeVSwitchAttributes: one VSwitch."""
    item = call.required(call.state.vswitches, "VSwitchId")
    return {
        **_vswitch_view(call, item),
        "RegionId": item.region,
        "CloudResources": {
            "CloudResourceSetType": [
                {
                    "ResourceType": "Instance",
                    "ResourceCount": sum(i.vswitch_id == item.id for i in call.state.instances),
                }
            ]
        },
    }


def modify_vswitch_attribute(call: Call) -> None:
    """ModifyVSwitchAttribute: name and description."""
    item = call.required(call.state.vswitches, "VSwitchId")
    name, description = name_and_description(call.parameters, "VSwitchName")
    call.state.vswitches.put(
        replace(item, name=name or item.name, description=description or item.description)
    )


def delete_vswitch(call: Call) -> None:
    """DeleteVSwitch: only one that nothing is in."""
    item = call.required(call.state.vswitches, "VSwitchId")
    if status_now(item.ready_at) != "Available":
        raise refusals.of("IncorrectVSwitchStatus#being-made")
    if any(interface.vswitch_id == item.id for interface in all_interfaces(call.state)):
        raise refusals.DEPENDENTS()
    if any(balancer.vswitch_id == item.id for balancer in call.state.load_balancers):
        raise refusals.DEPENDENTS()
    call.state.vswitches.remove(item.id)


def name_and_description(parameters: Parameters, key: str) -> tuple[str, str]:
    """Return the name, which is called ``key``, and the description; raises their refusals."""
    name = checked_description(parameters, name=key, least=1, most=128)
    return name, checked_description(parameters, least=1)


def _parse_network(text: str, *, least: int, most: int) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise refusals.CIDR_BLOCK() from error
    if not least <= network.prefixlen <= most or any(network.overlaps(n) for n in _FORBIDDEN):
        raise refusals.CIDR_BLOCK()
    return network


def _networks_of(vpc: Vpc) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(cidr) for cidr in (vpc.cidr, *vpc.secondary_cidrs)]


def _check_vswitches(call: Call, changed: Vpc) -> None:
    """Raise ``DependencyViolation.VSwitch`` for a VSwitch in none of its VPC's networks."""
    networks = _networks_of(changed)
    for item in call.state.vswitches:
        its = ipaddress.IPv4Network(item.cidr)
        if item.vpc_id == changed.id and not any(its.subnet_of(each) for each in networks):
            raise refusals.of("DependencyViolation.VSwitch")


def _user_cidrs(parameters: Parameters) -> tuple[str, ...]:
    name = "UserCidr"
    # Some clients send the list that they have.
    texts = (
        parameters.json_list(name, most=MAX_USER_CIDRS) or []
        if parameters.text(name).startswith("[")
        else parameters.separated(name, most=MAX_USER_CIDRS)
    )
    try:
        return tuple(str(ipaddress.IPv4Network(text)) for text in texts)
    except ValueError as error:
        raise refusals.malformed("UserCidr") from error


def _route_table_of(call: Call, item: VSwitch) -> str:
    vpc = call.state.vpcs.get(item.vpc_id)
    return "" if vpc is None else vpc.route_table_id


def _vpc_resources(call: Call, vpc: Vpc) -> list[dict[str, Any]]:
    return [
        {
            "ResourceType": "VSwitch",
            "ResourceCount": sum(item.vpc_id == vpc.id for item in call.state.vswitches),
        },
        {"ResourceType": "VRouter", "ResourceCount": 1},
        {"ResourceType": "RouteTable", "ResourceCount": 1},
        {
            "ResourceType": "SecurityGroup",
            "ResourceCount": sum(item.vpc_id == vpc.id for item in call.state.security_groups),
        },
    ]


def _vpc_view(call: Call, vpc: Vpc) -> dict[str, Any]:
    return {
        **api_fields(vpc, "Vpc"),
        "Status": status_now(vpc.ready_at),
        "OwnerId": int(call.state.account.id),
        "RouterTableIds": {"RouterTableIds": [vpc.route_table_id]},
        "VSwitchIds": {
            "VSwitchId": [item.id for item in call.state.vswitches if item.vpc_id == vpc.id]
        },
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": list(vpc.secondary_cidrs)},
        "UserCidrs": {"UserCidr": list(vpc.user_cidrs)},
        "Tags": vpc_tags(call.state.vpcs.tags(vpc.id)),
    }


def _vswitch_view(call: Call, item: VSwitch) -> dict[str, Any]:
    return {
        **api_fields(item, "VSwitch"),
        "Status": status_now(item.ready_at),
        "AvailableIpAddressCount": free_addresses(call.state, item),
        "OwnerId": int(call.state.account.id),
        "RouteTable": {"RouteTableId": _route_table_of(call, item), "RouteTableType": "System"},
        "Tags": vpc_tags(call.state.vswitches.tags(item.id)),
    }


def _owner(call: Call, item: Vpc | VSwitch) -> str:
    return call.state.account.id


VPCS = Listing(
    Vpc,
    "Vpcs.Vpc",
    by.newest(lambda state: state.vpcs),
    _vpc_view,
    (
        by.one_of("VpcId", "id", Parameters.separated, most=20),
        by.equals("VpcName", "name"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.is_true("IsDefault", "is_default"),
        by.never_true("EnableIpv6"),
        by.never("DhcpOptionsSetId"),
        by.equals("VpcOwnerId", _owner),
        by.tagged("vpc"),
    ),
    most=50,
)
_VSWITCHES = Listing(
    VSwitch,
    "VSwitches.VSwitch",
    by.newest(lambda state: state.vswitches),
    _vswitch_view,
    (
        by.one_of("VSwitchId", "id", Parameters.separated, most=20),
        by.equals("VpcId", "vpc_id"),
        by.equals("ZoneId", "zone"),
        by.equals("VSwitchName", "name"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.is_true("IsDefault", "is_default"),
        by.never_true("EnableIpv6"),
        by.equals("RouteTableId", _route_table_of),
        by.equals("VSwitchOwnerId", _owner),
        by.tagged("vswitch"),
    ),
    most=50,
)
