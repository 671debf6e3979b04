from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecsmachine.drivers import generic
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.options import OptionValue
from ecsmachine.machine.model import Machine, SwarmOptions, auth_options
from ecsmachine.machine.store import Store
from ecsmachine.provision.base import EngineOptions
from ecsmachine.ssh.keys import ensure_key_pair
from tests.loaded_program import Process

MOST_MEMORY = 1 << 30
"""The address space that a run may have; 3 GB and more were taken by each attack of this kind."""

PATIENCE_S = 120.0
"""How long a run may take, on a busy machine; each of these attacks had no end."""


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: str
    took_s: float

    @property
    def error(self) -> str:
        """The one line that the run ended with; there is nothing else, least of all a traceback."""
        lines = self.err.splitlines()
        assert self.code != 0, self
        assert sum(line.startswith("Error: ") for line in lines) == 1, self.err
        assert "Traceback" not in self.err, self.err
        assert "bug in ecsmachine" not in self.err, self.err
        return next(line for line in lines if line.startswith("Error: "))


Bounded = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", {})


@pytest.fixture
def bounded(store: Store, tmp_path: Path) -> Bounded:
    """Runs the program in a folder of its own, with bounds on its memory and its time."""
    (tmp_path / "here").mkdir()

    def run(*arguments: str, **environment: str) -> Result:
        begun = time.monotonic()
        done = Process(
            arguments,
            environment={
                **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
                "HOME": str(tmp_path / "home"),
                "MACHINE_STORAGE_PATH": str(store.path),
                **environment,
            },
            folder=tmp_path / "here",
            memory=MOST_MEMORY,
        ).wait(PATIENCE_S)
        took_s = time.monotonic() - begun
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"), took_s)

    return run


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def add_host(store: Store, port: int, name: str = "dev1", *, engine_port: int = 1) -> Machine:
    """Put a machine into the store that is the host at a port of this computer."""
    directory = store.directory(name)
    directory.mkdir(parents=True)
    ensure_key_pair(directory / "id_rsa", name)
    values: dict[str, OptionValue] = {
        "generic-ssh-key": str(directory / "id_rsa"),
        "generic-ip-address": "127.0.0.1",
        "generic-ssh-port": port,
        "generic-engine-port": engine_port,
    }
    driver = generic.new(DriverContext(name, store.path, directory), values)
    machine = Machine(
        name=name,
        driver=driver,
        auth=auth_options(store.path, name),
        engine=EngineOptions(),
        swarm=SwarmOptions(),
    )
    store.save(machine)
    return machine
