"""The machine's key pair in ECS: our public key by name, removed with the machine.

Machines that are made by one command have one: it is in the journal of each of them, and the last
one removes it. Its name tells the key, so that nobody can mean another one by it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.resources.asking import (
    UNSEEN_S,
    Making,
    delete_together,
    delete_unused,
    forget_if_refused,
)
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.tags import machine_tags, shared_tags
from ecsmachine.drivers.base import Report, Resource

KIND = "key-pair"
SHARED_KIND = "shared-key-pair"


def ensure_key_pair(making: Making, public_key: str) -> str:
    """Return the name of the machine's key pair, importing the public key if need be."""
    cloud, journal, context = making.cloud, making.journal, making.context
    if making.batch.one_key or journal.find(SHARED_KIND, region=cloud.region) is not None:
        return _ensure_shared(making, public_key)
    name = _name(context.machine_name, journal.create_id)
    tags = machine_tags(context, journal.create_id)
    # the name holds the id of this create: whoever imported it was us
    return _ensure(making, KIND, name, lambda: _import(making, name, public_key, tags))


def _ensure_shared(making: Making, public_key: str) -> str:
    batch, name = making.batch, _shared_name(making.context.store_id, public_key)

    def import_once() -> None:
        with batch.importing:
            if batch.imported != name:
                _import(making, name, public_key, shared_tags(making.context))
                batch.imported = name

    return _ensure(making, SHARED_KIND, name, import_once)


def _ensure(making: Making, kind: str, name: str, ask: Callable[[], None]) -> str:
    journal, details = making.journal, {"region": making.cloud.region, "name": name}
    known = journal.find(kind, **details)
    resource = known or journal.intend(kind, **details)
    if resource.id is None:
        with forget_if_refused(journal, resource, asked_before=known is not None):
            ask()
        journal.made(resource, name)
    return name


def forget_shared(making: Making) -> bool:
    """Strike a shared key pair that is gone off the journal; False if there is none in it.

    The last machine that used it may have been removed before this one was made.
    """
    known = making.journal.find(SHARED_KIND, region=making.cloud.region)
    if known is None:
        return False
    making.journal.removed(known)
    making.batch.imported = ""
    return True


def _import(making: Making, name: str, public_key: str, tags: dict[str, str]) -> None:
    """Import a public key by a name that stands for it: it may be there already."""
    try:
        making.cloud.ecs.import_key_pair(
            name, public_key, tags=tags, resource_group_id=making.settings.resource_group_id
        )
    except ApiError as error:
        if error.meaning is not Meaning.EXISTS:
            raise


def remove_key_pair(
    cloud: Cloud, resource: Resource, instance_id: str, report: Report, *, patience_s: float
) -> None:
    """Remove the key pair of the instance; one that is not there is success.

    ECS refuses it while an instance has it: the removed one may count for a while. If somebody
    has given it to another one, it stays.
    """
    name = _name_of(resource)

    def is_used(spent_s: float) -> bool:
        # with its id forgotten, an instance that has just been removed may be taken for another
        is_sure = bool(instance_id) or spent_s >= UNSEEN_S
        return is_sure and any(
            each.id != instance_id for each in cloud.ecs.instances(key_pair=name)
        )

    if not _remove(cloud, name, is_used, patience_s):
        report(f"Another instance has the key pair {name} now, and it stays.")


def remove_shared_key_pair(cloud: Cloud, resource: Resource, *, patience_s: float) -> bool:
    """Remove a key pair unless instances have it: the journal of whoever has it lists it too.

    Returns whether it is gone.
    """
    name = _name_of(resource)

    def is_used(spent_s: float) -> bool:
        return any(cloud.ecs.instances(key_pair=name))

    return not is_used(0) and _remove(cloud, name, is_used, patience_s)


def _remove(cloud: Cloud, name: str, is_used: Callable[[float], bool], patience_s: float) -> bool:
    def ask() -> None:
        delete_together(
            cloud.released_key_pairs,
            name,
            lambda one: cloud.ecs.delete_key_pairs([one]),
            cloud.ecs.delete_key_pairs,
        )

    return delete_unused(ask, is_used, patience_s)


def _name_of(resource: Resource) -> str:
    return resource.id or resource.details["name"]


def _shared_name(store_id: str, public_key: str) -> str:
    """Return the name of the key pair of a public key that machines of a store have."""
    kind_and_key = " ".join(public_key.split()[:2])
    return f"ecsmachine-{store_id}-{hashlib.sha256(kind_and_key.encode()).hexdigest()[:16]}"


def _name(machine_name: str, create_id: str) -> str:
    """Return a name that ECS takes: letters, digits, hyphens; 128 at most."""
    return f"ecsmachine-{re.sub(r'[^A-Za-z0-9-]', '-', machine_name)[:80]}-{create_id}"
