"""Disk categories: their sizes, and which instance types take them."""

from __future__ import annotations

from dataclasses import dataclass

from ecsmachine.localcloud.catalog.instance_types import InstanceType


@dataclass(frozen=True)
class DiskCategory:
    """A category of cloud disks; sizes are GiB."""

    name: str
    system_min: int
    system_max: int
    data_min: int
    data_max: int


CATEGORIES = {
    item.name: item
    for item in (
        DiskCategory("cloud", 20, 500, 5, 2000),
        DiskCategory("cloud_efficiency", 20, 2048, 20, 32768),
        DiskCategory("cloud_ssd", 20, 2048, 20, 32768),
        DiskCategory("cloud_essd", 20, 2048, 1, 65536),
        DiskCategory("cloud_auto", 1, 2048, 1, 65536),
        DiskCategory("cloud_essd_entry", 20, 2048, 10, 32768),
    )
}
NEVER_HERE = (
    *("cloud_regional_disk_auto", "elastic_ephemeral_disk_standard"),
    *("elastic_ephemeral_disk_premium", "local_ssd_pro", "local_hdd_pro"),
    *("ephemeral", "ephemeral_ssd", "ephemeral_hdd"),
)
"""The categories that ECS has besides."""
PERFORMANCE_LEVELS = {"PL0": 1, "PL1": 20, "PL2": 461, "PL3": 1261}
"""The performance levels of cloud_essd, and the smallest disk (GiB) of each."""


def baseline_iops(size_gib: int) -> int:
    """Return the IOPS that a disk of this size has by itself."""
    return min(50000, 1800 + 50 * size_gib)


def supported_categories(instance_type: InstanceType) -> tuple[str, ...]:
    """Return the categories that disks of such an instance may have, best default first."""
    family = instance_type.family.removeprefix("ecs.")
    if instance_type.old_disks:
        return ("cloud_ssd", "cloud_efficiency", "cloud")
    if family in ("e", "u1"):
        return ("cloud_essd", "cloud_essd_entry", "cloud_auto")
    if instance_type.architecture == "ARM" or family.endswith("8i"):
        return ("cloud_essd", "cloud_auto")
    if family.endswith("7"):
        return ("cloud_essd", "cloud_auto", "cloud_ssd", "cloud_efficiency")
    return ("cloud_efficiency", "cloud_ssd", "cloud_essd", "cloud_auto")
