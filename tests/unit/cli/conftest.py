from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from ecsmachine.cli.app import run
from ecsmachine.machine.store import Store
from tests.unit.stand_ins import register_told_driver


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
    """Runs the program on the store: ``program("ls", "-q", DOCKER_HOST="…")``."""

    def call(*arguments: str, **environment: str) -> Result:
        capfd.readouterr()
        code = run(list(arguments), {"MACHINE_STORAGE_PATH": str(store.path), **environment})
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call
