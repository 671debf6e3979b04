"""Disks and snapshots: creates, grows, resets and removes their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from ecsmachine.localcloud.host.guests.base import GuestDisk, GuestError, Guests
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.state.interfaces import release_interfaces
from ecsmachine.localcloud.state.model import Disk, Removal, Snapshot, SnapshotStatus
from ecsmachine.localcloud.state.resources import forget_disk, guest_device
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads, unchanged


@dataclass
class StorageWork:
    """The work on disks and snapshots. Actions call it inside their transaction."""

    state: State
    guests: Guests
    supervisor: Supervisor
    threads: Threads
    removals: RemovalWork

    def make_disk(self, disk: Disk, *, online: bool = False) -> None:
        """Create the file of a data disk, or grow it. A new disk that fails is removed.

        With ``online`` a running guest sees the larger size at once.
        """
        spec = GuestDisk(disk.id, "", disk.size_gib, disk.snapshot_id, online)

        async def make() -> None:
            await self.threads.run(self.guests.create_disk, spec)
            with self.state.transaction():
                now = self.state.disks.get(disk.id)
                if now is not None and now.status == "Creating":
                    self.state.disks.put(replace(now, status="Available"))

        def failed(_: str) -> None:
            with self.state.transaction():
                now = self.state.disks.get(disk.id)
                if now is not None and now.status == "Creating":
                    forget_disk(self.state, now)
                    self.removals.begin()

        self.supervisor.begin(disk.id, f"making disk {disk.id}", make, failed)

    def plug_disk(self, disk: Disk) -> None:
        """Give a disk to the guest of its instance, if that runs, once its file is there."""
        spec = GuestDisk(disk.id, guest_device(disk.device), disk.size_gib)
        self._begin_plugging(disk, partial(self.guests.plug_disk, disk.instance_id, spec))

    def unplug_disk(self, disk: Disk) -> None:
        """Take a disk from the guest that has had it."""
        self._begin_plugging(disk, partial(self.guests.unplug_disk, disk.instance_id, disk.id))

    def _begin_plugging(self, disk: Disk, work: Callable[[], None]) -> None:
        # In the disk's queue: the next guest gets it when this one has let go of it.
        self.supervisor.begin(
            disk.id,
            f"the disk {disk.id} of instance {disk.instance_id}",
            lambda: self.threads.run(work),
            unchanged,
        )

    def wipe_disk(self, disk: Disk) -> None:
        """Reset a disk that has ``wipe``; its instance is Stopped. If this fails, the disk keeps
        ``wipe``, and the next server tries again.

        A system disk only from a snapshot: its image is unpacked when the guest is created.
        """
        self.supervisor.begin(
            disk.instance_id,
            f"making disk {disk.id} anew",
            lambda: self._wipe_disk(disk.id),
            unchanged,
        )

    def make_snapshot(self, snapshot: Snapshot) -> None:
        """Make the file of a snapshot that is progressing."""
        self.supervisor.begin(
            snapshot.turn,
            f"making snapshot {snapshot.id}",
            lambda: self._make_snapshot(snapshot),
            lambda _: self._end_snapshot(snapshot.id, "failed"),
        )

    def recover(self) -> None:
        """Finish the work of the last server; inside a transaction."""
        for disk in self.state.disks:
            if disk.wipe:
                self.wipe_disk(disk)
            elif disk.status == "Creating":
                self.make_disk(disk)
        for snapshot in list(self.state.snapshots):
            if snapshot.status == "progressing":
                # Made now it would be of another time than it says.
                self._end_snapshot(snapshot.id, "failed")

    async def _wipe_disk(self, disk_id: str) -> None:
        disk = self.state.disks.get(disk_id)
        if disk is None or not disk.wipe:
            return
        source = disk.restore_from or disk.snapshot_id
        if disk.kind == "system":
            await self.threads.run(self.guests.restore_root, disk.instance_id, source)
        else:
            spec = GuestDisk(disk_id, "", disk.size_gib, source)
            await self.threads.run(self.guests.delete_disk, disk_id)
            await self.threads.run(self.guests.create_disk, spec)
        with self.state.transaction():
            disk = self.state.disks.get(disk_id)
            if disk is not None:
                self.state.disks.put(replace(disk, wipe=False, restore_from=""))

    async def _make_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.id not in self.state.snapshots:
            return  # it was cancelled
        if snapshot.copied_from:
            await self.threads.run(self.guests.copy_snapshot, snapshot.id, snapshot.copied_from)
            self._end_snapshot(snapshot.id, "accomplished")
            return
        disk = self.state.disks.get(snapshot.disk_id)
        if disk is None:
            raise GuestError(f"the disk {snapshot.disk_id} is gone")
        if disk.kind == "system":
            await self.threads.run(self.guests.snapshot_root, snapshot.id, disk.instance_id)
        else:
            await self.threads.run(self.guests.snapshot_disk, snapshot.id, disk.id)
        self._end_snapshot(snapshot.id, "accomplished")

    def _end_snapshot(self, snapshot_id: str, status: SnapshotStatus) -> None:
        with self.state.transaction():
            now = self.state.snapshots.get(snapshot_id)
            if now is not None:
                self.state.snapshots.put(replace(now, status=status, modified=timestamp()))


@dataclass
class RemovalWork:
    """Carries out each :class:`Removal` in the state. A failed one stays: the next server tries
    again.
    """

    state: State
    guests: Guests
    supervisor: Supervisor
    threads: Threads
    _begun: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Remove what there is to be removed, once the transaction is written."""
        self.state.after_commit(self._begin_all)

    def _begin_all(self) -> None:
        for removal in self.state.removals:
            if removal.id not in self._begun:
                self._begun.add(removal.id)
                self._begin(removal)

    def _begin(self, removal: Removal) -> None:
        async def remove() -> None:
            await self.threads.run(
                {
                    "instance": self.delete_guest,
                    "disk": self.guests.delete_disk,
                    "snapshot": self.guests.delete_snapshot,
                }[removal.kind],
                removal.id,
            )
            with self.state.transaction():
                self.state.removals.remove(removal.id)
                if removal.kind == "instance":
                    release_interfaces(self.state, removal.id)
            self._begun.discard(removal.id)

        self.supervisor.begin(
            # In the queue of the instance: the file of a disk waits until the guest is gone.
            removal.instance_id or removal.id,
            f"the removal of {removal.kind} {removal.id}",
            remove,
            lambda _: self._begun.discard(removal.id),
        )

    def delete_guest(self, instance_id: str) -> None:
        """Remove a guest with its root disk; blocks."""
        self.guests.stop(instance_id, force=True)
        self.guests.delete(instance_id)
