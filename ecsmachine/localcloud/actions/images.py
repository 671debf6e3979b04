"""Images."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.custom_images import own_view
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.catalog.instance_types import find_instance_type, instance_types
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.names import matches
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.images import own_images, own_status, usable_images
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import image_with_id

_FEATURES = {
    "NetworkType": "vpc",
    "CpuOnlineUpgrade": "unsupported",
    "CpuOnlineDowngrade": "unsupported",
    "MemoryOnlineUpgrade": "unsupported",
    "MemoryOnlineDowngrade": "unsupported",
}
"""The ``Filter.N`` of images besides their age, with the value that all images have."""


def describe_images(call: Call) -> Answer:
    """DescribeImages: one's own and the public system images, each newest first."""
    region = call.region
    call.parameters.choice("ActionType", ("CreateEcs", "ChangeOS"))
    if call.parameters.boolean("IsPublic") and call.parameters.text("ImageOwnerAlias") != "others":
        raise refusals.of("InvalidImageOwnerAlias.PublicImageUnsupported")
    return {"RegionId": region.id, **_IMAGES.answer(call)}


def describe_image_from_family(call: Call) -> Answer:
    """DescribeImageFromFamily: the newest image of a family."""
    image = _newest_of(call, call.parameters.require("ImageFamily"))
    return {"Image": image_view(call, image)} if image else {}


def describe_image_support_instance_types(call: Call) -> Answer:
    """DescribeImageSupportInstanceTypes: the types of the image's architecture."""
    region = call.region
    image_id = call.parameters.text("ImageId")
    call.parameters.choice("ActionType", ("CreateEcs", "ChangeOS"))
    image = find_image(call, image_id) if image_id else None
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
                if image is None or kind.image_architecture == image.architecture
            ]
        },
    }


def find_image(call: Call, image_id: str) -> Image:
    """Return an image that instances can be made from; raises ``InvalidImageId.NotFound``."""
    image = image_with_id(usable_images(call.state, call.images, call.region_id), image_id)
    if image is None:
        raise refusals.IMAGE_NOT_FOUND()
    return image


def image_of_request(call: Call) -> Image:
    """Return the image of ``ImageId`` or ``ImageFamily``; raises their refusals."""
    call.parameters.only_one("ImageId", "ImageFamily")
    image_id, family = call.parameters.text("ImageId"), call.parameters.text("ImageFamily")
    if image_id or not family:
        return find_image(call, call.parameters.require("ImageId"))
    image = _newest_of(call, family)
    if image is None:
        raise refusals.IMAGE_NOT_FOUND()
    return image


def _newest_of(call: Call, family: str) -> Image | None:
    images = (
        image
        for image in usable_images(call.state, call.images, call.region_id)
        if image.family == family
    )
    return next((image for image in images if _status(call, image) == "Available"), None)


def image_view(call: Call, image: Image) -> dict[str, Any]:
    """Return an image in the form of DescribeImages."""
    own = call.state.custom_images.get(image.id)
    return {
        **api_fields(image, "SystemImage"),
        "ImageName": image.id,
        "OSNameEn": image.os_name_en,
        "Usage": _usage(call, image),
        "BootMode": "UEFI-Preferred" if image.architecture == "x86_64" else "UEFI",
        "LicenseType": "BYOL" if "Red Hat" in image.platform else "Free",
        "Features": {
            "NvmeSupport": (own and own.nvme_support) or "supported",
            "ImdsSupport": (own and own.imds_support) or "v2",
            **{name: value for name, value in _FEATURES.items() if name != "NetworkType"},
        },
        **(own_view(call, own) if own else {}),
    }


def _usage(call: Call, image: Image) -> str:
    used = any(instance.image_id == image.id for instance in call.state.instances)
    return "instance" if used else "none"


def _is_own(image: Image) -> bool:
    return bool(image.snapshot_id)


def _by_name(call: Call) -> Test[Image] | None:
    pattern = call.parameters.text("ImageName")
    if not pattern:
        return None

    def test(image: Image) -> bool:
        own = call.state.custom_images.get(image.id)
        if own:
            return matches(pattern, own.name)
        return matches(pattern, image.id) or matches(pattern, image.id.removesuffix(".vhd"))

    return test


def _status(call: Call, image: Image) -> str:
    return own_status(call.state, image) if _is_own(image) else "Available"


def _by_status(call: Call) -> Test[Image]:
    statuses = call.parameters.separated("Status") or ["Available"]
    return lambda image: "ALL" in statuses or _status(call, image) in statuses


def _resource_group(call: Call, image: Image) -> str:
    own = call.state.custom_images.get(image.id)
    return own.resource_group_id if own else ""


def _has_features(call: Call) -> Test[Image] | None:
    """Choose by the ``Filter.N`` that are no times; they are the same of all images."""
    wanted = {
        item.text("Key"): item.text("Value")
        for item in call.parameters.structs("Filter")
        if item.text("Key") in _FEATURES
    }
    if not wanted:
        return None
    return lambda image: all(_FEATURES[key] == value for key, value in wanted.items())


def _by_instance_type(call: Call) -> Test[Image] | None:
    type_id = call.parameters.text("InstanceType")
    if not type_id:
        return None
    kind = find_instance_type(type_id)
    if kind is None:
        raise refusals.INSTANCE_TYPE()
    machine = kind.image_architecture
    return lambda image: image.architecture == machine


_IMAGES = Listing(
    Image,
    "Images.Image",
    lambda call: [*own_images(call.state, call.region_id), *call.images],
    image_view,
    (
        by.one_of("ImageId", "id", Parameters.separated),
        by.equals(
            "ImageOwnerAlias",
            lambda call, image: "self" if _is_own(image) else "system",
            ("system", "self", "others", "marketplace"),
            refusals.not_supported,
        ),
        Filter(("ImageName",), _by_name),
        by.equals("ImageFamily", "family"),
        Filter(("Status",), _by_status),
        Filter(("InstanceType",), _by_instance_type),
        by.equals(
            "Architecture",
            "architecture",
            ("i386", "x86_64", "arm64"),
            Refusal("InvalidArchitecture"),
        ),
        by.always(
            "OSType", "linux", ("linux", "windows"), Refusal("InvalidOSType"), spelled=str.lower
        ),
        # It asks for community images, and there are none.
        by.never_true("IsPublic"),
        by.equals("SnapshotId", "snapshot_id"),
        by.is_true("IsSupportCloudinit", lambda call, image: True),
        by.is_true("IsSupportIoOptimized", lambda call, image: True),
        by.is_true(
            "Usable", lambda call, image: _status(call, image) in ("Available", "Deprecated")
        ),
        by.equals("Usage", _usage, ("instance", "none"), Refusal("InvalidUsage")),
        by.equals(
            "ImageOwnerId", lambda call, image: call.state.account.id if _is_own(image) else ""
        ),
        by.equals("ResourceGroupId", _resource_group),
        by.times_between(Creation="created", other_keys=tuple(_FEATURES)),
        Filter(("Filter",), _has_features),
        by.tagged("image"),
    ),
)
