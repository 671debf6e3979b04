"""Tags, in the form of today (TagResources) and the older ones (AddTags; of SLB in JSON)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.names import matches
from ecsmachine.localcloud.protocol.paging import page_by_number, page_by_token
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.protocol.wire import parse_json
from ecsmachine.localcloud.state import tagging
from ecsmachine.localcloud.state.balancers import LoadBalancer
from ecsmachine.localcloud.state.interfaces import interfaces_in_region
from ecsmachine.localcloud.state.model import TagSet

MAX_RESOURCES = 50
MAX_RESOURCES_OF_SLB = 20
_NO_KEY = Refusal("InvalidParameter.TagValue")
ECS_KINDS = (
    *("instance", "disk", "securitygroup", "keypair", "image", "snapshot", "eni"),
    *("launchtemplate", "command", "invocation"),
)
VPC_KINDS = ("vpc", "vswitch", "eip", "routetable")
SLB_KINDS = tagging.SLB_KINDS
"""Of SLB; it calls load balancers instances too."""


_COUNTED = (
    *("Instance", "Disk", "Image", "Snapshot", "SnapshotPolicy", "Securitygroup", "Volume"),
    *("Eni", "Ddh", "KeyPair", "LaunchTemplate", "ReservedInstance"),
)


def add_tags(call: Call) -> None:
    """AddTags: on one resource."""
    kind = _kind_of_request(call, ECS_KINDS)
    resource_id = _tagged_id(call, kind, call.parameters.require("ResourceId"))
    tags = tagging.tags_of_request(call.parameters, values_needed=True)
    if not tags:
        raise missing_parameter("Tag.1.Key")
    tagging.put_tags(call.state, kind, resource_id, call.region.id, tags)


def remove_tags(call: Call) -> None:
    """RemoveTags: from one resource; a value that is given has to be the tag's."""
    kind = _kind_of_request(call, ECS_KINDS)
    resource_id = _tagged_id(call, kind, call.parameters.require("ResourceId"))
    wanted = tagging.tag_filter(call.parameters)
    tags = tagging.resource_tags(call.state, kind, resource_id)
    keys = [key for key, value in wanted if key in tags and value in (None, tags[key])]
    tagging.drop_tags(call.state, kind, resource_id, keys if wanted else None)


def describe_tags(call: Call) -> Answer:
    """DescribeTags: keys, values, and how many resources of each kind have them."""
    region = call.region
    kind = call.parameters.text("ResourceType").lower()
    resource_id = call.parameters.text("ResourceId")
    wanted = tagging.tag_filter(call.parameters)
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for tag_set, its_kind, its_id in _tag_sets(call):
        if its_kind not in ECS_KINDS or tag_set.region != region.id:
            continue
        if kind not in ("", its_kind) or resource_id not in ("", its_id):
            continue
        for key, value in tag_set.tags.items():
            if not wanted or any(key == k and v in (None, value) for k, v in wanted):
                counts[key, value][its_kind] += 1
    part, fields = page_by_number(call.parameters, sorted(counts), size=50)
    names = {"keypair": "KeyPair"}
    return {
        **fields,
        "Tags": {
            "Tag": [
                {
                    "TagKey": tag[0],
                    "TagValue": tag[1],
                    "ResourceTypeCount": {
                        **dict.fromkeys(_COUNTED, 0),
                        **{names.get(k, k.capitalize()): n for k, n in counts[tag].items()},
                    },
                }
                for tag in part
            ]
        },
    }


def tag_resources(call: Call, kinds: tuple[str, ...]) -> None:
    """TagResources: the same tags on up to 50 resources."""
    region = call.region
    kind = _kind_of_request(call, kinds)
    ids = _resource_ids(call, kinds)
    if len(call.parameters.structs("Tag")) > tagging.MAX_TAGS:
        raise ApiError(
            "NumberExceed.Tags",
            f"The Tags parameter's number is exceed , Valid : {tagging.MAX_TAGS}",
        )
    tags = tagging.tags_of_request(call.parameters, values_needed=True)
    if not tags:
        raise missing_parameter("Tag.1.Key")
    for resource_id in ids:
        tagging.put_tags(call.state, kind, _tagged_id(call, kind, resource_id), region.id, tags)


