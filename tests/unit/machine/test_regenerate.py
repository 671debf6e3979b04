from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from ecsmachine.drivers.base import UnsupportedOperationError
from ecsmachine.errors import MachineError
from ecsmachine.machine import certificates, engine_api, host, probe, provisioning, regenerate
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from tests.unit.stand_ins import ToldDriver, add_machine, engine, refusing_url


@pytest.fixture(autouse=True)
def provisioned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let told machines have hosts that can be provisioned; the names of those that were."""
    done: list[str] = []

    def make_docker_host(machine: Machine, report: object) -> None:
        done.append(machine.name)

    monkeypatch.setattr(ToldDriver, "provisions", True)
    monkeypatch.setattr(host, "make_docker_host", make_docker_host)
    return done


@pytest.fixture
def dev1(store: Store) -> Iterator[Machine]:
    """A machine whose engine answers with the certificates that it has at first."""
    machine = add_machine(store, "dev1")
    with engine(machine.auth) as url:
        machine.driver.config()["URL"] = url
        store.save(machine)
        yield machine


def files_of(machine: Machine) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in machine.directory.glob("*.pem")}


def quiet(line: str) -> None:
    pass


def test_a_new_certificate_of_the_same_ca(
    store: Store, dev1: Machine, provisioned: list[str]
) -> None:
    before = files_of(dev1)
    regenerate.regenerate(store, "dev1", quiet)
    after = files_of(dev1)
    assert provisioned == ["dev1"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"server.pem", "server-key.pem"}
    assert certificates.server_certificate_covers(dev1.auth, ["127.0.0.1"])


def test_a_host_that_cannot_be_given_it_keeps_what_it_was_known_by(
    store: Store, dev1: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(machine: Machine, report: object) -> None:
        raise MachineError("the disk is full")

    monkeypatch.setattr(host, "make_docker_host", fail)
    regenerate.rotate(store, ["dev1"], quiet)
    before = files_of(dev1)
    with pytest.raises(MachineError, match="the disk is full"):
        regenerate.regenerate(store, "dev1", quiet)
    assert files_of(dev1) == before
    assert engine_api.ask_version(dev1.driver.url(), dev1.auth, timeout_s=5)


def test_a_host_that_has_it_already_keeps_it(
    store: Store, dev1: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as engines:

        def fail_late(machine: Machine, report: object) -> None:
            machine.driver.config()["URL"] = engines.enter_context(engine(machine.auth))
            raise MachineError("the connection was lost")

        monkeypatch.setattr(host, "make_docker_host", fail_late)
        regenerate.rotate(store, ["dev1"], quiet)
        before = files_of(dev1)
        with pytest.raises(MachineError, match="was lost"):
            regenerate.regenerate(store, "dev1", quiet)
    assert files_of(dev1) != before
    ca = (store.path / "certs" / "ca.pem").read_bytes()
    assert files_of(dev1)["ca.pem"] == ca


def test_rotation_locks_the_old_client_out(store: Store, dev1: Machine) -> None:
    certs = store.path / "certs"
    before = {path.name: path.read_bytes() for path in certs.glob("*.pem")}
    said: list[str] = []
    regenerate.rotate(store, ["dev1"], said.append)
    after = {path.name: path.read_bytes() for path in certs.glob("*.pem")}
    assert said == [
        f"Creating CA: {certs / 'ca.pem'}",
        f"Creating client certificate: {certs / 'cert.pem'}",
    ]
    assert all(before[name] != after[name] for name in before)
    old = x509.load_pem_x509_certificate(before["cert.pem"])
    new_ca = x509.load_pem_x509_certificate(after["ca.pem"])
    with pytest.raises(Exception):  # noqa: B017  (whatever it says: the new CA did not sign it)
        old.verify_directly_issued_by(new_ca)
    x509.load_pem_x509_certificate(after["cert.pem"]).verify_directly_issued_by(new_ca)
    # until its host has new ones, the machine's folder has the old
    assert files_of(dev1)["ca.pem"] == before["ca.pem"]


def test_all_machines_of_the_store_are_concerned(store: Store, tmp_path: Path) -> None:
    add_machine(store, "dev1")
    add_machine(store, "dev2")
    add_machine(store, "bad")
    (store.directory("bad") / "config.json").write_text("{")
    other = add_machine(store, "other")
    other.auth.ca_cert_path = tmp_path / "ca.pem"
    store.save(other)
    plan = regenerate.plan_rotation(store, ["dev1"])
    assert plan.reissued == ["dev1", "dev2"]
    assert list(plan.told) == ["bad"]
    with pytest.raises(MachineError, match="not this store's own"):
        regenerate.plan_rotation(store, ["other"])


def test_an_engine_of_somebody_else_is_told_about(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToldDriver, "provisions", False)
    add_machine(store, "fixed", URL=refusing_url())
    assert "new CA" in regenerate.plan_rotation(store, ["fixed"]).told["fixed"]
    for operation in (regenerate.regenerate, provisioning.provision, provisioning.upgrade):
        with pytest.raises(UnsupportedOperationError, match="only an engine's URL"):
            operation(store, "fixed", quiet)


def test_a_machine_that_does_not_run_has_its_turn_later(
    store: Store, provisioned: list[str]
) -> None:
    machine = add_machine(store, "dev1", State="Stopped")
    before = files_of(machine)
    with pytest.raises(probe.NotRunningError):
        regenerate.regenerate(store, "dev1", quiet)
    said: list[str] = []
    regenerate.regenerate_later(store, "dev1", said.append)
    assert "ecsmachine start dev1" in said[0]
    assert (files_of(machine), provisioned) == (before, [])
    add_machine(store, "gone", State="Not Found")
    regenerate.regenerate_later(store, "gone", said.append)
    assert '"ecsmachine rm gone" removes' in said[1]
    assert "ecsmachine start" not in said[1]


def test_provision_works_when_the_provider_cannot_be_asked(
    store: Store, provisioned: list[str]
) -> None:
    add_machine(store, "dev1", URL=refusing_url(), Refusal="the token has expired")
    provisioning.provision(store, "dev1", quiet)
    assert provisioned == ["dev1"]
    add_machine(store, "nowhere", Refusal="the token has expired")
    with pytest.raises(MachineError, match="the token has expired"):
        provisioning.provision(store, "nowhere", quiet)


def test_provision_follows_a_machine_that_has_moved(store: Store, provisioned: list[str]) -> None:
    add_machine(store, "dev1", URL="", Moved="tcp://127.0.0.1:2376")
    provisioning.provision(store, "dev1", quiet)
    config = json.loads((store.directory("dev1") / "config.json").read_text())
    assert config["Driver"]["URL"] == "tcp://127.0.0.1:2376"
