"""Disks. A guest that runs sees at once which it has; one that grows, only if it grows online."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, get_args

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_disks import (
    AUTO,
    bursting_enabled,
    device_of_request,
    disk_options,
    performance_level,
    provisioned_iops,
    snapshot_of_request,
)
from ecsmachine.localcloud.actions.listing import Listing
from ecsmachine.localcloud.catalog import disk_categories
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import new_id, new_order_id
from ecsmachine.localcloud.protocol.names import (
    checked_description,
    checked_text,
    valid_name,
)
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import Disk, DiskStatus, Instance
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import (
    attached_disks,
    check_status,
    check_whole,
    forget_disk,
)
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request

MAX_DISKS_AT_ONCE = 100
STATUSES = get_args(DiskStatus)
_AUTO_SIZE = Refusal("InvalidDataDiskSize.ValueNotSupported#auto")
_LEVEL_OF_SIZE = Refusal("OperationDenied.PerformanceLevelNotMatch")
_MULTI_ATTACH = Refusal("InvalidParameter.MultiAttach")
_CATEGORY_OF_TYPE = Refusal("InvalidInstanceType.NotSupportDiskCategory")


def create_disk(call: Call) -> Answer:
    """CreateDisk: a data disk, in a zone or attached to an instance.

    It is empty, or has the content of a snapshot of a data disk.
    """
    parameters = call.parameters
    region = call.region
    zone_id = parameters.text("ZoneId")
    instance = call.optional(call.state.instances, "InstanceId")
    if instance is not None:
        if zone_id:
            raise refusals.of("InvalidParam.ZoneIdAndInstanceId.Conflict")
        zone_id = instance.zone
    zone_id = zone_id or parameters.require("ZoneId")
    if all(zone.id != zone_id for zone in region.zones):
        raise refusals.ZONE_NOT_FOUND()
    snapshot = snapshot_of_request(call, parameters)
    category = parameters.text("DiskCategory", "cloud_essd" if instance else "cloud")
    if category not in disk_categories.CATEGORIES:
        raise refusals.not_supported("DiskCategory")
    level = performance_level(parameters, category)
    limits = disk_categories.CATEGORIES[category]
    if snapshot is None:
        parameters.require("Size")
    least = max(limits.data_min, disk_categories.PERFORMANCE_LEVELS.get(level, 0))
    size = parameters.integer(
        "Size",
        max(least, snapshot.size_gib if snapshot else 0),
        least=limits.data_min,
        most=limits.data_max,
        error=_AUTO_SIZE() if category == AUTO else refusals.DISK_SIZE(),
    )
    if size < least:
        raise _LEVEL_OF_SIZE()
    if snapshot is not None and size < snapshot.size_gib:
        raise refusals.of("InvalidDiskSize.TooSmall#than-snapshot")
    name, description = _name_and_description(parameters)
    multi_attach = _multi_attach(parameters, category)
    tags = tags_of_request(parameters)
    if len(call.state.disks) >= call.state.offer.quota("disks"):
        raise refusals.QUOTA_OF_DISKS()
    disk_id = new_id("d", region.id)
    disk = call.state.disks.put(
        Disk(
            id=disk_id,
            region=region.id,
            zone=zone_id,
            name=name,
            description=description,
            kind="data",
            category=category,
            size_gib=size,
            # From a snapshot it is copied first, unless its instance has to have it at once.
            status="Creating" if snapshot is not None and instance is None else "Available",
            created=timestamp(),
            snapshot_id=snapshot.id if snapshot else "",
            performance_level=level,
            **disk_options(parameters, category, size),
            delete_with_instance=False,
            delete_auto_snapshot=False,
            multi_attach=multi_attach,
            resource_group_id=parameters.text("ResourceGroupId"),
            serial_number=disk_id[2:],
        )
    )
    put_tags(call.state, "disk", disk.id, region.id, tags)
    call.lifecycle.storage.make_disk(disk)
    if instance is not None:
        _attach_disk(call, disk, instance)
    ordered = instance is not None and instance.charge_type == "PrePaid"
    return {"DiskId": disk.id, "OrderId": new_order_id() if ordered else ""}


def attach_disk(call: Call) -> None:
    """AttachDisk: a free disk to an instance of its zone."""
    instance = call.required(call.state.instances, "InstanceId")
    disk = call.required(call.state.disks, "DiskId")
    _attach_disk(call, disk, instance)


def detach_disk(call: Call) -> None:
    """DetachDisk: a data disk from its instance."""
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    disk = call.required(call.state.disks, "DiskId")
    if disk.kind == "system":
        raise ApiError("DiskNotPortable", "The specified disk is not a portable disk.", 403)
    if disk.instance_id != instance.id:
        raise refusals.of("DependencyViolation#not-attached")
    check_status(instance, "Running", "Stopped")
    call.lifecycle.storage.unplug_disk(disk)
    call.state.disks.put(
        replace(
            disk,
            instance_id="",
            device="",
            status="Available",
            detached=timestamp(),
            delete_with_instance=parameters.boolean("DeleteWithInstance"),
        )
    )


def delete_disk(call: Call) -> None:
    """DeleteDisk: one that no instance has."""
    disk = call.required(call.state.disks, "DiskId")
    if disk.status != "Available":
        raise refusals.DISK_STATUS()
    forget_disk(call.state, disk)
    call.lifecycle.removals.begin()


def resize_disk(call: Call) -> Answer:
    """ResizeDisk: larger only; online, the guest sees it while it runs."""
    parameters = call.parameters
    disk = call.required(call.state.disks, "DiskId")
    check_whole(disk)
    how = parameters.choice(
        "Type",
        ("offline", "online"),
        error=ApiError("InvalidParam.Type", "The specified type is not supported."),
    )
    limits = disk_categories.CATEGORIES[disk.category]
    most = limits.system_max if disk.kind == "system" else limits.data_max
    size = parameters.integer("NewSize")
    if size > most:
        raise refusals.of("InvalidDiskSize.TooLarge")
    if size <= disk.size_gib:
        raise refusals.of("InvalidDiskSize.TooSmall#than-now")
    if how == "online":
        _check_online(call, disk)
    elif disk.instance_id:
        check_status(call.find(call.state.instances, disk.instance_id), "Running", "Stopped")
    bigger = call.state.disks.put(replace(disk, size_gib=size))
    if disk.kind == "data":
        call.lifecycle.storage.make_disk(bigger, online=how == "online")
    return {"OrderId": _order_of(disk)}


def _check_online(call: Call, disk: Disk) -> None:
    """Refuse to grow a disk online that is basic, or that no running instance has."""
    if disk.category == "cloud":
        raise refusals.of("InvalidDiskCategory.NotSupported#online")
    instance = call.state.instances.get(disk.instance_id)
    if instance is None:
        raise refusals.DISK_STATUS()
    check_status(instance, "Running", refusal=Refusal("InvalidInstanceStatus.NotRunning"))


def modify_disk_attribute(call: Call) -> None:
    """ModifyDiskAttribute: name, description, and what becomes of it with its instance."""
    parameters = call.parameters
    parameters.only_one("DiskId", "DiskIds")
    ids = parameters.listed("DiskIds", most=MAX_DISKS_AT_ONCE)
    name, description = _name_and_description(parameters)
    for disk_id in ids or [parameters.require("DiskId")]:
        disk = call.find(call.state.disks, disk_id)
        call.state.disks.put(
            replace(
                disk,
                name=name or disk.name,
                description=description or disk.description,
                bursting_enabled=bursting_enabled(parameters, disk.category, disk.bursting_enabled),
                delete_with_instance=parameters.boolean(
                    "DeleteWithInstance", disk.delete_with_instance
                ),
                delete_auto_snapshot=parameters.boolean(
                    "DeleteAutoSnapshot", disk.delete_auto_snapshot
                ),
                enable_auto_snapshot=parameters.boolean(
                    "EnableAutoSnapshot", disk.enable_auto_snapshot
                ),
            )
        )


def modify_disk_spec(call: Call) -> Answer:
    """ModifyDiskSpec: another category or performance level, or other provisioned IOPS."""
    parameters = call.parameters
    disk = call.required(call.state.disks, "DiskId")
    check_whole(disk)
    category = parameters.text("DiskCategory", disk.category)
    if category not in disk_categories.CATEGORIES or "cloud" in (category, disk.category):
        raise refusals.not_supported("DiskCategory")
    level = performance_level(parameters, category)
    iops = disk.provisioned_iops if category == disk.category else 0
    if parameters.given("ProvisionedIops"):
        iops = provisioned_iops(parameters, category, disk.size_gib)
    changed = replace(disk, category=category, performance_level=level, provisioned_iops=iops)
    if category != AUTO:
        changed = replace(changed, bursting_enabled=False)
    if changed == disk:
        raise ApiError("NoChangeInDiskCategory.NotSupported", "No change in disk category.")
    if disk.instance_id:
        instance = call.find(call.state.instances, disk.instance_id)
        check_status(instance, "Running", "Stopped")
        if category not in disk_categories.supported_categories(
            known_instance_type(instance.instance_type)
        ):
            raise _CATEGORY_OF_TYPE()
    limits = disk_categories.CATEGORIES[category]
    if disk.size_gib < disk_categories.PERFORMANCE_LEVELS.get(level, 0):
        raise _LEVEL_OF_SIZE()
    if disk.size_gib < limits.data_min:
        raise refusals.DISK_SIZE()
    call.state.disks.put(changed)
    migrated = category != disk.category
    return {"OrderId": _order_of(disk), "TaskId": new_id("t", disk.region) if migrated else ""}


def _multi_attach(parameters: Parameters, category: str) -> bool:
    """Return whether the disk may have several instances; raises its refusals."""
    enabled = (
        parameters.choice("MultiAttach", ("Disabled", "Enabled"), error=_MULTI_ATTACH())
        == "Enabled"
    )
    if enabled and parameters.given("InstanceId"):
        raise refusals.of("InvalidParameter.MultiAttachAndInstanceIdConflict")
    if enabled and category != "cloud_essd":
        raise refusals.of("InvalidParameter.DiskCategoryAndMultiAttachNotMatch")
    return enabled


def _order_of(disk: Disk) -> str:
    """Return the number of the order that a change of a subscription's disk makes, else ""."""
    return new_order_id() if disk.charge_type == "PrePaid" else ""


