from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import pytest

from ecsmachine.drivers.base import State, UnsupportedOperationError
from ecsmachine.machine.engine_api import ask_version
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import probe, probe_all
from ecsmachine.machine.store import Store
from tests.unit.stand_ins import ToldDriver, add_machine, engine, refusing_url, silent_port

LONG_S = 3600.0
"""Longer than a test may take: a probe that waits for it does not pass."""


def asked(machine: Machine) -> list[str]:
    assert isinstance(machine.driver, ToldDriver)
    return machine.driver.asked


def _nobody_logs_in(driver: ToldDriver) -> NoReturn:
    raise UnsupportedOperationError("It is only an engine's URL")


def test_an_engine_that_answers_spares_the_question_to_the_cloud(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecsmachine.machine.probe.PATIENCE_S", LONG_S)
    machine = add_machine(store, "dev1", Refusal="the token has expired")
    with engine(machine.auth, version="27.3.1") as url:
        machine.driver.config()["URL"] = url
        seen = probe(machine, timeout_s=LONG_S)
    assert (seen.state, seen.url, seen.docker_version) == (State.RUNNING, url, "v27.3.1")
    assert (seen.error, seen.hint) == ("", None)
    assert seen.response_time_s > 0
    assert asked(machine) == []


@pytest.mark.parametrize("state", [State.STOPPED, State.PAUSED, State.NOT_FOUND, State.STARTING])
def test_a_machine_that_does_not_run(state: State, store: Store) -> None:
    nowhere = add_machine(store, "nowhere", State=state.value)
    refusing = add_machine(store, "refusing", State=state.value, URL=refusing_url())
    with silent_port() as url:
        silent = add_machine(store, "silent", State=state.value, URL=url)
        for machine in (nowhere, refusing, silent):
            seen = probe(machine, timeout_s=LONG_S)
            assert (seen.state, seen.url, seen.error) == (state, "", "")
            assert asked(machine) == ["state"]


def test_a_machine_that_runs_but_whose_engine_does_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = refusing_url()
    seen = probe(add_machine(store, "dev1", URL=url), timeout_s=LONG_S)
    assert (seen.state, seen.url, seen.docker_version) == (State.RUNNING, url, "Unknown")
    assert "refused" in seen.error
    with silent_port() as url:
        seen = probe(add_machine(store, "dev1", URL=url), timeout_s=1.0)
        monkeypatch.setattr(ToldDriver, "ssh_target", _nobody_logs_in)
        bare = probe(add_machine(store, "dev2", URL=url), timeout_s=1.0)
    assert (seen.state, seen.url) == (State.RUNNING, url)
    assert "in time" in seen.error and "in time" in bare.error
    assert '"ecsmachine ssh dev1"' in (seen.hint or "")
    assert bare.hint is None  # nobody can log in there


def test_an_engine_is_silent_in_one_way_whoever_notices_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_port() as url:
        by_us = probe(add_machine(store, "dev1", URL=url), timeout_s=1.0, is_silent=True)
        monkeypatch.setattr(
            "ecsmachine.machine.probe.ask_version",
            lambda url, auth, timeout_s: ask_version(url, auth, timeout_s=0.1),
        )
        by_the_connection = probe(store.load("dev1"), timeout_s=LONG_S)
    assert replace(by_the_connection, response_time_s=0.0) == replace(by_us, response_time_s=0.0)
    assert by_us.hint == '"ecsmachine ssh dev1" shows whether the host answers.'


def test_a_machine_that_has_moved_is_looked_at_where_it_is(store: Store) -> None:
    machine = add_machine(store, "dev1", URL=refusing_url())
    with engine(machine.auth) as url:
        machine.driver.config()["Moved"] = url
        seen = probe(machine, timeout_s=LONG_S)
    assert (seen.state, seen.url, seen.docker_version) == (State.RUNNING, url, "v27.3.1")


def test_the_engine_may_answer_while_the_cloud_does_not(store: Store) -> None:
    machine = add_machine(store, "dev1", URL=refusing_url(), Refusal="the token has expired")
    seen = probe(machine, timeout_s=LONG_S)
    assert (seen.state, seen.url) == (State.ERROR, "")
    assert "refused" in seen.error
    assert seen.error.endswith("; the token has expired")


def test_a_certificate_error_says_what_to_do(store: Store) -> None:
    machine = add_machine(store, "dev1")
    with engine(None) as url:
        machine.driver.config()["URL"] = url
        assert "certificates" in probe(machine, timeout_s=LONG_S).error
    other = add_machine(Store(store.path.with_name("other"), {}), "dev1")
    with engine(other.auth) as url:
        machine.driver.config()["URL"] = url
        seen = probe(machine, timeout_s=LONG_S)
    assert "certificates" in seen.error
    assert seen.hint


def test_many_machines_take_one_timeout(store: Store) -> None:
    good = add_machine(store, "good")
    machines = [good, add_machine(store, "stopped", State="Stopped")]
    with engine(good.auth) as good_url, silent_port() as silent_url:
        good.driver.config()["URL"] = good_url
        machines += [add_machine(store, f"silent{n}", URL=silent_url) for n in range(20)]
        seen = probe_all(machines, timeout_s=3.0)
    states = {name: result.state for name, result in seen.items()}
    assert states.pop("good") is State.RUNNING
    assert states.pop("stopped") is State.STOPPED
    assert list(states.values()) == [State.TIMEOUT] * 20


def test_one_machines_fault_is_its_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = add_machine(store, "bad")
    good = add_machine(store, "good", State="Stopped")

    def fail() -> str:
        raise ZeroDivisionError("a fault of the driver")

    monkeypatch.setattr(bad.driver, "url", fail)
    seen = probe_all([bad, good], timeout_s=LONG_S)
    assert (seen["bad"].state, seen["bad"].error) == (
        State.ERROR,
        "ZeroDivisionError: a fault of the driver",
    )
    assert seen["good"].state is State.STOPPED


def test_no_machines(store: Store) -> None:
    assert probe_all([], timeout_s=LONG_S) == {}
