from __future__ import annotations

import json

import pytest

from ecsmachine.drivers.base import State
from ecsmachine.machine import certificates, operations
from ecsmachine.machine.address import saving_new_addresses
from ecsmachine.machine.probe import probe
from ecsmachine.machine.store import Store
from tests.unit.stand_ins import ToldDriver, add_machine, engine

OLD, NEW = "tcp://127.0.0.2:1", "tcp://127.0.0.3:1"


def stored_url(store: Store, name: str = "dev1") -> str:
    return str(json.loads((store.directory(name) / "config.json").read_text())["Driver"]["URL"])


def test_a_move_that_is_noticed_is_stored(store: Store) -> None:
    add_machine(store, "dev1", URL=OLD, Moved=NEW)
    machine = store.load("dev1")
    with saving_new_addresses(store, [machine]):
        machine.driver.refresh()
        assert stored_url(store) == OLD
    assert stored_url(store) == NEW


def test_a_move_is_left_to_who_has_the_lock(store: Store) -> None:
    add_machine(store, "dev1", URL=OLD, Moved=NEW)
    machine = store.load("dev1")
    with saving_new_addresses(store, [machine]):
        machine.driver.refresh()
        holder = store.lock("dev1")
        holder.__enter__()
    holder.__exit__(None, None, None)
    assert stored_url(store) == OLD


def test_what_another_process_has_stored_meanwhile_stays(store: Store) -> None:
    add_machine(store, "dev1", URL=OLD, Moved=NEW)
    machine = store.load("dev1")
    with saving_new_addresses(store, [machine]):
        machine.driver.refresh()
        add_machine(store, "dev1", URL=OLD, Moved=NEW, labels=["kept=yes"])
    assert stored_url(store) == OLD
    assert store.load("dev1").engine.labels == ["kept=yes"]


def test_start_tells_that_a_running_machine_has_moved(store: Store) -> None:
    add_machine(store, "dev1", URL=OLD, Moved=NEW)
    lines: list[str] = []
    operations.start(store, "dev1", lines.append)
    assert 'Machine "dev1" is already running.' in lines
    assert lines[-1] == (
        'The address of "dev1" is now 127.0.0.3 (it was 127.0.0.2). '
        'Run "ecsmachine env dev1" again.'
    )
    assert stored_url(store) == NEW


def test_start_waits_for_nothing_of_a_machine_whose_address_was_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToldDriver, "provisions", True)
    add_machine(store, "dev1", URL=OLD, Moved="")
    lines: list[str] = []
    operations.start(store, "dev1", lines.append)
    assert lines[-1] == '"dev1" has no address any more (it was 127.0.0.2).'


@pytest.mark.parametrize("complete", [True, False])
def test_a_machine_without_an_engine_says_so_and_is_not_asked(
    complete: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToldDriver, "provisions", True)
    machine = add_machine(store, "dev1", URL=OLD)
    machine.auth.server_cert_path.unlink()
    journal = store.journal("dev1")
    journal.begin()
    if complete:
        journal.finish()
    seen = probe(machine, timeout_s=5)
    assert (seen.state, seen.url, seen.docker_version) == (State.RUNNING, OLD, "Unknown")
    command = "provision dev1" if complete else "create --resume dev1"
    assert seen.error.startswith(f'There is no engine yet: "ecsmachine {command}"')
    machine.driver.config().update(URL="", Moved=NEW)
    assert probe(machine, timeout_s=5).url == NEW


def test_a_machine_of_docker_machine_without_the_engines_certificate_is_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToldDriver, "provisions", True)
    machine = add_machine(store, "dev1")
    with engine(machine.auth) as url:
        machine.driver.config()["URL"] = url
        machine.auth.server_cert_path.unlink()  # its other files were handed on
        assert probe(machine, timeout_s=20).docker_version == "v27.3.1"


def test_a_certificate_of_another_address_is_told_apart(store: Store) -> None:
    machine = add_machine(store, "dev1")
    certificates.make_server_certificate(machine.auth, "dev1", ["198.18.0.7"])
    with engine(machine.auth) as url:
        machine.driver.config()["URL"] = url
        seen = probe(machine, timeout_s=20)
    assert seen.error.endswith("the certificate of the engine does not name the address 127.0.0.1")
    assert seen.hint == '"ecsmachine start dev1" renews it.'
