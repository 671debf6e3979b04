"""What happens to instances after a request was answered: their guests, and time.

Actions change the state and say here what is to follow. Each piece of work is a task on the
server's event loop: it waits out the configured delay, calls the guests in a worker thread, and
writes the outcome in a transaction. Work on one instance is done in the order in which it was
asked for. What a killed server leaves undone is found in the state and done by :meth:`recover`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ecsmachine.localcloud.catalog.images import release_of
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.guests import Moment, guest_faults
from ecsmachine.localcloud.host.firewall import Firewall, firewall_of
from ecsmachine.localcloud.host.guests.base import GuestDisk, GuestError, Guests, GuestSpec
from ecsmachine.localcloud.host.guests.faults import SshDrop
from ecsmachine.localcloud.protocol.clock import minutes, timestamp
from ecsmachine.localcloud.state.model import Disk, Instance, Removal, Snapshot, SnapshotStatus
from ecsmachine.localcloud.state.resources import (
    attached_disks,
    forget_disk,
    forget_instance,
    forget_snapshot,
    guest_device,
    public_address,
    user_data,
)
from ecsmachine.localcloud.state.state import State

LOG = logging.getLogger("ecsmachine.localcloud")

T = TypeVar("T")
_FAULTS_INTERVAL_S = 0.5


@dataclass(frozen=True)
class Credentials:
    """A login that waits in memory until its guest can be given it; None: leave as it is."""

    password: str | None = field(repr=False)
    public_keys: tuple[str, ...] | None


@dataclass
class Queue:
    """Those who wait for their turn at one instance or disk; the lock serves them in order."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Lifecycle:
    """The work that follows the answers. Its methods are called on the event loop."""

    def __init__(
        self,
        state: State,
        guests: Guests,
        faults: FaultBook,
        *,
        workers: int = 8,
        watch_interval_s: float = 2.0,
    ) -> None:
        self.guests = guests
        self._faults = faults
        self._state = state
        self._watch_interval_s = watch_interval_s
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="guest")
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[str, Queue] = {}
        self._credentials: dict[str, Credentials] = {}
        self._removing: set[str] = set()
        self._ssh_drops: dict[str, tuple[SshDrop, ...]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._firewall: Firewall | None = None
        self._firewall_due = True
        self._firewall_turn = asyncio.Lock()
        # Of its own: answers wait for it, and the others may all be booting guests.
        self._firewall_worker = ThreadPoolExecutor(1, thread_name_prefix="firewall")

    # What actions call, inside their transaction.

    def make(self, instance_id: str, password: str | None) -> None:
        """Make the guest of a Pending instance; then start it if ``start_next`` says so."""
        self._after_commit(instance_id, lambda: self._make(instance_id, password))

    def start(self, instance_id: str) -> None:
        """Boot the guest of a Starting instance."""
        self._after_commit(instance_id, lambda: self._start(instance_id))

    def stop(self, instance_id: str, *, force: bool) -> None:
        """Shut down the guest of a Stopping instance; start it again if it has ``start_next``."""
        self._after_commit(instance_id, lambda: self._stop(instance_id, force))

    def remake(self, instance_id: str, password: str) -> None:
        """Make the guest of a Stopping instance anew, with an empty system disk, and start it.

        Its data disks stay.
        """
        self._after_commit(instance_id, lambda: self._remake(instance_id, password))

    def remove(self) -> None:
        """Remove the guests and files that the state has a :class:`Removal` for."""
        self._state.after_commit(self._remove_forgotten)

    def set_credentials(self, instance_id: str, credentials: Credentials) -> None:
        """Give a guest another login: now if it is stopped, else when it starts again."""

        def remember() -> None:
            before = self._credentials.get(instance_id, Credentials(None, None))
            self._credentials[instance_id] = Credentials(
                before.password if credentials.password is None else credentials.password,
                before.public_keys if credentials.public_keys is None else credentials.public_keys,
            )
            self._run(self._in_turn(instance_id, lambda: self._apply_credentials(instance_id)))

        self._state.after_commit(remember)

    def make_system_disk(self, instance_id: str, password: str | None) -> None:
        """Give a Stopped instance that has ``new_system_disk`` one, made from its image."""
        self._after_commit(instance_id, lambda: self._make_system_disk(instance_id, password))

    def wipe_disk(self, disk: Disk) -> None:
        """Make a disk that has ``wipe`` anew; its instance is Stopped.

        A system disk only from a snapshot: its image is work for :meth:`make_system_disk`.
        """
        self._after_commit(disk.instance_id, lambda: self._wipe_disk(disk.id))

    def set_public_ip(self, instance_id: str) -> None:
        """Tell the guest its public address, as the state has it by then."""
        self._after_commit(instance_id, lambda: self._set_public_ip(instance_id))

    def make_disk(self, disk: Disk) -> None:
        """Make the file of a data disk, or make it larger."""
        spec = GuestDisk(disk.id, "", disk.size_gib, disk.snapshot_id)
        self._after_commit(disk.id, lambda: self._make_disk(spec))

    def make_snapshot(self, snapshot: Snapshot) -> None:
        """Make the file of a snapshot that is progressing."""
        self._after_commit(snapshot.turn, lambda: self._make_snapshot(snapshot))

    # What the server calls.

    def recover(self) -> None:
        """Put right what the last server left undone, and watch over the guests from now on."""
        self._loop = asyncio.get_running_loop()
        self._state.watch(
            (self._state.instances, self._state.security_groups), self._firewall_changed
        )
        self._run(self.settle_firewall())
        running = self.guests.running()
        with self._state.transaction():
            for instance in list(self._state.instances):
                self._recover_instance(instance, instance.id in running)
            for disk in self._state.disks:
                if disk.wipe:
                    self.wipe_disk(disk)
                elif disk.status == "Creating":
                    self.make_disk(disk)
            for snapshot in list(self._state.snapshots):
                if snapshot.status == "progressing":
                    # Made now it would be of another time than it says.
                    self._state.snapshots.put(replace(snapshot, status="failed"))
            self.remove()
        self._run(self._watch(), "watch")
        self._run(self._watch_faults(), "watch")

    async def close(self) -> None:
        """Stop working; what is undone is recovered by the next server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._firewall_worker.shutdown(wait=True, cancel_futures=True)

    async def settle_firewall(self) -> None:
        """Return once the guests are filtered as the state has it."""
        async with self._firewall_turn:
            if not self._firewall_due:
                return
            self._firewall_due = False
            wanted = firewall_of(self._state)
            if wanted == self._firewall:
                return
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._firewall_worker, self.guests.set_firewall, wanted
                )
            except GuestError as error:
                LOG.error("the security groups cannot be applied: %s", error)
                self._firewall_due = True  # the next change tries again
                return
            self._firewall = wanted

    async def settle(self) -> None:
        """Return once no work is under way (the watch aside); for tests."""
        while pending := [task for task in self._tasks if task.get_name() != "watch"]:
            await asyncio.gather(*pending, return_exceptions=True)

    def _recover_instance(self, instance: Instance, runs: bool) -> None:
        if not instance.made:
            if instance.has_password:
                # The password was never written down, so this guest cannot be made any more.
                LOG.error("instance %s was not finished and is released", instance.id)
                forget_instance(self._state, instance)
            else:
                self.make(instance.id, None)
        elif instance.new_system_disk and instance.status == "Stopped":
            # A password that came with the request was never written down: there is none then.
            self.make_system_disk(instance.id, None)
        elif instance.status == "Starting" or (instance.status == "Running" and not runs):
            self._state.instances.put(replace(instance, status="Starting"))
            self.start(instance.id)
        elif instance.status == "Stopping" or (instance.status == "Stopped" and runs):
            self._state.instances.put(replace(instance, status="Stopping"))
            self.stop(instance.id, force=instance.status == "Stopped")

    def _firewall_changed(self) -> None:
        # One piece of work for all changes until it begins, whichever thread they come from.
        if not self._firewall_due and self._loop is not None and not self._loop.is_closed():
            self._firewall_due = True
            self._loop.call_soon_threadsafe(lambda: self._run(self.settle_firewall()))

    # The work itself.

    async def _make(self, instance_id: str, password: str | None) -> None:
        delays = self._state.delays
        instance = self._state.instances.get(instance_id)
        if instance is None or instance.made:
            return
        spec = self._spec(instance, password, "make")
        try:
            await self._at_least(delays.pending_s, self.guests.create, spec)
        except GuestError as error:
            LOG.error("instance %s cannot be made and is released: %s", instance_id, error)
            self._release(instance_id)
            return
        started = self._change(
            instance_id,
            made=True,
            status="Starting" if instance.start_next and not delays.stopped_s else "Stopped",
        )
        if started is None or not started.start_next:
            return
        if delays.stopped_s:
            await asyncio.sleep(delays.stopped_s)
            self._change(instance_id, status="Starting")
        await self._start(instance_id)

    async def _make_system_disk(self, instance_id: str, password: str | None) -> None:
        instance = self._state.instances.get(instance_id)
        if instance is None or not instance.new_system_disk:
            return
        spec = self._spec(instance, password, "make")
        try:
            await self._in_worker(self._delete_guest, instance_id)
            await self._in_worker(self.guests.create, spec)
        except GuestError as error:
            LOG.error("instance %s gets no new system disk: %s", instance_id, error)
            return
        self._change(instance_id, new_system_disk=False)

    async def _wipe_disk(self, disk_id: str) -> None:
        disk = self._state.disks.get(disk_id)
        if disk is None or not disk.wipe:
            return
        source = disk.restore_from or disk.snapshot_id
        try:
            if disk.kind == "system":
                await self._in_worker(self.guests.restore_root, disk.instance_id, source)
            else:
                spec = GuestDisk(disk_id, "", disk.size_gib, source)
                await self._in_worker(self.guests.delete_disk, disk_id)
                await self._in_worker(self.guests.create_disk, spec)
        except GuestError as error:
            LOG.error("disk %s cannot be made anew: %s", disk_id, error)
            return
        with self._state.transaction():
            disk = self._state.disks.get(disk_id)
            if disk is not None:
                self._state.disks.put(replace(disk, wipe=False, restore_from=""))

    async def _make_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.id not in self._state.snapshots:
            return  # it was cancelled
        disk = self._state.disks.get(snapshot.disk_id)
        status: SnapshotStatus = "accomplished"
        try:
            if disk is None:
                raise GuestError(f"The disk {snapshot.disk_id} is gone.")
            if disk.kind == "system":
                await self._in_worker(self.guests.snapshot_root, snapshot.id, disk.instance_id)
            else:
                await self._in_worker(self.guests.snapshot_disk, snapshot.id, disk.id)
        except GuestError as error:
            LOG.error("snapshot %s cannot be made: %s", snapshot.id, error)
            status = "failed"
        with self._state.transaction():
            now = self._state.snapshots.get(snapshot.id)
            if now is not None:
                self._state.snapshots.put(replace(now, status=status, modified=timestamp()))

    async def _start(self, instance_id: str) -> None:
        instance = self._state.instances.get(instance_id)
        if instance is None or instance.status != "Starting":
            return
        if instance.new_system_disk:
            await self._make_system_disk(instance_id, None)
        await self._give_credentials(instance_id)
        await self.settle_firewall()
        spec = self._spec(instance, None, "start")
        self._ssh_drops[instance_id] = spec.faults.ssh_drops
        try:
            await self._at_least(self._state.delays.starting_s, self.guests.start, spec)
        except GuestError as error:
            LOG.error("instance %s cannot be started: %s", instance_id, error)
            self._change(instance_id, status="Stopped", start_next=False)
            return
        self._change(instance_id, status="Running", start_next=False, started=minutes())

    async def _stop(self, instance_id: str, force: bool) -> None:
        instance = self._state.instances.get(instance_id)
        if instance is None or instance.status != "Stopping":
            return
        try:
            await self._at_least(
                self._state.delays.stopping_s,
                lambda: self.guests.stop(instance_id, force=force),
            )
        except GuestError as error:
            LOG.error("instance %s cannot be stopped: %s", instance_id, error)
            self._change(instance_id, status="Running", start_next=False)
            return
        instance = self._state.instances.get(instance_id)
        if instance is None:
            return
        if instance.start_next:
            self._change(instance_id, status="Starting")
            await self._start(instance_id)
        else:
            self._change(instance_id, status="Stopped")
            await self._give_credentials(instance_id)

    async def _remake(self, instance_id: str, password: str) -> None:
        instance = self._state.instances.get(instance_id)
        if instance is None:
            return
        try:
            await self._in_worker(self._delete_guest, instance_id)
        except GuestError as error:
            LOG.error("instance %s cannot be made anew: %s", instance_id, error)
            self._change(instance_id, status="Stopped", start_next=False)
            return
        self._change(instance_id, status="Pending", made=False)
        await self._make(instance_id, password)

    def _remove_forgotten(self) -> None:
        for removal in self._state.removals:
            if removal.id not in self._removing:
                self._removing.add(removal.id)
                work = functools.partial(self._remove, removal)
                # In the queue of its instance a disk's file waits for the guest to be gone.
                self._run(self._in_turn(removal.instance_id or removal.id, work))

    async def _remove(self, removal: Removal) -> None:
        self._credentials.pop(removal.id, None)
        self._ssh_drops.pop(removal.id, None)
        work = {
            "instance": self._delete_guest,
            "disk": self.guests.delete_disk,
            "snapshot": self.guests.delete_snapshot,
        }[removal.kind]
        try:
            await self._in_worker(work, removal.id)
        except GuestError as error:
            # The removal stays in the state: the next server tries again.
            LOG.error("%s %s cannot be removed: %s", removal.kind, removal.id, error)
            return
        finally:
            self._removing.discard(removal.id)
        with self._state.transaction():
            self._state.removals.remove(removal.id)

    def _delete_guest(self, instance_id: str) -> None:
        self.guests.stop(instance_id, force=True)
        self.guests.delete(instance_id)

    async def _make_disk(self, spec: GuestDisk) -> None:
        try:
            await self._in_worker(self.guests.create_disk, spec)
        except GuestError as error:
            LOG.error("disk %s cannot be made: %s", spec.disk_id, error)
            made = False
        else:
            made = True
        disk = self._state.disks.get(spec.disk_id)
        if disk is None or disk.status != "Creating":
            return
        with self._state.transaction():
            if made:
                self._state.disks.put(replace(disk, status="Available"))
            else:
                forget_disk(self._state, disk)
                self.remove()

    async def _set_public_ip(self, instance_id: str) -> None:
        instance = self._state.instances.get(instance_id)
        if instance is None or not instance.made:
            return
        address = public_address(self._state, instance) or None
        try:
            await self._in_worker(self.guests.set_public_ip, instance_id, address)
        except GuestError as error:
            LOG.error("instance %s: public address: %s", instance_id, error)

    async def _apply_credentials(self, instance_id: str) -> None:
        instance = self._state.instances.get(instance_id)
        if instance is not None and instance.made and instance.status == "Stopped":
            await self._give_credentials(instance_id)

    async def _give_credentials(self, instance_id: str) -> None:
        credentials = self._credentials.pop(instance_id, None)
        if credentials is None:
            return
        instance = self._state.instances.get(instance_id)
        keys = credentials.public_keys
        if keys is None:
            keys = () if instance is None else _public_keys(instance)
        try:
            await self._in_worker(
                lambda: self.guests.set_credentials(
                    instance_id, password=credentials.password, public_keys=keys
                )
            )
        except GuestError as error:
            LOG.error("instance %s: login: %s", instance_id, error)

    async def _watch(self) -> None:
        missed: dict[str, str] = {}
        while True:
            await asyncio.sleep(self._watch_interval_s)
            self._release_expired()
            try:
                running = await self._in_worker(self.guests.running)
            except GuestError as error:
                LOG.error("the guests cannot be watched: %s", error)
                continue
            gone = {
                instance.id: instance.started
                for instance in self._state.instances
                if instance.status == "Running" and instance.id not in running
            }
            for instance_id, started in gone.items():
                if missed.get(instance_id) == started:
                    LOG.info("instance %s was powered off from inside", instance_id)
                    self._change(instance_id, status="Stopped")
            missed = gone

    async def _watch_faults(self) -> None:
        """Let faults begin and end for guests that run, and count what drops."""
        seen = -1
        while True:
            if seen != (changes := self._faults.changes):
                seen = changes
                await self._change_ssh_drops()
            dropped = await self._in_worker(self.guests.take_ssh_drops)
            for fault_id, connections in dropped.items():
                self._faults.count(fault_id, connections)
            await asyncio.sleep(_FAULTS_INTERVAL_S)

    async def _change_ssh_drops(self) -> None:
        for instance in [each for each in self._state.instances if each.status == "Running"]:
            drops = guest_faults(self._faults, instance, "run").ssh_drops
            # Of a guest that an earlier server started it is not known how its connections fare.
            if drops == self._ssh_drops.get(instance.id):
                continue
            self._ssh_drops[instance.id] = drops
            try:
                await self._in_worker(self.guests.set_ssh_drops, instance.id, drops)
            except GuestError as error:
                LOG.error("instance %s: faults: %s", instance.id, error)

    def _release_expired(self) -> None:
        now = minutes()
        for instance in list(self._state.instances):
            # Both are written alike, and so their order is that of time.
            if instance.auto_release and instance.auto_release <= now:
                LOG.info("instance %s is released, as its release time has come", instance.id)
                self._release(instance.id)
            elif instance.charge_type == "PrePaid" and instance.expires <= now:
                self._lock_expired(instance)

        for snapshot in list(self._state.snapshots):
            if snapshot.expires and snapshot.expires <= now:
                LOG.info("snapshot %s is released, as its time is over", snapshot.id)
                with self._state.transaction():
                    forget_snapshot(self._state, snapshot)
                    self.remove()

    def _lock_expired(self, instance: Instance) -> None:
        """Lock an instance whose time is over; one that runs is shut down."""
        if "financial" in instance.locks:
            return
        LOG.info("instance %s has expired and is locked", instance.id)
        with self._state.transaction():
            runs = instance.status == "Running"
            self._state.instances.put(
                replace(
                    instance,
                    locks=(*instance.locks, "financial"),
                    status="Stopping" if runs else instance.status,
                    start_next=False,
                )
            )
            if runs:
                self.stop(instance.id, force=False)

    # The parts that the work is made of.

    def _after_commit(self, key: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._state.after_commit(lambda: self._run(self._in_turn(key, work)))

    async def _in_turn(self, key: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        queue = self._queues.setdefault(key, Queue())
        queue.length += 1
        try:
            async with queue.lock:
                await work()
        finally:
            queue.length -= 1
            if not queue.length:
                del self._queues[key]

    def _run(self, work: Coroutine[Any, Any, Any], name: str = "") -> None:
        task = asyncio.get_running_loop().create_task(work, name=name or None)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("work on a guest failed", exc_info=task.exception())

    async def _in_worker(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def _at_least(
        self, seconds: float, function: Callable[..., None], *arguments: Any
    ) -> None:
        end = time.monotonic() + seconds
        await self._in_worker(function, *arguments)
        if (rest := end - time.monotonic()) > 0:
            await asyncio.sleep(rest)

    def _change(self, instance_id: str, **changes: Any) -> Instance | None:
        with self._state.transaction():
            instance = self._state.instances.get(instance_id)
            if instance is None:
                return None
            return self._state.instances.put(replace(instance, **changes))

    def _release(self, instance_id: str) -> None:
        with self._state.transaction():
            instance = self._state.instances.get(instance_id)
            if instance is not None:
                forget_instance(self._state, instance)
                self.remove()

    def _spec(self, instance: Instance, password: str | None, moment: Moment) -> GuestSpec:
        kind = known_instance_type(instance.instance_type)
        return GuestSpec(
            instance_id=instance.id,
            hostname=instance.host_name,
            private_ip=instance.private_ip,
            cpu=kind.cpu,
            memory_mib=int(kind.memory_gib * 1024),
            password=password,
            public_keys=_public_keys(instance),
            user_data=user_data(instance),
            disks=tuple(
                GuestDisk(disk.id, guest_device(disk.device), disk.size_gib, disk.snapshot_id)
                for disk in attached_disks(self._state, instance.id)
                if disk.kind == "data"
            ),
            public_ip=public_address(self._state, instance) or None,
            login_user="ecs-user" if instance.login_as_non_root else "root",
            release=release_of(instance.base_image_id or instance.image_id),
            root_snapshot_id=instance.root_snapshot_id,
            faults=guest_faults(self._faults, instance, moment),
        )


def _public_keys(instance: Instance) -> tuple[str, ...]:
    return (instance.public_key,) if instance.public_key else ()
