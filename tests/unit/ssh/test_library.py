"""paramiko is imported without what it does not need, which others can import all the same."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from ecsmachine.ssh.library import paramiko
assert not [name for name in sys.modules if name.partition(".")[0] == "invoke"]
assert paramiko.config.invoke is None
import invoke
"""


def test_invoke_is_not_imported_with_it_and_can_be_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    said = done.stderr
    assert done.returncode == 0 or "No module named 'invoke'" in said, said


def test_an_invoke_that_is_there_stays() -> None:
    script = (
        "import sys, types; there = types.ModuleType('invoke'); sys.modules['invoke'] = there\n"
        "import ecsmachine.ssh.library\n"
        "assert sys.modules['invoke'] is there\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
