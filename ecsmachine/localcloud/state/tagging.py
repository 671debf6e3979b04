"""Tags of resources: checks, filters, answers, and storage."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import TagSet
from ecsmachine.localcloud.state.state import State

MAX_TAGS = 20
MAX_LENGTH = 128
MAX_KEY_LENGTH_OF_SLB = 64
SLB_KINDS = ("loadbalancer", "vservergroup", "listener", "certificate")
_NO_KEY = Refusal("InvalidTag.Mismatch")
_TAG_KEY = Refusal("InvalidTagKey.Malformed")
_URL = re.compile("https?://", re.IGNORECASE)


def tags_of_request(parameters: Parameters, *, values_needed: bool = False) -> dict[str, str]:
    """Return ``Tag.N.Key`` and ``Tag.N.Value`` of a request that sets tags.

    Raises ``InvalidTagKey.Malformed``, ``InvalidTagValue.Malformed``, ``InvalidTagCount``, or
    ``Duplicate.TagKey``.
    """
    tags: dict[str, str] = {}
    for item in parameters.structs("Tag"):
        key, value = _either(item, "Key"), _either(item, "Value")
        if not key:
            if values_needed or value:
                raise missing_parameter(item.name("Key"))
            continue
        if not _is_valid(key) or key.lower().startswith(("aliyun", "acs:")):
            raise _TAG_KEY()
        if not _is_valid(value) or value.lower().startswith("acs:"):
            raise ApiError("InvalidTagValue.Malformed", "The specified Tag.n.Value is not valid.")
        if key in tags:
            raise ApiError("Duplicate.TagKey", "The Tag.N.Key contain duplicate key.")
        tags[key] = value
    if len(tags) > MAX_TAGS:
        raise ApiError("InvalidTagCount", "The specified tags are beyond the permitted range.")
    return tags


def _is_valid(text: str) -> bool:
    """Return whether a key or a value is not too long, and has no URL in it."""
    return len(text) <= MAX_LENGTH and _URL.search(text) is None


def tag_filter(
    parameters: Parameters, name: str = "Tag", *, no_key: Refusal = _NO_KEY
) -> list[tuple[str, str | None]]:
    """Return the tags asked for (``Tag.N.Key`` and ``Tag.N.Value``); None is any value.

    Raises ``no_key`` for a value without a key.
    """
    wanted = []
    for item in parameters.structs(name):
        key, value = _either(item, "Key"), _either(item, "Value")
        if not key:
            if value:
                raise no_key()
            continue
        wanted.append((key, value or None))
    if len(wanted) > MAX_TAGS:
        raise ApiError(
            "InvalidTagCount", f"The number of specified tags exceeds the limit of {MAX_TAGS}."
        )
    return wanted


def _either(item: Parameters, name: str) -> str:
    # The older form writes it small.
    text, older = item.text(name), item.text(name.lower())
    if text and older and text != older:
        raise refusals.conflicting(item.name(name.lower()), item.name(name))
    return text or older


def has_tags(tags: Mapping[str, str], wanted: list[tuple[str, str | None]]) -> bool:
    """Return whether all tags asked for are there."""
    return all(key in tags and value in (None, tags[key]) for key, value in wanted)


def ecs_tags(tags: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return tags as answers of ECS and SLB have them."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}


def vpc_tags(tags: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return tags as answers of VPC have them."""
    return {"Tag": [{"Key": key, "Value": value} for key, value in tags.items()]}


def resource_tags(state: State, kind: str, resource_id: str) -> dict[str, str]:
    """Return the tags of a resource (``kind`` as in TagResources, in lower case)."""
    tags = state.tag_sets.get(f"{kind}/{resource_id}")
    return {} if tags is None else tags.tags


def put_tags(
    state: State, kind: str, resource_id: str, region: str, tags: Mapping[str, str]
) -> None:
    """Add tags to a resource, replacing those with the same keys; inside a transaction.

    Raises ``OperationDenied.QuotaExceed`` when it would have too many, and
    ``InvalidTagKey.Malformed`` for a key that is too long for SLB.
    """
    if not tags:
        return
    if kind in SLB_KINDS and max(map(len, tags)) > MAX_KEY_LENGTH_OF_SLB:
        raise _TAG_KEY()
    merged = {**resource_tags(state, kind, resource_id), **tags}
    if len(merged) > MAX_TAGS:
        raise refusals.of("OperationDenied.QuotaExceed")
    state.tag_sets.put(TagSet(f"{kind}/{resource_id}", region, merged))


def drop_tags(state: State, kind: str, resource_id: str, keys: list[str] | None) -> None:
    """Remove tags by key (all, for None); inside a transaction."""
    old = state.tag_sets.get(f"{kind}/{resource_id}")
    if old is None:
        return
    rest = {} if keys is None else {k: v for k, v in old.tags.items() if k not in keys}
    if rest:
        state.tag_sets.put(TagSet(old.id, old.region, rest))
    else:
        state.tag_sets.remove(old.id)
