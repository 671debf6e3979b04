"""What the operating system refuses, as people read it."""

from __future__ import annotations

import asyncio
import errno

import pytest

from ecsmachine.system.os_errors import reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/bin/sh"), "/bin/sh: No such file"),
        (PermissionError(errno.EACCES, "Permission denied", "/here"), "Permission denied"),
        (ValueError("it is odd"), "it is odd"),
        (asyncio.TimeoutError(), "TimeoutError"),
    ],
)
def test_a_reason_has_no_number(error: Exception, told: str) -> None:
    assert reason(error, "/here") == told
