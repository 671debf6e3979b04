"""What happens without a request: guests switch themselves off, and times come."""

from __future__ import annotations

import logging
from dataclasses import replace

from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.protocol.clock import minutes
from ecsmachine.localcloud.state.model import Instance, Snapshot
from ecsmachine.localcloud.state.resources import forget_snapshot
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.instances import InstanceWork
from ecsmachine.localcloud.work.removals import RemovalWork
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads

LOG = logging.getLogger("ecsmachine.localcloud")


class PowerWatch:
    """Finds the guests that were powered off from inside."""

    def __init__(self, state: State, guests: Guests, threads: Threads) -> None:
        self._state = state
        self._guests = guests
        self._threads = threads
        self._missed: dict[str, str] = {}

    async def look(self) -> None:
        """Let instances be Stopped whose guests are missed for the second time.

        The first time a guest may be on its way through a reboot.
        """
        running = await self._threads.run(self._guests.running)
        gone = {
            instance.id: instance.started
            for instance in self._state.instances
            if instance.status == "Running" and instance.id not in running
        }
        for instance_id, started in gone.items():
            if self._missed.get(instance_id) == started:
                LOG.info("instance %s was powered off from inside", instance_id)
                with self._state.transaction():
                    instance = self._state.instances.get(instance_id)
                    if instance is not None:
                        self._state.instances.put(replace(instance, status="Stopped"))
        self._missed = gone


class ExpiryWatch:
    """Releases and locks what has its time behind it. What fails is tried again the next time."""

    def __init__(
        self,
        state: State,
        supervisor: Supervisor,
        instances: InstanceWork,
        removals: RemovalWork,
    ) -> None:
        self._state = state
        self._supervisor = supervisor
        self._instances = instances
        self._removals = removals

    async def look(self) -> None:
        """Do what is due; each by itself, so that one that fails holds up no other."""
        for instance in list(self._state.instances):
            self._supervisor.attempt(
                f"the expiry of instance {instance.id}", self._instance, instance
            )
        for snapshot in list(self._state.snapshots):
            self._supervisor.attempt(
                f"the expiry of snapshot {snapshot.id}", self._snapshot, snapshot
            )

    def _instance(self, instance: Instance) -> None:
        # Both are written alike, and so their order is that of time.
        if instance.auto_release and instance.auto_release <= minutes():
            LOG.info("instance %s is released, as its release time has come", instance.id)
            self._instances.release(instance.id)
        elif instance.charge_type == "PrePaid" and instance.expires <= minutes():
            self._lock(instance)

    def _snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.expires and snapshot.expires <= minutes():
            LOG.info("snapshot %s is released, as its time is over", snapshot.id)
            with self._state.transaction():
                forget_snapshot(self._state, snapshot)
                self._removals.begin()

    def _lock(self, instance: Instance) -> None:
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
                self._instances.stop(instance.id, force=False)
