from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.driver_options import (
    driver_name_of,
    help_of,
    resolve,
    values_of,
    warnings_of,
    with_options,
)
from ecsmachine.cli.arguments.every_command import command_of
from ecsmachine.cli.tree import command_tree
from ecsmachine.drivers.options import Option
from ecsmachine.errors import UsageError

REGION = Option("x-region", "The region", env="X_REGION", default="cn-hangzhou")
SIZE = Option("x-size", "GiB", env="X_SIZE", kind="int", default=40)
TAGS = Option("x-tag", "A tag", env="X_TAGS", kind="list")
PRIVATE = Option("x-private", "No public address", env="X_PRIVATE", kind="bool", default=False)
DEAD = Option("x-kernel", "Nothing", env="X_KERNEL", kind="bool", deprecated="does nothing")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["create", "dev1"], "aliyunecs"),
        (["create", "-d", "none", "dev1"], "none"),
        (["create", "-dnone", "dev1"], "none"),
        (["create", "dev1", "--driver=none"], "none"),
        (["create", "dev1", "--driver", "none"], "none"),
        (["create", "--", "-d", "none"], "aliyunecs"),
        (["create", "-d", "generic", "dev1", "--driver=none"], "none"),
        (["create", "-dry-run", "-d", "none", "dev1"], "none"),
        (["create", "-d", "none", "-dry-run=true", "dev1"], "none"),
        (["create", "-dry-run", "dev1"], "aliyunecs"),
        (["-debug", "create", "dev1"], "aliyunecs"),
        (["create", "-d=of-others", "dev1"], "of-others"),
        (["create", "-driver=of-others", "dev1"], "of-others"),
        (["create", "-dnonesuch", "dev1"], "nonesuch"),
        (["create", "-d", "debug", "dev1"], "debug"),
        (["create", "debug", "-d", "none"], "none"),
        (["create", "-dnone-such", "dev1"], "none-such"),
    ],
)
def test_the_driver_is_known_before_the_line_is_parsed(arguments: list[str], name: str) -> None:
    assert driver_name_of(arguments, {}) == name


@pytest.mark.parametrize("command", ["create", "bake", "adopt", "sweep"])
def test_the_flags_that_begin_as_that_of_the_driver_are_known(command: str) -> None:
    session = Session({}, ["ecsmachine"])
    tree = command_tree()
    context = typer.Context(tree, obj=session)
    commands = (tree, tree.get_command(context, command))
    flags = {flag for each in commands for one in each.get_params(context) for flag in one.opts}
    for flag in flags - {"--driver", "-d"}:
        if flag.startswith("--d"):
            assert driver_name_of([flag.removeprefix("-")], {}) == "aliyunecs", flag
    assert "--debug" in flags and ("--dry-run" in flags) is (command in ("create", "sweep"))


def test_the_driver_of_the_environment_yields_to_the_flag() -> None:
    environment = {"MACHINE_DRIVER": "generic"}
    assert driver_name_of(["create", "dev1"], environment) == "generic"
    assert driver_name_of(["create", "dev1", "-d", "none"], environment) == "none"


def test_flag_before_variable_before_default() -> None:
    options = (REGION, SIZE, TAGS, PRIVATE)
    nothing: dict[str, None] = {option.name: None for option in options}
    assert resolve(options, nothing, {}) == {
        "x-region": "cn-hangzhou",
        "x-size": 40,
        "x-tag": None,
        "x-private": False,
    }
    environment = {
        "X_REGION": "eu-west-1",
        "X_SIZE": "5",
        "X_TAGS": "a=b, c=d,",
        "X_PRIVATE": "True",
    }
    assert resolve(options, nothing, environment) == {
        "x-region": "eu-west-1",
        "x-size": 5,
        "x-tag": ["a=b", "c=d"],
        "x-private": True,
    }
    flags = {**nothing, "x-region": "us-east-1", "x-size": 0, "x-tag": ["e=f,g"]}
    assert resolve(options, flags, environment) == {
        "x-region": "us-east-1",
        "x-size": 0,
        "x-tag": ["e=f,g"],
        "x-private": True,
    }


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([], True),
        (["--x-private=false"], False),
        (["-x-private=0"], False),
        (["--x-private", "--x-private=false"], False),
        (["--x-private=false", "--x-private"], True),
    ],
)
def test_a_switch_that_is_typed_as_false_wins_over_its_variable(
    words: list[str], value: bool
) -> None:
    found: list[object] = []

    def look(ctx: typer.Context, **given: Any) -> None:
        found.append(values_of(ctx, (PRIVATE,), given)["x-private"])

    command = command_of("look", with_options(look, (PRIVATE,)))
    session = Session({"X_PRIVATE": "true"}, ["ecsmachine"])
    command.main(args=words, prog_name="look", standalone_mode=False, obj=session)
    assert found == [value]


def test_a_global_switch_that_is_typed_as_false_wins_over_its_variable(
    tmp_path: Path,
) -> None:
    environment = {"HOME": str(tmp_path), "MACHINE_NATIVE_SSH": "1"}
    sessions: list[Session] = []
    for words in ([], ["--native-ssh=false"]):
        session = Session(environment, ["ecsmachine"])
        command_tree().main(
            args=[*words, "version"], prog_name="x", standalone_mode=False, obj=session
        )
        sessions.append(session)
    assert [session.native_ssh for session in sessions] == [True, False]


def test_an_empty_variable_counts_as_not_set() -> None:
    assert resolve((REGION,), {"x-region": None}, {"X_REGION": ""}) == {"x-region": "cn-hangzhou"}


@pytest.mark.parametrize(("option", "text"), [(SIZE, "forty"), (SIZE, "1.5"), (PRIVATE, "perhaps")])
def test_a_variable_of_the_wrong_kind_is_named(option: Option, text: str) -> None:
    assert option.env
    with pytest.raises(UsageError, match=f"{option.env}.*{text}"):
        resolve((option,), {option.name: None}, {option.env: text})


def test_deprecated_options_warn_only_when_given() -> None:
    assert warnings_of((DEAD,), {"x-kernel": None}, {}) == []
    assert warnings_of((DEAD,), {"x-kernel": False}, {}) == []
    assert warnings_of((DEAD,), {"x-kernel": True}, {}) == ["--x-kernel: does nothing"]
    assert warnings_of((DEAD,), {"x-kernel": None}, {"X_KERNEL": "true"}) == [
        "--x-kernel: does nothing"
    ]


def test_help_names_default_and_variable() -> None:
    assert help_of(REGION) == "The region [default: cn-hangzhou, $X_REGION]"
    assert help_of(TAGS) == "A tag [$X_TAGS]"


PLAN = Option("plan", "Plan", env="PLAN", choices=("small", "large"))


def test_choices_are_matched_of_a_flag_and_of_a_variable() -> None:
    assert resolve([PLAN], {"plan": "small"}, {})["plan"] == "small"
    assert resolve([PLAN], {"plan": ""}, {})["plan"] == "", "a script's empty variable is no choice"
    for flags, environment in (({"plan": "smal"}, {}), ({}, {"PLAN": "smal"})):
        with pytest.raises(UsageError) as caught:
            resolve([PLAN], flags, environment)
        assert caught.value.message == '--plan (PLAN): "smal" is not known'
        assert caught.value.hint == "Did you mean small? Use one of: small, large."
