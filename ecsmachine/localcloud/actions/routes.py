"""Routers, route tables and their entries, on the ECS version of the API and on the VPC version."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.paging import page_by_number, page_by_token
from ecsmachine.localcloud.state.filters import has_tags, tag_filter
from ecsmachine.localcloud.state.model import RouteEntry, Vpc
from ecsmachine.localcloud.state.resources import resource_tags, status_now

MAX_ENTRIES = 200
_SERVICES = "100.64.0.0/10"


@dataclass(frozen=True)
class Entry:
    """An entry of a route table: one that the cloud made itself, or a custom one."""

    id: str
    cidr: str
    kind: str
    next_hop_type: str
    next_hop_id: str
    name: str
    description: str
    status: str
    modified: str


def describe_vrouters(call: Call) -> Answer:
    """DescribeVRouters: each VPC has one."""
    parameters = call.parameters
    wanted = parameters.text("VRouterId")
    if not parameters.given("RegionId") and not wanted:
        raise missing_parameter("RegionId")
    found = [
        vpc
        for vpc in call.state.vpcs
        if call.in_region(vpc.region) and wanted in ("", vpc.vrouter_id)
    ]
    part, fields = page_by_number(parameters, found, most=50)
    return {
        **fields,
        "VRouters": {
            "VRouter": [
                {
                    "VRouterId": vpc.vrouter_id,
                    "VRouterName": "",
                    "Description": "",
                    "VpcId": vpc.id,
                    "RegionId": vpc.region,
                    "CreationTime": vpc.created,
                    "RouteTableIds": {"RouteTableId": [vpc.route_table_id]},
                }
                for vpc in part
            ]
        },
    }


def describe_route_tables(call: Call) -> Answer:
    """DescribeRouteTables: a router's table with its entries."""
    parameters = call.parameters
    router = parameters.text("VRouterId") or parameters.text("RouterId")
    table = parameters.text("RouteTableId")
    if not router and not table:
        raise missing_parameter("RouteTableId")
    found = [
        vpc
        for vpc in call.state.vpcs
        if call.in_region(vpc.region)
        and router in ("", vpc.vrouter_id)
        and table in ("", vpc.route_table_id)
    ]
    if table and not found:
        raise _no_table()
    part, fields = page_by_number(parameters, found, most=50)
    return {
        **fields,
        "RouteTables": {
            "RouteTable": [
                {
                    "RouteTableId": vpc.route_table_id,
                    "RouteTableType": "System",
                    "VRouterId": vpc.vrouter_id,
                    "Status": "Available",
                    "CreationTime": vpc.created,
                    "ResourceGroupId": vpc.resource_group_id,
                    "VSwitchIds": {"VSwitchId": _vswitch_ids(call, vpc)},
                    "RouteEntrys": {
                        "RouteEntry": [
                            {
                                "RouteTableId": vpc.route_table_id,
                                "RouteEntryId": entry.id,
                                "RouteEntryName": entry.name,
                                "Description": entry.description,
                                "DestinationCidrBlock": entry.cidr,
                                "Type": entry.kind,
                                "Status": entry.status,
                                "NextHopType": entry.next_hop_type,
                                "InstanceId": entry.next_hop_id,
                                "NextHops": {"NextHop": []},
                            }
                            for entry in _entries(call, vpc)
                        ]
                    },
                }
                for vpc in part
            ]
        },
    }


def describe_route_table_list(call: Call) -> Answer:
    """DescribeRouteTableList: the tables without their entries."""
    parameters = call.parameters
    region = call.region
    wanted = tag_filter(parameters)
    found = [
        vpc
        for vpc in call.state.vpcs
        if vpc.region == region.id
        and parameters.text("VpcId") in ("", vpc.id)
        and parameters.text("RouterId") in ("", vpc.vrouter_id)
        and parameters.text("RouterType") in ("", "VRouter")
        and parameters.text("RouteTableId") in ("", vpc.route_table_id)
        and parameters.text("RouteTableName") == ""
        and parameters.text("RouteTableType") in ("", "System")
        and has_tags(resource_tags(call.state, "routetable", vpc.route_table_id), wanted)
    ]
    part, fields = page_by_number(parameters, found, most=50)
    return {
        **fields,
        "RouterTableList": {
            "RouterTableListType": [
                {
                    "RouteTableId": vpc.route_table_id,
                    "RouteTableName": "",
                    "RouteTableType": "System",
                    "AssociateType": "VSwitch",
                    "Description": "",
                    "RouterId": vpc.vrouter_id,
                    "RouterType": "VRouter",
                    "VpcId": vpc.id,
                    "Status": "Available",
                    "OwnerId": int(call.state.account.id),
                    "ResourceGroupId": vpc.resource_group_id,
                    "RoutePropagationEnable": True,
                    "CreationTime": vpc.created,
                    "VSwitchIds": {"VSwitchId": _vswitch_ids(call, vpc)},
                    "GatewayIds": {"GatewayIds": []},
                    "Tags": {
                        "Tag": [
                            {"Key": key, "Value": value}
                            for key, value in resource_tags(
                                call.state, "routetable", vpc.route_table_id
                            ).items()
                        ]
                    },
                }
                for vpc in part
            ]
        },
    }


