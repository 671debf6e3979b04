"""What a session leaves with where nobody reads its output any more, or takes its input."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows tells of a lost reader only when it is written to"
)

SCRIPT = """
import sys
from ecsmachine.ssh.kept import told_status
sys.stdin.read()
sys.exit(told_status(int(sys.argv[1]), interrupted=sys.argv[2] == "interrupted"))
"""


@pytest.mark.parametrize("status", [0, 3, 255])
@pytest.mark.parametrize("how", ["plain", "interrupted"])
@pytest.mark.parametrize("is_read", [True, False])
def test_what_the_ssh_program_left_with_is_told_as_a_shell_would(
    status: int, how: str, is_read: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(status), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        if not is_read:
            process.stdout.close()
        process.stdin.close()
        code = process.wait(60)
    told = {(255, "interrupted", True): 130, (255, "interrupted", False): 130}
    told |= {(255, "plain", False): 141}
    assert code == told.get((status, how, is_read), status)
