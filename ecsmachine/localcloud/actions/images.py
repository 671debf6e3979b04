"""Images."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.custom_images import (
    images_of_account,
    own_images,
    own_name,
    own_status,
    own_view,
)
from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.catalog.instance_types import find_instance_type, instance_types
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.state.filters import has_tags, matches, tag_filter
from ecsmachine.localcloud.state.resources import image_with_id, resource_tags

MACHINE_OF = {"X86": "x86_64", "ARM": "arm64"}
"""An instance type's architecture, in the words of images."""


def describe_images(call: Call) -> Answer:
    """DescribeImages: one's own and the public system images, each newest first."""
    parameters = call.parameters
    region = call.region
    ids = [part.strip() for part in parameters.text("ImageId").split(",") if part.strip()]
    owner = parameters.text("ImageOwnerAlias")
    if owner not in ("", "system", "self", "others", "marketplace"):
        raise ApiError(
            "InvalidImageOwnerAlias.ValueNotSupported",
            "The specified ImageOwnerAlias is not supported.",
        )
    type_id = parameters.text("InstanceType")
    kind = find_instance_type(type_id) if type_id else None
    if type_id and kind is None:
        raise ApiError("InvalidInstanceType.NotFound", "The specified InstanceType does not exist.")
    architecture = parameters.text("Architecture")
    if architecture not in ("", "i386", "x86_64", "arm64"):
        raise ApiError("InvalidArchitecture.Malformed", "The specified Architecture is not valid.")
    os_type = parameters.text("OSType").lower()
    statuses = parameters.text("Status", "Available").split(",")
    wanted_tags = tag_filter(parameters)
    family = parameters.text("ImageFamily")
    name = parameters.text("ImageName")
    public = [
        image
        for image in call.images
        if owner in ("", "system")
        and (not name or matches(name, image.id) or matches(name, image.id.removesuffix(".vhd")))
        and "Available" in statuses
        and parameters.boolean("IsPublic", True)
        and not parameters.given("SnapshotId")
        and has_tags({}, wanted_tags)
    ]
    own = [
        image
        for image in own_images(call)
        if owner in ("", "self")
        and (not name or matches(name, own_name(call, image)))
        and own_status(call, image) in statuses
        and not parameters.boolean("IsPublic", False)
        and parameters.text("SnapshotId") in ("", image.snapshot_id)
        and has_tags(resource_tags(call.state, "image", image.id), wanted_tags)
    ]
    found = [
        image
        for image in [*own, *public]
        if (not ids or image.id in ids)
        and (not family or image.family == family)
        and architecture in ("", image.architecture)
        and (kind is None or MACHINE_OF[kind.architecture] == image.architecture)
        and os_type in ("", "linux")
        and parameters.boolean("IsSupportCloudinit", True)
    ]
    part, fields = page_by_number(parameters, found)
    return {
        **fields,
        "RegionId": region.id,
        "Images": {"Image": [image_view(call, image) for image in part]},
    }


def describe_image_from_family(call: Call) -> Answer:
    """DescribeImageFromFamily: the newest image of a family."""
    call.check_region()
    family = call.parameters.require("ImageFamily")
    images = [*images_of_account(call), *call.images]
    image = next((item for item in images if item.family == family), None)
    return {"Image": image_view(call, image)} if image else {}


def describe_image_support_instance_types(call: Call) -> Answer:
    """DescribeImageSupportInstanceTypes: the types of the image's architecture."""
    region = call.region
    image_id = call.parameters.text("ImageId")
    images = [*call.images, *images_of_account(call)]
    image = image_with_id(images, image_id) if image_id else None
    if image_id and image is None:
        raise refusals.IMAGE_NOT_FOUND()
    return {
        "RegionId": region.id,
        "ImageId": image_id,
        "InstanceTypes": {
            "InstanceType": [
                {
                    "InstanceTypeId": kind.id,
                    "InstanceTypeFamily": kind.family,
                    "CpuCoreCount": kind.cpu,
                    "MemorySize": kind.memory_gib,
                }
                for kind in instance_types()
                if image is None or MACHINE_OF[kind.architecture] == image.architecture
            ]
        },
    }


def image_view(call: Call, image: Image) -> dict[str, Any]:
    """Return an image as DescribeImages tells of it."""
    view = _system_image(call, image)
    return {**view, **own_view(call, image)} if image.snapshot_id else view


def _system_image(call: Call, image: Image) -> dict[str, Any]:
    return {
        "ImageId": image.id,
        "ImageName": image.id,
        "ImageFamily": image.family,
        "ImageVersion": image.version,
        "ImageOwnerAlias": "system",
        "Description": "Kernel and packages are those of the distribution.",
        "Architecture": image.architecture,
        "OSType": "linux",
        "OSName": image.os_name,
        "OSNameEn": image.os_name_en,
        "Platform": image.platform,
        "Size": image.size_gib,
        "Status": "Available",
        "Usage": _usage(call, image),
        "Progress": "100%",
        "ProductCode": "",
        "CreationTime": image.created,
        "BootMode": "UEFI-Preferred" if image.architecture == "x86_64" else "UEFI",
        "LicenseType": "BYOL" if "Red Hat" in image.platform else "Free",
        "IsPublic": True,
        "IsCopied": False,
        "IsSubscribed": False,
        "IsSelfShared": "",
        "IsSupportCloudinit": True,
        "IsSupportIoOptimized": True,
        "LoginAsNonRootSupported": True,
        "ResourceGroupId": "",
        "SupplierName": "",
        "Usable": True,
        "DiskDeviceMappings": {"DiskDeviceMapping": []},
        "Features": {
            "NvmeSupport": "supported",
            "ImdsSupport": "v2",
            "CpuOnlineUpgrade": "unsupported",
            "CpuOnlineDowngrade": "unsupported",
            "MemoryOnlineUpgrade": "unsupported",
            "MemoryOnlineDowngrade": "unsupported",
        },
        "SecureBootOptions": {"SecureBootSupport": "unsupported"},
        "DetectionOptions": {"Items": {"Item": []}, "Status": ""},
        "Tags": {"Tag": []},
    }


def _usage(call: Call, image: Image) -> str:
    used = any(instance.image_id == image.id for instance in call.state.instances)
    return "instance" if used else "none"
