from __future__ import annotations

import errno
import shutil
import socket

import pytest

from ecsmachine.localcloud.host.processes import read_holders, why_not_listening


def test_each_program_is_named_once() -> None:
    listed = (
        'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=12,fd=6),("nginx",pid=12,fd=7))\n'
        'LISTEN 0 511 [::]:80 [::]:* users:(("my (odd) one",pid=34,fd=6))\n'
    )
    assert read_holders(listed) == ["nginx (process 12)", "my (odd) one (process 34)"]
    assert read_holders("LISTEN 0 511 0.0.0.0:80 0.0.0.0:*\n") == []


@pytest.mark.skipif(shutil.which("ss") is None, reason="needs iproute2")
def test_the_program_that_holds_a_port_is_found() -> None:
    import os

    with socket.create_server(("127.0.0.1", 0)) as held:
        error = OSError(errno.EADDRINUSE, "Address already in use")
        said = why_not_listening(error, held.getsockname()[1])
    assert f"(process {os.getpid()})" in said


def test_another_reason_is_told_as_it_is() -> None:
    assert why_not_listening(PermissionError(13, "Permission denied"), 80) == "Permission denied"
