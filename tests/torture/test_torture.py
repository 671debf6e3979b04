"""A random sample of the points that ``scripts/torture`` tries; its seed is in the output."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from ecsmachine.localcloud.service import daemon
from tests.guest.conftest import base_image, cloud_root, engine_packages, host
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
from tests.torture.ground import ground_in, try_each
from tests.torture.outcome import Outcome

__all__ = ["base_image", "cloud_root", "engine_packages", "host"]  # fixtures of the guests

REQUESTS = 18
FILES = 4
BAKES = 2
OUTPUTS = 8
IMPORTS = 2
STEPS = 2
ADOPTIONS = 1


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
        points = random.Random(seed).sample(api_points.all_points(ground), REQUESTS)
    outcomes = list(try_each(points, tmp_path, api_points.try_point))
    nothing_lost(outcomes, seed)
    assert sum(outcome.struck for outcome in outcomes) > REQUESTS // 2


def test_faults_at_what_is_done_with_a_file_lose_nothing(seed: int, tmp_path: Path) -> None:
    with ground_in(tmp_path / "plan") as ground:
        points = random.Random(seed).sample(file_points.all_points(ground), FILES)
    nothing_lost(list(try_each(points, tmp_path, file_points.try_point)), seed)


def test_faults_at_a_bake_lose_nothing(seed: int, tmp_path: Path) -> None:
    with ground_in(tmp_path / "plan") as ground:
        points = random.Random(seed).sample(bake_points.all_points(ground), BAKES)
    nothing_lost(list(try_each(points, tmp_path, bake_points.try_point)), seed)


def test_an_output_that_breaks_ends_no_work(seed: int, tmp_path: Path) -> None:
    with ground_in(tmp_path / "plan") as ground:
        points = random.Random(seed).sample(output_points.all_points(ground), OUTPUTS)
    outcomes = list(try_each(points, tmp_path, output_points.try_point))
    nothing_lost(outcomes, seed)
    assert sum(outcome.struck for outcome in outcomes) > OUTPUTS // 2


def test_an_import_that_is_killed_is_whole_or_not_there(seed: int, tmp_path: Path) -> None:
    with ground_in(tmp_path) as ground:
        made = import_points.traveller(ground)
        points = random.Random(seed).sample(import_points.all_points(made), IMPORTS)
        nothing_lost(list(import_points.try_points(points, made)), seed)


@pytest.fixture
def machines(engine_packages: Path, cloud_root: Path, tmp_path: Path) -> Machines:
    """A cloud of its own: all its instances are released at some points."""
    cloud = daemon.up(cloud_root, guests="nspawn").running
    return Machines(environment_of(cloud.environment(), tmp_path / "machines"))


@pytest.mark.guest
def test_faults_at_steps_of_provisioning_and_adopting_lose_nothing(
    seed: int, machines: Machines, tmp_path: Path
) -> None:
    steps = random.Random(seed).sample(step_points.all_points(), STEPS)
    nothing_lost(list(step_points.try_points(steps, machines)), seed)
    lost = adopt_points.Lost(machines, tmp_path / "lost")
    phase = random.Random(seed).choice(adopt_points.PHASES)
    adoptions = random.Random(seed).sample(lost.points(phase), ADOPTIONS)
    nothing_lost(list(adopt_points.try_points(adoptions, lost)), seed)
