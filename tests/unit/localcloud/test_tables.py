from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import pytest

from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import KeyPair, TagSet, Vpc
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.state import State, open_state
from tests.unit.localcloud.test_firewall import instance

HOME, OTHER = "cn-hangzhou", "cn-beijing"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(tmp_path)
    yield opened
    opened.close()


def vpc(state: State) -> Vpc:
    return next(iter(state.vpcs))


@pytest.mark.parametrize("region", [HOME, None])
def test_a_resource_is_found_in_its_region_and_in_any(state: State, region: str | None) -> None:
    there = vpc(state)
    assert state.vpcs.find(there.id, region=region) is there
    assert state.vpcs.in_region(region) == [there]


def test_a_resource_of_another_region_is_refused_as_its_table_says(state: State) -> None:
    with pytest.raises(ApiError) as refused:
        state.vpcs.find(vpc(state).id, region=OTHER)
    assert (refused.value.code, refused.value.status) == ("InvalidVpcId.NotFound", 404)
    assert state.vpcs.find_or_none(vpc(state).id, region=OTHER) is None
    assert state.vpcs.in_region(OTHER) == []


def test_an_action_may_have_another_refusal(state: State) -> None:
    other = Refusal("InvalidNextHopId.NotFound")
    with pytest.raises(ApiError, match=r"InvalidNextHopId\.NotFound"):
        state.vpcs.find("vpc-1", region=HOME, missing=other)


def test_key_pairs_are_found_by_name_in_each_region(state: State) -> None:
    pairs = [KeyPair("k", region, f"ssh-{region}", "", "", "") for region in (HOME, OTHER)]
    with state.transaction():
        for pair in pairs:
            state.key_pairs.put(pair)
    assert [state.key_pairs.find("k", region=pair.region) for pair in pairs] == pairs
    assert state.key_pairs.find_or_none(pairs[0].key_id, region=HOME) is None


def test_tags_go_with_their_resource(state: State) -> None:
    there = vpc(state)
    with state.transaction():
        state.tag_sets.put(TagSet(f"vpc/{there.id}", HOME, {"k": "v"}))
    assert state.vpcs.tags(there.id) == {"k": "v"}
    with state.transaction():
        state.vpcs.remove(there.id)
    assert state.vpcs.tags(there.id) == {}
    assert len(state.tag_sets) == 0


def test_a_new_instance_may_not_be_seen_yet(state: State) -> None:
    hidden = replace(instance(1), region=HOME, visible_at=time.time() + 60)
    with state.transaction():
        state.instances.put(hidden)
    assert state.instances.find_or_none(hidden.id, region=HOME) is None
    assert state.instances.in_region(HOME) == []
    assert state.instances.get(hidden.id) is hidden


def test_only_fields_that_the_api_names_are_told() -> None:
    @dataclass(frozen=True)
    class Lamp:
        id: Annotated[str, "LampId"]
        secret: str = field(repr=False)
        bright: Annotated[bool, "Bright"] = False

    assert api_fields(Lamp("l-1", "hidden")) == {"LampId": "l-1", "Bright": False}
