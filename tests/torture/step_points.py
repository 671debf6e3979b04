"""Every step of provisioning, on real guests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecsmachine.provision.steps import STEPS
from tests.guest.machines import Machines
from tests.torture.failing_output import GONE
from tests.torture.ground import journalled
from tests.torture.outcome import Outcome, worst

KILLS = ("killed before", "killed within", "killed after")
FAULTS = (*KILLS, "cut before", "cut after", "released outside", GONE)

Then = Literal["create", "rm"]

KINDS = {"instance": "instance", "key-pair": "key pair", "security-group": "security group"}
"""What such a create makes: the journal's names, and those of the comparison."""


@dataclass(frozen=True)
class StepPoint:
    """A fault at a step of provisioning, and the command that is given afterwards."""

    step: str
    fault: str
    then: Then

    @property
    def phase(self) -> str:
        """The command that is struck."""
        return "provisioning"

    def __str__(self) -> str:
        return f"{self.step}, {self.fault}, then {self.then}"


def all_points() -> list[StepPoint]:
    """Return every point of the steps of provisioning."""
    thens: tuple[Then, ...] = ("create", "rm")
    return [
        StepPoint(step, fault, then)
        for step in dict.fromkeys(step.name for step in STEPS)
        for fault in FAULTS
        for then in thens
    ]


def try_points(points: Iterable[StepPoint], machines: Machines) -> Iterator[Outcome]:
    """Try the points one after the other; what one leaves does not count against the next."""
    for number, point in enumerate(points, start=1):
        name = f"t{number}"
        try:
            outcome = try_point(point, machines, name)
        except subprocess.TimeoutExpired as error:
            outcome = Outcome(point, True, [f"it hung: {error}"])
        if outcome.lost:
            machines.run("rm", "-f", name, check=False)
            machines.run("sweep", "-y", check=False)
        yield outcome


def try_point(point: StepPoint, machines: Machines, name: str) -> Outcome:
    """Let a create meet the fault, give the next command, and compare cloud and store."""
    create = ("create", "-d", "aliyunecs", "--aliyunecs-disk-size", "20", name)
    first = subprocess.run(
        [sys.executable, "-m", "tests.torture.child", point.fault, point.step, *create],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        env=machines.environment,
        cwd=Path(__file__).parents[2],
    )
    log = [first.stdout]
    problems: list[str] = []
    struck = first.returncode == -9 if point.fault in KILLS else first.returncode != 0
    if point.fault == GONE:
        struck = "the reader has gone" in first.stdout
        if first.returncode:
            problems.append(f"it left with {first.returncode}, though nothing was in its way")
    if point.then == "create":
        if first.returncode:
            again = machines.run(*create, check=False)
            log += [again.stdout, again.stderr]
            # killed within its last steps it may have come to its end all the same
            if again.returncode and "already exists" not in again.stderr:
                problems.append(f"the next create left with {again.returncode}")
        problems += differences(machines)
    if (Path(machines.environment["MACHINE_STORAGE_PATH"]) / "machines" / name).exists():
        removed = machines.run("rm", "-y", name, check=False)
        log += [removed.stdout, removed.stderr]
        if removed.returncode:
            problems.append(f"rm left with {removed.returncode}")
    problems += [f"left in the cloud: {each}" for each in machines.left_in_the_cloud()]
    problems += [f"left in the store: {each}" for each in sorted(_journalled(machines))]
    return Outcome(point, struck, worst(problems), "\n".join(log))


def differences(machines: Machines) -> list[str]:
    """Return what is in the cloud alone, or in the journals of the store alone."""
    cloud = set(machines.left_in_the_cloud(tuple(KINDS.values())))
    store = _journalled(machines)
    return [
        *(f"in the cloud alone: {each}" for each in sorted(cloud - store)),
        *(f"in the store alone: {each}" for each in sorted(store - cloud)),
    ]


def _journalled(machines: Machines) -> set[str]:
    store = Path(machines.environment["MACHINE_STORAGE_PATH"])
    found = set()
    for each in journalled(store):
        kind, _, identifier = each.partition(" ")
        found.add(f"{KINDS.get(kind, kind)} {identifier}")
    return found
