"""Pinning a host key anew, and what a changed one does to commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from ecsmachine.machine.store import Store
from ecsmachine.ssh import host_keys, sharing
from ecsmachine.ssh.private_files import write_private
from tests.unit.cli.conftest import Program
from tests.unit.ssh.conftest import LoopbackServer
from tests.unit.stand_ins import add_machine
from tests.unit.terminals import Typed


@pytest.fixture(autouse=True)
def no_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield


@pytest.fixture
def machine(store: Store, server: LoopbackServer) -> str:
    """A machine ``dev1`` whose host is the SSH server of the tests."""
    made = add_machine(
        store, "dev1", SSHPort=server.port, SSHUser="root", URL="tcp://127.0.0.1:2376"
    )
    key = (server.folder / "id_rsa").read_bytes()
    write_private(made.directory / "id_rsa", key)
    return "dev1"


@pytest.mark.parametrize("client", ["--native-ssh", "--debug"])
def test_a_changed_host_key_stops_ssh_and_the_way_out_works(
    client: str, program: Program, store: Store, machine: str, server: LoopbackServer
) -> None:
    assert program(client, "ssh", machine, "echo hello").code == 0
    before = server.host_key
    server.host_key = paramiko.ECDSAKey.generate()
    stopped = program(client, "ssh", machine, "echo hello")
    assert (stopped.code, stopped.out) == (1, "")
    last = stopped.err.splitlines()[-1]
    assert last.startswith("Error: The host key of 127.0.0.1 has changed")
    assert str(store.directory(machine) / "known_hosts") in last
    assert last.endswith("ecsmachine trust dev1")
    told = program("trust", "-y", machine)
    assert host_keys.fingerprint(before.get_base64()) in told.out
    assert host_keys.fingerprint(server.host_key.get_base64()) in told.out
    assert program(client, "ssh", machine, "echo hello").out == "hello\n"


def test_a_kept_connection_ends_with_the_key_that_let_it_in(
    program: Program,
    store: Store,
    machine: str,
    server: LoopbackServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert program("--native-ssh", "ssh", machine, "true").code == 0
    closed: list[Path] = []
    monkeypatch.setattr(sharing, "close", closed.append)
    assert program("trust", machine).code == 0, "it is the pinned one"
    assert closed == []
    server.host_key = paramiko.ECDSAKey.generate()
    assert program("trust", "-y", machine).code == 0
    assert closed == [store.directory(machine) / "known_hosts"]


def test_a_key_is_only_pinned_when_it_is_confirmed(
    program: Program,
    store: Store,
    machine: str,
    server: LoopbackServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program("trust", "-y", machine)
    pin = store.directory(machine) / "known_hosts"
    before = pin.read_text()
    assert "is already pinned" in program("trust", machine).out
    assert program("trust", "-q", machine).lines == [machine]
    server.host_key = paramiko.ECDSAKey.generate()
    monkeypatch.setattr("sys.stdin", Typed("n\n"))
    assert program("trust", "-q", machine).lines == []
    assert pin.read_text() == before
    assert pin.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("client", ["--native-ssh", "--debug"])
def test_a_login_key_that_others_can_read_is_refused(
    client: str, program: Program, store: Store, machine: str
) -> None:
    key = store.directory(machine) / "id_rsa"
    key.chmod(0o644)
    refused = program(client, "ssh", machine, "true")
    assert refused.code == 1
    assert refused.err.splitlines()[-1] == (
        f"Error: The permissions of the private key {key} are too open: 0644. chmod 600 {key}"
    )


@pytest.mark.parametrize("command", [("ssh", "{}", "true"), ("scp", "/etc/hosts", "{}:")])
def test_a_login_key_that_is_gone_is_named(
    command: tuple[str, ...], program: Program, store: Store, machine: str
) -> None:
    """The ssh program says only that the host does not let it in."""
    key = store.directory(machine) / "id_rsa"
    key.unlink()
    failed = program(*(word.format(machine) for word in command))
    assert failed.code == 1
    assert failed.err.splitlines()[-1].startswith(f"Error: Cannot read the private key {key}: No")


def test_a_client_key_that_others_can_read_is_refused(
    program: Program, store: Store, machine: str
) -> None:
    key = store.directory(machine) / "key.pem"
    key.chmod(0o604)
    refused = program("env", "--shell", "bash", machine)
    assert refused.code == 1
    assert f"chmod 600 {key}" in refused.err
    assert refused.out == ""
