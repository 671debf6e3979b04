"""JSON of every command: one document on standard output, with the fields of docs/json.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from ecsmachine.cli.display.document import Document, as_switch, form_of
from ecsmachine.drivers import registry
from ecsmachine.drivers.capabilities import CredentialUse
from ecsmachine.errors import MachineError
from ecsmachine.machine import transfer
from ecsmachine.machine.model import Machine
from ecsmachine.machine.several import several_failures
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program
from tests.unit.cli.test_every_command import CALLABLE, PRINT_FOR_OTHERS
from tests.unit.stand_ins import add_machine

TEXT = (Path(__file__).parents[3] / "docs" / "json.md").read_text()


def documented(heading: str) -> set[str]:
    """Return the fields of the table below a heading, or below a line that begins with it."""
    _, _, rest = TEXT.partition(f"\n{heading}")
    table = re.search(r"\n\| field .*?\n\|[-|]+\n((?:\|.*\n)+)", rest)
    assert table is not None, heading
    return {row.split("`")[1] for row in table[1].splitlines()}


MACHINE = documented("A machine, as far")
ERROR = documented("An error:")


def fields(value: Any) -> set[str]:
    return {*(value[0] if isinstance(value, list) else value)}


@pytest.mark.parametrize("words", sorted({*CALLABLE} - PRINT_FOR_OTHERS))
def test_wrong_usage_of_any_command_is_a_document(words: str, program: Program) -> None:
    result = program(*words.split(), "--json", "--no-such-option")
    assert result.code == 2
    told = json.loads(result.out)
    assert fields(told) == {"Machines", "Errors"}
    assert [each["Code"] for each in told["Errors"]] == ["Usage"]
    assert fields(told["Errors"]) == ERROR - {"Details"}


def test_the_fields_of_what_prints_data_are_documented(
    program: Program, store: Store, running: Machine
) -> None:
    url = running.driver.url()
    for words, arguments in {
        "status": ["dev1"],
        "ip": ["dev1"],
        "url": ["dev1"],
        "active": [],
        "version": [],
        "prompt": [],
        "settings": [],
        "config": ["dev1"],
    }.items():
        result = program(*words.split(), "--json", *arguments, DOCKER_HOST=url)
        assert result.code == 0, result.err
        assert fields(json.loads(result.out)) == documented(f"### {words}\n"), words
    rows = json.loads(program("ls", "--json").out)
    assert fields(rows) == documented("### ls\n") | MACHINE


def test_the_fields_of_the_local_cloud_are_documented(
    tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = ("--root", str(tmp_path / "cloud"))

    def told(*words: str) -> Any:
        result = program("local", *words, "--json", *root)
        assert result.code == 0, result.err
        return json.loads(result.out)

    up = told("up", "--guests", "none")
    try:
        assert fields(up) == documented("### local up\n")
        status = told("status")
        assert fields(status) == documented("### local status\n") | (
            fields(up) - {"Already", "Errors"}
        )
        added = told("fault", "add", "error", "--code", "InternalError")
        assert fields(added) == documented("### local fault add\n")
    finally:
        down = told("down")
    assert fields(down) == documented("### local down\n")
    assert fields(told("reset", "-y")) == documented("### local reset\n")


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_what_was_done_to_machines(command: str, program: Program, store: Store) -> None:
    for name in ("a", "b"):
        add_machine(store, name, State="Stopped")
    result = program(command, "--json", "b", "a")
    told = json.loads(result.out)
    assert (result.code, told["Errors"]) == (0, [])
    assert [each["Name"] for each in told["Machines"]] == ["b", "a"]
    assert fields(told["Machines"]) == MACHINE
    assert "Stopping" in result.err or "Killing" in result.err


@pytest.mark.parametrize(
    ("words", "work"),
    [
        ("swarm init b", "swarm.join.init"),
        ("swarm join --manager c b a", "swarm.join.join"),
        ("swarm leave [ab]", "swarm.leave.leave"),
        ("swarm update --role worker b", "swarm.nodes.update"),
        ("swarm rotate b", "swarm.nodes.rotate"),
        ("credentials set --no-check --environment b a", "credentials.use_credentials"),
    ],
)
def test_each_command_that_changes_machines_names_them(
    words: str, work: str, program: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        add_machine(store, name)
    monkeypatch.setattr(f"ecsmachine.machine.{work}", lambda *_, **__: CredentialUse("x", "", ""))
    several = any(word in words for word in ("join", "leave", "set"))
    told = json.loads(program(*words.split(), "--json").out)
    assert {each["Name"] for each in told["Machines"]} == ({"a", "b"} if several else {"b"})
    assert {*program(*words.split(), "-q").lines} == ({"a", "b"} if several else {"b"})


def test_quietly_a_command_without_names_shows_what_it_was_called_for(
    tmp_path: Path, program: Program, store: Store
) -> None:
    template = tmp_path / "web.yml"
    template.write_text("web: {image: x}\n")
    assert program("project", "convert", "-q", str(template)).lines[0] == 'version: "3.9"'
    assert program("project", "convert", "-q", str(tmp_path / "nothing")).out == ""
    add_machine(store, "a")
    assert isinstance(json.loads(program("ls", "-q", "--json").out), list)


def test_a_machine_that_is_carried_in_a_file_is_named(
    tmp_path: Path, program: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_SCRYPT", {"n": 1 << 4, "r": 8, "p": 1})
    monkeypatch.setattr(registry, "driver_names", lambda: ("told",))
    add_machine(store, "dev1", SSHPort=22, SSHUser="root")
    file, secret = str(tmp_path / "file"), {"ECSMACHINE_PASSPHRASE": "correct horse"}
    assert program("export", "-q", "dev1", file, **secret).lines == ["dev1"]
    told = json.loads(program("import", "--json", "--name", "b", file, **secret).out)
    assert [each["Name"] for each in told["Machines"]] == ["b"]


def test_an_error_of_the_only_machine_names_it(program: Program, store: Store) -> None:
    add_machine(store, "dev1", URL="tcp://127.0.0.1:1")
    for words in ("version dev1", "swarm init dev1", "swarm leave dev1"):
        (error,) = json.loads(program(*words.split(), "--json").out)["Errors"]
        assert error["Machine"] == "dev1", words


def test_create_and_remove_quietly_and_as_events(program: Program, store: Store) -> None:
    def created(*words: str) -> Any:
        return program("create", "-d", "none", "--url", "tcp://198.18.0.9:2376", *words)

    assert created("-q", "a{1..3}").lines == ["a1", "a2", "a3"]
    events = [json.loads(line) for line in created("--json=lines", "b1").lines]
    assert [each["Machine"] for each in events if each["Event"] == "done"] == ["b1"]
    assert [each["Name"] for each in events if each["Event"] == "machine"] == ["b1"]
    assert {each["Machine"] for each in events if each["Event"] == "progress"} == {"b1"}
    assert all(each["Time"] for each in events)
    whole = json.loads(created("--json", "b2").out)
    assert [each["Address"] for each in whole["Machines"]] == ["198.18.0.9"]
    again = created("--json", "b2")
    (error,) = json.loads(again.out)["Errors"]
    assert (again.code, error["Code"], error["Machine"]) == (1, "MachineExists", "b2")
    assert program("rm", "-y", "-q", "a1", "a2").lines == ["a1", "a2"]
    assert program("rm", "-y", "--quiet", "--json", "a3").code == 2


def test_under_the_old_name_ls_has_the_old_fields(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    add_machine(store, "dev1", State="Stopped", labels=["env=prod"])
    environment = {"MACHINE_STORAGE_PATH": str(store.path)}
    assert run(["ls", "--json"], environment, name="docker-machine") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["EngineOptions"]["Labels"] == ["env=prod"]
    assert row["ActiveSwarm"] is False


def test_a_fault_of_ours_is_in_the_document(
    program: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("x")

    add_machine(store, "dev1")
    monkeypatch.setattr("ecsmachine.machine.operations.stop", fail)
    result = program("stop", "--json", "dev1")
    assert (result.code, json.loads(result.out)["Errors"][0]["Code"]) == (1, "Fault")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    else:
        yield str(value)


def test_no_secret_of_the_store_is_in_a_document(program: Program, store: Store) -> None:
    add_machine(store, "dev1", State="Stopped", SecretKey="hidden-1", SSHPassword="hidden-2")
    for words in (["ls"], ["inspect", "dev1"], ["stop", "dev1"], ["status", "dev1"]):
        told = json.loads(program(*words, "--json").out)
        assert not [text for text in _texts(told) if "hidden" in text], words


def test_an_error_that_sums_up_is_told_in_its_parts() -> None:
    from ecsmachine.cli.display.document import errors_of

    failures = [("a", MachineError("no", hint="Try.")), ("b", MachineError("no more"))]
    told = errors_of(several_failures(failures, 3), "", str)
    assert [(each["Machine"], each["Message"]) for each in told] == [("a", "no"), ("b", "no more")]


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("ls --json", "document"),
        ("ls -json", "document"),
        ("start --json=lines a", "lines"),
        ("ls --json=false", None),
        ("ssh dev1 cat --json", None),
        ("-s /store --profile ls ssh dev1 cat --json", None),
        ("--debug ssh dev1 cat --json", None),
        ("rm ssh run --json", "document"),
        ("local run packer --json", None),
        ("rm -- --json", None),
        ("rm --json --help", None),
    ],
)
def test_the_form_that_is_asked_for(line: str, form: str | None) -> None:
    assert form_of(line.split()) == form


def test_what_another_program_is_given_stays_as_it_is() -> None:
    assert as_switch(["ssh", "dev1", "tool", "--json=lines"])[-1] == "--json=lines"
    assert as_switch(["local", "run", "tool", "-json=lines"])[-1] == "-json=lines"
    assert as_switch(["rm", "-json=lines", "run", "--json=lines"]) == [
        "rm",
        "--json",
        "run",
        "--json",
    ]


def test_control_characters_stay_json(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    made = Document("document", sys.stdout)
    made.set_result({"Name": "a\u001b[31m\u202e"})
    made.end([], lambda name: {})
    out = capsys.readouterr().out
    assert "\u202e" not in out
    assert json.loads(out) == {"Name": "a\u001b[31m\u202e"}
