"""The machine's key pair in ECS: our public key by name, removed with the machine."""

from __future__ import annotations

import re

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.resources.asking import (
    Making,
    delete,
    delete_together,
    find_or_intend,
    forget_if_refused,
)
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.tags import machine_tags
from ecsmachine.drivers.base import Resource

KIND = "key-pair"


def ensure_key_pair(making: Making, public_key: str) -> str:
    """Return the name of the machine's key pair, importing the public key if need be."""
    cloud, journal, context = making.cloud, making.journal, making.context
    name = _name(context.machine_name, journal.create_id)
    resource = find_or_intend(journal, KIND, region=cloud.region, name=name)
    if resource.id is not None:
        return name
    with forget_if_refused(journal, resource):
        try:
            cloud.ecs.import_key_pair(
                name,
                public_key,
                tags=machine_tags(context, journal.create_id),
                resource_group_id=making.settings.resource_group_id,
            )
        except ApiError as error:
            # the name holds the id of this create: whoever imported it was us
            if error.meaning is not Meaning.EXISTS:
                raise
    journal.made(resource, name)
    return name


def remove_key_pair(cloud: Cloud, resource: Resource, *, patience_s: float) -> None:
    """Remove the key pair; one that is not there is success."""
    name = resource.id or resource.details["name"]

    def ask() -> None:
        delete_together(
            cloud.released_key_pairs,
            name,
            lambda one: cloud.ecs.delete_key_pairs([one]),
            cloud.ecs.delete_key_pairs,
        )

    delete(ask, patience_s=patience_s)


def _name(machine_name: str, create_id: str) -> str:
    """Return a name that ECS takes: letters, digits, hyphens; 128 at most."""
    return f"ecsmachine-{re.sub(r'[^A-Za-z0-9-]', '-', machine_name)[:80]}-{create_id}"
