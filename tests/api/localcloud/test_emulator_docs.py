"""docs/emulator.md: its tables are what the code has, and its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecsmachine.localcloud.faults.fault import KINDS
from ecsmachine.localcloud.service.embedded import EmbeddedCloud

PAGE = Path(__file__).parents[3] / "docs" / "emulator.md"


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def scripts() -> list[str]:
    return [block for block in python_blocks() if "pytest" not in block]


def test_the_tables_are_as_the_code_is() -> None:
    script = PAGE.parents[1] / "scripts" / "emulator_page.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_kind_of_fault_is_named() -> None:
    section = PAGE.read_text().partition("## Let things go wrong")[2].partition("\n## ")[0]
    rows = "".join(line for line in section.splitlines() if line.startswith("|"))
    assert set(re.findall(r"`([a-z0-9-]+)`", rows.replace("`Throttling.User`", ""))) == set(KINDS)


@pytest.mark.parametrize("number", range(len(scripts())))
def test_a_script(cloud: EmbeddedCloud, tmp_path: Path, number: int) -> None:
    (tmp_path / "script.py").write_text(scripts()[number])
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "ECS_API_ENDPOINT": cloud.endpoint,
            "ECS_ACCESS_KEY_ID": cloud.access_key_id,
            "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
            "ECS_REGION": cloud.region,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    known = ("0", "['cn-hangzhou-h'", cloud.state.default_vpc_id)
    assert said.startswith(known), said


def test_there_are_scripts() -> None:
    assert len(scripts()) == 3


def test_the_tests_of_your_project(tmp_path: Path) -> None:
    conftest, tests = (block for block in python_blocks() if "pytest" in block)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_yours.py").write_text(tests)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
