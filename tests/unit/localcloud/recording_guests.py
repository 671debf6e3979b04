"""Guests that write down what they are asked, and fail or dawdle where a test wants it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ecsmachine.localcloud.host.firewall import Firewall
from ecsmachine.localcloud.host.guests.base import (
    BalancerNetwork,
    GuestDisk,
    GuestError,
    GuestInterface,
    GuestSpec,
)
from ecsmachine.localcloud.host.guests.faults import SshDrop
from ecsmachine.localcloud.host.guests.scripts import Going, GuestScript, ScriptEnd


class RecordingGuests:
    """``calls`` are (what, whom); ``failing`` are what fails, with ``failure``; ``gate`` closed
    holds ``create``, and ``copying`` the copies of snapshots.
    """

    runs_scripts = True

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.made: dict[str, GuestSpec] = {}
        self.specs: dict[str, GuestSpec] = {}
        self.passwords: list[str | None] = []
        self.public_keys: list[tuple[str, ...]] = []
        self.public_ips: dict[str, str | None] = {}
        self.interfaces: dict[str, tuple[GuestInterface, ...]] = {}
        self.firewalls: list[Firewall] = []
        self.ssh_drops: dict[str, tuple[SshDrop, ...]] = {}
        self.dropped: dict[int, int] = {}
        self.failing: set[str] = set()
        self.failure: type[Exception] = GuestError
        self.consoles: dict[str, bytes] = {}
        self.deaths: dict[str, str] = {}
        self.room = 1000
        self.up: set[str] = set()
        self.network: BalancerNetwork | None = None
        self.scripts: list[GuestScript] = []
        self.script_end = ScriptEnd("exited", 0, b"done\n")
        self.script_ends: dict[str, ScriptEnd] = {}
        self.script_gate = threading.Event()
        self.script_gate.set()
        self.gate = threading.Event()
        self.gate.set()
        self.copying = threading.Event()
        self.copying.set()
        self._lock = threading.Lock()

    def _note(self, what: str, whom: str) -> None:
        with self._lock:
            self.calls.append((what, whom))
        if what in self.failing:
            raise self.failure(f"{what} fails")

    def create(self, spec: GuestSpec) -> None:
        self.gate.wait(20)
        self._note("create", spec.instance_id)
        self.made[spec.instance_id] = spec
        self.specs[spec.instance_id] = spec

    def start(self, spec: GuestSpec) -> None:
        self._note("start", spec.instance_id)
        self.specs[spec.instance_id] = spec
        self.up.add(spec.instance_id)

    def stop(self, instance_id: str, *, force: bool) -> None:
        self._note("stop", instance_id)
        self.up.discard(instance_id)

    def delete(self, instance_id: str) -> None:
        self._note("delete", instance_id)
        self.up.discard(instance_id)

    def create_disk(self, disk: GuestDisk) -> None:
        how = "online" if disk.online else ""
        words = [disk.disk_id, str(disk.size_gib), disk.snapshot_id, how]
        self._note("create_disk", " ".join(filter(None, words)))

    def delete_disk(self, disk_id: str) -> None:
        self._note("delete_disk", disk_id)

    def plug_disk(self, instance_id: str, disk: GuestDisk) -> None:
        self._note("plug_disk", f"{instance_id} {disk.disk_id} {disk.device}")

    def unplug_disk(self, instance_id: str, disk_id: str) -> None:
        self._note("unplug_disk", f"{instance_id} {disk_id}")

    def snapshot_disk(self, snapshot_id: str, disk_id: str) -> None:
        self.gate.wait(20)
        self._note("snapshot_disk", f"{snapshot_id} {disk_id}")

    def snapshot_root(self, snapshot_id: str, instance_id: str) -> None:
        self.gate.wait(20)
        self._note("snapshot_root", f"{snapshot_id} {instance_id}")

    def restore_root(self, instance_id: str, snapshot_id: str) -> None:
        self._note("restore_root", f"{instance_id} {snapshot_id}")

    def copy_snapshot(self, snapshot_id: str, source_id: str) -> None:
        self.copying.wait(20)
        self._note("copy_snapshot", f"{snapshot_id} {source_id}")

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._note("delete_snapshot", snapshot_id)

    def console_output(self, instance_id: str) -> bytes:
        return self.consoles.get(instance_id, b"")

    def set_public_ip(self, instance_id: str, public_ip: str | None) -> None:
        self._note("set_public_ip", instance_id)
        self.public_ips[instance_id] = public_ip

    def set_interfaces(self, instance_id: str, interfaces: Sequence[GuestInterface]) -> None:
        self._note("set_interfaces", instance_id)
        self.interfaces[instance_id] = tuple(interfaces)

    def set_firewall(self, firewall: Firewall) -> None:
        self.firewalls.append(firewall)
        self._note("set_firewall", "")

    def balancer_network(self) -> BalancerNetwork | None:
        return self.network

    def set_ssh_drops(self, instance_id: str, drops: Sequence[SshDrop]) -> None:
        self.ssh_drops[instance_id] = tuple(drops)

    def usage(self, instance_id: str) -> None:
        pass

    def take_ssh_drops(self) -> dict[int, int]:
        dropped, self.dropped = self.dropped, {}
        return dropped

    def set_credentials(
        self, instance_id: str, *, password: str | None, public_keys: Sequence[str]
    ) -> None:
        self._note("set_credentials", instance_id)
        self.passwords.append(password)
        self.public_keys.append(tuple(public_keys))

    def run_script(self, instance_id: str, script: GuestScript, going: Going) -> ScriptEnd:
        self._note("run_script", instance_id)
        self.scripts.append(script)
        while not self.script_gate.wait(0.01):
            if not going():
                return ScriptEnd("stopped", output=b"half")
        return self.script_ends.get(instance_id, self.script_end)

    def end_script(self, instance_id: str, name: str) -> None:
        self._note("end_script", f"{instance_id} {name}")

    def running(self) -> set[str]:
        if "running" in self.failing:
            raise self.failure("running fails")
        return set(self.up)

    def take_death(self, instance_id: str) -> str:
        return self.deaths.get(instance_id, "")

    def shortage(self, number: int) -> str:
        return "" if number <= self.room else f"{number} more guests need more memory"
