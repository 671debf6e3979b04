"""Routers, route tables and their entries, on the ECS version of the API and on the VPC version."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing, always, equals, oldest, one_of, tagged
from ecsmachine.localcloud.actions.networks import name_and_description
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.paging import page_by_token
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import RouteEntry, Vpc
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import check_status, status_now
from ecsmachine.localcloud.state.tagging import resource_tags, vpc_tags

MAX_ENTRIES = 200
MAX_OF_REQUEST = 50
_NO_NEXT_HOP = Refusal("InvalidNextHopId.NotFound")
_SERVICES = "100.64.0.0/10"


def describe_vrouters(call: Call) -> Answer:
    """DescribeVRouters: each VPC has one."""
    if not call.parameters.given("RegionId"):
        call.parameters.require("VRouterId")
    return _ROUTERS.answer(call)


def describe_route_tables(call: Call) -> Answer:
    """DescribeRouteTables: a router's table with its entries."""
    parameters = call.parameters
    parameters.only_one("VRouterId", "RouterId")
    table = parameters.text("RouteTableId")
    router = parameters.text("VRouterId") or parameters.text("RouterId")
    if not router and not table and not parameters.given("RouteTableName"):
        raise missing_parameter("RouteTableId")
    if table and not _TABLES.choose(call):
        raise _no_table()
    return _TABLES.answer(call)


def describe_route_table_list(call: Call) -> Answer:
    """DescribeRouteTableList: the tables without their entries."""
    # clients older than the field that the answer's status is in read these
    told = {"Code": "200", "Success": True, "Message": "success"}
    return {**_TABLE_LIST.answer(call), **told}


def describe_route_entry_list(call: Call) -> Answer:
    """DescribeRouteEntryList: the entries of one table."""
    found = _ENTRIES.choose(call)
    size = call.parameters.integer("MaxResult", 10, least=1, most=100)
    part, fields = page_by_token(call.parameters, found, size=size)
    return {
        "TotalCount": len(found),
        "NextToken": fields["NextToken"],
        "RouteEntrys": {"RouteEntry": [_listed_entry_view(call, entry) for entry in part]},
    }


def create_route_entries(call: Call) -> Answer:
    """CreateRouteEntries: each by itself; those that are refused are named."""
    made: list[str] = []

    def create(one: Call) -> None:
        made.append(create_route_entry(one, beside=made)["RouteEntryId"])

    names = {"Name": "RouteEntryName", "NextHopType": "NextHopType", "Description": "Description"}
    return {**_one_by_one(call, create, names), "RouteEntryIds": made}


def delete_route_entries(call: Call) -> Answer:
    """DeleteRouteEntries: each by itself; those that are refused are named."""
    return _one_by_one(call, delete_route_entry, {"RouteEntryId": "RouteEntryId"})


def _one_by_one(
    call: Call, work: Callable[[Call], object], names: Mapping[str, str]
) -> dict[str, Any]:
    items = call.parameters.structs("RouteEntries")
    if len(items) > MAX_OF_REQUEST:
        raise invalid_parameter("RouteEntries", f"At most {MAX_OF_REQUEST} are accepted.")
    every = {
        "RouteTableId": "RouteTableId",
        "DstCidrBlock": "DestinationCidrBlock",
        "NextHop": "NextHopId",
        **names,
    }
    failed = []
    for item in items:
        item.choice("IpVersion", ("4",))
        values = {alone: item.text(name) for name, alone in every.items()}
        try:
            work(replace(call, parameters=call.parameters.with_values(values)))
        except ApiError as error:
            place = {name: item.text(name) for name in ("DstCidrBlock", "NextHop")}
            failed.append({**place, "FailedCode": error.code, "FailedMessage": error.message})
    return {
        "SuccessCount": len(items) - len(failed),
        "FailedCount": len(failed),
        "FailedRouteEntries": failed,
    }


