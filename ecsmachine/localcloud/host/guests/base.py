"""The interface between the API and its guests."""

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
    The first of ``addresses`` is set in the guest. The guest configures the others itself, as in
    ECS: they are routed to it, and it may send from them. ``public_ip`` leads to the first one;
    that of an eth0 is in its guest.
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
    """The user who gets the password and the keys: root, or a user with sudo instead."""
    release: str | None = None
    """The release of the base image, such as ``debian_12``; None: the usual one."""
    root_snapshot_id: str = ""
    """The first content of a new root disk, besides the base image."""
    faults: GuestFaults = NO_FAULTS
    interfaces: tuple[GuestInterface, ...] = ()
    """Its network interfaces, eth0 first; none: one with only ``private_ip``."""


Transport = Literal["tcp", "udp"]
Place = tuple[Transport, str, int]
"""A listening place of a load balancer: protocol, address and port."""


class BalancerNetwork(Protocol):
    """Where load balancers have their addresses: the cloud's router. Called from threads."""

    def set_listeners(self, places: Collection[Place]) -> None:
        """Set these addresses, and accept traffic to these ports; and no others."""

    def listen(self, place: Place) -> socket.socket:
        """Return a socket that listens there. Raises ``OSError``."""

    def outgoing(self, kind: Transport) -> socket.socket:
        """Return a socket from which guests are reached. Raises ``OSError``."""


class Guests(Protocol):
    """A backend that runs guests. Calls block; the API calls them from worker threads.

    Every call is idempotent: creating something that exists, or removing something that does not,
    is a success.
    All raise :class:`GuestError`.
    """

    runs_scripts: bool
    """Whether scripts can run in guests."""

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

    def plug_disk(self, instance_id: str, disk: GuestDisk) -> None:
        """Give a disk to a guest that runs; another one gets it when it starts."""

    def unplug_disk(self, instance_id: str, disk_id: str) -> None:
        """Take a disk from a guest that runs, with what is mounted from it."""

    def snapshot_disk(self, snapshot_id: str, disk_id: str) -> None:
        """Create a snapshot of a data disk."""

    def snapshot_root(self, snapshot_id: str, instance_id: str) -> None:
        """Create a snapshot of a guest's root disk."""

    def restore_root(self, instance_id: str, snapshot_id: str) -> None:
        """Let a stopped guest's root disk be as it was kept."""

    def copy_snapshot(self, snapshot_id: str, source_id: str) -> None:
        """Keep a copy of a snapshot, which may be removed afterwards."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot."""

    def console_output(self, instance_id: str) -> bytes:
        """Return the end of the console of a guest since its boot."""

    def usage(self, instance_id: str) -> Usage | None:
        """Return the resource use of a running guest; None if it is unknown."""

    def set_public_ip(self, instance_id: str, public_ip: str | None) -> None:
        """Give the guest a public address, or take it away; live, and kept over restarts."""

    def set_interfaces(self, instance_id: str, interfaces: Sequence[GuestInterface]) -> None:
        """Set the network interfaces of a guest, also while it runs.

        A guest that does not run gets them when it starts.
        """

    def set_firewall(self, firewall: Firewall) -> None:
        """Replace the rules of the security groups.

        It gets all instances at once, and each before its guest starts.
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
        """End a script of an earlier daemon, if it still runs."""

    def running(self) -> set[str]:
        """Return the ids of the instances whose guests run now."""

    def take_death(self, instance_id: str) -> str:
        """Return why a guest ended, with the last lines of its console.

        The reason is returned once; "" if it was stopped, or powered off from inside.
        """

    def shortage(self, number: int) -> str:
        """Return what this computer lacks for this many more guests, in words, or ""."""
