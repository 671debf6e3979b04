"""Images of one's own: snapshots of system disks that instances can be made from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.snapshots import check_accomplished, snapshot_of_disk
from ecsmachine.localcloud.catalog.images import Image, all_images
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import (
    checked_description,
    checked_text,
    valid_name,
)
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import CustomImage, Snapshot
from ecsmachine.localcloud.state.resources import (
    attached_disks,
    image_with_id,
)
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request

MAX_IMAGES = 100
_STATUS = {"progressing": "Creating", "accomplished": "Available", "failed": "CreateFailed"}
"""The status of an image, by that of its snapshot."""


def create_image(call: Call) -> Answer:
    """CreateImage: of an instance's system disk, or of a snapshot of one."""
    parameters = call.parameters
    region = call.region
    name, description, family = _texts_of_request(call)
    _check_new_name(call, name)
    tags = tags_of_request(parameters)
    if len(call.state.custom_images) >= MAX_IMAGES:
        raise ApiError("QuotaExceed.Image", "The Image Quota exceeds.")
    image_id = new_id("m", region.id)
    snapshot = _source_snapshot(call, image_id)
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
        )
    )
    put_tags(call.state, "image", image.id, region.id, tags)
    return {"ImageId": image.id}


def modify_image_attribute(call: Call) -> Answer:
    """ModifyImageAttribute: name, description and family."""
    image = call.required(call.state.custom_images, "ImageId")
    name, description, family = _texts_of_request(call)
    _check_new_name(call, "" if name == image.name else name)
    call.state.custom_images.put(
        replace(
            image,
            name=name or image.name,
            description=description or image.description,
            family=family or image.family,
        )
    )
    return {}


def delete_image(call: Call) -> Answer:
    """DeleteImage: with ``Force`` also one that instances were made from. Its snapshot stays."""
    image = call.required(call.state.custom_images, "ImageId")
    used = any(instance.image_id == image.id for instance in call.state.instances)
    if used and not call.parameters.boolean("Force"):
        raise ApiError(
            "ImageUsingByInstance", "The specified image has been used by instance(s).", 403
        )
    call.state.custom_images.remove(image.id)
    return {}


def images_of_account(call: Call) -> list[Image]:
    """Return the images of one's own that instances can be made from now, newest first."""
    return [image for image in own_images(call) if own_status(call, image) == "Available"]


def own_images(call: Call) -> list[Image]:
    """Return all images of one's own in the region of the request, newest first."""
    found = []
    for image in reversed(call.state.custom_images.in_region(call.region_id)):
        base = image_with_id(all_images(), image.base_image_id)
        if base is not None:
            found.append(
                replace(
                    base,
                    id=image.id,
                    family=image.family,
                    version=image.version,
                    created=image.created,
                    size_gib=image.size_gib,
                    base_id=base.id,
                    snapshot_id=image.snapshot_id,
                )
            )
    return found


def own_name(call: Call, image: Image) -> str:
    """Return the name of an image of one's own."""
    return call.find(call.state.custom_images, image.id).name


def own_status(call: Call, image: Image) -> str:
    """Return Creating, Available or CreateFailed."""
    snapshot = call.state.snapshots.get(image.snapshot_id)
    return "CreateFailed" if snapshot is None else _STATUS[snapshot.status]


def own_view(call: Call, image: Image) -> dict[str, Any]:
    """Return in what DescribeImages tells of an image of one's own it differs from a public one."""
    own = call.find(call.state.custom_images, image.id)
    status = own_status(call, image)
    return {
        "ImageName": own.name,
        "ImageOwnerAlias": "self",
        "ImageOwnerId": int(call.state.account.id),
        "Description": own.description,
        "Status": status,
        "Progress": "100%" if status == "Available" else "0%",
        "IsPublic": False,
        "ResourceGroupId": own.resource_group_id,
        "DiskDeviceMappings": {
            "DiskDeviceMapping": [
                {
                    "SnapshotId": own.snapshot_id,
                    "Type": "system",
                    "Device": "/dev/xvda",
                    "Size": str(own.size_gib),
                    "Format": "",
                    "ImportOSSBucket": "",
                    "ImportOSSObject": "",
                    "Progress": "",
                    "RemainTime": 0,
                    "Encrypted": False,
                }
            ]
        },
        "Tags": ecs_tags(call.state.custom_images.tags(image.id)),
    }


def _source_snapshot(call: Call, image_id: str) -> Snapshot:
    """Return the snapshot that an image is made of; of an instance it is made first."""
    parameters = call.parameters
    snapshot_id = parameters.text("SnapshotId") or _snapshot_of_mapping(parameters)
    if snapshot_id:
        snapshot = call.find(call.state.snapshots, snapshot_id)
        check_accomplished(snapshot)
        if snapshot.disk_kind != "system":
            raise ApiError(
                "InvalidSnapshotId.NotSystemSnapshot",
                "The specified snapshot is not of a system disk.",
                403,
            )
        return snapshot
    instance = call.required(call.state.instances, "InstanceId")
    system = attached_disks(call.state, instance.id)[0]
    return snapshot_of_disk(call, system, f"Created_from_{image_id}", "", 0)


def _snapshot_of_mapping(parameters: Parameters) -> str:
    """Return the snapshot of ``DiskDeviceMapping``: one, of a system disk."""
    mappings = parameters.structs("DiskDeviceMapping")
    if not mappings:
        return ""
    if len(mappings) > 1 or mappings[0].text("DiskType", "system") != "system":
        raise invalid_parameter(
            "DiskDeviceMapping", "The local cloud makes images of a system disk alone."
        )
    return mappings[0].require("SnapshotId")


def _texts_of_request(call: Call) -> tuple[str, str, str]:
    """Return name, description and family of a request; raises their refusals."""
    parameters = call.parameters
    return (
        checked_text(parameters, "ImageName", _valid_name),
        checked_description(parameters),
        checked_text(parameters, "ImageFamily", _valid_name),
    )


def _valid_name(name: str) -> bool:
    return valid_name(name) and not name.lower().startswith(("acs:", "aliyun"))


def _check_new_name(call: Call, name: str) -> None:
    if name and any(item.name == name for item in call.state.custom_images):
        raise ApiError(
            "InvalidImageName.Duplicated", "The specified Image name has already been used."
        )
