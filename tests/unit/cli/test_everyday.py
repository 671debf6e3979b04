"""Every-day commands in their plain form: the same as typer reads them, without its weight."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.arguments.parameters import flags_of, takes_value
from ecsmachine.cli.everyday import plain
from ecsmachine.cli.tree import command_tree
from ecsmachine.machine import engine_look, probe, stored
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program
from tests.unit.stand_ins import add_machine

NOT_PLAIN = {"--help", "-h", "--orphans", "--cluster", "--watch", "-w", "--interval"}
"""Flags of every-day commands that only typer knows."""

HEAVY = ("typer", "click", "rich", "requests", "cryptography", "paramiko", "tenacity", "pydantic")

WITHOUT_MACHINES = [["version"], ["active"], ["prompt"], ["ls", "-q"], ["__complete", "ip", "a"]]
"""What reads no machine: it needs nothing that takes longer to load than Python itself."""

NOT_FOR_AN_ENGINE = (
    *(*HEAVY, "typing", "pathlib", "dataclasses", "inspect", "signal", "threading", "logging"),
    *("http.client", "urllib.parse", "ipaddress", "encodings.idna", "datetime"),
)
"""What takes longer to load than the engine takes to answer."""

NOT_SO_LIGHT = (*NOT_FOR_AN_ENGINE, "re", "json", "ssl", "socket")

LINES = [
    "version",
    "active",
    "active -t 1 --json",
    "ls",
    "ls -q",
    "ls --quiet --filter name=w --filter driver=told",
    "ls --filter=state=Stopped",
    "ls -f {{.Name}}",
    "ls --format json",
    "ls --filter nope=1",
    "ls --format {{.Nope}}",
    "inspect web1",
    "inspect -f {{.Driver.State}} web1",
    "inspect --json -f x web1",
    "inspect nope",
    "inspect",
    "status web1 web2",
    "status web* --json",
    "ip web1",
    "ip nope web1",
    "url web1 web2",
    "url",
    "env web1",
    "env --shell fish -u",
    "env -u --no-proxy",
    "env --unset web1",
    "env --json --shell sh",
    "config web2 --json",
    "config --swarm web1",
    "version web1 --json",
    "prompt",
    "prompt --json",
    "ls -o wide --sort=state",
    "ls --output name,type --json --sort NAME",
]


OF_A_RUNNING_MACHINE = [
    *("ls", "inspect dev1", "inspect --json dev1", "status dev1", "status dev1 --json", "ip dev1"),
    *("ip --json dev1", "url dev1", "url --json dev1", "env dev1", "env --shell fish dev1"),
    *("env --json dev1", "env --no-proxy dev1", "config dev1", "config --json dev1"),
]


@pytest.fixture
def dev1(running: Machine, store: Store, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine ``dev1`` of the driver generic, whose engine answers; late, on a busy computer."""
    for module in (engine_look, probe):
        monkeypatch.setattr(module, "PATIENCE_S", 30.0)
    path = running.directory / "config.json"
    config = json.loads(path.read_text())
    config["DriverName"] = "generic"
    port = int(running.driver.url().rpartition(":")[2])
    config["Driver"] = {"IPAddress": "127.0.0.1", "EnginePort": port, "MachineName": "dev1"}
    path.write_text(json.dumps(config))
    return store.load("dev1")


def command(name: str) -> Any:
    tree = command_tree()
    context = tree.make_context("ecsmachine", [], resilient_parsing=True)
    found = tree.get_command(context, name)
    found = getattr(found, "default_command", found)
    return found, found.make_context(name, [], parent=context, resilient_parsing=True)


@pytest.mark.parametrize("name", plain.COMMANDS)
def test_the_table_says_what_typer_says(name: str) -> None:
    _, flags, names, most = plain.COMMANDS[name]
    found, context = command(name)
    parameters = found.get_params(context)
    said = {}
    for parameter in parameters:
        for flag in flags_of(parameter):
            if flag not in NOT_PLAIN:
                kind = "switch" if not takes_value(parameter) else "text"
                kind = "texts" if parameter.multiple else kind
                said[flag] = (parameter.name, "seconds" if flag in ("-t", "--timeout") else kind)
    assert flags == said
    (argument,) = [each for each in parameters if not flags_of(each)] or [None]
    assert names == (argument.name if argument is not None else "")
    assert (most == 0) is (argument is None)


