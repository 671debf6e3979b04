"""Available resources: zones, instance types, and the disks that fit them."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.stock import sold_out
from ecsmachine.localcloud.catalog.disk_categories import CATEGORIES, supported_categories
from ecsmachine.localcloud.catalog.instance_types import (
    InstanceType,
    find_instance_type,
    instance_types,
)
from ecsmachine.localcloud.catalog.regions import Zone
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import missing_parameter

_DESTINATIONS = {
    "Zone": ("",),
    "IoOptimized": ("optimized", "none"),
    "Network": ("vpc",),
    "InstanceType": (),
    "SystemDisk": (),
    "DataDisk": (),
    "ddh": (),
}
"""Resources that are the same in every zone, by the type to query."""
_BALANCER_ADDRESSES = ("vpc", "classic_internet", "classic_intranet")
"""Kinds of a balancer's address; the last one, of the classic network, is not there."""


def describe_slb_available_resource(call: Call) -> Answer:
    """DescribeAvailableResource of SLB: pairs of zones, and the addresses balancers have there."""
    parameters = call.parameters
    version = parameters.choice("AddressIPVersion", ("", "ipv4", "ipv6"))
    asked = parameters.choice("AddressType", ("", *_BALANCER_ADDRESSES))
    kinds = [kind for kind in _BALANCER_ADDRESSES[:2] if asked in ("", kind) and version != "ipv6"]
    zones = call.region.zones
    pairs = [(one.id, other.id) for one in zones for other in zones if one != other]
    resources = [
        {
            "MasterZoneId": master,
            "SlaveZoneId": slave,
            "SupportResources": {
                "SupportResource": [
                    {"AddressIPVersion": "ipv4", "AddressType": kind} for kind in kinds
                ]
            },
        }
        for master, slave in (pairs or [(zones[0].id, zones[0].id)])
        if kinds
    ]
    return {"AvailableResources": {"AvailableResource": resources}}


def describe_available_resource(call: Call) -> Answer:
    """DescribeAvailableResource: which zones, types or disks can be had, narrowed step by step."""
    parameters = call.parameters
    region = call.region
    destination = parameters.require("DestinationResource")
    zone_id = parameters.text("ZoneId")
    if zone_id and all(zone.id != zone_id for zone in region.zones):
        raise refusals.ZONE_NOT_FOUND()
    resource_type = parameters.choice(
        "ResourceType",
        ("instance", "disk", "reservedinstance", "ddh"),
        error=refusals.of("Invalid.ResourceType"),
    )
    # Terraform's provider writes it Vpc.
    network = parameters.choice(
        "NetworkCategory",
        ("", "vpc", "classic"),
        error=refusals.of("Invalid.NetworkCategory"),
        spelled=str.lower,
    )
    # In every way of charging all is on offer that is.
    parameters.choice(
        "InstanceChargeType",
        ("PrePaid", "PostPaid"),
        error=refusals.of("Invalid.InstanceChargeType"),
    )
    parameters.choice(
        "SpotStrategy",
        ("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"),
        error=refusals.of("Invalid.SpotStrategy"),
    )
    parameters.integer("SpotDuration", least=0, most=6)
    parameters.choice("Scope", ("Region", "Zone"), error=refusals.of("InvalidParameter.Scope"))
    if parameters.given("InstanceType") and (
        parameters.given("Cores") or parameters.given("Memory")
    ):
        raise refusals.of("InvalidParam.TypeAndCpuMem.Conflict")
    if (
        network == "classic"
        or parameters.given("DedicatedHostId")
        or resource_type not in ("instance", "disk")
    ):
        return {}
    type_id = parameters.text("InstanceType")
    kind = find_instance_type(type_id) if type_id else None
    if type_id and kind is None:
        return {}
    of_disk = destination in ("SystemDisk", "DataDisk")
    if of_disk and kind is None and resource_type == "instance":
        raise missing_parameter("InstanceType")
    resources = _supported(call, destination, _types(call, kind))
    if not resources:
        return {}
    zones = [zone for zone in region.zones if zone_id in ("", zone.id)]
    return {
        "AvailableZones": {
            "AvailableZone": [
                _available_zone(call, region.id, zone, destination, type_id, resources)
                for zone in zones
            ]
        }
    }


def _types(call: Call, only: InstanceType | None) -> list[InstanceType]:
    """Return the instance types that fit the request."""
    parameters = call.parameters
    cores, memory = parameters.integer("Cores"), parameters.number("Memory")
    categories = {parameters.text("SystemDiskCategory"), parameters.text("DataDiskCategory")} - {""}
    io_optimized = parameters.choice(
        "IoOptimized", ("optimized", "none"), error=refusals.of("Invalid.IoOptimized")
    )
    architectures = {image.architecture for image in call.images}
    return [
        kind
        for kind in instance_types()
        if only in (None, kind)
        and cores in (0, kind.cpu)
        and memory in (0.0, kind.memory_gib)
        and categories.issubset(supported_categories(kind))
        and (io_optimized == "optimized" or kind.generation == "ecs-1")
        and kind.image_architecture in architectures
    ]


def _supported(call: Call, destination: str, types: list[InstanceType]) -> list[dict[str, Any]]:
    if destination not in _DESTINATIONS:
        raise refusals.of("Invalid.DestinationResource")
    if not types or destination == "ddh":
        return []
    if destination == "InstanceType":
        return [_resource(kind.id) for kind in types]
    if destination not in ("SystemDisk", "DataDisk"):
        return [_resource(value) for value in _DESTINATIONS[destination]]
    system = destination == "SystemDisk"
    its_own = call.parameters.text(f"{destination}Category")
    return [
        {
            **_resource(name),
            "Min": category.system_min if system else category.data_min,
            "Max": category.system_max if system else category.data_max,
            "Unit": "GiB",
        }
        for name in dict.fromkeys(name for kind in types for name in supported_categories(kind))
        if its_own in ("", name)
        for category in (CATEGORIES[name],)
    ]


def _resource(value: str) -> dict[str, Any]:
    return {"Value": value, **_stock(True)}


def _available_zone(
    call: Call,
    region_id: str,
    zone: Zone,
    destination: str,
    type_id: str,
    resources: list[dict[str, Any]],
) -> dict[str, Any]:
    if destination == "InstanceType":
        resources = [
            {**item, **_stock(not sold_out(call, zone.id, item["Value"]))} for item in resources
        ]
    in_stock = (
        any(item["Status"] == "Available" for item in resources)
        if destination == "InstanceType"
        else not type_id or not sold_out(call, zone.id, type_id)
    )
    entry: dict[str, Any] = {"RegionId": region_id, "ZoneId": zone.id, **_stock(in_stock)}
    if destination != "Zone":
        entry["AvailableResources"] = {
            "AvailableResource": [
                {"Type": destination, "SupportedResources": {"SupportedResource": resources}}
            ]
        }
    return entry


def _stock(there: bool) -> dict[str, str]:
    if there:
        return {"Status": "Available", "StatusCategory": "WithStock"}
    return {"Status": "SoldOut", "StatusCategory": "WithoutStock"}
