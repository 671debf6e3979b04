"""The fault ssh-drops, which begins and ends for guests that run."""

from __future__ import annotations

from dataclasses import dataclass, field

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.guests import guest_faults
from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.host.guests.faults import SshDrop
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads, unchanged

_INTERVAL_S = 0.5


@dataclass
class SshDropWatch:
    """Tells guests which of their connections break off, and counts those that did."""

    state: State
    guests: Guests
    faults: FaultBook
    supervisor: Supervisor
    threads: Threads
    _seen: int = -1
    _counting: bool = False
    _drops: dict[str, tuple[SshDrop, ...]] = field(default_factory=dict)

    def start(self) -> None:
        """Watch from now on."""
        self.supervisor.repeat("the watch for broken connections", _INTERVAL_S, self._look)

    def begun(self, instance_id: str, drops: tuple[SshDrop, ...]) -> None:
        """Record the faults of a guest at its start."""
        self._drops[instance_id] = drops

    async def _look(self) -> None:
        counting = self._counting  # once more after the last fault is gone
        if self._seen != (changes := self.faults.changes):
            for instance in list(self.state.instances):
                if instance.status == "Running":
                    self._change(instance)
            self._drops = {k: v for k, v in self._drops.items() if k in self.state.instances}
            self._counting = any(e.fault.kind == "ssh-drops" for e in self.faults.entries())
            self._seen = changes
        if not counting and not self._counting:
            return
        dropped = await self.threads.run(self.guests.take_ssh_drops)
        for fault_id, connections in dropped.items():
            self.faults.count(fault_id, connections)

    def _change(self, instance: Instance) -> None:
        drops = guest_faults(self.faults, instance, "run").ssh_drops
        # Of a guest that an earlier server started it is not known how its connections fare.
        if drops == self._drops.get(instance.id):
            return
        self._drops[instance.id] = drops
        self.supervisor.begin(
            instance.id,
            f"the broken connections of instance {instance.id}",
            lambda: self.threads.run(self.guests.set_ssh_drops, instance.id, drops),
            unchanged,
        )
