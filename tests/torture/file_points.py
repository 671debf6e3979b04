"""Every request and every step of apply and destroy, on a cloud without guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.torture.api_points import HARD
from tests.torture.brought import REGION
from tests.torture.ground import Ground, Ran
from tests.torture.moments import Moment, listed
from tests.torture.outcome import Outcome, worst
from tests.torture.proxy import KILLS, Request

_MOMENTS = "tests.torture.moments"
_AT_A_STEP = "killed at a step"

_DEFAULTS = f"defaults: {{region: {REGION}, provision: false, instance-type: ecs.e-c1m1.large}}\n"
_FIRST = _DEFAULTS + (
    "machines:\n"
    "  web: {count: 2, tags: {team: a}, open-ports: [80]}\n"
    "  db: {disk-size: 20, disk-fs: ext4, allocate-eip: true}\n"
)
_SECOND = _DEFAULTS + (
    "machines:\n"
    "  web: {count: 1, tags: {team: b}, open-ports: [443], instance-type: ecs.e-c1m2.large,\n"
    "    system-disk-category: cloud_auto, resource-group-id: rg-others, allocate-eip: true,\n"
    "    security-group: others, route-cidr: 10.8.0.0/24, slb-id: BALANCER}\n"
    "  db: {disk-size: 20, disk-fs: xfs, allocate-eip: true}\n"
    "  new: {}\n"
)
"""Of the first file one machine goes, one is changed with a restart, and one is made anew.

The one that is changed comes to be reached in other ways as well.
"""

Command = Literal["apply", "apply, changed", "destroy"]
Then = Literal["apply", "destroy", "sweep"]
COMMANDS: tuple[Command, ...] = ("apply", "apply, changed", "destroy")
_WORDS: dict[Command, tuple[str, ...]] = {
    "apply": ("apply", "-y"),
    "apply, changed": ("apply", "-y"),
    "destroy": ("destroy", "-y"),
}


@dataclass(frozen=True)
class FilePoint:
    """A fault at a request, or a kill at a moment, and the command that is given afterwards.

    ``where`` is the list of moments, and the place of this one in it.
    """

    phase: Command
    at: Request | Moment
    fault: str
    then: Then
    where: str = ""

    def __str__(self) -> str:
        return f"{self.phase} of a file: {self.at}, {self.fault}, then {self.then}"


def all_points(ground: Ground) -> list[FilePoint]:
    """Return a point for every request, and every step, of each command on a file."""
    points: list[FilePoint] = []
    for command in COMMANDS:
        list_of = ground.store.parent / f"moments of {command}"
        for watched in (False, True):
            _prepare(ground, command)
            _run(ground, *_WORDS[command], where=str(list_of) if watched else "").checked()
            requests = dict.fromkeys(ground.proxy.seen)
            ground.proxy.arm(None)
            _run(ground, "destroy", "-y")
        points += [
            FilePoint(command, request, fault, then)
            for request in requests
            for fault in HARD
            for then in _thens(fault)
        ]
        points += [
            FilePoint(command, moment, _AT_A_STEP, then, f"{list_of}:{position}")
            for position, moment in enumerate(listed(list_of))
            for then in _thens("killed")
        ]
    return points


def try_point(ground: Ground, point: FilePoint) -> Outcome:
    """Do what the point says: the next apply goes on to the end, and destroy leaves nothing."""
    ground.proxy.arm(None)
    _prepare(ground, point.phase)
    if isinstance(point.at, Request):
        ground.proxy.arm(point.at, point.fault)
    first = _run(ground, *_WORDS[point.phase], where=point.where)
    struck = first.status == -9 if point.where else ground.proxy.struck
    ground.proxy.arm(None)
    runs = [first]
    problems = first.wrong_end(is_killed=struck and point.fault in KILLS)

    def then(*words: str) -> None:
        runs.append(_run(ground, *words))
        if runs[-1].status:
            problems.append(f"the next {' '.join(words)} left with {runs[-1].status}")

    if point.then == "apply":
        then("apply", "-y")
        then("plan", "--detailed-exitcode")
        problems += ground.differences()
    if point.then == "sweep":
        ground.lose_machines()
        then("sweep", "-y", "--aliyunecs-region", REGION)
    else:
        then("destroy", "-y")
    problems += ground.left()
    return Outcome(point, struck, worst(problems), "\n".join(each.output for each in runs))


def _prepare(ground: Ground, command: Command) -> None:
    """Write the file, and make what the command finds."""
    file = _file(ground)
    file.write_text(_FIRST)
    if command != "apply":
        ground.proxy.arm(None)
        _run(ground, "apply", "-y").checked()
    if command == "apply, changed":
        file.write_text(_SECOND.replace("BALANCER", ground.brought.load_balancer))
    ground.proxy.arm(None)


def _run(ground: Ground, *words: str, where: str = "") -> Ran:
    file = ("-f", str(_file(ground))) if words[0] != "sweep" else ()
    module = (_MOMENTS, where) if where else ("ecsmachine",)
    return ground.run(*words, *file, module=module)


def _file(ground: Ground) -> Path:
    return ground.store.parent / "ecsmachine.yaml"


def _thens(fault: str) -> Sequence[Then]:
    return ("apply", "destroy", "sweep") if fault.startswith("killed") else ("apply", "destroy")
