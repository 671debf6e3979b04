"""Custom images, created from snapshots: changes, copies to regions, sharing with accounts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_disks import device_of_request
from ecsmachine.localcloud.actions.snapshots import (
    check_accomplished,
    check_source,
    copy_of_snapshot,
    snapshot_of_disk,
)
from ecsmachine.localcloud.catalog.images import ImageDisk
from ecsmachine.localcloud.catalog.regions import find_region
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import (
    checked_description,
    checked_text,
    valid_name,
)
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.images import own_status, snapshots_of
from ecsmachine.localcloud.state.model import CustomImage, Snapshot
from ecsmachine.localcloud.state.resources import attached_disks, forget_snapshot, image_with_id
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request

BOOT_MODES = ("BIOS", "UEFI", "UEFI-Preferred")


def create_image(call: Call) -> Answer:
    """CreateImage: of an instance's system disk, or of a snapshot of one."""
    parameters = call.parameters
    region = call.region
    name, description, family = _texts_of_request(call)
    check_new_image(call, name, call.region.id)
    tags = tags_of_request(parameters)
    image_id = new_id("m", region.id)
    snapshot, data_disks = _sources(call, image_id)
    image = call.state.custom_images.put(
        CustomImage(
            id=image_id,
            region=region.id,
            name=name or image_id,
            description=description,
            family=family,
            version=parameters.text("ImageVersion"),
            base_image_id=snapshot.base_image_id,
            snapshot_id=snapshot.id,
            size_gib=snapshot.size_gib,
            created=timestamp(),
            resource_group_id=parameters.text("ResourceGroupId"),
            data_disks=data_disks,
            boot_mode=parameters.choice("BootMode", ("", *BOOT_MODES)),
            imds_support=parameters.choice("Features.ImdsSupport", ("", "v1", "v2")),
        )
    )
    put_tags(call.state, "image", image.id, region.id, tags)
    return {"ImageId": image.id}


def modify_image_attribute(call: Call) -> None:
    """ModifyImageAttribute: name, description, family, status, and declared features."""
    parameters = call.parameters
    image = call.required(call.state.custom_images, "ImageId")
    name, description, family = _texts_of_request(call)
    imds = parameters.choice("Features.ImdsSupport", ("", "v1", "v2"))
    if imds == "v1" and image.imds_support != "v1":
        raise invalid_parameter("Features.ImdsSupport", "It cannot be changed from v2 to v1.")
    status = parameters.choice("Status", ("", "Available", "Deprecated"))
    if status == "Deprecated" and image.shared_with:
        raise refusals.of("InvalidOperation.ImageShared")
    _check_free(call, "" if name == image.name else name, image.region)
    call.state.custom_images.put(
        replace(
            image,
            name=name or image.name,
            description=description or image.description,
            family=family or image.family,
            deprecated=status == "Deprecated" if status else image.deprecated,
            boot_mode=parameters.choice("BootMode", BOOT_MODES, image.boot_mode),
            imds_support=imds or image.imds_support,
            nvme_support=parameters.choice(
                "Features.NvmeSupport", ("supported", "unsupported"), image.nvme_support
            ),
            license_type=parameters.choice("LicenseType", ("BYOL",), image.license_type),
        )
    )


def delete_image(call: Call) -> None:
    """DeleteImage: with ``Force`` also one that instances were made from. Its snapshot stays.

    One that is not there is passed over.
    """
    image_id = call.parameters.require("ImageId")
    if image_with_id(call.images, image_id):
        raise refusals.IMAGE_NOT_FOUND()
    image = call.state.custom_images.find_or_none(image_id, region=call.region_id)
    if image is None:
        return
    force = call.parameters.boolean("Force")
    used = any(instance.image_id == image.id for instance in call.state.instances)
    if used and not force:
        raise refusals.of("ImageUsingByInstance")
    call.state.custom_images.remove(image.id)


def own_view(call: Call, own: CustomImage) -> dict[str, Any]:
    """Return the fields of DescribeImages in which a custom image differs from a public one."""
    status = own_status(call.state, own)
    return {
        "ImageName": own.name,
        "ImageOwnerAlias": "self",
        "ImageOwnerId": int(call.state.account.id),
        "Description": own.description,
        "Status": status,
        "Progress": "100%" if status in ("Available", "Deprecated") else "0%",
        "Usable": status in ("Available", "Deprecated"),
        **({"BootMode": own.boot_mode} if own.boot_mode else {}),
        **({"LicenseType": own.license_type} if own.license_type else {}),
        "IsPublic": False,
        "IsCopied": bool(own.copied_from),
        "IsSelfShared": "True" if own.shared_with else "False",
        "ResourceGroupId": own.resource_group_id,
        "DiskDeviceMappings": {
            "DiskDeviceMapping": [
                _mapping_view("system", ImageDisk("/dev/xvda", own.snapshot_id, own.size_gib)),
                *(_mapping_view("data", disk) for disk in own.data_disks),
            ]
        },
        "Tags": ecs_tags(call.state.custom_images.tags(own.id)),
    }


