"""Network interfaces of guests that run: attached, detached, given other addresses."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ecsmachine.localcloud.host.guests.base import GuestInterface, Guests
from ecsmachine.localcloud.state.addresses import eips_of
from ecsmachine.localcloud.state.interfaces import attached_interfaces, detached, primary_interface
from ecsmachine.localcloud.state.model import Instance, NetworkInterface
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.firewall import FirewallWork
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads, unchanged


@dataclass
class InterfaceWork:
    """The work on network interfaces; in progress they are ``Attaching`` or ``Detaching``.

    It takes turns with other work on the guest.
    """

    state: State
    guests: Guests
    supervisor: Supervisor
    threads: Threads
    firewall: FirewallWork

    def attach(self, interface: NetworkInterface) -> None:
        """Give an ``Attaching`` interface to its guest; one that fails is free again."""
        self._begin("attaching", interface, free=False)

    def detach(self, interface: NetworkInterface) -> None:
        """Take a ``Detaching`` interface from its guest; one that fails stays in use."""
        self._begin("detaching", interface, free=True)

    def readdress(self, instance_id: str) -> None:
        """Let the guest have the addresses that the state has by then."""
        self.supervisor.begin(
            instance_id,
            f"the addresses of instance {instance_id}",
            lambda: self._apply(instance_id),
            unchanged,
        )

    def recover(self) -> None:
        """Finish the work of the last server; inside a transaction."""
        for interface in list(self.state.network_interfaces):
            if interface.instance_id in self.state.instances:
                if interface.status == "Attaching":
                    self.attach(interface)
                elif interface.status == "Detaching":
                    self.detach(interface)
            elif interface.instance_id and interface.instance_id not in self.state.removals:
                self.state.network_interfaces.put(detached(interface))

    async def _apply(self, instance_id: str) -> None:
        """Give the guest, if it runs, the interfaces that the state has; the rules come first."""
        instance = self.state.instances.get(instance_id)
        if instance is not None and instance.made:
            await self.firewall.settle()
            interfaces = guest_interfaces(self.state, instance)
            await self.threads.run(self.guests.set_interfaces, instance_id, interfaces)

    def _settle(self, interface: NetworkInterface, *, free: bool) -> None:
        with self.state.transaction():
            there = self.state.network_interfaces.get(interface.id)
            # Its instance may have been released: then it is removed with the guest.
            if there and there.instance_id in self.state.instances:
                done = detached(there) if free else replace(there, status="InUse")
                self.state.network_interfaces.put(done)

    def _begin(self, what: str, interface: NetworkInterface, *, free: bool) -> None:
        """Begin work after which an interface is free, or in use; the other one if it fails."""

        async def work() -> None:
            await self._apply(interface.instance_id)
            self._settle(interface, free=free)

        def failed(_: str) -> None:
            self._settle(interface, free=not free)
            self.readdress(interface.instance_id)

        self.supervisor.begin(
            interface.instance_id, f"{what} network interface {interface.id}", work, failed
        )


def _public_ip(state: State, interface: NetworkInterface) -> str:
    return next((eip.address for eip in eips_of(state, interface.id)), "")


def guest_interfaces(state: State, instance: Instance) -> tuple[GuestInterface, ...]:
    """Return the network interfaces that the guest of an instance is to have, eth0 first."""
    secondary = [
        GuestInterface(each.id, each.index, each.mac, each.addresses, _public_ip(state, each))
        for each in attached_interfaces(state, instance.id)
        if each.status != "Detaching"
    ]
    primary = primary_interface(instance)
    return (GuestInterface(instance.id, 0, primary.mac, primary.addresses), *secondary)
