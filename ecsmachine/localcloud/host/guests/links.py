"""The links between guests and their cloud's router: the network interfaces of guests.

A guest has a new network namespace at each boot, also after its own reboot. So a file in its folder
lists its interfaces, and supervise.sh reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ecsmachine.localcloud.host.guests.base import GuestInterface
from ecsmachine.localcloud.host.network import Network, link_name
from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.localcloud.state import records

FILE = "interfaces"
SCRIPT = "interfaces.sh"
_TABLE = 1000
"""interfaces.sh gives an interface a routing table by this number and its own."""


def only_interface(instance_id: str, private_ip: str) -> GuestInterface:
    """Return the interface of a guest with only one interface."""
    digits = link_name(instance_id)[1:11]
    mac = ":".join(["02", *(digits[at : at + 2] for at in range(0, 10, 2))])
    return GuestInterface(instance_id, 0, mac, (private_ip,))


@dataclass(frozen=True)
class Links:
    """The links of one cloud's guests; ``folder`` is a guest's, ``namespace`` its network."""

    network: Network
    router: Path

    def prepare(self, folder: Path, interfaces: Sequence[GuestInterface]) -> None:
        """Store the interfaces of a guest for its next boot, and let the host reach them."""
        lines = [
            f"{each.index} {link_name(each.id)} {each.mac} {' '.join(each.addresses)}\n"
            for each in interfaces
        ]
        for name, text in ((SCRIPT, _script()), (FILE, "".join(lines))):
            # The file is replaced: sh may be reading the present one.
            records.write_private(folder / name, text.encode(), 0o644)
        for interface in interfaces:
            for address in interface.addresses:
                self.network.route_to_guest(address)
            if interface.public_ip:
                self.network.publish(interface.public_ip, interface.addresses[0])

    def take(
        self, namespace: Path, before: Sequence[GuestInterface], after: Sequence[GuestInterface]
    ) -> None:
        """Remove from a guest, running or not, what is in ``before`` but not in ``after``."""
        kept = {each.id: each.addresses for each in after}
        published = {(each.public_ip, each.addresses[0]) for each in after}
        for interface in before:
            link = link_name(interface.id)
            if (interface.public_ip, interface.addresses[0]) not in published:
                self._unpublish(interface)
            for address in set(interface.addresses) - set(kept.get(interface.id, ())):
                self.network.drop_route_to_guest(address)
                table = str(_TABLE + interface.index)
                _ip(self.router, "route", "del", f"{address}/32", "dev", link)
                _ip(namespace, "rule", "del", "from", address, "table", table)
            if interface.id not in kept:
                _ip(self.router, "link", "del", link)

    def add(self, folder: Path, namespace: Path, interfaces: Sequence[GuestInterface]) -> None:
        """Give a running guest those of the interfaces and addresses that it does not have."""
        self.prepare(folder, interfaces)
        arguments = [self.router, namespace, self.network.plan.gateway, folder / FILE]
        run(["sh", str(folder / SCRIPT), *map(str, arguments)])

    def remove(self, namespace: Path, interfaces: Sequence[GuestInterface]) -> None:
        """Remove the namespace and the links of a guest that does not run."""
        self.network.unplug([link_name(each.id) for each in interfaces], namespace)
        for interface in interfaces:
            self._unpublish(interface)
            for address in interface.addresses:
                self.network.drop_route_to_guest(address)

    def _unpublish(self, interface: GuestInterface) -> None:
        if interface.public_ip:
            self.network.unpublish(interface.public_ip, interface.addresses[0])


def _ip(namespace: Path, *arguments: str) -> None:
    with suppress(ProgramError):  # it is not there any more, or never was
        run(["nsenter", f"--net={namespace}", "ip", *arguments])


def _script() -> str:
    return resources.files(__package__).joinpath(SCRIPT).read_text(encoding="utf-8")