def _mapping_view(kind: str, disk: ImageDisk) -> dict[str, Any]:
    return {
        **fixed("ImageDisk"),
        "SnapshotId": disk.snapshot_id,
        "Type": kind,
        "Device": disk.device,
        "Size": str(disk.size_gib),
    }


def _sources(call: Call, image_id: str) -> tuple[Snapshot, tuple[ImageDisk, ...]]:
    """Return the snapshot of the system disk that an image is made of, and its data disks.

    Of an instance, the snapshots of its disks are made first.
    """
    parameters = call.parameters
    mappings = parameters.structs("DiskDeviceMapping")
    if parameters.text("SnapshotId"):
        return _system_snapshot(call, parameters.text("SnapshotId")), ()
    if mappings:
        return _sources_of_mappings(call, mappings)
    instance = call.required(call.state.instances, "InstanceId")
    system, *data = attached_disks(call.state, instance.id)
    name = f"Created_from_{image_id}"
    snapshot = snapshot_of_disk(call, system, name, "", 0)
    brought = (
        ImageDisk(disk.device, snapshot_of_disk(call, disk, name, "", 0).id, disk.size_gib)
        for disk in data
    )
    return snapshot, tuple(brought)


def _sources_of_mappings(
    call: Call, mappings: Sequence[Parameters]
) -> tuple[Snapshot, tuple[ImageDisk, ...]]:
    """Return the same of ``DiskDeviceMapping.N``: snapshots, one of them of a system disk."""
    system: Snapshot | None = None
    data: list[ImageDisk] = []
    taken = {"/dev/xvda"}
    for mapping in mappings:
        kind = mapping.choice("DiskType", ("", "system", "data")) or (
            "data" if system is not None else "system"
        )
        if kind == "system":
            if system is not None:
                raise invalid_parameter(mapping.name("DiskType"))
            system = _system_snapshot(call, mapping.require("SnapshotId"))
            continue
        snapshot = call.find(call.state.snapshots, mapping.require("SnapshotId"))
        check_source(snapshot)
        device = device_of_request(mapping, taken)
        taken.add(device)
        size = mapping.integer("Size", snapshot.size_gib, least=snapshot.size_gib, most=65536)
        data.append(ImageDisk(device, snapshot.id, size))
    if system is None:
        raise missing_parameter("DiskDeviceMapping.1.SnapshotId")
    return system, tuple(data)


def _system_snapshot(call: Call, snapshot_id: str) -> Snapshot:
    snapshot = call.find(call.state.snapshots, snapshot_id)
    check_accomplished(snapshot)
    if snapshot.disk_kind != "system":
        raise refusals.of("InvalidSnapshotId.NotSystemSnapshot")
    return snapshot


def _texts_of_request(call: Call) -> tuple[str, str, str]:
    """Return name, description and family of a request; raises their refusals."""
    parameters = call.parameters
    return (
        checked_text(parameters, "ImageName", valid_image_name),
        checked_description(parameters),
        checked_text(parameters, "ImageFamily", valid_image_name),
    )


def valid_image_name(name: str) -> bool:
    """Whether an image, or a family of images, may be called so."""
    return valid_name(name) and not name.lower().startswith(("acs:", "aliyun"))


def check_new_image(call: Call, name: str, region_id: str) -> None:
    """Refuse a name that a custom image of the region has, and more images than the quota."""
    _check_free(call, name, region_id)
    if len(call.state.custom_images) >= call.state.offer.quota("images"):
        raise ApiError("QuotaExceed.Image", "The Image Quota exceeds.")


def _check_free(call: Call, name: str, region_id: str) -> None:
    if name and any(item.name == name for item in call.state.custom_images.in_region(region_id)):
        raise refusals.of("InvalidImageName.Duplicated")


MAX_ACCOUNTS = 50
"""With how many accounts an image can be shared."""

_IMAGE_STATUS = Refusal("IncorrectImageStatus")


