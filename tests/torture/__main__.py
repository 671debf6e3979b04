"""Every point, or a random sample of them: ``python -m tests.torture [--sample N] [--seed S]``."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ecsmachine.localcloud import daemon
from tests.guest.machines import Machines, environment_of
from tests.torture import api_points, step_points
from tests.torture.ground import ground_in
from tests.torture.outcome import Outcome, table

_WORKERS = os.cpu_count() or 1


def main() -> int:
    """Try the points and print the table; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="scripts/torture", description=main.__doc__)
    parser.add_argument("--sample", type=int, help="how many points of each kind [default: all]")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", choices=("requests", "steps"), help="one kind of points alone")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="ecsmachine-torture-") as folder:
        if chosen.only != "steps":
            outcomes += _requests(Path(folder), chosen.sample, chosen.seed)
        if chosen.only != "requests":
            outcomes += _steps(Path(folder), chosen.sample, chosen.seed)
    print(table(outcomes))
    lost = [outcome for outcome in outcomes if outcome.lost]
    for outcome in lost:
        print(f"\nLOST {outcome.point}\n  " + "\n  ".join(outcome.lost))
        print("\n".join(f"    {line}" for line in outcome.log.splitlines()[-25:]))
    struck = sum(outcome.struck for outcome in outcomes)
    print(
        f"\n{len(outcomes)} points tried, {struck} faults met, {len(lost)} lost, "
        f"in {time.monotonic() - begun:.0f} s"
    )
    return 1 if lost else 0


def _requests(folder: Path, count: int | None, seed: int) -> list[Outcome]:
    with ground_in(folder / "plan") as ground:
        points = api_points.all_points(ground)
    # in any order: a fault that leaves something must not be hidden by the one before
    points = api_points.sample(points, count or len(points), seed)
    print(f"{len(points)} points of requests, on a cloud without guests", flush=True)
    shares = [points[start::_WORKERS] for start in range(_WORKERS)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        work = [
            pool.submit(api_points.try_points, share, folder / f"worker{number}")
            for number, share in enumerate(shares)
        ]
    return [outcome for each in work for outcome in each.result()]


def _steps(folder: Path, count: int | None, seed: int) -> list[Outcome]:
    points = step_points.all_points()
    points = random.Random(seed).sample(points, min(count or len(points), len(points)))
    print(f"{len(points)} points of provisioning, on real guests", flush=True)
    root = folder / "guests"
    try:
        cloud = daemon.up(root, guests="nspawn").running
        machines = Machines(environment_of(cloud.environment(), folder / "machines"))
        return step_points.try_points(points, machines)
    finally:
        daemon.reset(root)


if __name__ == "__main__":
    sys.exit(main())
