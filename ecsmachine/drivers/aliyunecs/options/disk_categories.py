"""The categories of cloud disks, and how large disks of each may be.

Source: SystemDisk.Size and DataDisk.N.Size of RunInstances, with the default PerformanceLevel.
What a zone offers may be narrower, and is asked for separately.
"""

from __future__ import annotations

from typing import Literal

from ecsmachine.errors import MachineError
from ecsmachine.suggestions import instead_of

DiskKind = Literal["system", "data"]

SIZES_GIB: dict[str, dict[DiskKind, tuple[int, int]]] = {
    "cloud": {"system": (20, 500), "data": (5, 2000)},
    "cloud_efficiency": {"system": (20, 2048), "data": (20, 32768)},
    "cloud_ssd": {"system": (20, 2048), "data": (20, 32768)},
    "cloud_essd": {"system": (20, 2048), "data": (20, 65536)},
    "cloud_essd_entry": {"system": (20, 2048), "data": (10, 32768)},
    "cloud_auto": {"system": (1, 2048), "data": (1, 65536)},
    "ephemeral_ssd": {"system": (20, 500), "data": (5, 800)},
}
"""Least and greatest size in GiB, by category and use."""

FIXED_CATEGORIES = ("cloud", "ephemeral_ssd")
"""Categories that disks do not leave, or come to (ModifyDiskSpec)."""

PREFERENCE = (
    "cloud_essd",
    "cloud_ssd",
    "cloud_efficiency",
    "cloud_essd_entry",
    "cloud_auto",
    "cloud",
)
"""Which category is taken if none is asked for."""

_FLAGS: dict[DiskKind, tuple[str, str]] = {
    "system": ("--aliyunecs-system-disk-size", "--aliyunecs-system-disk-category"),
    "data": ("--aliyunecs-disk-size", "--aliyunecs-disk-category"),
}


def check_disk_size(
    kind: DiskKind,
    category: str,
    size_gib: int,
    error: type[MachineError],
    *,
    least_gib: int | None = None,
    most_gib: int | None = None,
) -> None:
    """Raise ``error`` unless a disk of that category may be of that size.

    ``least_gib`` and ``most_gib`` narrow what the category allows in general.
    """
    size_flag, category_flag = _FLAGS[kind]
    if category not in SIZES_GIB:
        raise error(
            f'{category_flag}: "{category}" is not a disk category',
            hint=instead_of(category, SIZES_GIB),
        )
    least, most = SIZES_GIB[category][kind]
    least = max(least, least_gib or 0)
    most = min(most, most_gib or most)
    if not least <= size_gib <= most:
        raise error(
            f"{size_flag}: {size_gib} GiB is out of range for a {kind} disk of category {category}",
            hint=f"Use {least} to {most} GiB.",
        )