@pytest.mark.parametrize("line", LINES)
def test_both_ways_print_the_same(
    line: str, program: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_machine(store, "web1", State="Running", URL="tcp://127.0.0.1:1")
    add_machine(store, "web2", State="Stopped")
    words = line.split()
    assert plain._read(words[0], words[1:]) is not None
    variables = {"SHELL": "/bin/bash", "DOCKER_HOST": "tcp://127.0.0.1:1"}
    plainly = program(*words, **variables)
    monkeypatch.setattr(plain, "read", lambda *_: None)
    by_typer = program(*words, **variables)
    assert _without_times(by_typer.out) == _without_times(plainly.out)
    assert (by_typer.code, by_typer.err) == (plainly.code, plainly.err)


@pytest.mark.parametrize("line", ["ssh web1 true", "ssh nobody", "ssh web1 ls -l --help", "ssh a{"])
def test_logins_end_the_same_way(
    line: str, program: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_machine(store, "web1", State="Stopped", URL="tcp://127.0.0.1:1", SSHPort=1)
    words = line.split()
    assert plain._read(words[0], words[1:]) == {"name": words[1], "command": words[2:]}
    plainly = program(*words)
    assert plainly.code == 1
    monkeypatch.setattr(plain, "read", lambda *_: None)
    assert program(*words) == plainly


@pytest.mark.parametrize("line", OF_A_RUNNING_MACHINE)
def test_what_is_known_of_an_engine_that_answers_is_the_same_whoever_finds_out(
    line: str, dev1: Machine, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = line.split()
    variables = {"SHELL": "/bin/bash", "DOCKER_HOST": dev1.driver.url(), "NO_PROXY": "a"}
    quickly = program(*words, **variables)
    assert (quickly.code, quickly.err) == (0, "")
    with monkeypatch.context() as patched:
        patched.setattr(plain, "read", lambda *_: None)
        assert program(*words, **variables) == quickly
    monkeypatch.setattr(stored, "stored_machine", lambda *_: None)
    monkeypatch.setattr(stored, "stored_config", lambda *_: None)
    assert program(*words, **variables) == quickly


@pytest.mark.parametrize("line", OF_A_RUNNING_MACHINE)
def test_an_engine_that_answers_is_all_that_is_asked(line: str, dev1: Machine) -> None:
    patience = "import ecsmachine.machine.engine_look as look; look.PATIENCE_S = 30.0"
    loaded = _loaded(line.split(), dev1.directory.parent.parent, patience)
    assert not set(NOT_FOR_AN_ENGINE) & loaded


def _without_times(text: str) -> str:
    return re.sub(r'("ResponseTime": )\S+', r"\1", text)


@pytest.mark.parametrize(
    "line",
    [
        *("ls x", "ls -qf x", "ls --quiet=false", "ls -t 0", "ls -t x", "ls -format x", "ls -h"),
        *("ls --orphans", "ls -f", "ls -q -q", "env a b", "env --cluster c", "inspect -- a"),
        *("ssh", "ssh -t a", "ssh a -t", "ssh --help", "ssh -- a", "ssh a --help"),
        *("config set a", "version a b", "active a", "create a", "-D ls", "ls --nope", "url --"),
    ],
)
def test_what_is_not_plain_is_left_to_typer(line: str) -> None:
    words = line.split()
    assert plain._read(words[0], words[1:]) is None


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        *((words, HEAVY) for words in (["ls"], ["env", "-u"], ["inspect", "a"], ["url", "a"])),
        *((words, NOT_SO_LIGHT) for words in WITHOUT_MACHINES),
    ],
)
def test_nothing_heavy_is_imported(
    words: list[str], unwanted: tuple[str, ...], store: Store
) -> None:
    add_machine(store, "a", State="Stopped")
    assert not set(unwanted) & _loaded(words, store.path)


@pytest.mark.parametrize("words", WITHOUT_MACHINES)
def test_a_file_of_settings_loads_nothing_heavy(
    words: list[str], store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    path.write_text('region = "cn-shanghai"\n[create]\naliyunecs-tag = ["a=b"]\n')
    path.chmod(0o600)
    loaded = _loaded(words, store.path, settings=str(path))
    assert "ecsmachine.documents.toml" in loaded
    assert not {*NOT_SO_LIGHT, "tomllib", "tomli"} & loaded


def _loaded(
    words: list[str], store_path: Path, first: str = "pass", settings: str = "off"
) -> set[str]:
    """Return the modules that a command loads in a new process, which does something ``first``."""
    environment = {"MACHINE_STORAGE_PATH": str(store_path), "SHELL": "sh"}
    environment["ECSMACHINE_CONFIG"] = settings
    script = (
        "import sys; before = set(sys.modules); from ecsmachine.cli.app import run; "
        f"{first}; "
        f"run({words!r}, {environment!r}); "
        "print(*(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    return set(done.stderr.splitlines()[-1].split())
