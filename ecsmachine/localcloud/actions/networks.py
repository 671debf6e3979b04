"""VPCs and VSwitches, on the ECS version of the API and on the VPC version."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.catalog.regions import known_region
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import check, valid_description
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.addresses import free_addresses
from ecsmachine.localcloud.state.filters import has_tags, tag_filter
from ecsmachine.localcloud.state.model import Vpc, VSwitch
from ecsmachine.localcloud.state.resources import (
    find_vpc,
    find_vswitch,
    forget_tags,
    resource_tags,
    status_now,
)
from ecsmachine.localcloud.state.tagging import put_tags, tags_of_request

MAX_VPCS = 10
MAX_VSWITCHES = 150
_FORBIDDEN = tuple(
    ipaddress.IPv4Network(cidr)
    for cidr in ("0.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
)


def create_vpc(call: Call) -> Answer:
    """CreateVpc: Pending for a moment, then Available."""
    parameters = call.parameters
    region = call.region
    name, description = _name_and_description(parameters, "VpcName")
    cidr = _network(parameters.text("CidrBlock", "172.16.0.0/12"), least=8, most=28)
    if cidr is None:
        raise ApiError("InvalidCidrBlock.Malformed", "Specified CIDR block is not valid.")
    tags = tags_of_request(parameters)
    if sum(vpc.region == region.id for vpc in call.state.vpcs) >= MAX_VPCS:
        raise ApiError("QuotaExceeded.Vpc", "VPC quota exceeded.")
    vpc = call.state.vpcs.put(
        Vpc(
            id=new_id("vpc", region.id),
            region=region.id,
            name=name,
            description=description,
            cidr=str(cidr),
            status="Available",
            created=timestamp(),
            vrouter_id=new_id("vrt", region.id),
            route_table_id=new_id("vtb", region.id),
            resource_group_id=call.resource_group_id,
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    put_tags(call.state, "vpc", vpc.id, region.id, tags)
    return {
        "VpcId": vpc.id,
        "VRouterId": vpc.vrouter_id,
        "RouteTableId": vpc.route_table_id,
        "ResourceGroupId": vpc.resource_group_id,
    }


def describe_vpcs(call: Call) -> Answer:
    """DescribeVpcs: by id (also several, separated by commas), name, default, tags."""
    parameters = call.parameters
    region = call.region
    ids = _ids(parameters, "VpcId")
    wanted = tag_filter(parameters)
    found = [
        vpc
        for vpc in call.state.vpcs
        if vpc.region == region.id
        and (not ids or vpc.id in ids)
        and parameters.text("VpcName") in ("", vpc.name)
        and parameters.text("ResourceGroupId") in ("", vpc.resource_group_id)
        and (not parameters.given("IsDefault") or parameters.boolean("IsDefault") == vpc.is_default)
        and not parameters.boolean("EnableIpv6")
        and has_tags(resource_tags(call.state, "vpc", vpc.id), wanted)
    ]
    part, fields = page_by_number(parameters, found[::-1], most=50)
    return {**fields, "Vpcs": {"Vpc": [_vpc(call, vpc) for vpc in part]}}


def describe_vpc_attribute(call: Call) -> Answer:
    """DescribeVpcAttribute: one VPC."""
    vpc = find_vpc(call.state, call.parameters.require("VpcId"))
    return {
        **_vpc(call, vpc),
        "ClassicLinkEnabled": False,
        "Ipv4GatewayId": "",
        "SupportIpv4Gateway": False,
        "AssociatedPropagationSources": {"AssociatedPropagationSources": []},
        "AssociatedCens": {"AssociatedCen": []},
        "CloudResources": {"CloudResourceSetType": _vpc_resources(call, vpc)},
    }


def modify_vpc_attribute(call: Call) -> Answer:
    """ModifyVpcAttribute: name and description."""
    vpc = find_vpc(call.state, call.parameters.require("VpcId"))
    name, description = _name_and_description(call.parameters, "VpcName")
    call.state.vpcs.put(
        replace(vpc, name=name or vpc.name, description=description or vpc.description)
    )
    return {}


def delete_vpc(call: Call) -> Answer:
    """DeleteVpc: only one that nothing is in."""
    vpc = find_vpc(call.state, call.parameters.require("VpcId"))
    if not call.in_region(vpc.region):
        raise ApiError("InvalidVpcId.NotFound", "Specified VPC does not exist.", 404)
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
    forget_tags(call.state, "vpc", vpc.id)
    return {}


def create_vswitch(call: Call) -> Answer:
    """CreateVSwitch: a part of a VPC's network that no other VSwitch has, in one zone."""
    parameters = call.parameters
    vpc = find_vpc(call.state, parameters.require("VpcId"))
    if not call.in_region(vpc.region):
        raise ApiError("InvalidVpcId.NotFound", "Specified VPC does not exist.", 404)
    zone_id = parameters.require("ZoneId")
    if zone_id not in [zone.id for zone in known_region(vpc.region).zones]:
        raise ApiError("InvalidZoneId.NotFound", "Specified zone does not exist.", 404)
    name, description = _name_and_description(parameters, "VSwitchName")
    cidr = _network(parameters.require("CidrBlock"), least=16, most=29)
    if cidr is None:
        raise ApiError("InvalidCidrBlock.Malformed", "Specified CIDR block is not valid.")
    if not cidr.subnet_of(ipaddress.IPv4Network(vpc.cidr)):
        raise ApiError("InvalidParameter", "Specified CIDR block is not valid in VPC.")
    tags = tags_of_request(parameters)
    others = [item for item in call.state.vswitches if item.vpc_id == vpc.id]
    if any(cidr.overlaps(ipaddress.IPv4Network(item.cidr)) for item in others):
        raise ApiError(
            "InvalidCidrBlock.Overlapped", "Specified CIDR block overlapped with other subnets."
        )
    if any(
        cidr == ipaddress.IPv4Network(entry.cidr)
        for entry in call.state.route_entries
        if entry.route_table_id == vpc.route_table_id
    ):
        raise ApiError(
            "InvalidCidrBlock.Overlapped", "Specified CIDR block overlapped with other entry."
        )
    if status_now("Available", "Pending", vpc.ready_at) != "Available":
        raise ApiError("IncorrectVpcStatus", "Current VPC status does not support this operation.")
    if len(others) >= MAX_VSWITCHES:
        raise ApiError("QuotaExceeded.VSwitch", "Virtual switch quota exceeded.")
    vswitch = call.state.vswitches.put(
        VSwitch(
            id=new_id("vsw", vpc.region),
            region=vpc.region,
            zone=zone_id,
            vpc_id=vpc.id,
            name=name,
            description=description,
            cidr=str(cidr),
            status="Available",
            created=timestamp(),
            resource_group_id=vpc.resource_group_id,
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    put_tags(call.state, "vswitch", vswitch.id, vpc.region, tags)
    return {"VSwitchId": vswitch.id}


def describe_vswitches(call: Call) -> Answer:
    """DescribeVSwitches: by id, VPC, zone, name, default, tags."""
    parameters = call.parameters
    vpc_id = parameters.text("VpcId")
    if not parameters.given("RegionId") and not vpc_id:
        raise missing_parameter("RegionId")
    ids = _ids(parameters, "VSwitchId")
    wanted = tag_filter(parameters)
    table = parameters.text("RouteTableId")
    found = [
        item
        for item in call.state.vswitches
        if call.in_region(item.region)
        and (not ids or item.id in ids)
        and vpc_id in ("", item.vpc_id)
        and parameters.text("ZoneId") in ("", item.zone)
        and parameters.text("VSwitchName") in ("", item.name)
        and parameters.text("ResourceGroupId") in ("", item.resource_group_id)
        and (
            not parameters.given("IsDefault") or parameters.boolean("IsDefault") == item.is_default
        )
        and not parameters.boolean("EnableIpv6")
        and table in ("", _route_table_of(call, item))
        and has_tags(resource_tags(call.state, "vswitch", item.id), wanted)
    ]
    part, fields = page_by_number(parameters, found[::-1], most=50)
    return {**fields, "VSwitches": {"VSwitch": [_vswitch(call, item) for item in part]}}


def describe_vswitch_attributes(call: Call) -> Answer:
    """DescribeVSwitchAttributes: one VSwitch."""
    item = find_vswitch(call.state, call.parameters.require("VSwitchId"))
    return {
        **_vswitch(call, item),
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


def modify_vswitch_attribute(call: Call) -> Answer:
    """ModifyVSwitchAttribute: name and description."""
    item = find_vswitch(call.state, call.parameters.require("VSwitchId"))
    name, description = _name_and_description(call.parameters, "VSwitchName")
    call.state.vswitches.put(
        replace(item, name=name or item.name, description=description or item.description)
    )
    return {}


def delete_vswitch(call: Call) -> Answer:
    """DeleteVSwitch: only one that nothing is in."""
    item = find_vswitch(call.state, call.parameters.require("VSwitchId"))
    if not call.in_region(item.region):
        raise ApiError("InvalidVSwitchId.NotFound", "Specified VSwitch does not exist.", 404)
    if status_now("Available", "Pending", item.ready_at) != "Available":
        raise ApiError(
            "IncorrectVSwitchStatus", "Current VSwitch status does not support this operation."
        )
    if any(instance.vswitch_id == item.id for instance in call.state.instances):
        raise ApiError("DependencyViolation", "Specified object has dependent resources.")
    if any(balancer.vswitch_id == item.id for balancer in call.state.load_balancers):
        raise ApiError("DependencyViolation", "Specified object has dependent resources.")
    call.state.vswitches.remove(item.id)
    forget_tags(call.state, "vswitch", item.id)
    return {}


def _name_and_description(parameters: Parameters, key: str) -> tuple[str, str]:
    name, description = parameters.text(key), parameters.text("Description")
    check(
        not name or valid_description(name, least=1, most=128),
        f"Invalid{key}.Malformed",
        f"The specified parameter {key} is not valid.",
    )
    check(
        not description or valid_description(description, least=1),
        "InvalidDescription.Malformed",
        'The specified parameter "Description" is not valid.',
    )
    return name, description


def _network(text: str, *, least: int, most: int) -> ipaddress.IPv4Network | None:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return None
    if not least <= network.prefixlen <= most or any(network.overlaps(n) for n in _FORBIDDEN):
        return None
    return network


def _ids(parameters: Parameters, name: str) -> list[str]:
    ids = [part.strip() for part in parameters.text(name).split(",") if part.strip()]
    if len(ids) > 20:
        raise invalid_parameter(name, "At most 20 ids are accepted.")
    return ids


def _route_table_of(call: Call, item: VSwitch) -> str:
    vpc = call.state.vpcs.get(item.vpc_id)
    return "" if vpc is None else vpc.route_table_id


def _tags(tags: dict[str, str]) -> dict[str, Any]:
    return {"Tag": [{"Key": key, "Value": value} for key, value in tags.items()]}


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


def _vpc(call: Call, vpc: Vpc) -> dict[str, Any]:
    return {
        "VpcId": vpc.id,
        "RegionId": vpc.region,
        "VpcName": vpc.name,
        "Description": vpc.description,
        "Status": status_now(vpc.status, "Pending", vpc.ready_at),
        "CidrBlock": vpc.cidr,
        "Ipv6CidrBlock": "",
        "EnabledIpv6": False,
        "IsDefault": vpc.is_default,
        "CreationTime": vpc.created,
        "OwnerId": int(call.state.account.id),
        "ResourceGroupId": vpc.resource_group_id,
        "VRouterId": vpc.vrouter_id,
        "RouterTableIds": {"RouterTableIds": [vpc.route_table_id]},
        "VSwitchIds": {
            "VSwitchId": [item.id for item in call.state.vswitches if item.vpc_id == vpc.id]
        },
        "NatGatewayIds": {"NatGatewayIds": []},
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": []},
        "UserCidrs": {"UserCidr": []},
        "Ipv6CidrBlocks": {"Ipv6CidrBlock": []},
        "DhcpOptionsSetId": "",
        "DhcpOptionsSetStatus": "",
        "DnsHostnameStatus": "DISABLED",
        "CenStatus": "Detached",
        "Tags": _tags(resource_tags(call.state, "vpc", vpc.id)),
    }


def _vswitch(call: Call, item: VSwitch) -> dict[str, Any]:
    return {
        "VSwitchId": item.id,
        "VpcId": item.vpc_id,
        "ZoneId": item.zone,
        "VSwitchName": item.name,
        "Description": item.description,
        "Status": status_now(item.status, "Pending", item.ready_at),
        "CidrBlock": item.cidr,
        "Ipv6CidrBlock": "",
        "EnabledIpv6": False,
        "AvailableIpAddressCount": free_addresses(call.state, item),
        "IsDefault": item.is_default,
        "CreationTime": item.created,
        "OwnerId": int(call.state.account.id),
        "ResourceGroupId": item.resource_group_id,
        "NetworkAclId": "",
        "ShareType": "",
        "RouteTable": {"RouteTableId": _route_table_of(call, item), "RouteTableType": "System"},
        "Tags": _tags(resource_tags(call.state, "vswitch", item.id)),
    }
