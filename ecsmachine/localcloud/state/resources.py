"""Finding resources, and what hangs on what."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.addresses import unbind_eips
from ecsmachine.localcloud.state.interfaces import leave_interfaces
from ecsmachine.localcloud.state.model import Disk, Instance, InstanceStatus, Removal, Snapshot
from ecsmachine.localcloud.state.servers import forget_server
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.state.tagging import drop_tags


def forget_snapshot(state: State, snapshot: Snapshot) -> None:
    """Take a snapshot out of the state; its file is left as a :class:`Removal`."""
    state.snapshots.remove(snapshot.id)
    state.removals.put(Removal(snapshot.id, "snapshot", snapshot.turn))


def image_with_id(images: Iterable[Image], image_id: str) -> Image | None:
    """Return the image of that id, or None."""
    return next((image for image in images if image.id == image_id), None)


def check_status(
    instance: Instance, *statuses: InstanceStatus, refusal: Refusal = refusals.INSTANCE_STATUS
) -> None:
    """Raise ``IncorrectInstanceStatus`` unless the instance is in one of these states."""
    if instance.status not in statuses:
        raise refusal()


def check_whole(disk: Disk) -> None:
    """Raise ``IncorrectDiskStatus`` for a disk that is being made or reset."""
    if disk.status not in ("In_use", "Available") or disk.wipe:
        raise refusals.DISK_STATUS()


def status_now(ready_at: float, settled: str = "Available", moving: str = "Pending") -> str:
    """Return the status of something that is ``moving`` until ``ready_at``."""
    return moving if ready_at > time.time() else settled


def attached_disks(state: State, instance_id: str) -> list[Disk]:
    """Return the disks of an instance, the system disk first, then by device."""
    disks = [disk for disk in state.disks if disk.instance_id == instance_id]
    return sorted(disks, key=lambda disk: (disk.kind != "system", disk.device))


def guest_device(device: str) -> str:
    """Return the name in the guest for ``/dev/xvdb`` (or ``/dev/vdb``) of the API."""
    return "vd" + device.removeprefix("/dev/").removeprefix("x").removeprefix("vd")


def public_address(state: State, instance: Instance) -> str:
    """Return the address that the instance has on the internet, or ""."""
    eip = state.eips.get(instance.eip_id)
    return eip.address if eip is not None else instance.public_ip


def forget_instance(state: State, instance: Instance) -> None:
    """Remove an instance from the state with all that belongs to it; inside a transaction.

    Its guest becomes a :class:`Removal`, and so do the files of the disks that are released with
    it; other disks and its EIP become free.
    """
    state.instances.remove(instance.id)
    drop_tags(state, "eni", instance.network_interface_id, None)
    leave_interfaces(state, instance.id)
    state.removals.put(
        Removal(
            instance.id,
            "instance",
            instance.id,
            instance.private_ip,
            instance.public_ip,
            instance.secondary_ips,
        )
    )
    for disk in attached_disks(state, instance.id):
        if disk.kind == "system" or disk.delete_with_instance:
            forget_disk(state, disk)
        else:
            state.disks.put(
                replace(disk, instance_id="", device="", status="Available", detached=timestamp())
            )
    unbind_eips(state, instance.id)
    forget_server(state, instance.id, instance.network_interface_id)


def forget_disk(state: State, disk: Disk) -> None:
    """Take a disk out of the state; the file of a data disk is left as a :class:`Removal`."""
    state.disks.remove(disk.id)
    if disk.kind == "data":
        state.removals.put(Removal(disk.id, "disk", disk.instance_id))
