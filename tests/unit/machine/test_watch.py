"""What is waited for is looked at: a machine that ends is not waited for any longer."""

from __future__ import annotations

import socket
from threading import Event
from typing import Any

import pytest

from ecsmachine.drivers.base import State
from ecsmachine.drivers.existing_host import ExistingHost
from ecsmachine.errors import MachineError
from ecsmachine.machine import host, watch
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.machine.watch import EndedError, watching
from ecsmachine.provision.errors import NoEngineError, ProvisionError
from ecsmachine.ssh.connection import AuthenticationError, Connection, SSHError
from ecsmachine.ssh.keys import ensure_key_pair
from ecsmachine.ssh.wait import NeverAnsweredError
from tests.unit.ssh.conftest import LoopbackServer
from tests.unit.stand_ins import ToldDriver, add_machine, refusing_url


class ToldByProvider(ToldDriver):
    """A driver with a provider that knows why: ``states`` are told one after the other."""

    states: list[tuple[State, str]]
    shown = "kernel: Out of memory"

    def state(self) -> State:
        self.asked.append("state")
        if "Refusal" in self.config():
            raise MachineError("the cloud is down")
        self._told = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return self._told[0]

    def state_reason(self) -> str:
        return self._told[1]

    def console(self, *, only_end: bool = False) -> str:
        return self.shown


@pytest.fixture
def machine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(watch, "_EVERY_S", 0.01)
    monkeypatch.setattr(watch, "_AGAIN_S", 0.01)
    made = add_machine(store, "dev1", URL=refusing_url(), SSHPort=1, SSHUser="root")
    made.driver = ToldByProvider(made.directory, made.driver.config())
    return made


def told(machine: Machine, *states: tuple[State, str]) -> None:
    assert isinstance(machine.driver, ToldByProvider)
    machine.driver.states = list(states)


@pytest.mark.parametrize(
    ("state", "reason", "said", "hint"),
    [
        (State.STOPPED, "", "it has stopped", '"ecsmachine start dev1" starts it.'),
        (State.NOT_FOUND, "the instance was released", "released", '"ecsmachine rm dev1"'),
        (State.ERROR, "locked: the account is in debt", "in debt", ""),
        (State.RUNNING, "about to be reclaimed by ECS", "reclaimed", '"ecsmachine rm dev1"'),
    ],
)
def test_an_engine_of_a_machine_that_ends_is_not_waited_for(
    state: State, reason: str, said: str, hint: str, machine: Machine
) -> None:
    told(machine, (State.RUNNING, ""), (state, reason))
    with pytest.raises(EndedError) as caught:
        host.wait_for_engine(machine, timeout_s=600)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")
    assert ("Out of memory" in (caught.value.details or "")) is (state is not State.NOT_FOUND)


def test_a_host_of_a_machine_that_ends_is_not_waited_for(machine: Machine) -> None:
    ensure_key_pair(machine.directory / "id_rsa", "test")
    told(machine, (State.RUNNING, ""), (State.STOPPED, ""))
    with pytest.raises(EndedError, match="stopped"), host.logged_in(machine):
        pass


def test_a_host_that_knows_no_key_yet_is_logged_in_to_by_password(
    machine: Machine, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(machine, (State.RUNNING, ""))
    ensure_key_pair(machine.directory / "id_rsa", "test")
    machine.driver.config()["URL"] = "tcp://127.0.0.1:2376"
    machine.driver.config()["SSHPort"] = server.port
    server.password = "Secret-123"
    with pytest.raises(AuthenticationError), host.logged_in(machine, login_timeout_s=0):
        pass
    monkeypatch.setattr(ToldDriver, "first_password", lambda driver: "Secret-123", raising=False)
    with host.logged_in(machine) as connection:
        assert connection.user == "root"
    with pytest.raises(NoEngineError) as caught, host.logged_in(machine):
        raise NoEngineError("upgrade")
    assert caught.value.hint == '"ecsmachine provision dev1" installs it.'


@pytest.mark.parametrize(("existing", "most"), [(True, 4), (False, 100)])
def test_a_host_that_nobody_makes_is_asked_less_often_than_it_shuts_people_out(
    existing: bool, most: int, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fail2ban bans who is refused five times: a wrong user shut the host's owner out."""
    told(machine, (State.RUNNING, ""))
    if existing:
        machine.driver.__class__ = type("Existing", (ToldByProvider, ExistingHost), {})
    tries: list[float] = []

    class Clock:
        now = 1.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()

    def refuse(*_: object, **__: object) -> Connection:
        tries.append(clock.now)
        raise AuthenticationError("no")

    monkeypatch.setattr("ecsmachine.ssh.wait.time", clock)
    monkeypatch.setattr("ecsmachine.ssh.wait.connect", refuse)
    with pytest.raises(AuthenticationError), host.logged_in(machine):
        pass
    assert 1 < len(tries) <= most
    assert tries[-1] < (22 if existing else 62)


def test_one_bad_answer_is_not_believed(machine: Machine) -> None:
    told(machine, (State.NOT_FOUND, "gone"), (State.RUNNING, ""))
    with watching(machine) as watched:
        while len(machine.driver.asked) < 5:  # type: ignore[attr-defined]
            watched.check()


def test_what_works_on_the_host_is_broken_off(machine: Machine) -> None:
    told(machine, (State.STOPPED, ""))
    cut = Event()
    with pytest.raises(EndedError), watching(machine) as watched, watched.waking(cut.set):
        assert cut.wait(60)
        raise MachineError("The SSH connection to 127.0.0.1 was lost: closed")


def test_a_lost_connection_gets_its_reason_at_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_EVERY_S", 600)
    told(machine, (State.RUNNING, ""), (State.STOPPING, ""))
    with pytest.raises(EndedError, match="it is being stopped") as caught, watching(machine):
        try:
            raise SSHError("The SSH connection to 127.0.0.1 was lost: closed")
        except SSHError as error:
            raise ProvisionError("engine installation", error.message) from error
    assert isinstance(caught.value.__cause__, ProvisionError)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("127.0.0.1 does not accept the login"),
        NeverAnsweredError("Too many retries"),
        SSHError("The SSH connection to 127.0.0.1 was lost: closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_host_that_is_there_has_not_ended(
    error: SSHError, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOST_S", 600)
    monkeypatch.setattr(watch, "_ON_ITS_WAY_DOWN_S", 0)
    told(machine, (State.RUNNING, ""))
    with socket.create_server(("127.0.0.1", 0)) as server:
        config: Any = machine.driver.config()
        config["SSHPort"] = server.getsockname()[1]
        with pytest.raises(type(error), match=error.message), watching(machine):
            raise error


@pytest.mark.parametrize("refuses", [False, True])
def test_an_error_of_a_machine_that_runs_stays(machine: Machine, refuses: bool) -> None:
    told(machine, (State.RUNNING, ""))
    config: Any = machine.driver.config()
    if refuses:
        config["Refusal"] = "yes"
    with pytest.raises(MachineError, match="the disk is full"), watching(machine):
        raise MachineError("the disk is full")
