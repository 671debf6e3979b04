"""Prices of the local cloud, in CNY, good enough for planning.

They come from a rate per core and per GiB. They are not real prices: those of Alibaba Cloud differ
by type, region, contract and day.
"""

from __future__ import annotations

from ecsmachine.localcloud.catalog.instance_types import InstanceType

CURRENCY = "CNY"
HOURS = {"Hour": 1.0, "Day": 24.0, "Week": 168.0, "Month": 720.0, "Year": 8640.0}
"""The hours of each ``PriceUnit``."""
SUBSCRIPTION_FACTOR = 0.5
"""The price of a month of subscription, as a fraction of a month of pay-as-you-go."""
SPOT_FACTOR = 0.2
_CORE_HOUR = 0.14
_GIB_HOUR = 0.027
_FAMILY_FACTORS = {"t5": 0.4, "t6": 0.4, "e": 0.45, "s6": 0.55, "n4": 0.7, "mn4": 0.7, "xn4": 0.7}
_FAMILY_FACTORS |= {"u1": 0.8, "c8y": 0.8, "g8y": 0.8, "r8y": 0.8}
_DISK_GIB_MONTH = {
    "cloud": 0.3,
    "cloud_efficiency": 0.35,
    "cloud_ssd": 1.0,
    "cloud_essd": 1.0,
    "cloud_auto": 0.5,
    "cloud_essd_entry": 0.4,
}
_LEVEL_FACTORS = {"PL0": 0.5, "PL1": 1.0, "PL2": 2.0, "PL3": 4.0}
_IOPS_MONTH = 0.03
_MBPS_HOUR = 0.063
_MBPS_HOUR_ABOVE_5 = 0.248


def instance_hour(kind: InstanceType) -> float:
    """Return the price of an hour of an instance type, without disks."""
    factor = _FAMILY_FACTORS.get(kind.family.removeprefix("ecs."), 1.0)
    return (kind.cpu * _CORE_HOUR + kind.memory_gib * _GIB_HOUR) * factor


def disk_hour(category: str, size_gib: int, performance_level: str = "") -> float:
    """Return the price of an hour of a disk."""
    factor = _LEVEL_FACTORS.get(performance_level, 1.0)
    return _DISK_GIB_MONTH[category] * size_gib * factor / HOURS["Month"]


def iops_hour(iops: int) -> float:
    """Return the price of an hour of provisioned IOPS."""
    return iops * _IOPS_MONTH / HOURS["Month"]


def bandwidth_hour(mbps: int) -> float:
    """Return the price of an hour of fixed bandwidth."""
    return min(mbps, 5) * _MBPS_HOUR + max(mbps - 5, 0) * _MBPS_HOUR_ABOVE_5
