"""Every request of a bake, of a machine that is made for it and of a copy of one that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.torture.api_points import HARD
from tests.torture.brought import REGION
from tests.torture.ground import Ground, Ran
from tests.torture.outcome import Outcome, worst
from tests.torture.proxy import KILLS, Request

Command = Literal["bake", "bake --from"]
Then = Literal["bake", "rm", "sweep"]

FAMILY = "web"
MACHINE = f"bake-{FAMILY}"
SOURCE = "dev1"
WORDS: dict[Command, tuple[str, ...]] = {
    "bake": ("bake", FAMILY, "--engine-source", "auto", "--aliyunecs-region", REGION),
    "bake --from": ("bake", FAMILY, "--from", SOURCE),
}


@dataclass(frozen=True)
class BakePoint:
    """A fault at a request of a bake, and the command that is given afterwards."""

    command: Command
    request: Request
    fault: str
    then: Then

    @property
    def phase(self) -> str:
        """The command that is struck."""
        return self.command

    def __str__(self) -> str:
        return f"{self.command}: {self.request}, {self.fault}, then {self.then}"


def all_points(ground: Ground) -> list[BakePoint]:
    """Return every point; each bake is run once, undisturbed, to see what it asks."""
    points: list[BakePoint] = []
    for command, words in WORDS.items():
        _prepare(ground, command)
        _run(ground, *words).checked()
        thens: tuple[Then, ...] = ("bake", "rm", "sweep")
        points += [
            BakePoint(command, request, fault, then)
            for request in dict.fromkeys(ground.proxy.seen)
            for fault in HARD
            for then in (thens if fault in KILLS else thens[:2])
        ]
        _clear(ground)
    return points


def try_point(ground: Ground, point: BakePoint) -> Outcome:
    """Do what the point says, and see at the end that one image is there, or nothing is."""
    words = WORDS[point.command]
    _prepare(ground, point.command)
    others = ground.in_the_cloud()
    ground.proxy.arm(point.request, point.fault)
    first = _run(ground, *words)
    struck = ground.proxy.struck
    ground.proxy.arm(None)
    log = [first.output]
    problems = first.wrong_end(is_killed=struck and point.fault in KILLS)
    if point.then == "bake":
        again = _run(ground, *words) if first.status else first
        log.append(again.output)
        if again.status:
            problems.append(f"the next bake left with {again.status}")
        if len(_images(ground)) != 1:
            problems.append(f"there are {len(_images(ground))} images")
    elif point.then == "rm" and (ground.store / "machines" / MACHINE).exists():
        removed = _run(ground, "rm", "-y", MACHINE)
        log.append(removed.output)
        if removed.status:
            problems.append(f"rm left with {removed.status}")
    elif point.then == "sweep":
        ground.lose_machines()
        swept = _run(ground, "sweep", "-y", "--aliyunecs-region", REGION)
        log.append(swept.output)
        if swept.status:
            problems.append(f"sweep left with {swept.status}")
        others = set()
    made = ground.in_the_cloud() - others
    if len(made) not in (0, 2) or {each.split()[0] for each in made} - {"image", "snapshot"}:
        problems += [f"left in the cloud: {each}" for each in sorted(made)]
    problems += [f"gone: {each}" for each in sorted(others - ground.in_the_cloud())]
    log.append(_clear(ground).output)
    problems += ground.differences()
    problems += [f"left in the store: machine {each}" for each in ground.machines()]
    return Outcome(point, struck, worst(problems), "\n".join(log))


def _prepare(ground: Ground, command: Command) -> None:
    """Let the machine be there that is copied."""
    ground.proxy.arm(None)
    if command == "bake --from":
        _run(ground, "create", "--no-provision", "--aliyunecs-region", REGION, SOURCE)
        ground.proxy.arm(None)


def _clear(ground: Ground) -> Ran:
    """Remove the images that are whole, and the machine that was copied."""
    ground.proxy.arm(None)
    if SOURCE in ground.machines():
        _run(ground, "rm", "-y", SOURCE)
    return _run(ground, "bake", FAMILY, "--prune", "0", "-y", "--aliyunecs-region", REGION)


def _images(ground: Ground) -> set[str]:
    return {each for each in ground.in_the_cloud() if each.startswith("image ")}


def _run(ground: Ground, *words: str) -> Ran:
    return ground.run(*words, module=("tests.torture.played_host",))
