"""Machines of drivers that are not here, as Docker Machine made them, or that start no host."""

from __future__ import annotations

import json

import pytest

from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program


def silent_machine(store: Store, name: str, driver_name: str) -> str:
    """Add a machine that does not answer, and return its name."""
    folder = store.directory(name)
    folder.mkdir(parents=True)
    driver = {"MachineName": name, "IPAddress": "127.0.0.1", "SSHUser": "docker", "SSHPort": 1}
    config = {"ConfigVersion": 3, "Driver": {**driver, "CPU": 1}, "DriverName": driver_name}
    (folder / "config.json").write_text(json.dumps({**config, "Name": name}))
    return name


@pytest.fixture
def desk(store: Store) -> str:
    """A machine of VirtualBox that does not answer."""
    return silent_machine(store, "desk", "virtualbox")


def test_it_is_listed(program: Program, desk: str) -> None:
    result = program("ls", "-f", "{{.Name}} {{.DriverName}} {{.State}} {{.Error}}")
    assert result.code == 0
    assert result.out.startswith("desk virtualbox Error ")
    assert 'driver "virtualbox" is not installed' in result.out
    assert program("ls", "-q", "--filter", "driver=virtualbox").lines == ["desk"]


def test_it_can_be_looked_at(program: Program, desk: str) -> None:
    assert program("ip", desk).lines == ["127.0.0.1"]
    assert program("inspect", "-f", "{{.Driver.CPU}}", desk).lines == ["1"]


@pytest.mark.parametrize("command", ["start", "stop", "restart", "kill", "status"])
def test_its_cloud_cannot_be_asked(command: str, program: Program, desk: str) -> None:
    result = program(command, desk)
    assert result.code == 1
    assert 'driver "virtualbox" is not installed' in result.err
    assert len(result.err.splitlines()) == 1


def test_it_is_forgotten_only_by_force(program: Program, desk: str) -> None:
    refused = program("rm", "-y", desk)
    assert refused.code == 1
    assert "rm -f desk" in refused.err
    assert program("ls", "-q").lines == ["desk"]
    assert program("rm", "-f", desk).code == 0
    assert program("ls", "-q").lines == []


def test_no_new_one_is_made(program: Program) -> None:
    result = program("create", "-d", "virtualbox", "dev1")
    assert result.code == 2
    assert 'Driver "virtualbox" not found' in result.err


@pytest.mark.parametrize("command", ["env", "url", "provision", "start", "upgrade"])
def test_a_host_that_only_its_owner_starts(command: str, program: Program, store: Store) -> None:
    result = program(command, silent_machine(store, "rack", "generic"), SHELL="/bin/sh")
    assert result.code == 1
    assert "ecsmachine start" not in result.err
    assert 'Start the host yourself; "ecsmachine doctor rack"' in result.err
