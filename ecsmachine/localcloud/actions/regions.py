"""Regions, zones, instance types, and what is in stock where."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing, at_least, at_most, equals, one_of
from ecsmachine.localcloud.catalog.disk_categories import CATEGORIES, supported_categories
from ecsmachine.localcloud.catalog.instance_types import (
    InstanceType,
    find_instance_type,
    instance_types,
)
from ecsmachine.localcloud.catalog.regions import Zone, regions
from ecsmachine.localcloud.faults.requests import sold_out
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.paging import page_by_token
from ecsmachine.localcloud.protocol.parameters import Parameters

_RESOURCE_TYPES = ("VSwitch", "IoOptimized", "Instance", "DedicatedHost", "Disk")


def describe_regions(call: Call) -> Answer:
    """DescribeRegions: every region; its endpoint is this one."""
    language = call.parameters.text("AcceptLanguage", "zh-CN")
    return {
        "Regions": {
            "Region": [
                {
                    "RegionId": region.id,
                    "RegionEndpoint": call.host,
                    "LocalName": region.name(language),
                    "Status": "available",
                }
                for region in regions()
            ]
        }
    }


def describe_vpc_regions(call: Call) -> Answer:
    """DescribeRegions of VPC and SLB: the same regions in a shorter form."""
    language = call.parameters.text("AcceptLanguage", "zh-CN")
    return {
        "Regions": {
            "Region": [
                {
                    "RegionId": region.id,
                    "RegionEndpoint": call.host,
                    "LocalName": region.name(language),
                }
                for region in regions()
            ]
        }
    }


def describe_zones(call: Call) -> Answer:
    """DescribeZones: the zones of a region and what can be made in them."""
    region = call.region
    language = call.parameters.text("AcceptLanguage", "zh-CN")
    verbose = call.parameters.boolean("Verbose", True)
    zones = []
    for zone in region.zones:
        letter = zone.letter.upper()
        english = language.lower().startswith("en")
        entry: dict[str, Any] = {
            "ZoneId": zone.id,
            "ZoneType": "AvailabilityZone",
            "LocalName": (
                f"{region.name_en} Zone {letter}" if english else f"{region.name_zh} 可用区{letter}"
            ),
            "AvailableResourceCreation": {"ResourceTypes": list(_RESOURCE_TYPES)},
        }
        if verbose:
            entry |= _zone_resources()
        zones.append(entry)
    return {"Zones": {"Zone": zones}}


def describe_vpc_zones(call: Call) -> Answer:
    """DescribeZones of VPC: ids and names."""
    region = call.region
    return {
        "Zones": {
            "Zone": [
                {
                    "ZoneId": zone.id,
                    "ZoneType": "AvailabilityZone",
                    "LocalName": f"{region.name_zh} 可用区{zone.letter.upper()}",
                }
                for zone in region.zones
            ]
        }
    }


def describe_slb_zones(call: Call) -> Answer:
    """DescribeZones of SLB: each zone with those that a balancer may have beside it."""
    region = call.region
    names = {
        zone.id: {"ZoneId": zone.id, "LocalName": f"{region.name_zh} 可用区{zone.letter.upper()}"}
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


def describe_instance_types(call: Call) -> Answer:
    """DescribeInstanceTypes: by id, family, size and architecture; all of them on one page."""
    for name in call.parameters.listed("InstanceTypes", most=100):
        if find_instance_type(name) is None and "." not in name:
            raise invalid_parameter("InstanceTypes")
    if call.parameters.given("MaxResults") or call.parameters.given("NextToken"):
        answer = _TYPES.answer(call)
        return {name: answer[name] for name in ("InstanceTypes", "NextToken")}
    return {
        "InstanceTypes": {"InstanceType": [_type(call, kind) for kind in _TYPES.choose(call)]},
        "NextToken": "",
    }


def describe_instance_type_families(call: Call) -> Answer:
    """DescribeInstanceTypeFamilies: the families and their generations."""
    generation = call.parameters.text("Generation")
    families = {kind.family: kind.generation for kind in instance_types()}
    return {
        "InstanceTypeFamilies": {
            "InstanceTypeFamily": [
                {"InstanceTypeFamilyId": family, "Generation": age}
                for family, age in families.items()
                if not generation or age == generation
            ]
        }
    }


def describe_available_resource(call: Call) -> Answer:
    """DescribeAvailableResource: which zones, types or disks can be had, narrowed step by step."""
    parameters = call.parameters
    region = call.region
    destination = parameters.require("DestinationResource")
    zone_id = parameters.text("ZoneId")
    if zone_id and all(zone.id != zone_id for zone in region.zones):
        raise refusals.ZONE_NOT_FOUND()
    type_id = parameters.text("InstanceType")
    kind = find_instance_type(type_id) if type_id else None
    if type_id and kind is None:
        return {}
    of_instance = parameters.text("ResourceType", "instance") == "instance"
    if destination in ("SystemDisk", "DataDisk") and kind is None and of_instance:
        raise missing_parameter("InstanceType")
    resources = _supported(call, destination, kind)
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


def _supported(call: Call, destination: str, kind: InstanceType | None) -> list[dict[str, Any]]:
    parameters = call.parameters
    if destination == "Zone":
        return [_resource("")]
    if destination == "IoOptimized":
        return [_resource("optimized"), _resource("none")]
    if destination == "Network":
        return [_resource("vpc")]
    if destination == "InstanceType":
        cores = parameters.integer("Cores")
        memory = parameters.number("Memory")
        disks = [
            value
            for value in (
                parameters.text("SystemDiskCategory"),
                parameters.text("DataDiskCategory"),
            )
            if value
        ]
        architectures = {image.architecture for image in call.images}
        return [
            _resource(item.id)
            for item in instance_types()
            if kind in (None, item)
            and cores in (0, item.cpu)
            and memory in (0.0, item.memory_gib)
            and all(disk in supported_categories(item) for disk in disks)
            and {"X86": "x86_64", "ARM": "arm64"}[item.architecture] in architectures
        ]
    if destination in ("SystemDisk", "DataDisk"):
        system = destination == "SystemDisk"
        names = supported_categories(kind) if kind else tuple(CATEGORIES)
        return [
            {
                **_resource(name),
                "Min": CATEGORIES[name].system_min if system else CATEGORIES[name].data_min,
                "Max": CATEGORIES[name].system_max if system else CATEGORIES[name].data_max,
                "Unit": "GiB",
            }
            for name in names
        ]
    if destination == "ddh":
        return []
    raise ApiError(
        "Invalid.DestinationResource",
        "The specified value of parameter DestinationResource is not valid.",
    )


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
            {**item, **_stock(not sold_out(call.faults, zone.id, item["Value"]))}
            for item in resources
        ]
    in_stock = (
        any(item["Status"] == "Available" for item in resources)
        if destination == "InstanceType"
        else not type_id or not sold_out(call.faults, zone.id, type_id)
    )
    entry: dict[str, Any] = {"RegionId": region_id, "ZoneId": zone.id, **_stock(in_stock)}
    if destination != "Zone":
        entry["AvailableResources"] = {
            "AvailableResource": [
                {
                    "Type": destination,
                    "SupportedResources": {"SupportedResource": resources},
                }
            ]
        }
    return entry


def _stock(there: bool) -> dict[str, str]:
    if there:
        return {"Status": "Available", "StatusCategory": "WithStock"}
    return {"Status": "SoldOut", "StatusCategory": "WithoutStock"}


def _zone_resources() -> dict[str, Any]:
    types = [kind.id for kind in instance_types()]
    families = sorted({kind.family for kind in instance_types()})
    generations = sorted({kind.generation for kind in instance_types()})
    categories = list(CATEGORIES)
    return {
        "AvailableInstanceTypes": {"InstanceTypes": types},
        "AvailableDiskCategories": {"DiskCategories": categories},
        "AvailableVolumeCategories": {"VolumeCategories": []},
        "AvailableDedicatedHostTypes": {"DedicatedHostType": []},
        "DedicatedHostGenerations": {"DedicatedHostGeneration": []},
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


def _type(call: Call, kind: InstanceType) -> dict[str, Any]:
    memory = int(kind.memory_gib) if kind.memory_gib == int(kind.memory_gib) else kind.memory_gib
    return {
        "InstanceTypeId": kind.id,
        "InstanceTypeFamily": kind.family,
        "InstanceFamilyLevel": kind.level,
        "InstanceCategory": kind.category,
        "CpuArchitecture": kind.architecture,
        "PhysicalProcessorModel": kind.processor,
        "CpuCoreCount": kind.cpu,
        "CpuSpeedFrequency": kind.frequency,
        "CpuTurboFrequency": kind.turbo,
        "MemorySize": memory,
        "BaselineCredit": kind.baseline_credit,
        "InitialCredit": kind.initial_credit,
        "GPUAmount": 0,
        "GPUSpec": "",
        "GPUMemorySize": 0,
        "LocalStorageCategory": "",
        "LocalStorageAmount": 0,
        "LocalStorageCapacity": 0,
        "DiskQuantity": kind.disks,
        "NvmeSupport": kind.nvme,
        "EniQuantity": kind.interfaces,
        "EniTotalQuantity": kind.interfaces,
        "EniTrunkSupported": False,
        "EniPrivateIpAddressQuantity": kind.addresses_per_interface,
        "EniIpv6AddressQuantity": 1,
        "EriQuantity": 0,
        "InstanceBandwidthRx": kind.bandwidth_kbps,
        "InstanceBandwidthTx": kind.bandwidth_kbps,
        "InstancePpsRx": kind.packets_per_second,
        "InstancePpsTx": kind.packets_per_second,
        "PrimaryEniQueueNumber": kind.queues,
        "SecondaryEniQueueNumber": kind.queues,
        "MaximumQueueNumberPerEni": kind.queues,
        "TotalEniQueueQuantity": kind.queues * kind.interfaces,
        "QueuePairNumber": 0,
        "NetworkCardQuantity": 1,
        "NetworkCards": {"NetworkCardInfo": [{"NetworkCardIndex": 0}]},
        "JumboFrameSupport": kind.nvme != "unsupported",
        "NetworkEncryptionSupport": False,
        "SupportedBootModes": {"SupportedBootMode": ["BIOS", "UEFI"]},
        "Attributes": {"Attribute": []},
        "CpuOptions": {
            "Core": max(1, kind.cpu // 2),
            "CoreFactor": 1,
            "ThreadsPerCore": 1 if kind.architecture == "ARM" else 2,
            "HyperThreadingAdjustable": False,
            "NestedVirtualizationSupport": "unsupported",
            "SupportedTopologyTypes": {"SupportedTopologyType": []},
        },
        "Clock": {"PtpSupport": "unsupported"},
        "NetworkInfo": {"BandwidthWeighting": {"WeightingInfos": {"WeightingInfo": []}}},
        "EnhancedNetwork": {
            "ExpressSupport": False,
            "RssSupport": False,
            "SriovSupport": False,
            "VfQueueNumberPerEni": 0,
        },
        "SecurityOptions": {"SecureBootSupport": "unsupported"},
    }


_TYPES = Listing(
    InstanceType,
    "InstanceTypes.InstanceType",
    lambda call: instance_types(),
    _type,
    (
        one_of("InstanceTypes", "id", Parameters.listed),
        equals("InstanceTypeFamily", "family"),
        at_least("MinimumCpuCoreCount", "cpu"),
        at_most("MaximumCpuCoreCount", "cpu"),
        at_least("MinimumMemorySize", "memory_gib"),
        at_most("MaximumMemorySize", "memory_gib"),
        equals("CpuArchitecture", "architecture"),
        equals("InstanceCategory", "category"),
        equals("InstanceFamilyLevel", "level"),
        at_least("MinimumGPUAmount", lambda call, kind: 0),
    ),
    paging=page_by_token,
    size=100,
    most=1600,
)
