"""What is gone from the state and still on the host: guests, disks and snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field

from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.state.interfaces import release_interfaces
from ecsmachine.localcloud.state.model import Removal
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads


@dataclass
class RemovalWork:
    """Removes what the state has a :class:`Removal` for. One that fails stays there: the next
    server tries again.
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
            # Its instance's turn: a disk's file waits for the guest to be gone.
            removal.instance_id or removal.id,
            f"the removal of {removal.kind} {removal.id}",
            remove,
            lambda _: self._begun.discard(removal.id),
        )

    def delete_guest(self, instance_id: str) -> None:
        """Remove a guest with its root disk; blocks."""
        self.guests.stop(instance_id, force=True)
        self.guests.delete(instance_id)
