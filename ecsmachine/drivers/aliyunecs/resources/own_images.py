"""Images of an account's own: a snapshot of a system disk, and an image of that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ecsmachine.aliyun.ecs_values import Image
from ecsmachine.drivers.aliyunecs.resources import asking
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.tags import CREATE
from ecsmachine.drivers.baking import ImageRequest
from ecsmachine.drivers.base import Journal, Report, Resource
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

KIND = "image"
SNAPSHOT_KIND = "snapshot"

_COPY_TIMEOUT_S = 3600.0
"""How long a snapshot, and an image of it, may take: a full disk of 40 GiB takes minutes."""

_APPEAR_TIMEOUT_S = 15.0
_CREATING = ("Creating", "Waiting")


def ensure_image(
    cloud: Cloud,
    journal: Journal,
    instance_id: str,
    wanted: ImageRequest,
    tags: Mapping[str, str],
    report: Report,
    *,
    resource_group_id: str = "",
) -> str:
    """Return the id of an image of an instance's system disk, once it can be used."""
    details = {"region": cloud.region, "role": wanted.role}
    known = _known(cloud, journal, KIND, details)
    if known is None or known.id is None:
        snapshot_id = _ensure_snapshot(
            cloud, journal, instance_id, wanted, tags, report, resource_group_id
        )
        report("Making the image...")
        asked_before = known is not None
        known = known or journal.intend(KIND, **details, name=wanted.name, family=wanted.family)
        with asking.forget_if_refused(journal, known, asked_before=asked_before):
            image_id = cloud.images.create_image(
                known.details["name"],
                snapshot_id=snapshot_id,
                family=wanted.family,
                description=f"Docker Engine {wanted.engine}" if wanted.engine else "",
                tags=tags,
                token=known.token,
                resource_group_id=resource_group_id,
            )
        journal.made(known, image_id)
    image_id = known.id or ""
    _wait_for_image(cloud, image_id)
    return image_id


def own_image(cloud: Cloud, image_id: str) -> Image | None:
    """Return an image of the account's own, or None."""
    return next((each for each in cloud.images.images(image_id=image_id)), None)


def remove(cloud: Cloud, resource: Resource, create_id: str, *, patience_s: float) -> None:
    """Remove an image or a snapshot of a journal; one that is not there is success."""
    for each in asking.ids_of(resource, lambda: _made_without_answer(cloud, resource, create_id)):
        if resource.kind == KIND:
            delete = partial(cloud.images.delete_image, each, used=True)
            asking.delete(delete, patience_s=patience_s)
        else:
            delete_snapshot(cloud, each, patience_s=patience_s)


def delete_snapshot(cloud: Cloud, snapshot_id: str, *, patience_s: float = 0.0) -> None:
    """Remove a snapshot; an image of it that has just gone counts as using it for a moment."""
    asking.delete_unused(
        lambda: cloud.images.delete_snapshot(snapshot_id), lambda spent_s: False, patience_s
    )


def _ensure_snapshot(
    cloud: Cloud,
    journal: Journal,
    instance_id: str,
    wanted: ImageRequest,
    tags: Mapping[str, str],
    report: Report,
    resource_group_id: str,
) -> str:
    details = {"region": cloud.region, "role": wanted.role}
    known = _known(cloud, journal, SNAPSHOT_KIND, details)
    if known is None or known.id is None:
        report("Copying the system disk...")
        disk_id = known.details["disk"] if known else _system_disk(cloud, instance_id)
        asked_before = known is not None
        # a name that begins with auto is that of a snapshot by policy
        name = f"of-{wanted.name}"
        known = known or journal.intend(SNAPSHOT_KIND, **details, name=name, disk=disk_id)
        with asking.forget_if_refused(journal, known, asked_before=asked_before):
            snapshot_id = cloud.images.create_snapshot(
                known.details["name"],
                disk_id=disk_id,
                tags=tags,
                token=known.token,
                resource_group_id=resource_group_id,
            )
        journal.made(known, snapshot_id)
    snapshot_id = known.id or ""
    _wait_for_snapshot(cloud, snapshot_id)
    return snapshot_id


def _known(
    cloud: Cloud, journal: Journal, kind: str, details: Mapping[str, str]
) -> Resource | None:
    """Return what the journal lists; of what was asked for without an answer, with its id.

    A token may have expired since: asked again, another one would be made.
    """
    known = journal.find(kind, **details)
    if known is not None and known.id is None:
        made = _made_without_answer(cloud, known, journal.create_id)
        if made:
            journal.made(known, made[0])
    return known


def _system_disk(cloud: Cloud, instance_id: str) -> str:
    for disk in cloud.ecs.disks(instance_id=instance_id):
        if disk.kind == "system":
            return disk.id
    raise MachineError(
        f"Instance {instance_id} has no system disk to copy",
        hint="Check it in the ECS console.",
    )


def _wait_for_snapshot(cloud: Cloud, snapshot_id: str) -> None:
    for spent_s in polls(_COPY_TIMEOUT_S):
        found = next(cloud.images.snapshots(ids=[snapshot_id]), None)
        if found is None and spent_s < _APPEAR_TIMEOUT_S:
            continue
        if found is not None and found.status == "accomplished":
            return
        if found is None or found.status == "failed":
            raise _not_made("Snapshot", snapshot_id, "it is gone" if found is None else "it failed")
    raise _not_made("Snapshot", snapshot_id, f"not ready after {_COPY_TIMEOUT_S:.0f} s")


def _wait_for_image(cloud: Cloud, image_id: str) -> None:
    for spent_s in polls(_COPY_TIMEOUT_S):
        found = own_image(cloud, image_id)
        if found is not None and found.status == "Available":
            return
        if found is None and spent_s < _APPEAR_TIMEOUT_S:
            continue
        if found is None or found.status not in _CREATING:
            raise _not_made("Image", image_id, f"it is {found.status if found else 'gone'}")
    raise _not_made("Image", image_id, f"not ready after {_COPY_TIMEOUT_S:.0f} s")


def _not_made(what: str, resource_id: str, reason: str) -> MachineError:
    return MachineError(
        f"{what} {resource_id} cannot be used: {reason}", hint="Check it in the ECS console."
    )


def _made_without_answer(cloud: Cloud, resource: Resource, create_id: str) -> list[str]:
    tags, name = {CREATE: create_id}, resource.details["name"]
    if resource.kind == KIND:
        return [each.id for each in cloud.images.images(tags=tags) if each.name == name]
    return [each.id for each in cloud.images.snapshots(tags=tags) if each.name == name]
