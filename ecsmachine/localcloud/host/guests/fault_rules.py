"""The rules on the router that inject network faults for a guest, and their counts."""

from __future__ import annotations

import threading
from contextlib import suppress

from ecsmachine.localcloud.host.guests.faults import (
    NO_FAULTS,
    GuestFaults,
    SshDrop,
    dropped_set,
    fault_table,
    nft_script,
)
from ecsmachine.localcloud.host.network import Network, link_name
from ecsmachine.localcloud.protocol.errors import LocalCloudError


class FaultRules:
    """The rules of one cloud's guests. Its methods may be called from any thread."""

    def __init__(self, network: Network):
        self._network = network
        self._drops: dict[str, tuple[SshDrop, ...]] = {}
        self._dropped: dict[int, int] = {}
        self._known: dict[tuple[str, int], set[int]] = {}
        self._guard = threading.Lock()

    def set(self, instance_id: str, private_ip: str, faults: GuestFaults) -> None:
        """Let a guest's network fail so, and in no other way."""
        self._collect(instance_id)
        self._network.load_rules(nft_script(link_name(instance_id), private_ip, faults))
        self._drops.pop(instance_id, None)
        if faults.ssh_drops:
            self._drops[instance_id] = faults.ssh_drops

    def forget(self, instance_id: str) -> None:
        """Remove the rules of a guest that does not run any more."""
        self._collect(instance_id)
        for drop in self._drops.pop(instance_id, ()):
            self._known.pop((instance_id, drop.id), None)
        with suppress(LocalCloudError):  # the router is gone
            self._network.load_rules(nft_script(link_name(instance_id), "", NO_FAULTS))

    def take_drops(self) -> dict[int, int]:
        """Return how many connections broke off since the last call, by the fault's id."""
        for instance_id in list(self._drops):
            self._collect(instance_id)
        with self._guard:
            dropped, self._dropped = self._dropped, {}
        return dropped

    def _collect(self, instance_id: str) -> None:
        drops = self._drops.get(instance_id, ())
        if not drops:
            return
        # read one after the other, or what an earlier reading found would look new again
        with self._guard, suppress(LocalCloudError):  # the rules are gone already
            sets = self._network.numbers_in_sets(fault_table(link_name(instance_id)))
            for drop in drops:
                found = sets.get(dropped_set(drop.id), set())
                known = self._known.get((instance_id, drop.id), set())
                self._dropped[drop.id] = self._dropped.get(drop.id, 0) + len(found - known)
                self._known[instance_id, drop.id] = found
