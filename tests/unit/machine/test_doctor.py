"""Steps of an examination: what is tried, what is not, and what is found on hosts of all kinds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.machine.doctor import host
from ecsmachine.machine.doctor.examination import Finding, Outcome, Step, Warned, examine
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.machine.store import Store
from ecsmachine.provision import facts
from tests.unit.stand_ins import add_machine

Look = Callable[[object], Any]


def fails(subject: object) -> str:
    raise MachineError("gone", hint='"ecsmachine start a" starts it, "ecsmachine rm a" removes it.')


def outcomes(*steps: Step[object]) -> dict[str, str]:
    return {each.step: each.outcome.value for each in examine(steps, object())}


def test_what_needs_something_broken_is_not_tried() -> None:
    found = list(
        examine(
            (
                Step("one", lambda subject: "fine"),
                Step("two", fails),
                Step("three", lambda subject: "", needs=("one",)),
                Step("four", fails, needs=("one", "two")),
                Step("five", lambda subject: Warned("soon", "Look."), needs=("four",)),
                Step("six", fails, applies=lambda subject: False),
            ),
            object(),
        )
    )
    assert [(each.step, each.outcome.value) for each in found] == [
        ("one", "ok"),
        ("two", "broken"),
        ("three", "ok"),
        ("four", "not tried"),
        ("five", "warning"),
    ]
    assert found[1].mend == ["ecsmachine start a", "ecsmachine rm a"]
    assert found[3].told == "because of: two"


def test_no_step_is_waited_for_beyond_its_limit() -> None:
    never = threading.Event()
    try:
        step: Step[object] = Step("slow", lambda subject: str(never.wait()), limit_s=0.05)
        (found,) = examine((step,), object())
    finally:
        never.set()
    assert found == Finding("slow", Outcome.BROKEN, "no answer in 0 s")


def test_a_fault_of_ours_is_no_finding() -> None:
    with pytest.raises(ZeroDivisionError):
        outcomes(Step("fault", lambda subject: str(1 // 0)))


HEAD = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
ROOM = f"\n=== space\n{HEAD}/dev/vda1 41000000 9000000 32000000 22% /\n"
FULL = f"\n=== space\n{HEAD}/dev/vda1 41000000 40990000 10000 100% /\n"
NEARLY = f"\n=== space\n{HEAD}/dev/vda1 41000000 39000000 2000000 95% /\n"
NO_INODES = f"{ROOM}\n=== inodes\n{HEAD}/dev/vda1 2600000 2599990 10 100% /\n"
NO_SIZES = f"{ROOM}\n=== inodes\n{HEAD}/dev/vda1 0 0 0 - /\n/dev/vdb - - - - /data\n"
ELSEWHERE = f"{FULL}/dev/vdb 9000000 100 8000000 1% /var/lib/docker\n"


def unit(load: str = "loaded", active: str = "active", rest: str = "") -> str:
    return f"\n=== unit\nLoadState={load}\nActiveState={active}\nSubState=x\n{rest}"


def journal(*lines: str) -> str:
    return "\n=== journal\n" + "\n".join(lines)


@pytest.fixture
def subject(store: Store) -> Subject:
    machine = add_machine(store, "dev1", URL="tcp://127.0.0.1:1", SSHPort=1, SSHUser="root")
    return Subject(machine, {}, Path("/nonexistent"))


@pytest.mark.parametrize(
    ("said", "outcome", "told", "mend"),
    [
        (ROOM, "ok", "/ 22 % used", []),
        (NO_SIZES, "ok", "/ 22 % used", []),
        ("", "ok", "not known", []),
        ("\n=== space\n\x1b]0;x\x07 a b c\n1 2 3 4 5 6 7 8 9\n", "ok", "not known", []),
        (FULL, "broken", "/ is full: 9 MiB left", ["ecsmachine ssh dev1 docker system prune"]),
        (ELSEWHERE, "broken", "/ is full: 9 MiB left", []),
        (NEARLY, "warning", "/ is nearly full", ["ecsmachine ssh dev1 docker system prune"]),
        (NO_INODES, "broken", "10 inodes left", ["ecsmachine ssh dev1 docker system prune"]),
    ],
)
def test_disks(said: str, outcome: str, told: str, mend: list[str], subject: Subject) -> None:
    subject.__dict__["facts"] = facts.parse(said)
    (found,) = examine((Step("disk", host.disk),), subject)
    assert (found.outcome.value, found.mend) == (outcome, mend)
    assert told in found.told


@pytest.mark.parametrize(
    ("said", "told", "mend"),
    [
        (unit(), "active", None),
        ("\n=== process\n123\n", "runs", None),
        ("", "there is no engine", "ecsmachine provision dev1"),
        (unit("not-found", "inactive"), "there is no engine", "ecsmachine provision dev1"),
        (unit(active="inactive"), "docker.service is inactive", "ecsmachine provision dev1"),
        (
            unit(active="failed") + journal("unable to configure: x", "docker.service: Failed"),
            "docker.service is failed (x): unable to configure: x",
            "ecsmachine provision dev1",
        ),
        (
            unit(active="failed") + "\n=== daemon_json\n{ nonsense\n",
            "/etc/docker/daemon.json is not JSON",
            "ecsmachine ssh dev1 mv /etc/docker/daemon.json /etc/docker/daemon.json.broken",
        ),
        (
            unit(active="activating") + journal("unable to configure /etc/docker/daemon.json: x"),
            "unable to configure /etc/docker/daemon.json: x",
            "ecsmachine ssh dev1 mv /etc/docker/daemon.json /etc/docker/daemon.json.broken",
        ),
    ],
)
def test_the_service_of_the_engine(
    said: str, told: str, mend: str | None, subject: Subject
) -> None:
    subject.__dict__["facts"] = facts.parse(said)
    (found,) = examine((Step("service", host.service),), subject)
    assert found.outcome is (Outcome.OK if mend is None else Outcome.BROKEN)
    assert told in found.told
    assert found.mend[:1] == ([mend] if mend else [])


def test_the_lines_of_a_journal_are_few_and_short(subject: Subject) -> None:
    said = unit(active="failed") + journal(*(f"{number} " + "x" * 9000 for number in range(40)))
    subject.__dict__["facts"] = facts.parse(said)
    (found,) = examine((Step("service", host.service),), subject)
    assert found.details is not None
    assert len(found.details.splitlines()) == 12
    assert max(map(len, found.details.splitlines())) == 200
