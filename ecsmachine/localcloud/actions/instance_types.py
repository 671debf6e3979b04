"""Instance types and their families."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.catalog.instance_types import (
    InstanceType,
    find_instance_type,
    instance_types,
)
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.paging import page_by_token
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.wire import Rendered
from ecsmachine.localcloud.state.records import api_fields


def describe_instance_types(call: Call) -> Answer:
    """DescribeInstanceTypes: by id, and by every number in the answer."""
    for name in call.parameters.listed("InstanceTypes"):
        if find_instance_type(name) is None and "." not in name:
            raise invalid_parameter("InstanceTypes")
    return _TYPES.answer(call)


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


@functools.cache
def _rendered(kind: InstanceType) -> Rendered:
    memory = int(kind.memory_gib) if kind.memory_gib == int(kind.memory_gib) else kind.memory_gib
    view = {
        **api_fields(kind, "InstanceType"),
        "MemorySize": memory,
        "DiskQuantity": kind.disks,
        "EniQuantity": kind.interfaces,
        "EniTotalQuantity": kind.interfaces,
        "EniPrivateIpAddressQuantity": kind.addresses_per_interface,
        "InstanceBandwidthRx": kind.bandwidth_kbps,
        "InstanceBandwidthTx": kind.bandwidth_kbps,
        "InstancePpsRx": kind.packets_per_second,
        "InstancePpsTx": kind.packets_per_second,
        "PrimaryEniQueueNumber": kind.queues,
        "SecondaryEniQueueNumber": kind.queues,
        "MaximumQueueNumberPerEni": kind.queues,
        "TotalEniQueueQuantity": kind.queues * kind.interfaces,
        "JumboFrameSupport": kind.nvme != "unsupported",
        "CpuOptions": {
            **fixed("CpuOptionsOfType"),
            "Core": kind.cores,
            "ThreadsPerCore": kind.threads_per_core,
        },
    }
    return Rendered(view)


def _has_in_it(name: str, figure: str) -> Filter[InstanceType]:
    def test(call: Call) -> Test[InstanceType] | None:
        part = call.parameters.text(name).lower()
        return (lambda kind: part in _rendered(kind)[figure].lower()) if part else None

    return Filter((name,), test)


def _told(figure: str) -> Any:
    return lambda call, kind: _rendered(kind)[figure]


def _page(
    parameters: Parameters, found: Sequence[InstanceType], *, size: int, most: int
) -> tuple[Sequence[InstanceType], dict[str, Any]]:
    part, fields = page_by_token(parameters, found, size=size, most=most)
    return part, {"NextToken": fields["NextToken"]}


_TYPES = Listing(
    InstanceType,
    "InstanceTypes.InstanceType",
    lambda call: instance_types(),
    lambda call, kind: _rendered(kind),
    (
        by.one_of("InstanceTypes", "id", Parameters.listed),
        by.equals("InstanceTypeFamily", "family"),
        by.one_of("InstanceTypeFamilies", "family", Parameters.listed, most=10),
        by.equals("CpuArchitecture", "architecture"),
        by.one_of("CpuArchitectures", "architecture", Parameters.listed, most=2),
        by.equals("InstanceCategory", "category"),
        by.one_of("InstanceCategories", "category", Parameters.listed, most=10),
        by.equals("InstanceFamilyLevel", "level"),
        by.equals("NvmeSupport", "nvme"),
        _has_in_it("PhysicalProcessorModel", "PhysicalProcessorModel"),
        by.one_of("PhysicalProcessorModels", "processor", Parameters.listed, most=10),
        _has_in_it("GPUSpec", "GPUSpec"),
        by.one_of("GpuSpecs", _told("GPUSpec"), Parameters.listed, most=10),
        by.equals("LocalStorageCategory", _told("LocalStorageCategory")),
        by.one_of(
            "LocalStorageCategories", _told("LocalStorageCategory"), Parameters.listed, most=2
        ),
        *(
            by.at_least(f"Minimum{figure}", _told(figure))
            for figure in (
                *("CpuCoreCount", "MemorySize", "GPUAmount", "CpuSpeedFrequency", "DiskQuantity"),
                *("CpuTurboFrequency", "BaselineCredit", "InitialCredit", "EniQuantity"),
                *("EniIpv6AddressQuantity", "EniPrivateIpAddressQuantity", "EriQuantity"),
                *("InstanceBandwidthRx", "InstanceBandwidthTx", "InstancePpsRx", "InstancePpsTx"),
                *("LocalStorageAmount", "LocalStorageCapacity", "QueuePairNumber"),
                *("PrimaryEniQueueNumber", "SecondaryEniQueueNumber"),
            )
        ),
        *(
            by.at_most(f"Maximum{figure}", _told(figure))
            for figure in (
                *("CpuCoreCount", "MemorySize", "GPUAmount", "CpuSpeedFrequency"),
                "CpuTurboFrequency",
            )
        ),
    ),
    paging=_page,
    size=1600,
    most=1600,
)
