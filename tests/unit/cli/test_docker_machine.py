"""The program under the name docker-machine: what Docker Machine's own tests look at, and clients.

The expectations are those of docker/machine's command tests, in our words.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers.none import NoneDriver
from ecsmachine.errors import MachineError
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program, Result

NO_DEFAULT = 'Error: No machine name(s) specified and no "default" machine exists\n'
NO_COMMAND = (
    "docker-machine: 'nope' is not a docker-machine command. See 'docker-machine --help'.\n"
)
NO_MASTER = (
    '"test" is not a swarm master. The --swarm flag is intended for use with swarm masters\n'
)
FLAGS = "Error setting machine configuration from flags provided: "


@pytest.fixture
def docker_machine(store: Store, capfd: pytest.CaptureFixture[str]) -> Program:
    """Runs the program by the old name."""

    def call(*arguments: str, **environment: str) -> Result:
        capfd.readouterr()
        told = {"MACHINE_STORAGE_PATH": str(store.path), "SHELL": "/bin/bash"}
        code = run(list(arguments), {**told, **environment}, name="docker-machine")
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def machines(docker_machine: Program) -> Program:
    for name, url, *more in (
        ("test5", "url5", "--engine-label", "app=1"),
        ("test4", "url4", "--engine-label", "foo=bar", "--engine-label", "app=1"),
        ("test", "url1"),
    ):
        assert docker_machine("create", "-d", "none", "--url", url, *more, name).code == 0
    return docker_machine


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "create -d bogus bogus",
            'Driver "bogus" not found. Do you have the plugin binary '
            '"docker-machine-driver-bogus" accessible in your PATH?\n',
        ),
        ("create -d none", "Error: No machine name specified\n"),
        ("create -d none --url x a b c", "Invalid command line. Found extra arguments [b c]\n"),
        ("rm -y", "Error: Expected to get one or more machine names as arguments\n"),
        (
            "rm -y nope",
            'Error removing host "nope": Docker machine "nope" does not exist. Use "docker-machine '
            'ls" to list machines. Use "docker-machine create" to add a new one.\n',
        ),
        (
            "rm -y nope gone",
            'Error removing host "nope": Docker machine "nope" does not exist. Use "docker-machine '
            'ls" to list machines. Use "docker-machine create" to add a new one.\n'
            'Error removing host "gone": Docker machine "gone" does not exist. Use "docker-machine '
            'ls" to list machines. Use "docker-machine create" to add a new one.\n',
        ),
        (
            "inspect nope",
            'Docker machine "nope" does not exist. Use "docker-machine ls" to list machines. '
            'Use "docker-machine create" to add a new one.\n',
        ),
        ("status", NO_DEFAULT),
        ("url", NO_DEFAULT),
        ("inspect", NO_DEFAULT),
        ("active", "No active host found\n"),
        ("active test", "Error: Too many arguments given\n"),
        ("inspect test test4", "Error: Expected one machine name as an argument\n"),
        ("version test test4", "Error: Expected one machine name as an argument\n"),
        ("scp a", "Improper number of arguments\n"),
        ("mount test:/a b c", "Improper number of arguments\n"),
        ("nope", NO_COMMAND),
        ("help nope", NO_COMMAND),
        ("ls --filter x", "Unsupported filter syntax\n"),
        ("env --shell sh --swarm test", f"Error checking TLS connection: {NO_MASTER}"),
        ("config --swarm test", f"Error running connection boilerplate: {NO_MASTER}"),
        ("create -d none x", f"{FLAGS}--url option is required when no driver is selected\n"),
        (
            "create -d generic x",
            f"{FLAGS}generic driver requires the --generic-ip-address option\n",
        ),
        ("env -u dev1", "Error: Expected no machine name when the -u flag is present\n"),
        ("create -d none --url x test", 'Docker machine "test" already exists\n'),
    ],
)
def test_an_error_is_the_bare_sentence(words: str, said: str, machines: Program) -> None:
    result = machines(*words.split())
    assert (result.code, result.out, result.err) == (1, "", said)


@pytest.mark.parametrize("name", ["∞", "-", ".", ".."])
def test_a_name_that_is_no_host_name(name: str, docker_machine: Program) -> None:
    result = docker_machine("create", "-d", "none", "--url", "none", name)
    assert result.code == 1
    assert result.err.startswith(
        "Error creating machine: Invalid hostname specified. "
        "Allowed hostname chars are: 0-9a-zA-Z . -"
    )


def test_a_create_that_fails_says_so_first(
    docker_machine: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("create", "-d", "generic", "--generic-ip-address", "127.0.0.1", "--generic-ssh-key")
    result = docker_machine(*words, "/nope", "dev1")
    assert result.code == 3
    assert result.err == 'Error with pre-create check: "There is no private key at /nope"\n'

    def fails(*_: object) -> None:
        raise MachineError("no room")

    monkeypatch.setattr(NoneDriver, "create", fails)
    result = docker_machine("create", "-d", "none", "--url", "tcp://192.0.2.7:2376", "dev1")
    assert result.code == 1
    assert result.err.startswith("Error creating machine: no room")


def test_what_may_have_changed_is_said_as_docker_machine_does(machines: Program) -> None:
    assert machines("start", "test").lines[-1] == (
        "Started machines may have new IP addresses. "
        "You may need to re-run the `docker-machine env` command."
    )


def test_names_alone_are_sorted_as_comm_wants_them(docker_machine: Program) -> None:
    for name in ("n2", "n10", "N3"):
        docker_machine("create", "-d", "none", "--url", "tcp://192.0.2.7:2376", name)
    assert docker_machine("ls", "-q").lines == ["N3", "n10", "n2"]
    assert docker_machine("ls", "-f", "{{.Name}}").lines == ["n2", "N3", "n10"]


def test_without_a_shell_env_says_no_more_than_that(docker_machine: Program) -> None:
    assert docker_machine("env", "-u", SHELL="").err == "Error: Unknown shell\n"


def test_an_error_of_the_command_line_leaves_with_1(docker_machine: Program) -> None:
    result = docker_machine("ls", "--nope")
    assert result.code == 1
    assert result.err.endswith("See 'docker-machine ls --help'.\n")
    assert not result.err.startswith("Error")


def test_a_second_name_makes_no_machine(docker_machine: Program, store: Store) -> None:
    assert docker_machine("create", "-d", "none", "--url", "x", "a", "b").code == 1
    assert store.names() == []
    assert docker_machine("create", "-d", "none", "--url", "x", "a").code == 0


def test_a_machine_is_removed_without_a_question(machines: Program, store: Store) -> None:
    assert machines("rm", "-f", "test").out.endswith("Successfully removed test\n")
    assert store.names() == ["test4", "test5"]


def test_ls_says_that_the_engine_does_not_answer(machines: Program) -> None:
    head, first, *_ = machines("ls").lines
    assert head.split() == ["NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS"]
    cells = first.split(maxsplit=6)
    assert cells[:6] == ["test", "-", "none", "Running", "url1", "Unknown"]
    assert cells[6].startswith("Unable to query docker version: ")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("label=foo=bar", ["test4"]),
        ("label=foo=bar label=app=1", ["test4", "test5"]),
        ("label=invalid=filter", []),
        ("driver=none", ["test", "test4", "test5"]),
        ("driver=NONE", ["test", "test4", "test5"]),
        ("state=Running", ["test", "test4", "test5"]),
        ("state=Paused", []),
        ("name=^t.*t[3-5]", ["test4", "test5"]),
    ],
)
def test_filters(words: str, names: list[str], machines: Program) -> None:
    filters = [each for word in words.split() for each in ("--filter", word)]
    assert machines("ls", "-q", *filters).lines == names


def test_tabs_of_a_template_stay_tabs(machines: Program) -> None:
    assert machines("ls", "-f", r"{{.Name}}\t{{.URL}}").lines == [
        "test\turl1",
        "test4\turl4",
        "test5\turl5",
    ]
    assert machines("ls", "--format", "table {{.Name}}: {{.DriverName}}").lines[:2] == [
        "NAME: DRIVER",
        "test: none",
    ]


def test_the_version_can_be_taken_apart(docker_machine: Program) -> None:
    for words in (["version"], ["--version"], ["-v"]):
        name, _, version, _, build = docker_machine(*words).out.split()
        assert (name, version[-1], build) == ("docker-machine", ",", "ecsmachine")


def test_help_lists_flags_where_its_completion_looks_for_them(docker_machine: Program) -> None:
    for words in (["create", "-d", "aliyunecs", "--help"], ["help", "create"]):
        lines = docker_machine(*words).lines
        flags = {line.split()[0].rstrip(",") for line in lines if line.startswith("   -")}
        assert {"--driver", "--engine-label", "--help"} <= flags, words
    assert "--aliyunecs-region" in docker_machine("create", "-d", "aliyunecs", "--help").out
    assert "Create and manage machines running Docker" in docker_machine("--help").out


def test_help_calls_its_commands_by_the_old_name(docker_machine: Program) -> None:
    for words in ([], ["--help"], ["help", "create"], ["ls", "--help"], ["ssh", "x", "--help"]):
        out = docker_machine(*words).out
        assert "Example: docker-machine " in out
        assert not re.search(r"ecsmachine (create|ls|rm|ssh)", out), words


def test_what_is_said_of_machines_calls_commands_by_the_old_name(
    docker_machine: Program, store: Store
) -> None:
    store.directory("broken").mkdir(parents=True)
    (store.directory("broken") / "config.json").write_text('{"ConfigVersion": 9, "Driver": {}}')
    (store.directory("broken") / "journal.json").write_text("{")
    said = docker_machine("rm", "-f", "broken").err
    assert 'Error removing host "broken": ' in said
    assert '"docker-machine sweep"' in said


def test_a_store_is_written_down_without_the_folder_that_two_dots_leave(
    docker_machine: Program, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path / "build")
    for way in (["-s", "../kept"], ["-s", f"{tmp_path}/build/../kept"]):
        assert docker_machine(*way, "create", "-d", "none", "--url", "tcp://x:1", "a").code == 0
        path = docker_machine(*way, "inspect", "-f", "{{.Driver.StorePath}}", "a").out.strip()
        assert path == str((tmp_path / "kept").resolve())
        docker_machine(*way, "rm", "-y", "a")


def test_completion_completes_the_old_name(docker_machine: Program, tmp_path: Path) -> None:
    script = docker_machine("completion", "bash").out
    found = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p docker-machine"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.stdout == "complete -o default -F _ecsmachine docker-machine\n"
    assert "$(ecsmachine" not in script
    assert "(docker-machine __complete" in script