def create_route_entry(call: Call, *, beside: Collection[str] = ()) -> Answer:
    """CreateRouteEntry: a network that is reached over an instance of the VPC.

    Another that is pending is waited for, but not those ``beside`` it in one request.
    """
    parameters = call.parameters
    vpc = _vpc_of_table(call)
    name, description = name_and_description(parameters, "RouteEntryName")
    cidr = _parse_network(parameters.require("DestinationCidrBlock"))
    kind = parameters.text("NextHopType", "Instance")
    if kind != "Instance":
        raise ApiError("InvalidNextHopType", 'Specified parameter "NextHopType" is not valid')
    instance = call.required(call.state.instances, "NextHopId", missing=_NO_NEXT_HOP)
    if instance.vpc_id != vpc.id:
        raise _NO_NEXT_HOP()
    entries = _custom_entries_of(call, vpc)
    if any(
        status_now(entry.ready_at) != "Available" for entry in entries if entry.id not in beside
    ):
        raise refusals.of("IncorrectRouteEntryStatus#of-another")
    if any(ipaddress.IPv4Network(entry.cidr) == cidr for entry in entries):
        raise ApiError("InvalidCIDRBlock.Duplicate", "Specified CIDR block is already exists.")
    inside = any(
        cidr.subnet_of(ipaddress.IPv4Network(item.cidr))
        for item in call.state.vswitches
        if item.vpc_id == vpc.id
    )
    if inside or cidr.subnet_of(ipaddress.IPv4Network(_SERVICES)):
        raise ApiError("InvalidCidrBlock", "Specified CIDR block is not valid.")
    check_status(instance, "Running", "Stopped", refusal=refusals.INSTANCE_STATUS_IN_VPC)
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
            name=name,
            description=description,
            created=timestamp(),
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    return {"RouteEntryId": entry.id}


def delete_route_entry(call: Call) -> None:
    """DeleteRouteEntry: a custom one, by id or by its network and next hop."""
    parameters = call.parameters
    # the texts call id and network exclusive; Terraform's provider sends both
    entry_id = parameters.text("RouteEntryId")
    if entry_id and not parameters.given("RouteTableId"):
        entry = call.find(call.state.route_entries, entry_id)
    else:
        entry = _entry_of_table(call, _vpc_of_table(call), entry_id)
    if status_now(entry.ready_at) != "Available":
        raise ApiError("IncorrectRouteEntryStatus", "Specified routeEntry status error.")
    call.state.route_entries.remove(entry.id)


def _entry_of_table(call: Call, vpc: Vpc, entry_id: str) -> RouteEntry:
    parameters = call.parameters
    text = parameters.text("DestinationCidrBlock")
    if not entry_id and not text:
        raise missing_parameter("DestinationCidrBlock")
    cidr = str(_parse_network(text)) if text else ""
    for entry in _custom_entries_of(call, vpc):
        if (
            entry_id in ("", entry.id)
            and cidr in ("", entry.cidr)
            and parameters.text("NextHopId") in ("", entry.next_hop_id)
        ):
            return entry
    if any(entry.kind == "System" and entry.cidr == cidr for entry in _entries_of(call, vpc)):
        raise refusals.of("OperationDenied#system-route")
    raise refusals.ROUTE_ENTRY_NOT_FOUND()


def _vpc_of_table(call: Call) -> Vpc:
    table = call.parameters.require("RouteTableId")
    for vpc in call.state.vpcs.in_region(call.region_id):
        if vpc.route_table_id == table:
            return vpc
    raise _no_table()


def _no_table() -> ApiError:
    return ApiError("InvalidRouteTableId.NotFound", "Specified route table does not exist.", 404)