def untag_resources(call: Call, kinds: tuple[str, ...]) -> None:
    """UntagResources: by key, or all."""
    kind = _kind_of_request(call, kinds)
    ids = _resource_ids(call, kinds)
    keys = call.parameters.listed("TagKey", most=20)
    everything = call.parameters.boolean("All")
    if not keys and not everything:
        raise missing_parameter("TagKey")
    for resource_id in ids:
        tagging.drop_tags(call.state, kind, _tagged_id(call, kind, resource_id), keys or None)


def list_tag_resources(call: Call, kinds: tuple[str, ...]) -> Answer:
    """ListTagResources: tags by resource, or resources by tag."""
    region = call.region
    kind = _kind_of_request(call, kinds)
    ids = call.parameters.listed("ResourceId", most=_most_resources(kinds))
    wanted = tagging.tag_filter(call.parameters, no_key=_NO_KEY)
    patterns = _tag_patterns(call.parameters)
    if wanted and patterns:
        raise refusals.conflicting("Tag", "TagFilter")
    if not ids and not wanted and not patterns:
        raise missing_parameter("ResourceId")
    # Key pairs are named in requests, and answered by their names; others have their ids.
    table = call.state.tagged_table(kind)
    named = {} if table is None else table.names_by_key()
    # Products write the types of resources differently: it is answered as it was asked.
    asked = call.parameters.text("ResourceType")
    entries = [
        {
            "ResourceType": asked,
            "ResourceId": named.get(its_id, its_id),
            "TagKey": key,
            "TagValue": value,
        }
        for tag_set, its_kind, its_id in _tag_sets(call)
        if its_kind == kind
        and tag_set.region == region.id
        and (not ids or its_id in ids or named.get(its_id) in ids)
        and tagging.has_tags(tag_set.tags, wanted)
        and all(_has_tag_like(tag_set, key, values) for key, values in patterns)
        for key, value in tag_set.tags.items()
    ]
    part, fields = page_by_token(call.parameters, entries, size=50, most=50)
    return {"NextToken": fields["NextToken"], "TagResources": {"TagResource": list(part)}}


def _tag_patterns(parameters: Parameters) -> list[tuple[str, list[str]]]:
    """Return ``TagFilter.N``: patterns of keys, or keys with patterns of their values."""
    patterns = []
    for item in parameters.structs("TagFilter"):
        key, values = item.require("TagKey"), item.listed("TagValues", most=5)
        if values and "*" in key:
            raise invalid_parameter(item.name("TagKey"), "With TagValues it is no pattern.")
        patterns.append((key, values))
    return patterns


def _has_tag_like(tag_set: TagSet, key: str, values: list[str]) -> bool:
    return any(
        matches(key, its_key) and (not values or any(matches(one, value) for one in values))
        for its_key, value in tag_set.tags.items()
    )


def _tag_sets(call: Call) -> Iterator[tuple[TagSet, str, str]]:
    for tag_set in call.state.tag_sets:
        kind, _, resource_id = tag_set.id.partition("/")
        yield tag_set, kind, resource_id


def _kind_of_request(call: Call, kinds: tuple[str, ...]) -> str:
    kind = call.parameters.require("ResourceType").lower()
    if kinds == SLB_KINDS and kind == "instance":
        kind = "loadbalancer"
    if kind not in kinds:
        raise refusals.of("InvalidResourceType.NotFound#tags")
    return kind


def _most_resources(kinds: tuple[str, ...]) -> int:
    return MAX_RESOURCES_OF_SLB if kinds == SLB_KINDS else MAX_RESOURCES


