"""Snapshots of disks, and disks as a snapshot has them."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import minutes, parse, timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import checked_description, checked_text, valid_name
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.images import snapshots_of
from ecsmachine.localcloud.state.model import Disk, Snapshot
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import attached_disks, check_whole, forget_snapshot
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request

MAX_OF_DISK = 256
STATUSES = ("progressing", "accomplished", "failed", "all")


def create_snapshot(call: Call) -> Answer:
    """CreateSnapshot: of a disk that is attached, or has been."""
    parameters = call.parameters
    disk = call.required(call.state.disks, "DiskId")
    name, description = _name_and_description(parameters)
    days = _retention_days(parameters, 0)
    tags = tags_of_request(parameters)
    snapshot = snapshot_of_disk(call, disk, name, description, days)
    put_tags(call.state, "snapshot", snapshot.id, disk.region, tags)
    return {"SnapshotId": snapshot.id}


def snapshot_of_disk(
    call: Call, disk: Disk, name: str, description: str, retention_days: int
) -> Snapshot:
    """Make a snapshot of a disk, and have its file made; raises the refusals of the disk."""
    _check_disk(call, disk)
    instance = call.state.instances.get(disk.instance_id)
    base = instance.base_image_id or instance.image_id if instance else ""
    snapshot = call.state.snapshots.put(
        Snapshot(
            id=new_id("s", disk.region),
            region=disk.region,
            name=name,
            description=description,
            disk_id=disk.id,
            disk_kind=disk.kind,
            size_gib=disk.size_gib,
            status="progressing",
            created=timestamp(),
            modified=timestamp(),
            turn=disk.instance_id or disk.id,
            retention_days=retention_days,
            expires=_expires(retention_days, time.time()),
            encrypted=disk.encrypted,
            kms_key_id=disk.kms_key_id,
            resource_group_id=call.parameters.text("ResourceGroupId"),
            base_image_id=base if disk.kind == "system" else "",
        )
    )
    call.lifecycle.storage.make_snapshot(snapshot)
    return snapshot


def copy_of_snapshot(call: Call, snapshot: Snapshot, region: str) -> Snapshot:
    """Make a copy of a snapshot in a region, and have its file made."""
    new_snapshot_id = new_id("s", region)
    copy = call.state.snapshots.put(
        replace(
            snapshot,
            id=new_snapshot_id,
            region=region,
            status="progressing",
            created=timestamp(),
            modified=timestamp(),
            turn=new_snapshot_id,
            copied_from=snapshot.id,
        )
    )
    call.lifecycle.storage.make_snapshot(copy)
    return copy


def modify_snapshot_attribute(call: Call) -> None:
    """ModifySnapshotAttribute: name, description, and how long it is kept."""
    parameters = call.parameters
    snapshot = call.required(call.state.snapshots, "SnapshotId")
    name, description = _name_and_description(parameters)
    days = _retention_days(parameters, snapshot.retention_days)
    if days < snapshot.retention_days:
        raise refusals.of("InvalidOperation.DecreaseRetentionDaysUnsupported")
    call.state.snapshots.put(
        replace(
            snapshot,
            name=name or snapshot.name,
            description=description or snapshot.description,
            retention_days=days,
            expires=_expires(days, parse(snapshot.created)),
            modified=timestamp(),
        )
    )


def delete_snapshot(call: Call) -> None:
    """DeleteSnapshot: with ``Force`` also one that disks were made from.

    One that is not there is passed over, and one that is being made is cancelled.
    """
    snapshot = call.state.snapshots.find_or_none(
        call.parameters.require("SnapshotId"), region=call.region_id
    )
    if snapshot is None:
        return
    force, usage = call.parameters.boolean("Force"), _usage(call, snapshot)
    if "image" in usage:
        raise refusals.of("SnapshotCreatedImage")
    if usage == "disk" and not force:
        raise ApiError("SnapshotCreatedDisk", "The snapshot has been used to create disk(s).", 403)
    if any(_is_being_made_from(call, disk, snapshot.id) for disk in call.state.disks):
        raise refusals.DISK_STATUS()
    forget_snapshot(call.state, snapshot)
    call.lifecycle.removals.begin()


def reset_disk(call: Call) -> None:
    """ResetDisk: reset a disk of a Stopped instance to one of its snapshots."""
    disk = call.required(call.state.disks, "DiskId")
    snapshot = call.required(call.state.snapshots, "SnapshotId")
    if snapshot.disk_id != disk.id:
        raise refusals.of("InvalidParameter.Mismatch#snapshot-of-another")
    check_accomplished(snapshot)
    if not disk.instance_id or disk.wipe:
        raise refusals.DISK_STATUS()
    instance = call.find(call.state.instances, disk.instance_id)
    if instance.status != "Stopped" or instance.new_system_disk:
        raise refusals.INSTANCE_STATUS()
    call.lifecycle.storage.wipe_disk(
        call.state.disks.put(replace(disk, wipe=True, restore_from=snapshot.id))
    )


def check_accomplished(snapshot: Snapshot) -> None:
    """Refuse a snapshot that is still being made, or never was."""
    if snapshot.status != "accomplished":
        raise refusals.of("InvalidSnapshotId.NotReady")


def check_source(snapshot: Snapshot) -> None:
    """Refuse a snapshot that cannot become a data disk.

    Real ECS also accepts one of a system disk; here that is not an image of a block device.
    """
    check_accomplished(snapshot)
    if snapshot.disk_kind != "data":
        raise refusals.of("InvalidSnapshotId.NotDataDiskSnapshot")


def _check_disk(call: Call, disk: Disk) -> None:
    check_whole(disk)
    if not disk.attached:
        raise refusals.of("IncorrectDiskStatus.NeverAttached")
    if disk.instance_id:
        instance = call.find(call.state.instances, disk.instance_id)
        if "security" in instance.locks:
            raise refusals.SECURITY_LOCK()
        if instance.status not in ("Running", "Stopped") or instance.new_system_disk:
            raise refusals.INSTANCE_STATUS()
    its_own = [item for item in call.state.snapshots if item.disk_id == disk.id]
    if any(item.status == "progressing" for item in its_own):
        raise refusals.of("IncorrectDiskStatus.CreatingSnapshot")
    if len(its_own) >= MAX_OF_DISK:
        raise ApiError("QuotaExceed.Snapshot", "The snapshot quota exceeds.", 403)


def _is_being_made_from(call: Call, disk: Disk, snapshot_id: str) -> bool:
    """Return whether a disk is being made from the snapshot at this moment."""
    if disk.wipe:
        return (disk.restore_from or disk.snapshot_id) == snapshot_id
    instance = call.state.instances.get(disk.instance_id)
    unmade = disk.status == "Creating" or (
        instance is not None and (not instance.made or instance.new_system_disk)
    )
    root = instance.root_snapshot_id if instance is not None and disk.kind == "system" else ""
    return unmade and snapshot_id in (disk.snapshot_id, root)


def _retention_days(parameters: Parameters, default: int) -> int:
    return parameters.integer(
        "RetentionDays", default, least=1, most=65536, error=refusals.malformed
    )


def _expires(days: int, created: float) -> str:
    return minutes(created + days * 86400) if days else ""


def _name_and_description(parameters: Parameters) -> tuple[str, str]:
    name = checked_text(
        parameters, "SnapshotName", lambda name: valid_name(name) and not name.startswith("auto")
    )
    return name, checked_description(parameters, refusals.of("InvalidDescription.Malformed"))


def _usage(call: Call, snapshot: Snapshot) -> str:
    uses = {
        "image": any(snapshot.id in snapshots_of(item) for item in call.state.custom_images),
        "disk": any(disk.snapshot_id == snapshot.id for disk in call.state.disks),
    }
    return "_".join(name for name, used in uses.items() if used) or "none"


def _link_id(call: Call, snapshot: Snapshot) -> str:
    return f"sl-{snapshot.disk_id[2:]}"


def _snapshot_view(call: Call, snapshot: Snapshot) -> dict[str, Any]:
    done = snapshot.status == "accomplished"
    source = call.state.snapshots.get(snapshot.copied_from)
    return {
        **api_fields(snapshot, "Snapshot"),
        "SnapshotSN": snapshot.id[2:],
        "SnapshotLinkId": _link_id(call, snapshot),
        "SourceDiskSize": str(snapshot.size_gib),
        "SourceRegionId": "" if source is None else source.region,
        "Available": done,
        "Progress": "100%" if done else "0%",
        "Usage": _usage(call, snapshot),
        "Tags": ecs_tags(call.state.snapshots.tags(snapshot.id)),
    }


def _by_instance(call: Call) -> Test[Snapshot] | None:
    instance = call.optional(call.state.instances, "InstanceId")
    if instance is None:
        return None
    disks = {disk.id for disk in attached_disks(call.state, instance.id)}
    return lambda snapshot: snapshot.disk_id in disks


SNAPSHOTS = Listing(
    Snapshot,
    "Snapshots.Snapshot",
    by.newest(lambda state: state.snapshots),
    _snapshot_view,
    (
        by.one_of("SnapshotIds", "id", Parameters.json_list),
        Filter(("InstanceId",), _by_instance),
        by.equals("DiskId", "disk_id"),
        by.equals("SnapshotName", "name"),
        by.equals("Status", "status", STATUSES, refusals.not_found, everything="all"),
        by.equals(
            "SourceDiskType",
            "disk_kind",
            ("system", "data"),
            Refusal("InvalidSourceDiskType"),
            spelled=str.lower,
        ),
        by.equals(
            "Usage", _usage, ("image", "disk", "image_disk", "none"), Refusal("InvalidUsage")
        ),
        by.equals("KMSKeyId", "kms_key_id"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.equals("SnapshotLinkId", _link_id),
        by.always(
            "Category",
            "standard",
            ("standard", "flash", "archive"),
            Refusal("InvalidSnapshotCategory.Malformed"),
            spelled=str.lower,
        ),
        by.times_between(Creation="created"),
        by.always(
            "SnapshotType", "user", ("auto", "user", "all"), refusals.not_found, everything="all"
        ),
        by.is_true("Encrypted", "encrypted"),
        by.tagged("snapshot"),
    ),
    paging=partial(page, results=(10, 100)),
)
