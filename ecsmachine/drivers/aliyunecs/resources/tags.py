"""The tags by which what we make can be found again, and told from what others made."""

from __future__ import annotations

from collections.abc import Mapping

from ecsmachine.documents.rules import ID
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.tagged import tag_of

PREFIX = "ecsmachine:"
MACHINE = "ecsmachine:machine"
STORE = "ecsmachine:store"
CREATE = "ecsmachine:create"
SHARED = "ecsmachine:shared"
ENGINE = "ecsmachine:engine"
"""The version of the engine in an image."""
BAKED = "ecsmachine:baked"
"""The family of an image that is whole: it stays, and is no machine's any more."""


def machine_tags(context: DriverContext, create_id: str) -> dict[str, str]:
    """Return the tags of what belongs to one machine alone."""
    return {MACHINE: tag_of(context.machine_name), STORE: context.store_id, CREATE: create_id}


def shared_tags(context: DriverContext) -> dict[str, str]:
    """Return the tags of what machines of one store share (security group, VPC, VSwitch)."""
    return {SHARED: "true", STORE: context.store_id}


def own_value(tags: Mapping[str, str], key: str) -> str:
    """Return the value of one of our tags; "" if it is none that we would write."""
    value = tags.get(key, "")
    return value if ID.fits(value) else ""


def is_shared_by(tags: Mapping[str, str], store_id: str) -> bool:
    """Whether these are the tags of something that machines of that store share."""
    return SHARED in tags and tags.get(STORE) == store_id
