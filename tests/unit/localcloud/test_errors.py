"""What a user is told where the system, or SQLite, lets the local cloud not have its files."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.programs import ProgramError
from ecsmachine.localcloud.protocol.errors import LocalCloudError, unusable_database
from ecsmachine.localcloud.service.serve import error_of_start


def refusal(number: int, *file: str) -> OSError:
    return OSError(number, os.strerror(number), *file)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refusal(errno.ENOSPC), "{root}: No space left on device. Make room on its disk."),
        (refusal(errno.EROFS, "/x/y"), "/x/y: Read-only file system. Mount its"),
        (refusal(errno.EMFILE), "{root}: Too many open files. Raise the limit of open files"),
        (LocalCloudError("port taken", hint="Stop it"), "port taken. Stop it"),
        (KeyError("x"), "The daemon failed: KeyError: 'x'. This is a bug in ecsmachine"),
    ],
)
def test_what_ends_a_start_is_told_with_what_helps(
    error: Exception, told: str, tmp_path: Path
) -> None:
    assert str(error_of_start(error, tmp_path)).startswith(told.format(root=tmp_path))


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("database or disk is full", "Make room on its disk."),
        ("attempt to write a readonly database", "Correct the permissions of"),
        ("unable to open database file", "Correct the permissions of"),
        ("disk I/O error", "Check its disk."),
        ("file is not a database", "ecsmachine local reset"),
        ("database disk image is malformed", "ecsmachine local reset"),
    ],
)
def test_a_database_that_cannot_be_used(said: str, hint: str, tmp_path: Path) -> None:
    told = unusable_database(sqlite3.OperationalError(said), tmp_path / "cloud.sqlite")
    assert str(tmp_path / "cloud.sqlite") in told.message and said in told.message
    assert hint in (told.hint or "")


def test_a_program_that_has_no_room_says_what_helps() -> None:
    said = "tar: x: Cannot write: No space left on device\ntar: Exiting\n"
    assert ProgramError(["tar"], "exit status 2", said).hint == "Make room on its disk."
    assert ProgramError(["tar"], "exit status 2", "tar: Exiting\n").hint is None