def _attach_disk(call: Call, disk: Disk, instance: Instance) -> None:
    parameters = call.parameters
    if disk.zone != instance.zone:
        raise refusals.of("ResourcesNotInSameZone")
    if disk.status != "Available":
        raise refusals.DISK_STATUS()
    check_status(instance, "Running", "Stopped")
    kind = known_instance_type(instance.instance_type)
    if disk.category not in disk_categories.supported_categories(kind):
        raise _CATEGORY_OF_TYPE()
    taken = {other.device for other in attached_disks(call.state, instance.id)}
    if len(taken) >= kind.disks:
        raise refusals.of("InstanceDiskLimitExceeded")
    attached = call.state.disks.put(
        replace(
            disk,
            instance_id=instance.id,
            device=device_of_request(parameters, taken),
            status="In_use",
            attached=timestamp(),
            delete_with_instance=parameters.boolean("DeleteWithInstance"),
        )
    )
    call.lifecycle.storage.plug_disk(attached)


def _name_and_description(parameters: Parameters) -> tuple[str, str]:
    return checked_text(parameters, "DiskName", valid_name), checked_description(parameters)


def _disk_view(call: Call, disk: Disk) -> dict[str, Any]:
    attachments = (
        [{"InstanceId": disk.instance_id, "Device": disk.device, "AttachedTime": disk.attached}]
        if disk.instance_id
        else []
    )
    iops = disk_categories.baseline_iops(disk.size_gib) + disk.provisioned_iops
    throughput = min(350, 120 + disk.size_gib // 2)
    return {
        **api_fields(disk, "Disk"),
        "Portable": disk.kind == "data",
        "Attachments": {"Attachment": attachments},
        "MountInstanceNum": len(attachments),
        "MountInstances": {"MountInstance": attachments},
        "MultiAttach": "Enabled" if disk.multi_attach else "Disabled",
        "EnableAutomatedSnapshotPolicy": bool(disk.auto_snapshot_policy_id),
        "IOPS": iops,
        "IOPSRead": iops,
        "IOPSWrite": iops,
        "Throughput": throughput,
        "ThroughputRead": throughput,
        "ThroughputWrite": throughput,
        "Tags": ecs_tags(call.state.disks.tags(disk.id)),
    }


DISKS = Listing(
    Disk,
    "Disks.Disk",
    by.newest(lambda state: state.disks),
    _disk_view,
    (
        by.one_of("DiskIds", "id", Parameters.json_list),
        by.equals(
            "DiskType", "kind", ("system", "data", "all"), refusals.not_supported, everything="all"
        ),
        by.equals(
            "Status",
            "status",
            (*STATUSES, "All"),
            refusals.not_supported,
            everything="All",
            spelled=str.capitalize,
        ),
        by.equals("ZoneId", "zone"),
        by.equals(
            "Category",
            "category",
            ("all", *disk_categories.CATEGORIES, *disk_categories.NEVER_HERE),
            refusals.not_supported,
            everything="all",
        ),
        by.equals("InstanceId", "instance_id"),
        by.like("DiskName", "name"),
        by.equals("DiskChargeType", "charge_type", ("PrePaid", "PostPaid"), refusals.not_found),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.equals("SnapshotId", "snapshot_id"),
        by.equals("KMSKeyId", "kms_key_id"),
        by.is_true("Encrypted", "encrypted"),
        by.is_true("DeleteWithInstance", "delete_with_instance"),
        by.is_true("DeleteAutoSnapshot", "delete_auto_snapshot"),
        by.is_true("EnableAutoSnapshot", "enable_auto_snapshot"),
        by.is_true("Portable", lambda call, disk: disk.kind == "data"),
        by.equals("AutoSnapshotPolicyId", "auto_snapshot_policy_id"),
        by.is_true("EnableAutomatedSnapshotPolicy", "auto_snapshot_policy_id"),
        by.equals("PerformanceLevel", "performance_level"),
        by.equals(
            "MultiAttach",
            lambda call, disk: "Enabled" if disk.multi_attach else "Disabled",
            ("Disabled", "Enabled", "LegacyShared"),
            _MULTI_ATTACH,
        ),
        # Shared Block Storage was before multi-attach, and none is here.
        by.never_true("EnableShared"),
        by.times_between(Creation="created"),
        by.always("LockReason", "", ("financial", "security"), refusals.not_found),
        by.tagged("disk"),
    ),
    paging=partial(page, results=(10, 500)),
)
