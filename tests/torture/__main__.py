"""Every point, or a random sample of them: ``python -m tests.torture [--sample N] [--seed S]``."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ecsmachine.localcloud import daemon
from tests.guest.machines import Machines, environment_of
from tests.torture import adopt_points, api_points, import_points, step_points
from tests.torture.ground import ground_in
from tests.torture.outcome import Outcome, table

_WORKERS = os.cpu_count() or 1

_Point = TypeVar("_Point")


def main() -> int:
    """Try the points and print the table; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="scripts/torture", description=main.__doc__)
    parser.add_argument("--sample", type=int, help="how many points of each kind [default: all]")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", choices=tuple(_KINDS), help="one kind of points alone")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="ecsmachine-torture-") as folder:
        for kind, tried in _KINDS.items():
            if chosen.only in (None, kind):
                for outcome in tried(Path(folder), chosen.sample, chosen.seed):
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


def _requests(folder: Path, count: int | None, seed: int) -> Iterator[Outcome]:
    with ground_in(folder / "plan") as ground:
        points = _sample(api_points.all_points(ground), count, seed)
    print(f"{len(points)} points of requests, on a cloud without guests", flush=True)
    shares = [points[start::_WORKERS] for start in range(_WORKERS)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        work = [
            pool.submit(list, api_points.try_points(share, folder / f"worker{number}"))
            for number, share in enumerate(shares)
        ]
        for each in work:
            yield from each.result()


def _import(folder: Path, count: int | None, seed: int) -> Iterator[Outcome]:
    with ground_in(folder / "import") as ground:
        made = import_points.traveller(ground)
        points = _sample(import_points.all_points(made), count, seed)
        print(f"{len(points)} points of an import, on a cloud without guests", flush=True)
        yield from import_points.try_points(points, made)


def _steps(folder: Path, count: int | None, seed: int) -> Iterator[Outcome]:
    points = _sample(step_points.all_points(), count, seed)
    print(f"{len(points)} points of provisioning, on real guests", flush=True)
    with _guests(folder / "guests", folder / "machines") as machines:
        yield from step_points.try_points(points, machines)


def _adopt(folder: Path, count: int | None, seed: int) -> Iterator[Outcome]:
    with _guests(folder / "adopt-guests", folder / "adopt-machines") as machines:
        lost = adopt_points.Lost(machines, folder / "adopt")
        points = _sample(
            [point for phase in adopt_points.PHASES for point in lost.points(phase)], count, seed
        )
        print(f"{len(points)} points of adoptions, on a real guest", flush=True)
        yield from adopt_points.try_points(points, lost)


_KINDS = {"requests": _requests, "import": _import, "steps": _steps, "adopt": _adopt}


def _sample(points: Sequence[_Point], count: int | None, seed: int) -> list[_Point]:
    # in any order: a fault that leaves something must not be hidden by the one before
    return random.Random(seed).sample(points, min(count or len(points), len(points)))


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
