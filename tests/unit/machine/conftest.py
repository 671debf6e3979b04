from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecsmachine.machine.store import Store
from tests.unit.ssh.conftest import key_pair, server  # noqa: F401  (fixtures)
from tests.unit.stand_ins import register_told_driver


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose machines may be of the driver ``told``."""
    register_told_driver(monkeypatch)
    return Store(tmp_path / "store", {})


@contextmanager
def other_process(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run Python code in another process, which prints a line when it is where it should be."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
