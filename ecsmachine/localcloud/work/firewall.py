"""Enforces the security groups of the state for the guests."""

from __future__ import annotations

import asyncio
import logging

from ecsmachine.localcloud.host.firewall import Firewall, firewall_of
from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.supervisor import Supervisor, unchanged

LOG = logging.getLogger("ecsmachine.localcloud")


class FirewallWork:
    """Applies the rules after each change; answers wait for it."""

    def __init__(self, state: State, guests: Guests, supervisor: Supervisor) -> None:
        self._state = state
        self._guests = guests
        self._supervisor = supervisor
        # Of its own: answers wait for it, and the others may all be booting guests.
        self._threads = supervisor.threads("firewall", 1)
        self._turn = asyncio.Lock()
        self._due = True
        self._applied: Firewall | None = None

    def recover(self) -> None:
        """Apply the rules, and from now on whenever they change."""
        state = self._state
        watched = (state.instances, state.network_interfaces, state.security_groups)
        state.watch(watched, self._changed)
        self._begin()

    async def settle(self) -> None:
        """Return when the rules of the guests match the state.

        A failure is logged, and tried again after the next change.
        """
        async with self._turn:
            if not self._due:
                return
            self._due = False
            try:
                wanted = firewall_of(self._state)
                if wanted != self._applied:
                    await self._threads.run(self._guests.set_firewall, wanted)
                    self._applied = wanted
            except Exception as error:
                self._due = True
                LOG.error("the security groups cannot be applied: %s", error)

    def _changed(self) -> None:
        # One task for all changes until it begins, whichever thread they come from.
        if not self._due:
            self._due = True
            self._begin()

    def _begin(self) -> None:
        self._supervisor.begin("firewall", "the security groups", self.settle, unchanged)
