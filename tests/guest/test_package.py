"""The single file of scripts/package runs with a Python that has nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.guest

CHECKOUT = Path(__file__).parents[2]


def test_the_single_file_needs_python_alone(tmp_path: Path) -> None:
    file = tmp_path / "ecsmachine.pyz"
    subprocess.run([CHECKOUT / "scripts" / "package", file], check=True, capture_output=True)
    python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}")
    store = str(tmp_path / "store")
    environment = {"HOME": str(tmp_path), "MACHINE_STORAGE_PATH": store, "PATH": "/usr/bin:/bin"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, file, *arguments], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("version").startswith("ecsmachine version ")
    run("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1")  # with machine code's help
    assert run("ls", "-q") == "dev1\n"
    assert "local up" in run("local", "--help")