def describe_route_entry_list(call: Call) -> Answer:
    """DescribeRouteEntryList: the entries of one table."""
    parameters = call.parameters
    call.check_region()
    vpc = _vpc_of_table(call)
    wanted_kind = parameters.text("RouteEntryType")
    found = [
        entry
        for entry in _entries(call, vpc)
        if parameters.text("RouteEntryId") in ("", entry.id)
        and parameters.text("DestinationCidrBlock") in ("", entry.cidr)
        and parameters.text("RouteEntryName") in ("", entry.name)
        and wanted_kind in ("", entry.kind)
        and parameters.text("NextHopId") in ("", entry.next_hop_id)
        and parameters.text("NextHopType") in ("", entry.next_hop_type)
        and parameters.text("IpVersion") in ("", "ipv4")
    ]
    size = parameters.integer("MaxResult", 50, least=1, most=100)
    part, fields = page_by_token(parameters, found, size=size)
    return {
        "TotalCount": len(found),
        "NextToken": fields["NextToken"],
        "RouteEntrys": {
            "RouteEntry": [
                {
                    "RouteTableId": vpc.route_table_id,
                    "RouteEntryId": entry.id,
                    "RouteEntryName": entry.name,
                    "Description": entry.description,
                    "DestinationCidrBlock": entry.cidr,
                    "IpVersion": "ipv4",
                    "Type": entry.kind,
                    "Origin": "RoutingTable",
                    "ServiceType": "",
                    "Status": entry.status,
                    "GmtModified": entry.modified,
                    "NextHops": {
                        "NextHop": [
                            {
                                "NextHopId": entry.next_hop_id,
                                "NextHopType": entry.next_hop_type,
                                "NextHopRegionId": vpc.region if entry.next_hop_id else "",
                                "Enabled": 1,
                                "Weight": 0,
                                "NextHopRelatedInfo": {
                                    "InstanceId": "",
                                    "InstanceType": "",
                                    "RegionId": "",
                                },
                            }
                        ]
                    },
                }
                for entry in part
            ]
        },
    }


