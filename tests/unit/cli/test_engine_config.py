from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.machine import host
from ecsmachine.machine.store import Store
from ecsmachine.provision import reconfigure as reconfiguring
from ecsmachine.provision.base import EngineOptions, ProvisionRequest
from ecsmachine.ssh import wait
from tests.unit.cli.conftest import Program
from tests.unit.stand_ins import ToldDriver, add_machine


class Host:
    """The host of dev1: the options that its engine was given, or why it takes none."""

    def __init__(self) -> None:
        self.given: list[EngineOptions] = []
        self.refusal: MachineError | None = None


@pytest.fixture
def dev1(store: Store, monkeypatch: pytest.MonkeyPatch) -> Host:
    there = Host()

    def reconfigure(connection: object, request: ProvisionRequest, report: object) -> bool:
        if there.refusal:
            raise there.refusal
        known = there.given[-1:] == [request.engine]
        there.given.append(request.engine)
        return not known

    @contextlib.contextmanager
    def wait_for_ssh(*arguments: Any, **options: Any) -> Iterator[Any]:
        yield contextlib.ExitStack()  # it can be closed

    monkeypatch.setattr(reconfiguring, "reconfigure", reconfigure)
    monkeypatch.setattr(wait, "wait_for_ssh", wait_for_ssh)
    monkeypatch.setattr(host, "wait_for_engine", lambda machine: None)
    monkeypatch.setattr(ToldDriver, "provisions", True)
    told: dict[str, Any] = {"URL": "tcp://127.0.0.1:1", "SSHPort": 22, "SSHUser": "root"}
    add_machine(store, "dev1", labels=["env=live", "rack=7"], **told)
    return there


def test_set_adds_and_replaces_by_key(program: Program, store: Store, dev1: Host) -> None:
    result = program(
        *("config", "set", "dev1", "--engine-label", "env=test", "--engine-label", "new=a=b"),
        *("--engine-registry-mirror", "https://m.example", "--engine-opt", "dns=192.0.2.1"),
        *("--engine-opt", "dns=192.0.2.2", "--engine-storage-driver", "overlay2"),
    )
    assert (result.code, result.err) == (0, "")
    stored = store.load("dev1").engine
    assert dev1.given == [stored]
    assert stored.labels == ["rack=7", "env=test", "new=a=b"]
    assert stored.registry_mirror == ["https://m.example"]
    assert stored.arbitrary_flags == ["dns=192.0.2.1", "dns=192.0.2.2"]
    assert stored.storage_driver == "overlay2"
    again = program("config", "set", "dev1", "--engine-registry-mirror", "https://m.example")
    assert again.lines == ['The engine of "dev1" already has these options']
    assert store.load("dev1").engine == stored


def test_unset_takes_by_key_or_value(program: Program, store: Store, dev1: Host) -> None:
    assert program("config", "set", "dev1", "--engine-insecure-registry", "r:5000").code == 0
    words = ("--engine-label", "env", "--engine-insecure-registry", "r:5000")
    assert program("config", "unset", "dev1", *words).code == 0
    engine = store.load("dev1").engine
    assert (engine.labels, engine.insecure_registry) == (["rack=7"], [])
    missing = program("config", "unset", "dev1", "--engine-label", "env")
    assert missing.code == 2
    assert "Use rack=7." in missing.err


def test_what_the_engine_refuses_is_not_stored(program: Program, store: Store, dev1: Host) -> None:
    before = store.config("dev1")
    dev1.refusal = MachineError("the engine does not start with these options")
    result = program("config", "set", "dev1", "--engine-opt", "nonesuch=1")
    assert result.code == 1
    assert "does not start" in result.err
    assert store.config("dev1") == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_what_cannot_be_stored_is_not_given_to_the_engine(
    number: int, program: Program, store: Store, dev1: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.config("dev1")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        result = program("config", "set", "dev1", "--engine-label", "env=test")
    assert result.code == 1
    assert os.strerror(number) in result.err
    assert dev1.given == []
    assert store.config("dev1") == before
    assert [path.name for path in store.directory("dev1").glob(".*")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "dev1"], "No option is given"),
        (["unset", "dev1"], "No option is given"),
        (["set", "dev1", "--engine-label", "nokey"], '"nokey" is not key=value'),
        (["set", "dev1", "--engine-env", "A=b\nc"], "line break"),
        (["set", "--engine-label", "a=b"], "NAME"),
    ],
)
def test_wrong_values_change_nothing(
    words: list[str], said: str, program: Program, dev1: Host
) -> None:
    result = program("config", *words)
    assert result.code == 2
    assert said in result.err
    assert dev1.given == []


def test_show(program: Program, dev1: Host) -> None:
    assert program("config", "show", "dev1").lines == [
        "--engine-label env=live",
        "--engine-label rack=7",
        "--engine-install-url https://get.docker.com",
    ]
    shown = json.loads(program("config", "show", "--json", "dev1").out)
    assert shown["Labels"] == ["env=live", "rack=7"]


def test_a_machine_that_is_called_set(program: Program, store: Store) -> None:
    add_machine(store, "set", State="Stopped")
    result = program("config", "--", "set")
    assert result.code == 1
    assert "Host is not running" in result.err
    assert program("config", "nope").code == 1
    assert 'no "default" machine' in program("config").err


def test_help_of_config_names_all_of_it(program: Program) -> None:
    said = program("config", "--help").out
    for word in ("set", "unset", "show", "--swarm"):
        assert word in said
    assert "--engine-label" in program("config", "set", "--help").out
