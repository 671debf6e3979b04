"""``ssh``, ``scp`` and ``mount`` that are killed outright: the program that they run ends, too."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.ssh import sharing
from tests.unit.ssh.openssh_server import SSHD, keygen, openssh_server
from tests.unit.terminals import bare, run_in_pipe

pytestmark = pytest.mark.skipif(
    not (SSHD and shutil.which("ssh") and sys.platform.startswith("linux")),
    reason="no OpenSSH, or no /proc",
)

STAND_IN = "#!/bin/sh\necho begun\nexec sleep 300\n"
"""What scp, rsync and sshfs are while they have work to do."""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the program needs to find the machine dev1, and stand-ins of other programs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("scp", "rsync", "sshfs"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    key = keygen(tmp_path / "key" / "id_rsa", "-t", "ed25519")
    with openssh_server(tmp_path / "host") as host:
        host.authorize(Path(f"{key}.pub").read_text())
        environment = {
            "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
            "HOME": str(tmp_path),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TMPDIR": str(tmp_path),  # what is killed outright leaves a folder there
        }
        done = run_in_pipe(*host.create_words(key, "dev1"), environment=environment)
        assert done.returncode == 0, done.stderr
        yield environment
        sharing.close(tmp_path / "store/machines/dev1/known_hosts", at_once=True)


@pytest.mark.parametrize(
    "words",
    [
        ("ssh", "dev1", "echo begun; sleep 300"),
        ("ssh", "dev1", "-T", "--", "echo begun; sleep 300"),
        ("scp", "a", "dev1:a"),
        ("scp", "--delta", "a", "dev1:a"),
        ("mount", "dev1:/srv", "here"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("before", [0, 1])
def test_the_program_ends_with_it(
    environment: dict[str, str], words: tuple[str, ...], before: int
) -> None:
    for _ in range(before):  # then a connection is there
        assert run_in_pipe("ssh", "dev1", "true", environment=environment).returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a connection that is kept holds it until the command ends
        env=bare(environment),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        _wait_until_tied(process.pid)
        process.kill()
        # the end of its output, which the program below has in its hands, too
        assert select.select([process.stdout], [], [], 60)[0]
        assert process.stdout.read() == b""


def _wait_until_tied(pid: int) -> None:
    """Wait until a program has what ends the other, beside that."""
    deadline = time.monotonic() + 60
    while len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