def create_route_entry(call: Call) -> Answer:
    """CreateRouteEntry: a network that is reached over an instance of the VPC."""
    parameters = call.parameters
    vpc = _vpc_of_table(call)
    cidr = _network(parameters.require("DestinationCidrBlock"))
    kind = parameters.text("NextHopType", "Instance")
    if kind != "Instance":
        raise ApiError("InvalidNextHopType", 'Specified parameter "NextHopType" is not valid')
    instance = call.state.instances.get(parameters.require("NextHopId"))
    if instance is None or instance.vpc_id != vpc.id:
        raise ApiError("InvalidNextHopId.NotFound", "Specified next hop does not exist.", 404)
    entries = [
        entry for entry in call.state.route_entries if entry.route_table_id == vpc.route_table_id
    ]
    if any(status_now("Available", "Pending", e.ready_at) != "Available" for e in entries):
        raise ApiError(
            "IncorrectRouteEntryStatus", "Some route entry status blocked this operation."
        )
    if any(ipaddress.IPv4Network(entry.cidr) == cidr for entry in entries):
        raise ApiError("InvalidCIDRBlock.Duplicate", "Specified CIDR block is already exists.")
    inside = any(
        cidr.subnet_of(ipaddress.IPv4Network(item.cidr))
        for item in call.state.vswitches
        if item.vpc_id == vpc.id
    )
    if inside or cidr.subnet_of(ipaddress.IPv4Network(_SERVICES)):
        raise ApiError("InvalidCidrBlock", "Specified CIDR block is not valid.")
    if instance.status not in ("Running", "Stopped"):
        raise ApiError(
            "IncorrectInstanceStatus", "Current instance status does not support this operation."
        )
    if len(entries) >= MAX_ENTRIES:
        raise ApiError("QuotaExceeded", "Route entry quota exceeded in this route table.")
    entry = call.state.route_entries.put(
        RouteEntry(
            id=new_id("rte", vpc.region),
            region=vpc.region,
            route_table_id=vpc.route_table_id,
            cidr=str(cidr),
            next_hop_type=kind,
            next_hop_id=instance.id,
            name=parameters.text("RouteEntryName"),
            description=parameters.text("Description"),
            created=timestamp(),
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    return {"RouteEntryId": entry.id}


def delete_route_entry(call: Call) -> Answer:
    """DeleteRouteEntry: a custom one, by id or by its network and next hop."""
    parameters = call.parameters
    entry_id = parameters.text("RouteEntryId")
    if entry_id and not parameters.given("RouteTableId"):
        entry = call.state.route_entries.get(entry_id)
        if entry is None or not call.in_region(entry.region):
            raise _no_entry()
    else:
        entry = _entry_of_table(call, _vpc_of_table(call), entry_id)
    if status_now("Available", "Pending", entry.ready_at) != "Available":
        raise ApiError("IncorrectRouteEntryStatus", "Specified routeEntry status error.")
    call.state.route_entries.remove(entry.id)
    return {}


def _entry_of_table(call: Call, vpc: Vpc, entry_id: str) -> RouteEntry:
    parameters = call.parameters
    text = parameters.text("DestinationCidrBlock")
    if not entry_id and not text:
        raise missing_parameter("DestinationCidrBlock")
    cidr = str(_network(text)) if text else ""
    for entry in call.state.route_entries:
        if (
            entry.route_table_id == vpc.route_table_id
            and entry_id in ("", entry.id)
            and cidr in ("", entry.cidr)
            and parameters.text("NextHopId") in ("", entry.next_hop_id)
        ):
            return entry
    if any(entry.kind == "System" and entry.cidr == cidr for entry in _entries(call, vpc)):
        raise ApiError(
            "OperationDenied", "Specified operation is denied as route entry type is system."
        )
    raise _no_entry()


def _vpc_of_table(call: Call) -> Vpc:
    table = call.parameters.require("RouteTableId")
    for vpc in call.state.vpcs:
        if vpc.route_table_id == table and call.in_region(vpc.region):
            return vpc
    raise _no_table()


def _no_table() -> ApiError:
    return ApiError("InvalidRouteTableId.NotFound", "Specified route table does not exist.", 404)


def _no_entry() -> ApiError:
    return ApiError("InvalidRouteEntry.NotFound", "Route entry not exists.")


def _network(text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ApiError(
            "InvalidCidrBlock.Malformed", "Specified CIDR block is not valid."
        ) from error


def _vswitch_ids(call: Call, vpc: Vpc) -> list[str]:
    return [item.id for item in call.state.vswitches if item.vpc_id == vpc.id]


def _entries(call: Call, vpc: Vpc) -> list[Entry]:
    custom = [
        Entry(
            entry.id,
            entry.cidr,
            "Custom",
            entry.next_hop_type,
            entry.next_hop_id,
            entry.name,
            entry.description,
            status_now("Available", "Pending", entry.ready_at),
            entry.created,
        )
        for entry in call.state.route_entries
        if entry.route_table_id == vpc.route_table_id
    ]
    local = [
        (item.id, item.cidr, "Created with VSwitch by system.", item.created)
        for item in call.state.vswitches
        if item.vpc_id == vpc.id
    ]
    services = (vpc.id, _SERVICES, "Created with VPC by system.", vpc.created)
    system = [
        # Nothing is kept of these: their ids follow from what they belong to.
        Entry(
            f"rte-{owner.partition('-')[2]}",
            cidr,
            "System",
            "service" if cidr == _SERVICES else "local",
            "",
            "",
            text,
            "Available",
            at,
        )
        for owner, cidr, text, at in (*local, services)
    ]
    return custom + system
