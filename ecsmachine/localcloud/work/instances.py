"""The life of instances: the work on them and their guests after a request.

The state records work in progress (Pending, Starting, Stopping, ``new_system_disk``), so that the
next server can continue it.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ecsmachine.localcloud.catalog.images import release_of
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.guests import Moment, guest_faults
from ecsmachine.localcloud.host.guests.base import GuestDisk, Guests, GuestSpec
from ecsmachine.localcloud.protocol.clock import minutes
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import (
    attached_disks,
    forget_instance,
    guest_device,
    public_address,
)
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.firewall import FirewallWork
from ecsmachine.localcloud.work.interfaces import guest_interfaces
from ecsmachine.localcloud.work.ssh_drops import SshDropWatch
from ecsmachine.localcloud.work.storage import RemovalWork
from ecsmachine.localcloud.work.supervisor import Failed, Supervisor, Threads, Work, unchanged

LOG = logging.getLogger("ecsmachine.localcloud")


@dataclass(frozen=True)
class Credentials:
    """A login that waits in memory until its guest can be given it; None: leave as it is."""

    password: str | None = field(repr=False)
    public_keys: tuple[str, ...] | None


@dataclass
class InstanceWork:
    """The work on instances. Actions call it inside their transaction."""

    state: State
    guests: Guests
    faults: FaultBook
    supervisor: Supervisor
    threads: Threads
    removals: RemovalWork
    firewall: FirewallWork
    ssh_drops: SshDropWatch
    _credentials: dict[str, Credentials] = field(default_factory=dict)

    # The requested work, and the state after a failure.

    def make(self, instance_id: str, password: str | None) -> None:
        """Make the guest of a Pending instance, and start it if ``start_next`` says so.

        One that cannot be made is released, as in ECS.
        """
        self._begin(
            "making",
            instance_id,
            lambda: self._make(instance_id, password),
            lambda _: self.release(instance_id),
        )

    def start(self, instance_id: str) -> None:
        """Boot the guest of a Starting instance; one that cannot be started is Stopped."""
        stopped = self._is_stopped(instance_id)
        self.make_system_disk(instance_id, None, stopped)
        self._begin_login(instance_id)
        self._begin("starting", instance_id, lambda: self._start(instance_id), stopped)

    def stop(self, instance_id: str, *, force: bool) -> None:
        """Shut down the guest of a Stopping instance; start it again if it has ``start_next``.

        One that cannot be stopped is Running.
        """
        self._begin(
            "stopping",
            instance_id,
            lambda: self._stop(instance_id, force),
            lambda _: self._change(instance_id, status="Running", start_next=False),
        )

    def make_system_disk(
        self, instance_id: str, password: str | None, failed: Failed = unchanged
    ) -> None:
        """Give an instance that has ``new_system_disk`` one, made from its image.

        If that fails it keeps ``new_system_disk``: its next start tries again.
        """
        self._begin(
            "making a system disk of",
            instance_id,
            lambda: self._make_system_disk(instance_id, password),
            failed,
        )

    def remake(self, instance: Instance, password: str) -> None:
        """Give an instance, Running or Stopped, a new system disk, made from its image; start it.

        Its data disks stay. One whose disk cannot be made is Stopped.
        """
        # made, with new_system_disk: a server that dies in it has lost the password, not a guest.
        self.state.instances.put(
            replace(instance, status="Stopping", start_next=True, new_system_disk=True)
        )
        self._begin(
            "making a system disk of",
            instance.id,
            lambda: self._remake(instance.id, password),
            self._is_stopped(instance.id),
        )

    def set_credentials(self, instance_id: str, credentials: Credentials) -> None:
        """Give a guest another login: now if it is stopped, else when it starts again."""

        def remember() -> None:
            before = self._credentials.get(instance_id, Credentials(None, None))
            self._credentials[instance_id] = Credentials(
                before.password if credentials.password is None else credentials.password,
                before.public_keys if credentials.public_keys is None else credentials.public_keys,
            )

        self.state.after_commit(remember)
        self._begin_login(instance_id)

    def set_public_ip(self, instance_id: str) -> None:
        """Tell the guest its public address, as the state has it by then."""
        self._begin(
            "the public address of",
            instance_id,
            lambda: self._set_public_ip(instance_id),
            unchanged,
        )

    def release(self, instance_id: str) -> None:
        """Take an instance out of the state, and remove its guest."""
        with self.state.transaction():
            instance = self.state.instances.get(instance_id)
            if instance is not None:
                forget_instance(self.state, instance)
                self.removals.begin()

    def recover(self, running: set[str]) -> None:
        """Finish the work of the last server, given the running guests; inside a transaction."""
        self.state.watch((self.state.instances,), self._forget_credentials)
        for instance in list(self.state.instances):
            runs = instance.id in running
            if not instance.made:
                if instance.has_password:
                    # It was never written down, so this guest cannot be made any more.
                    LOG.error("instance %s was not fully created and is released", instance.id)
                    self.release(instance.id)
                else:
                    self.make(instance.id, None)
            elif instance.new_system_disk and instance.status == "Stopped":
                # A password of the request was never stored: there is none.
                self.make_system_disk(instance.id, None)
            elif instance.status == "Starting" or (instance.status == "Running" and not runs):
                self._change(instance.id, status="Starting")
                self.start(instance.id)
            elif instance.status == "Stopping" or (instance.status == "Stopped" and runs):
                self._change(instance.id, status="Stopping")
                self.stop(instance.id, force=instance.status == "Stopped")

    # The work itself.

    async def _make(self, instance_id: str, password: str | None) -> None:
        delays = self.state.delays
        instance = self.state.instances.get(instance_id)
        if instance is None or instance.made:
            return
        spec = self._spec(instance, password, "make")
        await self._at_least(delays.pending_s, lambda: self.guests.create(spec))
        at_once = instance.start_next and not delays.stopped_s
        made = self._change(instance_id, made=True, status="Starting" if at_once else "Stopped")
        if made is None or not made.start_next:
            return
        if delays.stopped_s:
            await asyncio.sleep(delays.stopped_s)
            self._change(instance_id, status="Starting")
        self.start(instance_id)

    async def _start(self, instance_id: str) -> None:
        instance = self.state.instances.get(instance_id)
        if instance is None or instance.status != "Starting":
            return
        await self.firewall.settle()
        spec = self._spec(instance, None, "start")
        self.ssh_drops.begun(instance_id, spec.faults.ssh_drops)
        await self._at_least(self.state.delays.starting_s, lambda: self.guests.start(spec))
        self._change(instance_id, status="Running", start_next=False, started=minutes())

    async def _stop(self, instance_id: str, force: bool) -> None:
        instance = self.state.instances.get(instance_id)
        if instance is None or instance.status != "Stopping":
            return
        await self._at_least(
            self.state.delays.stopping_s, lambda: self.guests.stop(instance_id, force=force)
        )
        instance = self.state.instances.get(instance_id)
        if instance is None:
            return
        if instance.start_next:
            self._change(instance_id, status="Starting")
            self.start(instance_id)
        else:
            self._change(instance_id, status="Stopped")
            self._begin_login(instance_id)

    async def _make_system_disk(self, instance_id: str, password: str | None) -> None:
        instance = self.state.instances.get(instance_id)
        if instance is None or not instance.new_system_disk:
            return
        spec = self._spec(instance, password, "make")
        await self.threads.run(self.removals.delete_guest, instance_id)
        await self.threads.run(self.guests.create, spec)
        self._change(instance_id, new_system_disk=False)

    async def _remake(self, instance_id: str, password: str) -> None:
        await self._make_system_disk(instance_id, password)
        self._change(instance_id, status="Starting")
        self.start(instance_id)

    async def _set_public_ip(self, instance_id: str) -> None:
        instance = self.state.instances.get(instance_id)
        if instance is not None and instance.made:
            address = public_address(self.state, instance) or None
            await self.threads.run(self.guests.set_public_ip, instance_id, address)

    async def _give_credentials(self, instance_id: str) -> None:
        instance = self.state.instances.get(instance_id)
        if instance is None or not instance.made or instance.status not in ("Stopped", "Starting"):
            return
        credentials = self._credentials.pop(instance_id, None)
        if credentials is None:
            return
        keys = credentials.public_keys
        given = _public_keys(instance) if keys is None else keys
        await self.threads.run(
            self.guests.set_credentials,
            instance_id,
            password=credentials.password,
            public_keys=given,
        )

    def _forget_credentials(self) -> None:
        for instance_id in [key for key in self._credentials if key not in self.state.instances]:
            del self._credentials[instance_id]

    # The parts that the work is made of.

    def _begin(self, what: str, instance_id: str, work: Work, failed: Failed) -> None:
        self.supervisor.begin(instance_id, f"{what} instance {instance_id}", work, failed)

    def _begin_login(self, instance_id: str) -> None:
        self._begin(
            "the login of", instance_id, lambda: self._give_credentials(instance_id), unchanged
        )

    async def _at_least(self, seconds: float, function: Callable[[], None]) -> None:
        end = time.monotonic() + seconds
        await self.threads.run(function)
        if (rest := end - time.monotonic()) > 0:
            await asyncio.sleep(rest)

    def _is_stopped(self, instance_id: str) -> Failed:
        return lambda _: self._change(instance_id, status="Stopped", start_next=False)

    def _change(self, instance_id: str, **changes: Any) -> Instance | None:
        with self.state.transaction():
            instance = self.state.instances.get(instance_id)
            if instance is None:
                return None
            return self.state.instances.put(replace(instance, **changes))

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
            user_data=base64.b64decode(instance.user_data) or None,
            disks=tuple(
                GuestDisk(disk.id, guest_device(disk.device), disk.size_gib, disk.snapshot_id)
                for disk in attached_disks(self.state, instance.id)
                if disk.kind == "data"
            ),
            public_ip=public_address(self.state, instance) or None,
            interfaces=guest_interfaces(self.state, instance),
            login_user="ecs-user" if instance.login_as_non_root else "root",
            release=release_of(instance.base_image_id or instance.image_id),
            root_snapshot_id=instance.root_snapshot_id,
            faults=guest_faults(self.faults, instance, moment),
        )


def _public_keys(instance: Instance) -> tuple[str, ...]:
    return (instance.public_key,) if instance.public_key else ()
