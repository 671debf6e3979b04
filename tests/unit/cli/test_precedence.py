"""Of options that cannot be together the one counts that is given more strongly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecsmachine.cli.arguments.create_options import options_of_create
from ecsmachine.cli.arguments.driver_options import resolve
from ecsmachine.cli.settings.layers import VARIABLE
from ecsmachine.drivers.options import Alternative, Option, OptionValue
from ecsmachine.errors import UsageError

OPTIONS = options_of_create("aliyunecs")
BY_NAME = {option.name: option for option in OPTIONS}


def pairs() -> Iterator[tuple[Option, Option, Alternative]]:
    for option in OPTIONS:
        for each in option.alternatives:
            yield option, BY_NAME[each.name], each


PAIRS = [pytest.param(*pair, id=f"{pair[0].name} {pair[1].name}") for pair in pairs()]


def some_value(option: Option, values: tuple[OptionValue, ...]) -> OptionValue:
    if values:
        return values[0]
    if option.choices:
        return option.choices[-1]
    some: dict[str, OptionValue] = {"string": "some", "int": 3, "bool": True, "list": ["some"]}
    return some[option.kind]


def as_variable(option: Option, value: OptionValue) -> dict[str, str]:
    assert option.env
    text = ",".join(value) if isinstance(value, list) else str(value)
    return {option.env: text.lower() if option.kind == "bool" else text}


def resolved(
    flags: dict[str, OptionValue],
    variables: dict[str, str],
    settings: dict[str, OptionValue] | None = None,
    strengths: dict[str, int] | None = None,
) -> tuple[dict[str, OptionValue], list[str]]:
    lines: list[str] = []
    found = resolve(OPTIONS, flags, variables, settings or {}, strengths or {}, lines.append)
    return found, lines


@pytest.mark.parametrize(("one", "other", "how"), PAIRS)
def test_a_flag_beats_the_variable_of_what_it_cannot_be_with(
    one: Option, other: Option, how: Alternative
) -> None:
    mine, theirs = some_value(one, how.mine), some_value(other, how.theirs)
    if other.env:
        found, lines = resolved({one.name: mine}, as_variable(other, theirs))
        assert (found[one.name], found[other.name]) == (mine, other.default)
        assert lines == [f"--{one.name} is given: {other.env} is not used"]
    if one.env and how.mutual:
        found, lines = resolved({other.name: theirs}, as_variable(one, mine))
        assert (found[one.name], found[other.name]) == (one.default, theirs)
        assert lines == [f"--{other.name} is given: {one.env} is not used"]


@pytest.mark.parametrize(("one", "other", "how"), PAIRS)
@pytest.mark.parametrize("as_flags", [True, False])
def test_two_that_are_given_alike_are_refused_or_one_is_said_to_count(
    one: Option, other: Option, how: Alternative, as_flags: bool
) -> None:
    mine, theirs = some_value(one, how.mine), some_value(other, how.theirs)
    flags = {one.name: mine, other.name: theirs}
    variables: dict[str, str] = {}
    if not as_flags:
        for option in (one, other):
            if option.env:
                variables |= as_variable(option, flags.pop(option.name))
        if flags:
            return  # one of them has no variable
    if how.both == "refused":
        with pytest.raises(UsageError) as caught:
            resolved(flags, variables)
        assert f"--{one.name}" in caught.value.message
        assert f"--{other.name}" in caught.value.message
        return
    found, lines = resolved(flags, variables)
    assert found[one.name] == mine
    if how.both == "wins":
        assert found[other.name] == other.default
        assert any("is not used" in line for line in lines)
    else:
        assert (found[other.name], lines) == (theirs, [])


def test_a_variable_beats_a_file_and_a_set_of_options_beats_a_variable() -> None:
    id_, family = "aliyunecs-image-id", "aliyunecs-image-family"
    variable = {"ECS_IMAGE_FAMILY": "web"}
    found, _ = resolved({}, variable, {id_: "m-1"}, {id_: VARIABLE + 1})
    assert (found[id_], found[family]) == ("", "web")
    found, _ = resolved({}, variable, {id_: "m-1"}, {id_: 1})
    assert (found[id_], found[family]) == ("m-1", "")


def test_a_variable_that_a_file_stands_in_for_is_as_weak_as_the_file() -> None:
    found, _ = resolved(
        {},
        {"ECS_VSWITCH_ID": "vsw-1", "ECS_ZONE": "cn-hangzhou-h"},
        strengths={"ECS_VSWITCH_ID": VARIABLE + 2},
    )
    assert (found["aliyunecs-vswitch-id"], found["aliyunecs-zone"]) == ("", "cn-hangzhou-h")


def test_values_that_can_be_together_are_left_alone() -> None:
    found, lines = resolved(
        {"aliyunecs-charge-type": "PrePaid"}, {"ECS_SPOT_STRATEGY": "NoSpot", "ECS_PERIOD": "3"}
    )
    assert (found["aliyunecs-period"], lines) == (3, [])


def test_what_does_not_count_is_told_once() -> None:
    variables = {"ECS_ACCESS_KEY_ID": "LTAI", "ECS_ACCESS_KEY_SECRET": "secret"}
    found, lines = resolved({"aliyunecs-profile": "work"}, variables)
    assert (found["aliyunecs-access-key-id"], found["aliyunecs-access-key-secret"]) == ("", "")
    unused = "ECS_ACCESS_KEY_ID and ECS_ACCESS_KEY_SECRET are not used"
    assert lines == [f"--aliyunecs-profile is given: {unused}"]
    flags: dict[str, OptionValue] = {"aliyunecs-cpus": 8, "aliyunecs-memory": 16}
    _, lines = resolved(flags, {"ECS_INSTANCE_TYPE": "ecs.g6.large"})
    assert lines == ["--aliyunecs-cpus is given: ECS_INSTANCE_TYPE is not used"]
