"""Data disks: a sparse file each, seen by the guest through a loop device."""

from __future__ import annotations

from pathlib import Path

from ecsmachine.localcloud.guests.base import GuestDisk, GuestError
from ecsmachine.localcloud.mounts import attach_loop, detach_loops_below


class DataDisks:
    """The data disks of one cloud."""

    def __init__(self, folder: Path):
        self._folder = folder

    def _file(self, disk_id: str) -> Path:
        return self._folder / f"{disk_id}.raw"

    def create(self, disk: GuestDisk) -> None:
        """Make the disk's file; a smaller one grows, its data stays."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._file(disk.disk_id).open("ab") as file:
            if file.tell() < disk.size_gib * 2**30:
                file.truncate(disk.size_gib * 2**30)

    def attach(self, disk: GuestDisk) -> str:
        """Return the loop device that the disk's file is behind.

        Raises :class:`~ecsmachine.localcloud.guests.base.GuestError` if there is no file:
        an empty disk must not silently take the place of one with data.
        """
        if not self._file(disk.disk_id).exists():
            raise GuestError(f"The file of the disk {disk.disk_id} is gone.")
        return attach_loop(self._file(disk.disk_id))

    def detach(self, disk_id: str) -> None:
        """Take the loop device away."""
        detach_loops_below(self._file(disk_id))

    def delete(self, disk_id: str) -> None:
        """Remove the disk with its data."""
        self.detach(disk_id)
        self._file(disk_id).unlink(missing_ok=True)
