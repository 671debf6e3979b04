"""One process serves the cloud in a folder: a second would answer from a state of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ecsmachine.localcloud.host.paths import lock_of
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.polling import polls
from ecsmachine.system import files, locks

_PATIENCE_S = 5.0


@contextmanager
def serving_alone(root: Path) -> Iterator[None]:
    """Serve the cloud in a folder for a block; the folder is made if it is missing.

    Raises :class:`LocalCloudError` while another process, or another block, serves it. A file
    system without locks keeps nobody away.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        descriptor = files.open_file(lock_of(root), os.O_RDWR | os.O_CREAT)
        try:
            if not _within_patience(partial(locks.take, descriptor)):
                raise _served(root)
            # whoever removed the cloud meanwhile has removed the file
            if files.is_open_at(descriptor, lock_of(root)):
                try:
                    yield
                finally:
                    with suppress(OSError):
                        locks.give_back(descriptor)
                return
        finally:
            os.close(descriptor)


def check_not_served(root: Path) -> None:
    """Raise :class:`LocalCloudError` while a process serves the cloud in a folder."""
    with suppress(FileNotFoundError):
        descriptor = files.open_file(lock_of(root), os.O_RDWR)
        try:
            if not _within_patience(lambda: not locks.is_taken(descriptor)):
                raise _served(root)
        finally:
            os.close(descriptor)


def _within_patience(is_so: Callable[[], bool]) -> bool:
    """Whether something is so within a moment; it is where the file system has no locks.

    A daemon that was killed is gone when its first thread is, and its files with its last.
    """
    with suppress(OSError):
        looks = polls(_PATIENCE_S, first_pause_s=0.02, longest_pause_s=0.02)
        return any(is_so() for _ in looks)
    return True


def _served(root: Path) -> LocalCloudError:
    return LocalCloudError(
        f"Another process already serves the local cloud in {root}.",
        hint="End it, or use another folder",
    )
