"""What a guest that no longer runs leaves on the host: mounts, and what systemd-nspawn notes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ecsmachine.localcloud.host.mounts import mounts_below, unmount_below

_RUN = Path("/run/systemd/nspawn")


def unmount_root_disks(folder: Path) -> None:
    """Unmount all below a folder of guests that no longer run, and drop nspawn's locks on it.

    A systemd-nspawn that was killed leaves its locks behind. And whatever guest of any cloud has
    booted meanwhile has a copy of these mounts in its namespace, which would hold a disk's loop
    device as long as it runs: the copies go when what they are mounted on is removed.
    """
    locks = []
    points = mounts_below(folder)
    for point in points:
        with suppress(OSError):
            found = point.stat()
            locks.append(_RUN / "locks" / f"inode-{found.st_dev}:{found.st_ino}")
    unmount_below(folder)
    for point in points:
        with suppress(OSError):  # what was inside of a disk went with it
            if point.parent == folder or point.parent.parent == folder:
                point.rmdir()
    for lock in locks:
        lock.unlink(missing_ok=True)


def remove_traces_of_nspawn(machine: str) -> None:
    """Remove what a systemd-nspawn that was killed leaves in /run under a guest's name."""
    for folder in (_RUN / "propagate", _RUN / "unix-export"):
        with suppress(OSError):
            unmount_below(folder / machine)
            (folder / machine).rmdir()
    (_RUN / "locks" / f"name-{machine}").unlink(missing_ok=True)
