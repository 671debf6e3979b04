"""An account's own images, and the disks that are made from images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.catalog.images import Image, all_images
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.state.model import CustomImage, Disk, Instance
from ecsmachine.localcloud.state.resources import image_with_id
from ecsmachine.localcloud.state.state import State

_STATUS = {"progressing": "Creating", "accomplished": "Available", "failed": "CreateFailed"}
"""The status of an image, by that of its snapshot."""


def usable_images(state: State, system: Sequence[Image], region_id: str | None) -> list[Image]:
    """Return the images that instances can be made from now: one's own, then the system's."""
    usable = ("Available", "Deprecated")
    own = [each for each in own_images(state, region_id) if own_status(state, each) in usable]
    return [*own, *system]


def own_images(state: State, region_id: str | None) -> list[Image]:
    """Return all custom images in a region, newest first."""
    found = []
    for image in reversed(state.custom_images.in_region(region_id)):
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
                    data_disks=image.data_disks,
                )
            )
    return found


def own_status(state: State, image: Image | CustomImage) -> str:
    """Return Creating, Available, Deprecated or CreateFailed."""
    own = state.custom_images.get(image.id)
    found = [state.snapshots.get(snapshot_id) for snapshot_id in snapshots_of(image)]
    statuses = {"CreateFailed" if each is None else _STATUS[each.status] for each in found}
    status = next(each for each in ("CreateFailed", "Creating", "Available") if each in statuses)
    return "Deprecated" if status == "Available" and own and own.deprecated else status


def snapshots_of(image: Image | CustomImage) -> list[str]:
    """Return the ids of the snapshots of a custom image."""
    return [image.snapshot_id, *(disk.snapshot_id for disk in image.data_disks)]


def from_image(instance: Instance, image: Image) -> Instance:
    """Return an instance as it is when its system disk is made from an image."""
    return replace(
        instance,
        image_id=image.id,
        base_image_id=image.base_id,
        root_snapshot_id=image.snapshot_id,
    )


def new_system_disk(state: State, old: Disk, image: Image, **values: Any) -> Disk:
    """Put a system disk that is made from an image in the place of another, with an id of its own.

    It is as large as the former one, or as the image needs.
    """
    disk_id = new_id("d", old.region)
    new = {
        "size_gib": max(old.size_gib, image.size_gib),
        "created": timestamp(),
        "attached": timestamp(),
        "serial_number": disk_id[2:],
    }
    state.disks.remove(old.id)
    return state.disks.put(replace(old, id=disk_id, image_id=image.id, **{**new, **values}))
