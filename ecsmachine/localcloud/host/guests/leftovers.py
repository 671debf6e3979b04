"""Leftovers of an ended guest on the host: mounts, and files of systemd-nspawn."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ecsmachine.localcloud.host.mounts import mounts_below, unmount_below

_RUN = Path("/run/systemd/nspawn")


def unmount_root_disks(folder: Path) -> None:
    """Unmount everything below a folder of ended guests, and remove nspawn's locks on it.

    A killed systemd-nspawn leaves its locks. And every guest of any cloud that has booted since
    then has a copy of these mounts in its namespace, which would keep a disk's loop device in use
    as long as it runs: the copies disappear when their mount point is removed.
    """
    locks = []
    points = mounts_below(folder)
    for point in points:
        with suppress(OSError):
            found = point.stat()
            locks.append(_RUN / "locks" / f"inode-{found.st_dev}:{found.st_ino}")
    unmount_below(folder)
    for point in points:
        with suppress(OSError):  # mounts inside of a disk were removed with it
            if point.parent == folder or point.parent.parent == folder:
                point.rmdir()
    for lock in locks:
        lock.unlink(missing_ok=True)


def remove_traces_of_nspawn(machine: str) -> None:
    """Remove the files of a killed systemd-nspawn in /run under a guest's name."""
    for folder in (_RUN / "propagate", _RUN / "unix-export"):
        with suppress(OSError):
            unmount_below(folder / machine)
            (folder / machine).rmdir()
    (_RUN / "locks" / f"name-{machine}").unlink(missing_ok=True)
