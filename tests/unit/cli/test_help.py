"""How help is laid out: groups, the everyday options first, the width of the terminal."""

from __future__ import annotations

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers import registry
from ecsmachine.drivers.options import OPTION_GROUPS
from tests.unit.cli.conftest import Program


def _headings(text: str) -> list[str]:
    return [line[:-1] for line in text.splitlines() if line.endswith(":") and line[0] != " "]


def _flags(text: str) -> set[str]:
    return {word for word in text.replace(",", " ").split() if word.startswith("--")}


def test_create_shows_the_everyday_options_and_all_on_demand(program: Program) -> None:
    everyday = program("create", "--help").out
    whole = program("create", "--help", "--all").out
    assert _headings(everyday) == ["Arguments", *OPTION_GROUPS, "Options"]
    assert _headings(whole) == ["Arguments", *OPTION_GROUPS, "Options"]
    given = {f"--{each.name}" for each in registry.options_of("aliyunecs") if not each.deprecated}
    assert given <= _flags(whole)
    assert "--aliyunecs-instance-type" in everyday
    assert "--aliyunecs-period" not in everyday
    assert 8 < len(_flags(everyday) & _flags(whole)) < 30
    assert "more options: ecsmachine create --help --all" in everyday
    assert "more options" not in whole


def test_under_docker_machines_name_every_option_is_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(["create", "--help"], {}, name="docker-machine") == 0
    assert "--aliyunecs-period" in capfd.readouterr().out


def test_all_alone_is_refused(program: Program) -> None:
    refused = program("create", "--all", "dev1")
    assert refused.code == 2
    assert "--all can only be used with --help" in refused.err


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_help_fits_the_terminal(
    columns: int, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lengths = [len(line) for line in program("create", "--help", "--all").out.splitlines()]
    assert max(lengths) <= columns
    assert max(lengths) > columns - 10, "the width that is there is used"


def test_the_commands_of_container_service_stand_apart(program: Program) -> None:
    commands, service = program("--help").out.split("Commands of Container Service:")
    assert " cluster " not in commands
    assert " cluster " in service
    assert " ssh " not in service
