"""Locks between processes on files that are open; that of a process which has ended is free."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PLACE = 0x7FFFFFFE
"""The byte that is locked: what is locked on Windows, nobody else can read."""

_TAKEN = (errno.EACCES, errno.EDEADLK, 0)
"""How Windows says that another has a lock; Wine says nothing."""


def take(descriptor: int) -> bool:
    """Take the lock of a file, until it is closed; False if another process has it.

    Raises :class:`OSError` where the file system has no locks.
    """
    if sys.platform != "win32":
        return _locked(descriptor, fcntl.LOCK_EX)
    import msvcrt

    os.lseek(descriptor, _PLACE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def is_taken(descriptor: int) -> bool:
    """Whether a process has the lock of a file. Raises :class:`OSError` as :func:`take`."""
    if sys.platform != "win32":
        return not _locked(descriptor, fcntl.LOCK_SH)
    return not take(descriptor)  # the caller closes the file


@contextmanager
def held(folder: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[int]:
    """Hold the lock of a folder for a block, which gets its descriptor; wait until it is free.

    ``waiting`` is called before that. Raises :class:`OSError` that names the folder where the file
    system has no locks. The local cloud alone waits for a lock.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            free = take(descriptor)
        except OSError as error:
            error.filename = os.fspath(folder)
            raise
        if not free:
            waiting()
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def give_back(descriptor: int) -> None:
    """Give the lock of a file back, which a fork of ours would hold until it ends."""
    if sys.platform != "win32":  # there it goes when the file is closed
        fcntl.flock(descriptor, fcntl.LOCK_UN)


if sys.platform != "win32":

    def _locked(descriptor: int, how: int) -> bool:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
