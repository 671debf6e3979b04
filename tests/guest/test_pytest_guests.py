"""The importable fixture of a cloud with guests, as others use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.guest

TEST = """
def test_it(ecs_guest_cloud):
    assert ecs_guest_cloud.environment["MACHINE_DOCKER_INSTALL_URL"]
    assert ecs_guest_cloud.image_id.startswith("debian_12")


def test_again(ecs_guest_cloud):
    assert ecs_guest_cloud.faults.entries() == []
"""


def test_a_cloud_with_guests(host: None, base_image: Path, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(TEST)
    plugin = ["-p", "ecsmachine.localcloud.pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
