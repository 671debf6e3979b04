"""Standard output that breaks after every line of every command that changes a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.torture import failing_output
from tests.torture.api_points import REMOVE, UNDONE_BY, everything
from tests.torture.ground import NAME, Ground, Ran
from tests.torture.outcome import Outcome, worst

Command = Literal["create", "undo", "stop", "start", "rm"]

ENDS: dict[Command, tuple[int, str]] = {
    "create": (0, "Running"),
    "undo": (1, ""),
    "stop": (0, "Stopped"),
    "start": (0, "Running"),
    "rm": (0, ""),
}
"""What each command leaves with, and the state of its instance then; none if it is gone.

They are in the order in which each finds what the one before has left.
"""


@dataclass(frozen=True)
class OutputPoint:
    """A command, and the number of lines (on a terminal: of changes) that it can write."""

    command: Command
    fault: str
    lines: int

    @property
    def phase(self) -> str:
        """The command that is struck."""
        return self.command

    def __str__(self) -> str:
        return f"{self.command}: {self.fault} after line {self.lines}"


def all_points(ground: Ground) -> list[OutputPoint]:
    """Return every point; each command is run once, undisturbed, to count its lines."""
    points = []
    for command in ("undo", "create", "stop", "start", "rm"):
        ran = _run(ground, command).checked(ENDS[command][0])
        points += [
            OutputPoint(command, fault, lines)
            for fault in failing_output.FAULTS
            for lines in range(len(ran.output.splitlines()))
        ]
    return points


def try_point(ground: Ground, point: OutputPoint) -> Outcome:
    """Run the command, and compare what became of it with what does when it can be read."""
    problems: list[str] = []
    log: list[str] = []
    before: dict[Command, tuple[Command, ...]] = {
        "stop": ("create",),
        "start": ("create", "stop"),
        "rm": ("create",),
    }
    for command in before.get(point.command, ()):
        ran = _run(ground, command)
        log.append(ran.output)
        if ran.status:
            problems.append(f"the {command} before it left with {ran.status}")
    met = ground.store.parent / "met"
    met.unlink(missing_ok=True)
    struck = ("tests.torture.failing_output", point.fault, str(point.lines), str(met))
    ran = _run(ground, point.command, struck)
    log.append(ran.output)
    status, state = ENDS[point.command]
    if ran.status != status:
        problems.append(f"it left with {ran.status}, not {status}")
    if "Traceback" in ran.output:
        problems.append("it printed a traceback")
    states = [instance.status for instance in ground.cloud.state.instances]
    if states != ([state] if state else []):
        problems.append(f"its instance is {states}")
    if ground.machines() != ([NAME] if state else []):
        problems.append(f"the store has {ground.machines()}")
    problems += ground.differences()
    if ground.machines():
        removed = _run(ground, "rm")
        log.append(removed.output)
        if removed.status:
            problems.append(f"rm left with {removed.status}")
    problems += ground.left()
    return Outcome(point, met.exists(), worst(problems), "\n".join(log))


def _run(ground: Ground, command: Command, module: tuple[str, ...] = ("ecsmachine",)) -> Ran:
    ground.proxy.arm(None, forbidden=UNDONE_BY if command == "undo" else "")
    words = {
        "create": everything(ground, brought=False),
        "undo": everything(ground, brought=False),
        "rm": REMOVE,
    }
    return ground.run(*words.get(command, (command, NAME)), module=module)
