"""New system disks for instances that there are, and disks as they were in the beginning."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.images import image_of_request
from ecsmachine.localcloud.actions.instance_creation import (
    password_of_request,
    public_key_of_request,
)
from ecsmachine.localcloud.actions.instance_disks import system_disk_of_request
from ecsmachine.localcloud.catalog.disk_categories import supported_categories
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.state.images import from_image, new_system_disk
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import attached_disks, check_status


def replace_system_disk(call: Call) -> Answer:
    """ReplaceSystemDisk: a Stopped instance gets a new one, made from another image."""
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    check_status(instance, "Stopped")
    image = image_of_request(call)
    kind = known_instance_type(instance.instance_type)
    if kind.image_architecture != image.architecture:
        raise refusals.IMAGE_OF_TYPE()
    old = attached_disks(call.state, instance.id)[0]
    least = max(old.size_gib, image.size_gib)
    # By default it is as large as the former disk.
    wanted = {"SystemDisk.Size": str(least)} | {
        name: value for name, value in parameters.values.items() if name.startswith("SystemDisk.")
    }
    values = {**wanted, "SystemDisk.Category": old.category}
    if old.performance_level:
        values.setdefault("SystemDisk.PerformanceLevel", old.performance_level)
    request = system_disk_of_request(
        parameters.with_values(values).struct("SystemDisk"), supported_categories(kind), image
    )
    disk = new_system_disk(
        call.state,
        old,
        image,
        size_gib=request.size_gib,
        performance_level=request.performance_level,
        encrypted=parameters.boolean("Encrypted"),
        kms_key_id=parameters.text("KMSKeyId"),
    )
    _give_new_system_disk(call, from_image(instance, image))
    return {"DiskId": disk.id}


def reinit_disk(call: Call) -> None:
    """ReInitDisk: reset a disk to its origin: its image, its snapshot, or nothing."""
    disk = call.required(call.state.disks, "DiskId")
    if not disk.instance_id:
        raise refusals.DISK_STATUS()
    instance = call.find(call.state.instances, disk.instance_id)
    check_status(instance, "Stopped")
    if disk.kind == "system":
        if instance.root_snapshot_id:
            call.find(call.state.snapshots, instance.root_snapshot_id)
        _give_new_system_disk(call, instance)
    else:
        if disk.snapshot_id:
            call.find(call.state.snapshots, disk.snapshot_id)
        call.lifecycle.storage.wipe_disk(call.state.disks.put(replace(disk, wipe=True)))
    if call.parameters.boolean("AutoStartInstance"):
        call.state.instances.put(
            replace(call.find(call.state.instances, instance.id), status="Starting")
        )
        call.lifecycle.instances.start(instance.id)


def _give_new_system_disk(call: Call, instance: Instance) -> None:
    call.parameters.choice("SecurityEnhancementStrategy", ("Active", "Deactive"))
    password = password_of_request(call.parameters)
    public_key = public_key_of_request(call, instance.region)
    call.state.instances.put(
        replace(
            instance,
            key_pair=call.parameters.text("KeyPairName"),
            public_key=public_key,
            has_password=password is not None,
            new_system_disk=True,
        )
    )
    call.lifecycle.instances.make_system_disk(instance.id, password)
