"""A random sample of the points that ``scripts/torture`` tries; its seed is in the output."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from ecsmachine.localcloud import daemon
from tests.guest.conftest import base_image, cloud_root, engine_packages, host
from tests.guest.machines import Machines, environment_of
from tests.torture import api_points, step_points
from tests.torture.ground import ground_in
from tests.torture.outcome import Outcome

__all__ = ["base_image", "cloud_root", "engine_packages", "host"]  # fixtures of the guests

REQUESTS = 24
STEPS = 3


@pytest.fixture(scope="module")
def seed() -> int:
    """The seed of this run; TORTURE_SEED repeats another's."""
    chosen = int(os.environ.get("TORTURE_SEED") or random.randrange(10**6))
    print(f"TORTURE_SEED={chosen}")
    return chosen


def nothing_lost(outcomes: list[Outcome], seed: int) -> None:
    lost = [outcome for outcome in outcomes if outcome.lost]
    assert not lost, f"TORTURE_SEED={seed}\n" + "\n".join(
        f"{outcome.point}: {'; '.join(outcome.lost)}\n{outcome.log}" for outcome in lost
    )


def test_faults_at_requests_lose_nothing(seed: int, tmp_path: Path) -> None:
    with ground_in(tmp_path / "plan") as ground:
        points = api_points.all_points(ground)
    outcomes = api_points.try_points(api_points.sample(points, REQUESTS, seed), tmp_path)
    nothing_lost(outcomes, seed)
    assert sum(outcome.struck for outcome in outcomes) > REQUESTS // 2


@pytest.mark.guest
@pytest.mark.usefixtures("engine_packages")
def test_faults_at_steps_of_provisioning_lose_nothing(
    seed: int, cloud_root: Path, tmp_path: Path
) -> None:
    # a cloud of its own: all its instances are released at some points
    cloud = daemon.up(cloud_root, guests="nspawn").running
    machines = Machines(environment_of(cloud.environment(), tmp_path / "machines"))
    points = random.Random(seed).sample(step_points.all_points(), STEPS)
    nothing_lost(step_points.try_points(points, machines), seed)
