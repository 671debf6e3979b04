"""Regions, zones and endpoints, which SDKs ask the location service for."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.catalog.disk_categories import CATEGORIES
from ecsmachine.localcloud.catalog.instance_types import instance_types
from ecsmachine.localcloud.catalog.regions import Region, Zone, find_region, regions
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.fixed_fields import fixed

_CHARGE_TYPES = ("PrePaid", "PostPaid")
_SPOT_STRATEGIES = ("SpotWithPriceLimit", "SpotAsPriceGo")
_RESOURCE_TYPES = ("VSwitch", "IoOptimized", "Instance", "DedicatedHost", "Disk")


def describe_regions(call: Call) -> Answer:
    """DescribeRegions: every region; its endpoint is this one."""
    # In every region all is on offer, in every way of charging.
    call.parameters.choice("InstanceChargeType", (*_CHARGE_TYPES, *_SPOT_STRATEGIES))
    call.parameters.choice("ResourceType", ("instance", "disk", "reservedinstance", "scu"))
    told = _told_regions(call)
    return {"Regions": {"Region": [{**region, "Status": "available"} for region in told]}}


def describe_vpc_regions(call: Call) -> Answer:
    """DescribeRegions of VPC and SLB: the same regions in a shorter form."""
    return {"Regions": {"Region": _told_regions(call)}}


def _told_regions(call: Call) -> list[dict[str, str]]:
    language = call.parameters.text("AcceptLanguage", "zh-CN")
    return [
        {
            "RegionId": region.id,
            "RegionEndpoint": call.host,
            "LocalName": region.name(language),
        }
        for region in regions()
    ]


def describe_zones(call: Call) -> Answer:
    """DescribeZones: the zones of a region and what can be made in them."""
    region = call.region
    verbose = call.parameters.boolean("Verbose", True)
    call.parameters.choice("InstanceChargeType", _CHARGE_TYPES)
    call.parameters.choice("SpotStrategy", ("NoSpot", *_SPOT_STRATEGIES))
    more = {"AvailableResourceCreation": {"ResourceTypes": list(_RESOURCE_TYPES)}}
    if verbose:
        more |= _zone_resources()
    return {"Zones": {"Zone": [{**zone, **more} for zone in _told_zones(call, region)]}}


def describe_vpc_zones(call: Call) -> Answer:
    """DescribeZones of VPC: ids and names."""
    region = call.region
    if call.parameters.text("ZoneType", "AvailabilityZone") != "AvailabilityZone":
        return {"Zones": {"Zone": []}}
    return {"Zones": {"Zone": _told_zones(call, region)}}


def describe_slb_zones(call: Call) -> Answer:
    """DescribeZones of SLB: each zone with those that a balancer may have beside it."""
    region = call.region
    names = {
        zone.id: {"ZoneId": zone.id, "LocalName": _local_name(call, region, zone)}
        for zone in region.zones
    }
    return {
        "Zones": {
            "Zone": [
                {
                    **name,
                    "SlaveZones": {
                        "SlaveZone": [other for other in names.values() if other is not name]
                    },
                }
                for name in names.values()
            ]
        }
    }


def _told_zones(call: Call, region: Region) -> list[dict[str, str]]:
    return [
        {
            "ZoneId": zone.id,
            "ZoneType": "AvailabilityZone",
            "LocalName": _local_name(call, region, zone),
        }
        for zone in region.zones
    ]


def _local_name(call: Call, region: Region, zone: Zone) -> str:
    letter = zone.letter.upper()
    if call.parameters.text("AcceptLanguage").lower().startswith("en"):
        return f"{region.name_en} Zone {letter}"
    return f"{region.name_zh} 可用区{letter}"


def _zone_resources() -> dict[str, Any]:
    types = [kind.id for kind in instance_types()]
    families = sorted({kind.family for kind in instance_types()})
    generations = sorted({kind.generation for kind in instance_types()})
    categories = list(CATEGORIES)
    return {
        **fixed("ZoneResources"),
        "AvailableInstanceTypes": {"InstanceTypes": types},
        "AvailableDiskCategories": {"DiskCategories": categories},
        "AvailableResources": {
            "ResourcesInfo": [
                {
                    "IoOptimized": True,
                    "NetworkTypes": {"supportedNetworkCategory": ["vpc"]},
                    "SystemDiskCategories": {"supportedSystemDiskCategory": categories},
                    "DataDiskCategories": {"supportedDataDiskCategory": categories},
                    "InstanceGenerations": {"supportedInstanceGeneration": generations},
                    "InstanceTypeFamilies": {"supportedInstanceTypeFamily": families},
                    "InstanceTypes": {"supportedInstanceType": types},
                }
            ]
        },
    }


SERVICES = ("ecs", "vpc", "slb", "sts", "location")


def describe_endpoints(call: Call) -> Answer:
    """DescribeEndpoints: this endpoint, for every product that is here."""
    region_id = call.parameters.require("Id")
    service = call.parameters.require("ServiceCode").lower()
    kind = call.parameters.text("Type", "openAPI")
    if find_region(region_id) is None:
        raise ApiError("InvalidRegionId", "The specified region does not exist.")
    endpoints = [
        {
            "Id": region_id,
            "Namespace": "",
            # The API itself spells it so.
            "SerivceCode": service,
            "Type": kind,
            "Endpoint": call.host,
            "Protocols": {"Protocols": ["HTTP"]},
        }
    ]
    return {"Success": True, "Endpoints": {"Endpoint": endpoints if service in SERVICES else []}}
