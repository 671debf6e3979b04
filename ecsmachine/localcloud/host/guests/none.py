"""Instances without guests: the API's states, and nothing behind them."""

from __future__ import annotations

import threading

from ecsmachine.localcloud.host.guests.base import GuestSpec
from ecsmachine.localcloud.host.guests.scripts import Going, GuestScript, ScriptEnd


class NoGuests:
    """Guests that are only remembered as running or not (``local up --guests none``)."""

    runs_scripts = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def _nothing(self, *given: object, **more: object) -> None:
        """Do nothing: there are no disks, and nobody can connect or log in."""

    create = create_disk = delete_disk = plug_disk = unplug_disk = _nothing
    snapshot_disk = snapshot_root = restore_root = _nothing
    copy_snapshot = delete_snapshot = set_public_ip = set_interfaces = set_firewall = _nothing
    balancer_network = set_ssh_drops = set_credentials = end_script = _nothing

    def start(self, spec: GuestSpec) -> None:
        """Remember that it runs."""
        with self._lock:
            self._running.add(spec.instance_id)

    def stop(self, instance_id: str, *, force: bool) -> None:
        """Remember that it does not run."""
        with self._lock:
            self._running.discard(instance_id)

    def delete(self, instance_id: str) -> None:
        """Forget it."""
        self.stop(instance_id, force=True)

    def console_output(self, instance_id: str) -> bytes:
        """Return nothing: nobody writes."""
        return b""

    def usage(self, instance_id: str) -> None:
        """Return nothing: nothing is used."""

    def take_ssh_drops(self) -> dict[int, int]:
        """Return that nothing broke off."""
        return {}

    def run_script(self, instance_id: str, script: GuestScript, going: Going) -> ScriptEnd:
        """Run nothing: nobody is there to do it."""
        return ScriptEnd("no agent")

    def running(self) -> set[str]:
        """Return the ids of those that were started and not stopped."""
        with self._lock:
            return set(self._running)

    def take_death(self, instance_id: str) -> str:
        """Return nothing: there is nothing that could die."""
        return ""

    def shortage(self, number: int) -> str:
        """Return nothing: there is room for any number."""
        return ""
