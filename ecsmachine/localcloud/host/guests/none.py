"""Instances without guests: the API's states, and nothing behind them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ecsmachine.localcloud.host.firewall import Firewall
from ecsmachine.localcloud.host.guests.base import GuestDisk, GuestInterface, GuestSpec
from ecsmachine.localcloud.host.guests.faults import SshDrop
from ecsmachine.localcloud.host.guests.scripts import Going, GuestScript, ScriptEnd


class NoGuests:
    """Guests that are only remembered as running or not (``local up --guests none``)."""

    runs_scripts = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def create(self, spec: GuestSpec) -> None:
        """Do nothing: there is no root disk."""

    def start(self, spec: GuestSpec) -> None:
        """Remember that it runs."""
        with self._lock:
            self._running.add(spec.instance_id)

    def stop(self, instance_id: str, *, force: bool) -> None:
        """Remember that it does not run."""
        with self._lock:
            self._running.discard(instance_id)

    def reboot(self, spec: GuestSpec, *, force: bool) -> None:
        """Remember that it runs."""
        self.start(spec)

    def delete(self, instance_id: str) -> None:
        """Forget it."""
        self.stop(instance_id, force=True)

    def create_disk(self, disk: GuestDisk) -> None:
        """Do nothing: there is no file."""

    def delete_disk(self, disk_id: str) -> None:
        """Do nothing: there is no file."""

    def snapshot_disk(self, snapshot_id: str, disk_id: str) -> None:
        """Do nothing: there is no file."""

    def snapshot_root(self, snapshot_id: str, instance_id: str) -> None:
        """Do nothing: there is no root disk."""

    def restore_root(self, instance_id: str, snapshot_id: str) -> None:
        """Do nothing: there is no root disk."""

    def copy_snapshot(self, snapshot_id: str, source_id: str) -> None:
        """Do nothing: there is no file."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Do nothing: there is no file."""

    def console_output(self, instance_id: str) -> bytes:
        """Return nothing: nobody writes."""
        return b""

    def set_public_ip(self, instance_id: str, public_ip: str | None) -> None:
        """Do nothing: nobody can connect."""

    def set_interfaces(self, instance_id: str, interfaces: Sequence[GuestInterface]) -> None:
        """Do nothing: nobody can connect."""

    def set_firewall(self, firewall: Firewall) -> None:
        """Do nothing: nobody can connect."""

    def balancer_network(self) -> None:
        """Return None: nobody can connect."""

    def set_ssh_drops(self, instance_id: str, drops: Sequence[SshDrop]) -> None:
        """Do nothing: nobody can connect."""

    def take_ssh_drops(self) -> dict[int, int]:
        """Return that nothing broke off."""
        return {}

    def set_credentials(
        self, instance_id: str, *, password: str | None, public_keys: Sequence[str]
    ) -> None:
        """Do nothing: nobody can log in."""

    def run_script(self, instance_id: str, script: GuestScript, going: Going) -> ScriptEnd:
        """Run nothing: nobody is there to do it."""
        return ScriptEnd("no agent")

    def end_script(self, instance_id: str, name: str) -> None:
        """Do nothing: there is no script."""

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
