"""Images of machines: made, finished, listed, removed; and the options of a copy."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.aliyun.ecs_values import Image
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.life.tagged import time_of
from ecsmachine.drivers.aliyunecs.resources import asking, own_images, tags
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.baking import BAKED, BakedImage, ImageRequest
from ecsmachine.drivers.base import DriverContext, Journal, Report
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError

_PROFILE = "profile:"


def make_image(
    cloud: Cloud,
    context: DriverContext,
    record: Record,
    journal: Journal,
    image: ImageRequest,
    report: Report,
) -> str:
    """Return the id of an image of an instance's system disk, making it if need be."""
    own = tags.machine_tags(replace(context, machine_name=image.machine), journal.create_id)
    if image.role == BAKED:
        own = {**(record.tags or {}), **own, tags.ENGINE: image.engine}
    return own_images.ensure_image(
        cloud,
        journal,
        record.instance_id,
        image,
        own,
        report,
        resource_group_id=record.resource_group_id,
    )


def finish_image(cloud: Cloud, journal: Journal) -> BakedImage:
    """Tag the image that a journal lists as one that stays."""
    known = journal.find(own_images.KIND, region=cloud.region, role=BAKED)
    found = own_images.own_image(cloud, known.id) if known is not None and known.id else None
    if found is None or known is None:
        raise MachineError("The image no longer exists: somebody removed it", hint="Bake it again.")
    family = known.details["family"]
    cloud.ecs.tag("image", [found.id], {tags.BAKED: family})
    return _baked(cloud, found, family)


def copy_options(record: Record, image_id: str, name: str) -> dict[str, OptionValue]:
    """Return the options of ``create`` for a machine like one of the store, from an image."""
    wanted: dict[str, OptionValue] = {
        "region": record.region,
        "zone": record.zone,
        "vpc-id": record.vpc_id,
        "vswitch-id": record.vswitch_id,
        "resource-group-id": record.resource_group_id,
        "api-endpoint": record.api_endpoint,
        "vpc-endpoint": record.vpc_internal,
        "instance-type": record.instance_type,
        "image-id": image_id,
        "private-address-only": record.private_only,
        "internet-max-bandwidth": max(1, record.bandwidth_mbps),
        "ssh-user": record.base.ssh_user,
        "ssh-port": record.base.ssh_port,
        "system-disk-size": record.system_disk_size_gib,
        "system-disk-category": record.system_disk_category,
        "security-group": name,
    }
    if record.credential_source.startswith(_PROFILE):
        wanted["profile"] = record.credential_source.removeprefix(_PROFILE)
    if record.secret_key:
        wanted["access-key-id"], wanted["access-key-secret"] = record.access_key, record.secret_key
    return {f"aliyunecs-{option}": value for option, value in wanted.items()}


class AliyunBakedImages:
    """The images of a region that ``bake`` has made.

    Implements :class:`ecsmachine.drivers.baking.BakedImages`.
    """

    def __init__(self, cloud: Cloud):
        self._cloud = cloud

    def find(self, family: str = "") -> list[BakedImage]:
        """Return those of a family, or all; of a family the newest first."""
        found = [
            _baked(self._cloud, image, image.tags[tags.BAKED])
            for image in self._cloud.images.images(tags={tags.BAKED: family})
        ]
        return sorted(found, key=lambda image: (image.family, -_seconds(image), image.id))

    def remove(self, image: BakedImage, report: Report) -> bool:
        """Remove an image with its snapshots; False if it stays, as instances are made from it."""
        report(f"Removing image {image.id}...")
        try:
            asking.delete(lambda: self._cloud.images.delete_image(image.id))
        except ApiError as error:
            if error.meaning is Meaning.IN_USE:
                return False
            raise
        for snapshot_id in image.snapshot_ids:
            own_images.delete_snapshot(self._cloud, snapshot_id)
        return True


def _seconds(image: BakedImage) -> float:
    return image.created.timestamp() if image.created else 0.0


def _baked(cloud: Cloud, image: Image, family: str) -> BakedImage:
    return BakedImage(
        image.id,
        image.name,
        family,
        tags.own_value(image.tags, tags.ENGINE),
        cloud.region,
        status=image.status,
        size_gib=image.size_gib,
        created=time_of(image.created),
        store_id=tags.own_value(image.tags, tags.STORE),
        snapshot_ids=image.snapshot_ids,
    )
