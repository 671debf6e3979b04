"""Disks that are requested with an instance."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict, dataclass
from typing import Any

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.actions.snapshots import check_source
from ecsmachine.localcloud.catalog import disk_categories
from ecsmachine.localcloud.catalog.images import Image, ImageDisk
from ecsmachine.localcloud.catalog.instance_types import InstanceType
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import (
    checked_description,
    checked_text,
    free_device,
    valid_device,
    valid_name,
)
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import Disk, DiskKind, Instance, Snapshot

MAX_DATA_DISKS = 16
AUTO = "cloud_auto"
"""The category whose disks can be given performance."""
_NO_SNAPSHOT = Refusal("InvalidDataDiskSnapshotId.NotFound")


@dataclass(frozen=True, kw_only=True)
class DiskRequest:
    """A disk that is requested with an instance, in the fields of :class:`Disk`."""

    kind: DiskKind
    category: str
    size_gib: int
    name: str = ""
    description: str = ""
    device: str
    performance_level: str
    delete_with_instance: bool = True
    snapshot_id: str = ""
    encrypted: bool = False
    kms_key_id: str = ""
    provisioned_iops: int = 0
    bursting_enabled: bool = False
    auto_snapshot_policy_id: str = ""


def disks_of_request(call: Call, kind: InstanceType, image: Image) -> list[DiskRequest]:
    """Return the system disk and the data disks of a request; raises their refusals."""
    parameters = call.parameters
    supported = disk_categories.supported_categories(kind)
    disks = [system_disk_of_request(parameters.struct("SystemDisk"), supported, image)]
    requests = parameters.structs("DataDisk")
    if len(requests) > MAX_DATA_DISKS or len(requests) + 1 > kind.disks:
        raise refusals.QUOTA_OF_DISKS_OF_INSTANCE()
    taken = {"/dev/xvda"}
    brought = {disk.device: disk for disk in image.data_disks}
    for request in requests:
        own = brought.pop(_device(request, "DataDevice"), None)
        disk = _data_disk(call, request, supported, taken | set(brought), own)
        taken.add(disk.device)
        disks.append(disk)
    disks += [_disk_of_image(disk, supported) for disk in brought.values()]
    if len(disks) > kind.disks:
        raise refusals.QUOTA_OF_DISKS_OF_INSTANCE()
    return disks


def system_disk_of_request(
    request: Parameters, supported: tuple[str, ...], image: Image
) -> DiskRequest:
    """Return the system disk of a request; raises its refusals."""
    category = _category(request, supported, "SystemDiskCategory")
    limits = disk_categories.CATEGORIES[category]
    size_error = refusals.not_supported("SystemDiskSize")
    size = request.integer(
        "Size", max(40, image.size_gib), least=1, most=limits.system_max, error=size_error
    )
    if size < image.size_gib:
        raise refusals.of("InvalidSystemDiskSize.LessThanImageSize")
    level = performance_level(request, category)
    if size < disk_categories.PERFORMANCE_LEVELS.get(level, 0):
        raise size_error
    return DiskRequest(
        kind="system",
        device="/dev/xvda",
        performance_level=level,
        **_of_every_disk(request, category, size),
    )


def _disk_of_image(disk: ImageDisk, supported: tuple[str, ...]) -> DiskRequest:
    """Return a data disk that the image brings and the request says nothing of."""
    category = supported[0]
    return DiskRequest(
        kind="data",
        category=category,
        size_gib=max(disk.size_gib, disk_categories.CATEGORIES[category].data_min),
        device=disk.device,
        performance_level="PL1" if category == "cloud_essd" else "",
        snapshot_id=disk.snapshot_id,
    )


def _data_disk(
    call: Call,
    request: Parameters,
    supported: tuple[str, ...],
    taken: set[str],
    brought: ImageDisk | None,
) -> DiskRequest:
    """Return a data disk of a request; ``brought`` is the disk of the image at its device."""
    snapshot = snapshot_of_request(call, request, missing=_NO_SNAPSHOT)
    if snapshot is None and brought is not None:
        snapshot = call.find(call.state.snapshots, brought.snapshot_id)
    category = _category(request, supported, "DataDiskCategory")
    limits = disk_categories.CATEGORIES[category]
    level = performance_level(request, category)
    least = max(limits.data_min, disk_categories.PERFORMANCE_LEVELS.get(level, 0))
    size_error = refusals.of("InvalidDataDiskSize.ValueNotSupported")
    if snapshot is None and not request.given("Size"):
        raise size_error
    smallest = snapshot.size_gib if snapshot else 0
    default = max(least, smallest)
    size = request.integer("Size", default, least=least, most=limits.data_max, error=size_error)
    if size < smallest:
        raise size_error
    device = device_of_request(request, taken, "DataDevice")
    return DiskRequest(
        kind="data",
        device=device,
        performance_level=level,
        **_of_every_disk(request, category, size),
        delete_with_instance=request.boolean("DeleteWithInstance", True),
        snapshot_id=snapshot.id if snapshot else "",
    )


def device_of_request(request: Parameters, taken: Container[str], called: str = "Device") -> str:
    """Return ``Device`` as answers have it, or the first free one.

    Raises the refusals of one that is ``taken``, and of one that is no device.
    """
    device = _device(request, called)
    if device in taken:
        raise refusals.of("InvalidDevice.InUse")
    return device or free_device(taken)


def _device(request: Parameters, called: str) -> str:
    device = request.text("Device")
    if device and not valid_device(device):
        raise refusals.malformed(called)
    return "/dev/xvd" + device[-1] if device else ""


def snapshot_of_request(
    call: Call, request: Parameters, *, missing: Refusal | None = None
) -> Snapshot | None:
    """Return the snapshot that a data disk is made of, or None; raises its refusals."""
    snapshot_id = request.text("SnapshotId")
    if not snapshot_id:
        return None
    snapshot = call.find(call.state.snapshots, snapshot_id, missing=missing)
    check_source(snapshot)
    return snapshot


def _category(request: Parameters, supported: tuple[str, ...], name: str) -> str:
    category = request.text("Category", supported[0])
    if category not in disk_categories.CATEGORIES:
        raise refusals.not_supported(name)
    if category not in supported:
        raise refusals.of("InvalidDiskCategory.NotSupported")
    return category


def performance_level(request: Parameters, category: str) -> str:
    """Return the requested level, or the default; raises the refusal of an unknown one.

    Only ESSDs have any: ``InvalidParameter`` for others.
    """
    level = request.text("PerformanceLevel")
    if category != "cloud_essd":
        if level:
            raise invalid_parameter(request.name("PerformanceLevel"))
        return ""
    if level and level not in disk_categories.PERFORMANCE_LEVELS:
        raise refusals.malformed("PerformanceLevel")
    return level or "PL1"


def disk_options(request: Parameters, category: str, size_gib: int) -> dict[str, Any]:
    """Return some requested properties in the fields of a disk; raises their refusals."""
    return {
        "encrypted": request.boolean("Encrypted"),
        "kms_key_id": request.text("KMSKeyId"),
        "provisioned_iops": provisioned_iops(request, category, size_gib),
        "bursting_enabled": bursting_enabled(request, category),
        "auto_snapshot_policy_id": request.text("AutoSnapshotPolicyId"),
    }


def provisioned_iops(request: Parameters, category: str, size_gib: int) -> int:
    """Return ``ProvisionedIops``, which disks of the category cloud_auto may have."""
    most = max(0, min(50000, 1000 * size_gib - disk_categories.baseline_iops(size_gib)))
    iops = request.integer("ProvisionedIops")
    if iops and category != AUTO:
        raise refusals.of("ProvisionedIopsForDiskCategoryUnsupported")
    if not 0 <= iops <= most:
        raise refusals.of("InvalidProvisionedIops.LimitExceed")
    return iops


def bursting_enabled(request: Parameters, category: str, default: bool = False) -> bool:
    """Return ``BurstingEnabled``, which disks of the category cloud_auto may have."""
    enabled = request.boolean("BurstingEnabled", default)
    if enabled and category != AUTO:
        raise refusals.of("BurstingEnabledForDiskCategoryUnsupported")
    return enabled


def _of_every_disk(request: Parameters, category: str, size_gib: int) -> dict[str, Any]:
    return {
        "category": category,
        "size_gib": size_gib,
        "name": checked_text(request, "DiskName", valid_name),
        "description": checked_description(request, refusals.malformed("DiskDescription")),
        **disk_options(request, category, size_gib),
    }


def put_disk(call: Call, instance: Instance, request: DiskRequest, image: Image) -> Disk:
    """Make a disk of an instance as it was asked for; inside a transaction."""
    disk_id = new_id("d", instance.region)
    return call.state.disks.put(
        Disk(
            id=disk_id,
            region=instance.region,
            zone=instance.zone,
            **asdict(request),
            status="In_use",
            created=timestamp(),
            instance_id=instance.id,
            image_id=image.id if request.kind == "system" else "",
            charge_type=instance.charge_type,
            attached=timestamp(),
            resource_group_id=instance.resource_group_id,
            serial_number=disk_id[2:],
        )
    )
