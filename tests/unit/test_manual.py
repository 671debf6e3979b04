"""The man pages and the pages of commands say what --help says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pages_are_as_help_has_them() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "manual.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
