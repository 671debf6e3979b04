"""Tags of load balancers in the older form, in JSON."""

from __future__ import annotations

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.wire import parse_json
from ecsmachine.localcloud.state.balancers import LoadBalancer
from ecsmachine.localcloud.state.tagging import drop_tags, put_tags, tags_of_request


def add_tags(call: Call) -> None:
    """AddTags: the older form, with the tags in JSON."""
    region = call.region
    tags = tags_of_json(call)
    for balancer in _balancers_of_request(call):
        put_tags(call.state, "loadbalancer", balancer.id, region.id, tags)


def remove_tags(call: Call) -> None:
    """RemoveTags: those of these keys; a value that is given has to be the tag's."""
    tags = tags_of_json(call)
    for balancer in _balancers_of_request(call):
        there = call.state.load_balancers.tags(balancer.id)
        gone = [k for k, v in tags.items() if k in there and v in ("", there[k])]
        drop_tags(call.state, "loadbalancer", balancer.id, gone)


def describe_tags(call: Call) -> Answer:
    """DescribeTags: tags, and how many balancers have them."""
    region = call.region
    one = call.parameters.text("LoadBalancerId")
    wanted = tags_of_json(call) if call.parameters.given("Tags") else {}
    counts: dict[tuple[str, str], int] = {}
    for balancer in call.state.load_balancers.in_region(region.id):
        if one not in ("", balancer.id):
            continue
        for key, value in call.state.load_balancers.tags(balancer.id).items():
            if not wanted or (key in wanted and wanted[key] in ("", value)):
                counts[key, value] = counts.get((key, value), 0) + 1
    found = sorted(counts)
    if call.parameters.boolean("DistinctKey"):
        found = [
            tag
            for before, tag in zip([("", ""), *found], found, strict=False)
            if tag[0] != before[0]
        ]
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
    return tags_of_request(Parameters(values), values_needed=True)
