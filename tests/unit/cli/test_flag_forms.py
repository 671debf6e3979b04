from __future__ import annotations

import pytest

from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program
from tests.unit.stand_ins import add_machine

URL = "tcp://127.0.0.1:1"


@pytest.mark.parametrize(
    "words",
    [
        ["-d", "none", "--url", URL, "dev1"],
        ["-driver", "none", "-url", URL, "dev1"],
        ["-driver=none", f"-url={URL}", "dev1"],
        ["-d=none", f"--url={URL}", "dev1"],
        ["-dnone", "dev1", f"--url={URL}"],
        ["dev1", "-d", "none", "-url", URL],
        ["--url", URL, "dev1", "-driver", "none"],
        ["-d", "none", "-url", URL, "-keep-on-failure=false", "--", "dev1"],
    ],
)
def test_every_form_of_flags_makes_the_same_machine(
    words: list[str], program: Program, store: Store
) -> None:
    assert program("create", *words).code == 0
    assert (store.load("dev1").driver.name, store.load("dev1").driver.url()) == ("none", URL)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["create", "-d", "none", "--url"], "ecsmachine create --help"),
        (["ls", "-filter"], "ecsmachine ls --help"),
        (["local", "fault", "add", "delay", "--seconds"], "ecsmachine local fault add --help"),
        (["-s"], "ecsmachine --help"),
    ],
)
def test_an_option_without_its_value_names_the_help_of_its_command(
    words: list[str], named: str, program: Program
) -> None:
    result = program(*words)
    assert (result.code, result.err.endswith(f"See '{named}'.\n")) == (2, True), result.err


def test_values_are_left_alone(program: Program, store: Store) -> None:
    label = "-url=x"
    words = ("-d", "none", "-url", URL, "-engine-env", "A=-force", "-engine-label", label)
    assert program("create", *words, "dev1").code == 0
    assert store.load("dev1").engine.labels == [label]


def test_switches_with_values(program: Program, store: Store) -> None:
    add_machine(store, "dev1")
    assert program("ls", "-quiet").lines == ["dev1"]
    assert program("ls", "--quiet=true", "-filter", "name=dev").lines == ["dev1"]
    assert program("ls", "-q=1", "-filter=name=no").lines == []
    assert len(program("ls", "-quiet=false").lines) == 2
    wrong = program("ls", "--quiet=maybe")
    assert (wrong.code, wrong.out) == (2, "")
    assert 'is neither true nor false: "maybe"' in wrong.err


def test_global_options(program: Program, store: Store) -> None:
    add_machine(store, "dev1")
    assert program("-storage-path", str(store.path), "-debug=false", "ls", "-q").lines == ["dev1"]
    assert program("-s=/nonexistent", "ls", "-q").lines == []
    assert program("-version").out.startswith("ecsmachine version ")
    assert "Example" in program("ls", "-help").out


def test_the_words_of_a_remote_command_are_not_ours(program: Program) -> None:
    # the first word is the name of a machine, and all that follows it is left as it is
    result = program("ssh", "nope", "ls", "-help")
    assert result.code == 1
    assert '"nope" does not exist' in result.err
    assert "exit with the command's exit code" in " ".join(program("ssh", "-help").out.split())


def test_what_is_unknown_stays_so(program: Program) -> None:
    result = program("ls", "-nonesuch")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1


def test_commands_of_groups_take_them_too(program: Program, store: Store) -> None:
    add_machine(store, "dev1")
    usual = program("config", "show", "--json", "dev1")
    assert usual.code == 0
    assert program("config", "show", "-json=true", "dev1") == usual
    wrong = program("config", "show", "-json=maybe", "dev1")
    assert wrong.code == 2


@pytest.mark.parametrize("region", ["cn-h\u202e", "cn\nhangzhou", "a/b"])
def test_a_region_that_no_request_can_name(region: str, program: Program) -> None:
    keys = {"ECS_ACCESS_KEY_ID": "test", "ECS_ACCESS_KEY_SECRET": "test", "ECS_REGION": region}
    result = program("cluster", "images", "--endpoint", "http://127.0.0.1:1", **keys)
    assert result.code == 2
    assert "is not a region such as cn-hangzhou. Correct it: --region, or ECS_REGION." in result.err