def _resource_ids(call: Call, kinds: tuple[str, ...]) -> list[str]:
    ids = call.parameters.listed("ResourceId")
    if not ids:
        raise missing_parameter("ResourceId")
    if len(ids) > (most := _most_resources(kinds)):
        raise ApiError(
            "NumberExceed.ResourceIds",
            f"The ResourceIds parameter's number is exceed , Valid : {most}",
        )
    return ids


def _tagged_id(call: Call, kind: str, resource_id: str) -> str:
    """Return the id that the tags of a resource are kept by; raises its refusal."""
    state, region = call.state, call.region_id
    table = state.tagged_table(kind)
    resource = table.find_or_none(resource_id, region=region) if table else None
    if table and resource:
        return table.key_of(resource)
    # Resources that other requests do not name by id, or that are part of another resource.
    others: dict[str, list[str]] = {
        "keypair": [pair.key_id for pair in state.key_pairs.in_region(region)],
        "eni": [item.id for item in interfaces_in_region(state, region)],
        "listener": [
            balancer.id_of(listener)
            for balancer in state.load_balancers.in_region(region)
            for listener in balancer.listeners
        ],
        "routetable": [vpc.route_table_id for vpc in state.vpcs.in_region(region)],
    }
    if resource_id not in others.get(kind, ()):
        raise refusals.of("InvalidResourceId.NotFound")
    return resource_id


def add_balancer_tags(call: Call) -> None:
    """AddTags: the older form, with the tags in JSON."""
    region = call.region
    tags = tags_of_json(call)
    for balancer in _balancers_of_request(call):
        tagging.put_tags(call.state, "loadbalancer", balancer.id, region.id, tags)


def remove_balancer_tags(call: Call) -> None:
    """RemoveTags: those of these keys; a value that is given has to be the tag's."""
    tags = tags_of_json(call)
    for balancer in _balancers_of_request(call):
        there = call.state.load_balancers.tags(balancer.id)
        gone = [k for k, v in tags.items() if k in there and v in ("", there[k])]
        tagging.drop_tags(call.state, "loadbalancer", balancer.id, gone)


def describe_balancer_tags(call: Call) -> Answer:
    """DescribeTags: tags, and how many balancers have them."""
    region = call.region
    one = call.parameters.text("LoadBalancerId")
    wanted = tags_of_json(call) if call.parameters.given("Tags") else {}
    counts: Counter[tuple[str, str]] = Counter()
    for balancer in call.state.load_balancers.in_region(region.id):
        if one not in ("", balancer.id):
            continue
        for key, value in call.state.load_balancers.tags(balancer.id).items():
            if not wanted or (key in wanted and wanted[key] in ("", value)):
                counts[key, value] += 1
    found = sorted(counts)
    if call.parameters.boolean("DistinctKey"):
        first = {key: (key, value) for key, value in reversed(found)}
        found = sorted(first.values())
    part, fields = page_by_number(call.parameters, found, size=50)
    return {
        **fields,
        "TagSets": {
            "TagSet": [
                {"TagKey": tag[0], "TagValue": tag[1], "InstanceCount": counts[tag]} for tag in part
            ]
        },
    }


def _balancers_of_request(call: Call) -> list[LoadBalancer]:
    ids = call.parameters.require("LoadBalancerId").split(",")
    return [
        call.find(call.state.load_balancers, balancer_id.strip())
        for balancer_id in ids
        if balancer_id.strip()
    ]


def tags_of_json(call: Call) -> dict[str, str]:
    """Return the tags of ``Tags``: ``[{"TagKey": …, "TagValue": …}]``."""
    error = invalid_parameter("Tags")
    try:
        items = parse_json(call.parameters.require("Tags"))
    except ValueError:
        raise error from None
    if not isinstance(items, list) or not items:
        raise error
    values: dict[str, str] = {}
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not isinstance(item.get("TagKey"), str):
            raise error
        values[f"Tag.{number}.Key"] = item["TagKey"]
        values[f"Tag.{number}.Value"] = str(item.get("TagValue") or "")
    return tagging.tags_of_request(Parameters(values), values_needed=True)
