from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.machine import host
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program
from tests.unit.stand_ins import ToldDriver, add_machine
from tests.unit.terminals import Typed


@pytest.fixture
def machine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def make_docker_host(machine: Machine, report: object) -> None:
        pass

    monkeypatch.setattr(ToldDriver, "provisions", True)
    monkeypatch.setattr(host, "make_docker_host", make_docker_host)
    return add_machine(store, "dev1", URL="tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("answer", "goes_on"), [("y", True), ("Yes", True), ("n", False), ("", False)]
)
def test_regenerate_certs_asks(
    answer: str, goes_on: bool, program: Program, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Typed(f"{answer}\n"))
    before = machine.auth.server_cert_path.read_bytes()
    result = program("regenerate-certs", "dev1")
    assert (result.code, result.err) == (0, "")
    question = "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): "
    assert result.out.startswith(question)
    assert ("Regenerating TLS certificates" in result.out) is goes_on
    assert (machine.auth.server_cert_path.read_bytes() != before) is goes_on


def test_client_certs_concern_the_whole_store(
    program: Program, machine: Machine, store: Store
) -> None:
    add_machine(store, "dev2", URL="tcp://127.0.0.1:1")
    add_machine(store, "halted", URL="tcp://127.0.0.1:1", State="Stopped")
    ca = store.path / "certs" / "ca.pem"
    before = ca.read_bytes()
    result = program("regenerate-certs", "-f", "--client-certs", "dev1")
    assert (result.code, result.err) == (0, "")
    assert result.lines[0] == "Machines that get certificates of the new CA: dev1, dev2, halted"
    assert "Regenerating local certificates" in result.lines
    assert ca.read_bytes() != before
    for name in ("dev1", "dev2"):
        assert (store.directory(name) / "ca.pem").read_bytes() == ca.read_bytes()
    assert (store.directory("halted") / "ca.pem").read_bytes() == before
    assert "gives it its new certificate" in result.out


@pytest.mark.parametrize("command", ["provision", "regenerate-certs", "upgrade"])
def test_a_missing_machine(command: str, program: Program, machine: Machine) -> None:
    result = program(command, "dev1", "nope")
    assert (result.code, result.out) == (1, "")
    assert 'Docker machine "nope" does not exist' in result.err


def test_several_are_done_though_one_fails(
    program: Program, machine: Machine, store: Store
) -> None:
    add_machine(store, "halted", State="Stopped")
    old = Path(machine.directory / "server.pem").read_bytes()
    result = program("regenerate-certs", "-f", "halted", "dev1")
    assert result.code == 1
    assert 'Host "halted" is not running' in result.err
    assert machine.auth.server_cert_path.read_bytes() != old
