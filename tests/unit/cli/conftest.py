from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from ecsmachine.cli.app import run
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from tests.unit.ssh.conftest import key_pair, server  # noqa: F401  (fixtures)
from tests.unit.stand_ins import add_machine, engine, register_told_driver


@dataclass(frozen=True)
class Result:
    """What one run of the program gave."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Program(Protocol):
    """Runs the program: arguments, and variables as keywords."""

    def __call__(self, *arguments: str, **environment: str) -> Result: ...


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose machines may be of the driver ``told``."""
    register_told_driver(monkeypatch)
    return Store(tmp_path / "store", {})


@pytest.fixture
def program(store: Store, capfd: pytest.CaptureFixture[str]) -> Program:
    """Runs the program on the store: ``program("ls", "-q", DOCKER_HOST="…")``.

    What is behind an SSH connection may be replaced in a test: none is kept.
    """
    variables = {"MACHINE_STORAGE_PATH": str(store.path), "MACHINE_SSH_CONTROL_PERSIST": "0"}

    def call(*arguments: str, **environment: str) -> Result:
        capfd.readouterr()
        code = run(list(arguments), {**variables, **environment})
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def running(store: Store) -> Iterator[Machine]:
    """A machine ``dev1`` whose engine answers."""
    machine = add_machine(store, "dev1")
    with engine(machine.auth) as url:
        machine.driver.config()["URL"] = url
        store.save(machine)
        yield machine
