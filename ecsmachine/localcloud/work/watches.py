"""Events without a request: guests power off, and times are reached."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.protocol.clock import later, minutes, parse
from ecsmachine.localcloud.state.model import Instance, Snapshot
from ecsmachine.localcloud.state.resources import forget_snapshot
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.instances import InstanceWork
from ecsmachine.localcloud.work.storage import RemovalWork
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads

LOG = logging.getLogger("ecsmachine.localcloud")


@dataclass
class PowerWatch:
    """Finds the guests that were powered off from inside."""

    state: State
    guests: Guests
    threads: Threads
    _missed: dict[str, str] = field(default_factory=dict)

    async def look(self) -> None:
        """Set instances to Stopped when their guests are missing for the second time.

        The first time, the guest may be rebooting.
        """
        running = await self.threads.run(self.guests.running)
        gone = {
            instance.id: instance.started
            for instance in self.state.instances
            if instance.status == "Running" and instance.id not in running
        }
        for instance_id, started in gone.items():
            if self._missed.get(instance_id) == started:
                why = await self.threads.run(self.guests.take_death, instance_id)
                with self.state.transaction():
                    instance = self.state.instances.get(instance_id)
                    if (
                        instance is None
                        or (instance.status, instance.started) != ("Running", started)
                        or instance_id in self.guests.running()
                    ):
                        continue  # stopped or started since then
                    if why:
                        LOG.error("instance %s died: %s", instance_id, why)
                    else:
                        LOG.info("instance %s was powered off from inside", instance_id)
                    self.state.instances.put(replace(instance, status="Stopped"))
        self._missed = gone


@dataclass
class ExpiryWatch:
    """Releases and locks resources whose time has come. Failures are tried again the next time."""

    state: State
    supervisor: Supervisor
    instances: InstanceWork
    removals: RemovalWork

    async def look(self) -> None:
        """Do the due work, each separately, so that a failure does not block the others."""
        for instance in list(self.state.instances):
            self.supervisor.attempt(
                f"the expiry of instance {instance.id}", self._instance, instance
            )
        for snapshot in list(self.state.snapshots):
            self.supervisor.attempt(
                f"the expiry of snapshot {snapshot.id}", self._snapshot, snapshot
            )

    def _instance(self, instance: Instance) -> None:
        # Both are written alike, and so their order is that of time.
        if instance.auto_release and instance.auto_release <= minutes():
            LOG.info("instance %s is released: its release time has come", instance.id)
            self.instances.release(instance.id)
        elif instance.charge_type == "PrePaid" and instance.expires <= minutes():
            if instance.auto_renew:
                self._renew(instance)
            else:
                self._lock(instance)

    def _snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.expires and snapshot.expires <= minutes():
            LOG.info("snapshot %s is released: its retention time is over", snapshot.id)
            with self.state.transaction():
                forget_snapshot(self.state, snapshot)
                self.removals.begin()

    def _renew(self, instance: Instance) -> None:
        period, unit = instance.auto_renew_period or 1, instance.auto_renew_unit or "Month"
        expires = later(parse(instance.expires), period, unit)
        LOG.info("instance %s is renewed until %s", instance.id, expires)
        with self.state.transaction():
            self.state.instances.put(replace(instance, expires=expires))

    def _lock(self, instance: Instance) -> None:
        """Lock an instance whose time is over; one that runs is shut down."""
        if "financial" in instance.locks:
            return
        LOG.info("instance %s has expired and is locked", instance.id)
        with self.state.transaction():
            runs = instance.status == "Running"
            self.state.instances.put(
                replace(
                    instance,
                    locks=(*instance.locks, "financial"),
                    status="Stopping" if runs else instance.status,
                    start_next=False,
                )
            )
            if runs:
                self.instances.stop(instance.id, force=False)