def copy_image(call: Call) -> Answer:
    """CopyImage: to a region, with its own snapshots."""
    parameters = call.parameters
    image = call.required(call.state.custom_images, "ImageId")
    region = find_region(parameters.text("DestinationRegionId", image.region))
    if region is None:
        raise refusals.REGION_NOT_FOUND()
    name = checked_text(parameters, "DestinationImageName", valid_image_name)
    description = checked_description(parameters, name="DestinationDescription")
    tags = tags_of_request(parameters)
    if own_status(call.state, image) != "Available":
        raise _IMAGE_STATUS()
    check_new_image(call, name, region.id)
    image_id = new_id("m", region.id)

    def copy_of(snapshot_id: str) -> str:
        snapshot = call.state.snapshots.find(snapshot_id, region=image.region)
        if parameters.boolean("Encrypted"):
            snapshot = replace(snapshot, encrypted=True, kms_key_id=parameters.text("KMSKeyId"))
        return copy_of_snapshot(call, snapshot, region.id).id

    copy = call.state.custom_images.put(
        replace(
            image,
            id=image_id,
            region=region.id,
            name=name or image_id,
            description=description,
            family="",
            snapshot_id=copy_of(image.snapshot_id),
            data_disks=tuple(
                replace(disk, snapshot_id=copy_of(disk.snapshot_id)) for disk in image.data_disks
            ),
            created=timestamp(),
            resource_group_id=parameters.text("ResourceGroupId"),
            copied_from=image.id,
            shared_with=(),
            shared_at={},
        )
    )
    put_tags(call.state, "image", copy.id, region.id, tags)
    return {"ImageId": copy.id}


def cancel_copy_image(call: Call) -> None:
    """CancelCopyImage: remove an unfinished copy, with its snapshots."""
    image = call.required(call.state.custom_images, "ImageId")
    if not image.copied_from:
        raise refusals.of("ImageCreatedNotFromCopy")
    if own_status(call.state, image) != "Creating":
        raise refusals.of("IncorrectImageStatus#copied")
    call.state.custom_images.remove(image.id)
    for snapshot_id in snapshots_of(image):
        forget_snapshot(call.state, call.state.snapshots.find(snapshot_id, region=image.region))
    call.lifecycle.removals.begin()


def modify_image_share_permission(call: Call) -> None:
    """ModifyImageSharePermission: which other accounts may use the image.

    A request without accounts is accepted, and changes nothing: Packer sends it after each build.
    """
    image = call.required(call.state.custom_images, "ImageId")
    added, removed = _accounts(call, "AddAccount"), _accounts(call, "RemoveAccount")
    if own_status(call.state, image) != "Available":
        raise _IMAGE_STATUS()
    snapshots = (call.state.snapshots.get(snapshot_id) for snapshot_id in snapshots_of(image))
    if added and any(snapshot is not None and snapshot.encrypted for snapshot in snapshots):
        raise refusals.of("OperationDeined.EncryptedSnapshot")
    kept = [account for account in image.shared_with if account not in (*removed, *added)]
    accounts = (*kept, *(account for account in added if account not in removed))
    if len(accounts) > MAX_ACCOUNTS:
        raise ApiError("QuotaExceed.ShareImageUser", "The shared Image user Quota exceeds.", 403)
    times = {account: image.shared_at.get(account, timestamp()) for account in accounts}
    call.state.custom_images.put(replace(image, shared_with=accounts, shared_at=times))


def describe_image_share_permission(call: Call) -> Answer:
    """DescribeImageSharePermission: which other accounts may use the image."""
    image = call.required(call.state.custom_images, "ImageId")
    accounts, fields = page_by_number(call.parameters, image.shared_with, size=10, most=100)
    return {
        **fields,
        "RegionId": image.region,
        "ImageId": image.id,
        "Accounts": {
            "Account": [
                {"AliyunId": account, "SharedTime": image.shared_at.get(account, "")}
                for account in accounts
            ]
        },
        "ShareGroups": {"ShareGroup": []},
    }


def _accounts(call: Call, name: str) -> list[str]:
    # Only the first ten count, as the reference says.
    accounts = call.parameters.listed(name)[:10]
    for account in accounts:
        if account == call.state.account.id:
            raise refusals.of("InvalidAccount.Forbidden")
        # Any id that an account could have is accepted: there are no other accounts here.
        if not re.fullmatch(r"[0-9]{6,20}", account):
            raise ApiError("InvalidAccount.NotFound", "The specified account does not exist.", 404)
    return list(dict.fromkeys(accounts))
