"""Every point, or a random sample of them: ``python -m tests.torture [--sample N] [--seed S]``."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from ecsmachine.localcloud.service import daemon
from tests.guest.machines import Machines, environment_of
from tests.torture import (
    adopt_points,
    api_points,
    bake_points,
    file_points,
    import_points,
    output_points,
    step_points,
)
from tests.torture.ground import Ground, ground_in, try_each
from tests.torture.outcome import Outcome, table

_WORKERS = os.cpu_count() or 1

_Point = TypeVar("_Point")


@dataclass(frozen=True)
class Choice:
    """Which points are tried: at most ``count`` of those whose words have ``words``."""

    count: int | None
    seed: int
    words: str

    def of(self, points: Sequence[_Point]) -> list[_Point]:
        """Return those of ``points``, in any order.

        A fault that leaves something must not be hidden by the one before.
        """
        those = [point for point in points if self.words in str(point)]
        return random.Random(self.seed).sample(those, min(self.count or len(those), len(those)))


def main() -> int:
    """Try the points and print the table; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="scripts/torture", description=main.__doc__)
    parser.add_argument("--sample", type=int, help="how many points of each kind [default: all]")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", choices=tuple(_KINDS), help="one kind of points alone")
    parser.add_argument("--match", default="", help="those points alone whose words have this")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    choice = Choice(chosen.sample, chosen.seed, chosen.match)
    with tempfile.TemporaryDirectory(prefix="ecsmachine-torture-") as folder:
        for kind, tried in _KINDS.items():
            if chosen.only in (None, kind):
                for outcome in tried(Path(folder), choice):
                    outcomes.append(outcome)
                    _tell(outcome)
    print(table(outcomes))
    lost = sum(bool(outcome.lost) for outcome in outcomes)
    struck = sum(outcome.struck for outcome in outcomes)
    print(
        f"\n{len(outcomes)} points tried, {struck} faults met, {lost} lost, "
        f"in {time.monotonic() - begun:.0f} s"
    )
    return 1 if lost else 0


def _without_guests(
    what: str,
    all_points: Callable[[Ground], Sequence[_Point]],
    try_point: Callable[[Ground, _Point], Outcome],
    folder: Path,
    choice: Choice,
) -> Iterator[Outcome]:
    """Try points with as many workers as there are cores, each on a ground of its own."""
    place = folder / what.replace(" ", "-")
    with ground_in(place / "plan") as ground:
        points = choice.of(all_points(ground))
    print(f"{len(points)} points of {what}, on a cloud without guests", flush=True)
    shares = [points[start::_WORKERS] for start in range(_WORKERS)]
    tried: SimpleQueue[Outcome] = SimpleQueue()

    def work(number: int) -> None:
        for outcome in try_each(shares[number], place / f"worker{number}", try_point):
            tried.put(outcome)

    with ThreadPoolExecutor(_WORKERS) as pool:
        workers = [pool.submit(work, number) for number in range(_WORKERS)]
        while not (all(worker.done() for worker in workers) and tried.empty()):
            with suppress(Empty):
                yield tried.get(timeout=1)
        for worker in workers:
            worker.result()


def _import(folder: Path, choice: Choice) -> Iterator[Outcome]:
    with ground_in(folder / "import") as ground:
        made = import_points.traveller(ground)
        points = choice.of(import_points.all_points(made))
        print(f"{len(points)} points of an import, on a cloud without guests", flush=True)
        yield from import_points.try_points(points, made)


def _steps(folder: Path, choice: Choice) -> Iterator[Outcome]:
    points = choice.of(step_points.all_points())
    print(f"{len(points)} points of provisioning, on real guests", flush=True)
    with _guests(folder / "guests", folder / "machines") as machines:
        yield from step_points.try_points(points, machines)


def _adopt(folder: Path, choice: Choice) -> Iterator[Outcome]:
    with _guests(folder / "adopt-guests", folder / "adopt-machines") as machines:
        lost = adopt_points.Lost(machines, folder / "adopt")
        points = choice.of([point for phase in adopt_points.PHASES for point in lost.points(phase)])
        print(f"{len(points)} points of adoptions, on a real guest", flush=True)
        yield from adopt_points.try_points(points, lost)


_KINDS: dict[str, Callable[[Path, Choice], Iterator[Outcome]]] = {
    "requests": partial(_without_guests, "requests", api_points.all_points, api_points.try_point),
    "files": partial(
        _without_guests, "machines in a file", file_points.all_points, file_points.try_point
    ),
    "bake": partial(_without_guests, "bakes", bake_points.all_points, bake_points.try_point),
    "output": partial(
        _without_guests, "standard output", output_points.all_points, output_points.try_point
    ),
    "import": _import,
    "steps": _steps,
    "adopt": _adopt,
}


@contextmanager
def _guests(root: Path, store: Path) -> Iterator[Machines]:
    try:
        cloud = daemon.up(root, guests="nspawn").running
        yield Machines(environment_of(cloud.environment(), store))
    finally:
        daemon.reset(root)


def _tell(outcome: Outcome) -> None:
    """Print what was lost at once: the whole takes long."""
    if outcome.lost:
        print(f"\nLOST {outcome.point}\n  " + "\n  ".join(outcome.lost))
        print("\n".join(f"    {line}" for line in outcome.log.splitlines()[-25:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
