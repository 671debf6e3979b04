"""What stands behind an instance: the interface between the API and its guests."""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ecsmachine.localcloud.host.control_groups import Usage
from ecsmachine.localcloud.host.firewall import Firewall
from ecsmachine.localcloud.host.guests.faults import NO_FAULTS, GuestFaults, SshDrop
from ecsmachine.localcloud.host.guests.scripts import Going, GuestScript, ScriptEnd
from ecsmachine.localcloud.protocol.errors import LocalCloudError


class GuestError(LocalCloudError):
    """A guest could not be made, started, stopped or removed; the text says why."""


@dataclass(frozen=True)
class GuestDisk:
    """A disk of a guest: a sparse file of ``size_gib`` GiB, seen in the guest as ``device``.

    ``device`` is the name below /dev in the guest: ``vdb``, ``vdc``, …; a new disk has the data of
    ``snapshot_id``, or is empty. That of one that is made larger ``online`` is seen at once.
    """

    disk_id: str
    device: str
    size_gib: int
    snapshot_id: str = ""
    online: bool = False


@dataclass(frozen=True)
class GuestInterface:
    """A network interface of a guest: ``index`` 0 is its eth0, 1 its eth1.

    ``id`` is its own, and that of the instance for its eth0.
    Of ``addresses`` the first is set in the guest. The others are its own matter, as in ECS: they
    lead to it, and what it sends from them comes through. ``public_ip`` leads to the first one;
    that of an eth0 is told by its guest.
    """

    id: str
    index: int
    mac: str
    addresses: tuple[str, ...]
    public_ip: str = ""


@dataclass(frozen=True)
class GuestSpec:
    """All that a guest is made of. Passwords and keys never appear in its repr."""

    instance_id: str
    hostname: str
    private_ip: str
    """The first address of its first interface."""
    cpu: int
    memory_mib: int
    password: str | None = field(default=None, repr=False)
    public_keys: tuple[str, ...] = ()
    user_data: bytes | None = field(default=None, repr=False)
    disks: tuple[GuestDisk, ...] = ()
    public_ip: str | None = None
    login_user: str = "root"
    """Who is given the password and the keys: root, or a user with sudo in root's place."""
    release: str | None = None
    """The release of the base image, such as ``debian_12``; None: the usual one."""
    root_snapshot_id: str = ""
    """What a new root disk begins with instead of the base image alone."""
    faults: GuestFaults = NO_FAULTS
    interfaces: tuple[GuestInterface, ...] = ()
    """Its network interfaces, eth0 first; none: one with ``private_ip`` alone."""


Transport = Literal["tcp", "udp"]
Place = tuple[Transport, str, int]
"""Where a load balancer listens: for what, at which address and port."""


class BalancerNetwork(Protocol):
    """Where load balancers have their addresses: the cloud's router. Called from threads."""

    def set_listeners(self, places: Collection[Place]) -> None:
        """Let in what comes to these addresses and ports, and have the addresses; and no others."""

    def listen(self, place: Place) -> socket.socket:
        """Return a socket that listens there. Raises ``OSError``."""

    def outgoing(self, kind: Transport) -> socket.socket:
        """Return a socket from which guests are reached. Raises ``OSError``."""


class Guests(Protocol):
    """A backend that runs guests. Calls block; the API calls them from worker threads.

    Every call is idempotent: making what is there, or removing what is not, is success.
    All raise :class:`GuestError`.
    """

    runs_scripts: bool
    """Whether there is anything that scripts can run in."""

    def create(self, spec: GuestSpec) -> None:
        """Make the guest's root disk and its data disks; it does not run yet."""

    def start(self, spec: GuestSpec) -> None:
        """Boot the guest and return once its first process runs (not: once SSH answers)."""

    def stop(self, instance_id: str, *, force: bool) -> None:
        """Shut the guest down (``force``: pull the plug) and return once it is down."""

    def delete(self, instance_id: str) -> None:
        """Remove the guest with its root disk; data disks are removed by ``delete_disk``."""

    def create_disk(self, disk: GuestDisk) -> None:
        """Make the file behind a data disk, or make it larger."""

    def delete_disk(self, disk_id: str) -> None:
        """Remove the file behind a data disk."""

    def snapshot_disk(self, snapshot_id: str, disk_id: str) -> None:
        """Keep what is on a data disk now."""

    def snapshot_root(self, snapshot_id: str, instance_id: str) -> None:
        """Keep what is on a guest's root disk now."""

    def restore_root(self, instance_id: str, snapshot_id: str) -> None:
        """Let a stopped guest's root disk be as it was kept."""

    def copy_snapshot(self, snapshot_id: str, source_id: str) -> None:
        """Keep a copy of a snapshot, which may be removed afterwards."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot."""

    def console_output(self, instance_id: str) -> bytes:
        """Return the end of what a guest has written to its console since it booted."""

    def usage(self, instance_id: str) -> Usage | None:
        """Return what a running guest uses of this computer; None if there is nothing to tell."""

    def set_public_ip(self, instance_id: str, public_ip: str | None) -> None:
        """Give the guest a public address, or take it away; live, and kept over restarts."""

    def set_interfaces(self, instance_id: str, interfaces: Sequence[GuestInterface]) -> None:
        """Give the guest these network interfaces, and take others away; live.

        A guest that does not run has what it is told when it starts.
        """

    def set_firewall(self, firewall: Firewall) -> None:
        """Let through what the security groups do, from now on and instead of before.

        It is told of all instances at once, and of each before its guest starts.
        """

    def balancer_network(self) -> BalancerNetwork | None:
        """Return where load balancers listen and reach guests; None if nothing can be carried."""

    def set_ssh_drops(self, instance_id: str, drops: Sequence[SshDrop]) -> None:
        """Let connections to a running guest's SSH break off in these ways, and no other."""

    def take_ssh_drops(self) -> dict[int, int]:
        """Return how many connections broke off since the last call, by the fault's id."""

    def set_credentials(
        self, instance_id: str, *, password: str | None, public_keys: Sequence[str]
    ) -> None:
        """Change root's password or authorized keys in a stopped guest's root disk."""

    def run_script(self, instance_id: str, script: GuestScript, going: Going) -> ScriptEnd:
        """Run a script in a running guest, and return once it has ended, or ``going`` says no."""

    def end_script(self, instance_id: str, name: str) -> None:
        """End a script that another daemon has begun, if it still runs."""

    def running(self) -> set[str]:
        """Return the ids of the instances whose guests run now."""

    def take_death(self, instance_id: str) -> str:
        """Return why a guest that does not run came to its end, with the last of its console.

        It is told once, and "" for one that was stopped, or switched off from inside.
        """

    def shortage(self, number: int) -> str:
        """Return what this computer lacks for so many more guests, in words, or ""."""
