"""Refusals that the API answers with, and what can go wrong on the local cloud's own side."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING

from ecsmachine.system import os_errors

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


class ApiError(Exception):
    """A request is refused. ``code`` and ``message`` are those of Alibaba Cloud's references."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def missing_parameter(name: str) -> ApiError:
    """Return the refusal of a request that lacks a mandatory parameter."""
    return ApiError(
        "MissingParameter",
        f'The input parameter "{name}" that is mandatory for processing this request '
        "is not supplied.",
    )


def invalid_parameter(name: str, reason: str = "") -> ApiError:
    """Return the refusal of a value that no more specific code is known for."""
    message = f"The specified parameter {name} is not valid."
    return ApiError("InvalidParameter", f"{message} {reason}".rstrip())


_BATCHES = ("StartInstances", "StopInstances", "RebootInstances", "DeleteInstances")
"""The actions that answer a dry run in words of their own."""


def dry_run_passed(action: str) -> ApiError:
    """Return the answer to a dry run of an action that would succeed."""
    if action in _BATCHES:
        return ApiError(
            "DRYRUN.SUCCESS", "This request is a dryrun request with successful result."
        )
    return ApiError("DryRunOperation", "Request validation has been passed with DryRun flag set.")


class LocalCloudError(Exception):
    """The local cloud cannot carry out a command.

    ``message`` is one line, ``hint`` one line on what to do about it, ``details`` text of
    any length (what a program wrote, the end of a log).
    """

    def __init__(self, message: str, *, hint: str | None = None, details: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        between = "" if self.message.endswith((".", "!", "?", ":")) else "."
        return f"{self.message}{between} {self.hint}" if self.hint else self.message


def refused_by_system(error: OSError, place: Path) -> LocalCloudError:
    """Return the error for what the operating system refused, with what to do about it.

    ``place`` is what was written where the system does not name the file.
    """
    file = error.filename or place
    return LocalCloudError(
        f"{file}: {error.strerror or error}", hint=os_errors.sentence(error, file) or None
    )


_LEAST_FREE = 256 * 1024
"""What SQLite needs at least of a disk, in bytes; with less, it tells of an I/O error."""

_OF_SQLITE = (
    ("is full", errno.ENOSPC),
    ("readonly", errno.EACCES),
    ("unable to open", errno.EACCES),
    ("I/O error", errno.EIO),
)


def unusable_database(error: sqlite3.Error, file: Path) -> LocalCloudError:
    """Return the error for a file that SQLite cannot use: for want of a right, or damaged."""
    for said, number in _OF_SQLITE:
        if said in str(error):
            full = number == errno.EIO and shutil.disk_usage(file.parent).free < _LEAST_FREE
            return refused_by_system(OSError(errno.ENOSPC if full else number, str(error)), file)
    return LocalCloudError(
        f"{file} is not a local cloud's database: {error}",
        hint="Restore it, or remove the cloud: ecsmachine local reset",
    )
