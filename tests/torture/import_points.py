"""Every moment of an import, on a cloud without guests."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.torture.api_points import REMOVE, everything
from tests.torture.ground import NAME, Ground
from tests.torture.moments import Moment, listed
from tests.torture.outcome import Outcome, worst

_PASSPHRASE = "correct horse"
_MOMENTS = "tests.torture.moments"


@dataclass(frozen=True)
class ImportPoint:
    """A moment of an import at which the process is killed; ``position`` is its place in all."""

    moment: Moment
    position: int
    phase: str = "import"
    fault: str = "killed"

    def __str__(self) -> str:
        return f"import: killed at {self.moment}, then import"


@dataclass
class Traveller:
    """A machine in a file; the store that it came from is gone, but for what ``whole`` has.

    ``whole`` is what the folder of machines holds after an undisturbed import, by path.
    """

    ground: Ground
    file: Path
    moments: Path
    whole: dict[str, bytes]

    @property
    def command(self) -> tuple[str, ...]:
        """The import."""
        return "import", str(self.file)

    def contents(self) -> dict[str, bytes]:
        """Return what the folder of machines holds now: hidden folders as well."""
        machines = self.ground.store / "machines"
        return {
            str(path.relative_to(machines)): path.read_bytes() if path.is_file() else b""
            for path in machines.rglob("*")
        }

    def lose(self) -> None:
        """Lose the store."""
        shutil.rmtree(self.ground.store)


def traveller(ground: Ground) -> Traveller:
    """Make a machine, export it, and import it once, undisturbed."""
    ground.environment["ECSMACHINE_PASSPHRASE"] = _PASSPHRASE
    folder = ground.store.parent
    made = Traveller(ground, folder / "dev1.ecsmachine", folder / "moments", {})
    ground.run(*everything(ground, brought=False)).checked()
    ground.run("export", NAME, str(made.file)).checked()
    made.lose()
    ground.run(*made.command, module=(_MOMENTS, str(made.moments))).checked()
    made.whole = made.contents()
    return made


def all_points(made: Traveller) -> list[ImportPoint]:
    """Return a point for every moment of an import."""
    return [ImportPoint(moment, position) for position, moment in enumerate(listed(made.moments))]


def try_points(points: Iterable[ImportPoint], made: Traveller) -> Iterator[Outcome]:
    """Try the points one after the other; at the end the machine goes for good."""
    last: Outcome | None = None
    for point in points:
        if last is not None:
            yield last
        last = try_point(made, point)
    if last is not None:
        removed = made.ground.run(*REMOVE)
        left = sorted(made.ground.in_the_cloud() | made.ground.in_the_store())
        problems = [*last.lost, *(f"left at the end: {each}" for each in left)]
        yield replace(last, lost=problems, log=f"{last.log}\n{removed.output}")


def try_point(made: Traveller, point: ImportPoint) -> Outcome:
    """Kill an import: the machine is in the store whole or not at all, and whole after the next."""
    ground = made.ground
    made.lose()
    first = ground.run(*made.command, module=(_MOMENTS, f"{made.moments}:{point.position}"))
    problems = first.wrong_end(is_killed=True)
    there = {path: data for path, data in made.contents().items() if not path.startswith(".")}
    if there and there != made.whole:
        problems.append(f"a part of it is in the store: {', '.join(there)}")
    again = ground.run(*made.command)
    if again.status and not (there and "already exists" in again.output):
        problems.append(f"the next import left with {again.status}")
    now = made.contents()
    if now != made.whole:
        different = [path for path in {*now, *made.whole} if now.get(path) != made.whole.get(path)]
        problems.append(f"the store is another than after one import: {', '.join(different)}")
    return Outcome(point, True, worst(problems), f"{first.output}\n{again.output}")