def _parse_network(text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise refusals.CIDR_BLOCK() from error


def _vswitch_ids(call: Call, vpc: Vpc) -> list[str]:
    return [item.id for item in call.state.vswitches if item.vpc_id == vpc.id]


def _custom_entries_of(call: Call, vpc: Vpc) -> list[RouteEntry]:
    return [e for e in call.state.route_entries if e.route_table_id == vpc.route_table_id]


def _entries_of(call: Call, vpc: Vpc) -> list[RouteEntry]:
    local = [
        (item.id, item.cidr, "Created with VSwitch by system.", item.created)
        for item in call.state.vswitches
        if item.vpc_id == vpc.id
    ]
    services = (vpc.id, _SERVICES, "Created with VPC by system.", vpc.created)
    system = [
        # These are not stored: their ids are derived from their owner.
        RouteEntry(
            id=f"rte-{owner.partition('-')[2]}",
            region=vpc.region,
            route_table_id=vpc.route_table_id,
            cidr=cidr,
            next_hop_type="service" if cidr == _SERVICES else "local",
            next_hop_id="",
            name="",
            description=text,
            created=at,
        )
        for owner, cidr, text, at in (*local, services)
    ]
    return _custom_entries_of(call, vpc) + system


def _router_view(call: Call, vpc: Vpc) -> dict[str, Any]:
    return {
        "VRouterId": vpc.vrouter_id,
        "VRouterName": "",
        "Description": "",
        "VpcId": vpc.id,
        "RegionId": vpc.region,
        "CreationTime": vpc.created,
        "RouteTableIds": {"RouteTableId": [vpc.route_table_id]},
    }


def _table_view(call: Call, vpc: Vpc) -> dict[str, Any]:
    kind = call.parameters.text("Type")
    return {
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
                    "Status": status_now(entry.ready_at),
                    "NextHopType": entry.next_hop_type,
                    "InstanceId": entry.next_hop_id,
                    "NextHops": {"NextHop": []},
                }
                for entry in _entries_of(call, vpc)
                if kind in ("", entry.kind)
            ]
        },
    }


def _listed_table_view(call: Call, vpc: Vpc) -> dict[str, Any]:
    return {
        **fixed("RouteTable"),
        "RouteTableId": vpc.route_table_id,
        "RouterId": vpc.vrouter_id,
        "VpcId": vpc.id,
        "OwnerId": int(call.state.account.id),
        "ResourceGroupId": vpc.resource_group_id,
        "CreationTime": vpc.created,
        "VSwitchIds": {"VSwitchId": _vswitch_ids(call, vpc)},
        "Tags": vpc_tags(resource_tags(call.state, "routetable", vpc.route_table_id)),
    }


def _listed_entry_view(call: Call, entry: RouteEntry) -> dict[str, Any]:
    return {
        **api_fields(entry, "RouteEntry"),
        "Type": entry.kind,
        "Status": status_now(entry.ready_at),
        "NextHops": {
            "NextHop": [
                {
                    **fixed("NextHop"),
                    "NextHopId": entry.next_hop_id,
                    "NextHopType": entry.next_hop_type,
                    "NextHopRegionId": entry.region if entry.next_hop_id else "",
                }
            ]
        },
    }


_ROUTERS = Listing(
    Vpc,
    "VRouters.VRouter",
    oldest(lambda state: state.vpcs),
    _router_view,
    (equals("VRouterId", "vrouter_id"),),
    most=50,
)
_TABLES = Listing(
    Vpc,
    "RouteTables.RouteTable",
    oldest(lambda state: state.vpcs),
    _table_view,
    (
        equals("VRouterId", "vrouter_id"),
        equals("RouterId", "vrouter_id"),
        equals("RouteTableId", "route_table_id"),
        always("RouteTableName", ""),
        always("RouterType", "VRouter"),
        equals("ResourceGroupId", "resource_group_id"),
    ),
    most=50,
)
_TABLE_LIST = Listing(
    Vpc,
    "RouterTableList.RouterTableListType",
    oldest(lambda state: state.vpcs),
    _listed_table_view,
    (
        equals("VpcId", "id"),
        equals("RouterId", "vrouter_id"),
        always("RouterType", "VRouter"),
        equals("RouteTableId", "route_table_id"),
        always("RouteTableName", ""),
        always("RouteTableType", "System"),
        equals("ResourceGroupId", "resource_group_id"),
        tagged("routetable", "route_table_id"),
    ),
    most=50,
)
_ENTRIES = Listing(
    RouteEntry,
    "RouteEntrys.RouteEntry",
    lambda call: _entries_of(call, _vpc_of_table(call)),
    _listed_entry_view,
    (
        equals("RouteEntryId", "id"),
        equals("DestinationCidrBlock", "cidr"),
        one_of("DestCidrBlockList", "cidr", Parameters.listed),
        always("ServiceType", ""),
        equals("RouteEntryName", "name"),
        equals("RouteEntryType", lambda call, entry: entry.kind),
        equals("NextHopId", "next_hop_id"),
        equals("NextHopType", "next_hop_type"),
        always("IpVersion", "ipv4"),
    ),
)
