"""Data disks: a sparse file each, seen by the guest through a loop device."""

from __future__ import annotations

import threading
from pathlib import Path

from ecsmachine.localcloud.host.guests.base import GuestDisk, GuestError
from ecsmachine.localcloud.host.guests.snapshots import Snapshots
from ecsmachine.localcloud.host.mounts import (
    attach_loop,
    detach_loops_below,
    loops_below,
    show_loop_sizes,
)
from ecsmachine.system.files import path_exists


class DataDisks:
    """The data disks of one cloud."""

    def __init__(self, folder: Path, snapshots: Snapshots):
        self._folder = folder
        self._snapshots = snapshots
        self._copying = threading.Lock()

    def _file(self, disk_id: str) -> Path:
        return self._folder / f"{disk_id}.raw"

    def create(self, disk: GuestDisk) -> None:
        """Make the disk's file; a smaller one grows, its data stays."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._copying:
            if disk.snapshot_id and not path_exists(self._file(disk.disk_id)):
                self._snapshots.load_file(disk.snapshot_id, self._file(disk.disk_id))
        with self._file(disk.disk_id).open("ab") as file:
            if file.tell() < disk.size_gib * 2**30:
                file.truncate(disk.size_gib * 2**30)
        if disk.online:
            show_loop_sizes(self._file(disk.disk_id))

    def attach(self, disk: GuestDisk) -> str:
        """Return the loop device of the disk's file.

        Raises :class:`~ecsmachine.localcloud.host.guests.base.GuestError` if there is no file:
        an empty disk must not silently replace one with data.
        """
        if not path_exists(self._file(disk.disk_id)):
            raise GuestError(f"The file of the disk {disk.disk_id} is gone.")
        device = attach_loop(self._file(disk.disk_id))
        show_loop_sizes(self._file(disk.disk_id))
        return device

    def snapshot(self, snapshot_id: str, disk_id: str) -> None:
        """Create a snapshot of the disk."""
        if not path_exists(self._file(disk_id)):
            raise GuestError(f"The file of the disk {disk_id} is gone.")
        self._snapshots.save_file(snapshot_id, self._file(disk_id))

    def devices(self, disk_id: str) -> list[str]:
        """Return the loop devices of the disk's file: none, if nobody has it."""
        return list(loops_below(self._file(disk_id)))

    def detach(self, disk_id: str) -> None:
        """Take the loop device away."""
        detach_loops_below(self._file(disk_id))

    def delete(self, disk_id: str) -> None:
        """Remove the disk with its data."""
        self.detach(disk_id)
        self._file(disk_id).unlink(missing_ok=True)
