"""The connection that the ssh program is handed: it sends at once, and failures read as ssh's."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ecsmachine.ssh import kept
from ecsmachine.system import masters

TIMEOUT_S = 60


def dialled(path: Path, port: int) -> tuple[socket.socket | None, bytes, socket.socket]:
    """Dial as ssh has it done; return what is sent to ``path``, and the end that ssh reads."""
    box = masters.letter_box(str(path))
    ours, its = socket.socketpair()
    command = [sys.executable, "-ISs", kept._DIAL, "127.0.0.1", str(port), str(path)]
    with contextlib.closing(box), its:
        subprocess.run(command, stdout=its.fileno(), timeout=TIMEOUT_S, check=True)
        connection, said = masters.collect(box)
    found = socket.socket(fileno=connection.detach()) if connection else None
    return found, said, ours


def test_a_connection_sends_at_once_and_is_handed_to_both(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        first, said, ours = dialled(tmp_path / "s", server.getsockname()[1])
        _, found, _, _ = socket.recv_fds(ours, 1, 1)
        second = socket.socket(fileno=found[0])
        accepted, _ = server.accept()
    assert first is not None
    with first, second, accepted, ours:
        assert said == b""
        assert first.getsockname() == second.getsockname() == accepted.getpeername()
        assert second.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert second.getblocking()


@pytest.mark.skipif(not shutil.which("ssh"), reason="no OpenSSH")
def test_why_there_is_none_is_told_in_the_words_of_ssh(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        connection, said, ours = dialled(tmp_path / "s", port)
        ours.close()
        ssh = ["ssh", "-T", "-F", "/dev/null", "-p", str(port), "127.0.0.1"]
        theirs = subprocess.run(ssh, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False).stderr
    assert connection is None
    assert said == theirs
    assert said.endswith(b": Connection refused\r\n")
