"""Emptying a cloud that serves: what was made goes away, and it begins as a new one does."""

from __future__ import annotations

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state.resources import forget_disk, forget_instance, forget_snapshot
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.lifecycle import Lifecycle
from ecsmachine.localcloud.work.supervisor import following


async def empty(state: State, lifecycle: Lifecycle, timeout_s: float) -> None:
    """Take away all resources but the default network, and return once guests are gone.

    Region, access key and default network stay as they were. Raises :class:`LocalCloudError` if
    there are clusters, whose containers would be left.
    """
    if len(state.clusters):
        raise LocalCloudError("A cloud with clusters is not emptied.", hint="Delete them first")
    with following() as work:
        with state.transaction():
            for instance in list(state.instances):
                forget_instance(state, instance)
            for disk in list(state.disks):
                forget_disk(state, disk)
            for snapshot in list(state.snapshots):
                forget_snapshot(state, snapshot)
            state.forget_rest()
            lifecycle.removals.begin()
        await work.ended(timeout_s)
