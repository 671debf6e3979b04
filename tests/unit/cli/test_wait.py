"""``wait``: until machines run, are ready or have stopped."""

from __future__ import annotations

import json
import threading

import pytest

from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program
from tests.unit.stand_ins import add_machine, refusing_url


def test_what_is_so_already_is_not_waited_for(
    program: Program, store: Store, running: Machine
) -> None:
    add_machine(store, "off", State="Stopped")
    assert program("wait", "dev1").code == 0
    assert program("wait", "dev1", "--for", "running").code == 0
    assert program("wait", "off", "--for", "stopped", "-t", "0").code == 0
    told = json.loads(program("wait", "--json", "off", "--for", "stopped").out)
    assert [each["Name"] for each in told["Machines"]] == ["off"]


def test_a_machine_that_gets_there(program: Program, store: Store) -> None:
    machine = add_machine(store, "dev1", State="Stopping")

    def stop() -> None:
        machine.driver.config()["State"] = "Stopped"
        store.save(machine)

    timer = threading.Timer(0.3, stop)
    timer.start()
    try:
        assert program("wait", "dev1", "--for", "stopped", "--timeout", "60").code == 0
    finally:
        timer.join()


@pytest.mark.parametrize(
    ("state", "wanted", "words", "code"),
    [
        ("Stopped", "running", "is not running after 0 s: Stopped", "TimedOut"),
        ("Running", "stopped", "is not stopped after 0 s: Running", "TimedOut"),
        ("Running", "ready", "is not ready after 0 s: The Docker engine does not", "TimedOut"),
        ("Not Found", "running", "does not exist", "NotRunning"),
        ("Error", "running", "cannot become running", "NotRunning"),
        ("Error", "ready", "cannot become ready", "NotRunning"),
        ("Error", "stopped", "cannot become stopped", "NotRunning"),
    ],
)
def test_one_that_does_not(
    state: str, wanted: str, words: str, code: str, program: Program, store: Store
) -> None:
    add_machine(store, "dev1", State=state, URL=refusing_url())
    result = program("wait", "--json", "dev1", "--for", wanted, "--timeout", "0")
    (error,) = json.loads(result.out)["Errors"]
    assert (result.code, error["Code"], error["Machine"]) == (1, code, "dev1")
    assert words in error["Message"]
    if code == "TimedOut":  # that the machine runs says nothing of its engine
        look = "doctor" if wanted == "ready" else "status"
        assert f'"ecsmachine {look} dev1"' in error["Hint"]


def test_what_can_never_be_is_not_waited_for(program: Program, store: Store) -> None:
    for name, url in (("socket", "unix:///var/run/docker.sock"), ("word", "foo")):
        assert program("create", "-d", "none", "--url", url, name).code == 0
        assert "is not an engine URL" in program("wait", name, "-t", "600").err
        assert "is never stopped" in program("wait", name, "-t", "600", "--for", "stopped").err
