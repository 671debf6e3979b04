"""The network of a local cloud: its router, which connects the guests.

Everything lives in network namespaces. The router's has a link to the host and one to each
guest, forwards between them, translates public addresses, and refuses the guests access to the host
or beyond. So the host needs no bridge, no forwarding and no firewall rule of ours: it gets one
interface, and routes to the guests' addresses, which disappear with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

from ecsmachine.localcloud.host.address_plan import AddressPlan, host_networks
from ecsmachine.localcloud.host.mounts import mounts_below, unmount_below
from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.files import path_exists

UPLINK = "uplink"
_TABLE = "ip ecsmachine"
MIRROR_PORT = 80
REGISTRY_PORT = 5000


def link_name(of: str) -> str:
    """Return the router's name for a link to a guest (at most 15 characters).

    ``of`` is the id of the instance for its eth0, that of the network interface for another one.
    """
    return "g" + hashlib.sha256(of.encode()).hexdigest()[:12]


class Network:
    """The router of one cloud, and the host's link to it."""

    def __init__(self, *, link: str, router: Path, plan: AddressPlan):
        self._link = link
        self._router = router
        self.plan = plan

    def up(self) -> None:
        """Make the router; one that is there already stays as it is, with its guests.

        Raises :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError`, among others when
        something else on the host uses the cloud's addresses.
        """
        if self.is_up():
            return
        self.down()
        for network in host_networks(without_link=self._link):
            if network.overlaps(self.plan.public):
                raise LocalCloudError(
                    f"The local cloud's addresses {self.plan.public} are in use on this host "
                    f"(there is a route to {network}).",
                    hint="Stop the program that uses them, or start over with other addresses: "
                    "ecsmachine local reset",
                )
        make_namespace(self._router)
        gateway, host = str(self.plan.gateway), str(self.plan.host)
        peer = ["peer", "name", UPLINK, "netns", str(self._router)]
        run(["ip", "link", "add", self._link, "type", "veth", *peer])
        self._inside(["ip", "link", "set", "lo", "up"])
        self._inside(["ip", "address", "add", gateway, "peer", host, "dev", UPLINK])
        self._inside(["ip", "link", "set", UPLINK, "up"])
        self._inside(["sh", "-ec", _FORWARD])
        self.load_rules(_rules(gateway))
        # What has no other way comes to the rules above, which refuse it so that it is noticed
        # at once: a missing route would be told by ICMP, which a connection heeds a second later.
        self._inside(["ip", "route", "add", "default", "via", host])
        run(["ip", "address", "add", host, "peer", gateway, "dev", self._link])
        run(["ip", "link", "set", self._link, "up"])
        # The last step, and what is_up() looks for.
        run(["ip", "route", "add", str(self.plan.public), "via", gateway, "dev", self._link])

    def is_up(self) -> bool:
        """Return whether the router is there, complete."""
        if not mounts_below(self._router):
            return False
        try:
            route = run(["ip", "route", "show", str(self.plan.public), "dev", self._link])
            self._inside(["nft", "list", "table", *_TABLE.split()])
        except ProgramError:
            return False
        return bool(route.strip())

    def down(self) -> None:
        """Remove the router and the host's link to it."""
        remove_link(self._link)
        unmount_below(self._router)
        self._router.unlink(missing_ok=True)

    def route_to_guest(self, private_ip: str) -> None:
        """Let the host reach a private address of the cloud.

        Raises :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError` if the host reaches
        another interface's neighbour at this very address already.
        """
        target = f"{private_ip}/32"
        via = ["via", str(self.plan.gateway), "dev", self._link]
        here = run(["ip", "route", "show", target]).strip()
        if f"dev {self._link} " in f"{here} ":
            return
        if here:
            raise LocalCloudError(
                f"The address {private_ip} is in use on this host ({here}).",
                hint="Use a VSwitch with another address range.",
            )
        run(["ip", "route", "add", target, *via])

    def drop_route_to_guest(self, private_ip: str) -> None:
        """Forget the way to a private address of the cloud."""
        with suppress(ProgramError):
            run(["ip", "route", "del", f"{private_ip}/32", "dev", self._link])

    def publish(self, public_ip: str, private_ip: str) -> None:
        """Translate a public address to a guest's private one."""
        self.load_rules(
            f"add element {_TABLE} to_private {{ {public_ip} : {private_ip} }}\n"
            f"add element {_TABLE} hairpin {{ {private_ip} . {private_ip} }}\n"
        )

    def unpublish(self, public_ip: str, private_ip: str) -> None:
        """Stop translating a public address."""
        for element in (
            f"to_private {{ {public_ip} : {private_ip} }}",
            f"hairpin {{ {private_ip} . {private_ip} }}",
        ):
            with suppress(ProgramError):  # it was not there
                self.load_rules(f"delete element {_TABLE} {element}\n")

    def offer(self, address: str) -> None:
        """Let the router itself have an address, for what listens there; the host reaches it.

        Raises as :meth:`route_to_guest`; the guests reach it all the same.
        """
        self._inside(["ip", "address", "replace", f"{address}/32", "dev", "lo"])
        if IPv4Address(address) not in self.plan.public:
            self.route_to_guest(address)

    def withdraw(self, address: str) -> None:
        """Take an address from the router again."""
        with suppress(ProgramError):  # it was not there
            self._inside(["ip", "address", "del", f"{address}/32", "dev", "lo"])
        if IPv4Address(address) not in self.plan.public:
            self.drop_route_to_guest(address)

    def let_in(self, places: Iterable[tuple[str, str, int]]) -> None:
        """Let tcp or udp in to these addresses and ports of the router, instead of those before."""
        elements = ", ".join(f"{address} . {kind} . {port}" for kind, address, port in places)
        add = f"add element {_TABLE} listeners {{ {elements} }}\n" if elements else ""
        self.load_rules(f"flush set {_TABLE} listeners\n{add}")

    def load_rules(self, script: str) -> None:
        """Load nftables rules, whole or not at all, into the router's namespace."""
        self._inside(["nft", "-f", "-"], stdin=script)

    def numbers_in_sets(self, table: str) -> dict[str, set[int]]:
        """Return the numbers that a table's sets hold, by the set's name; nothing is changed."""
        answer = self._inside(["nft", "-j", "list", "table", "ip", table])
        found: dict[str, set[int]] = {}
        for item in json.loads(answer)["nftables"]:
            # an element with a timeout is an object around its value
            values = [
                each["elem"]["val"] if isinstance(each, dict) and "elem" in each else each
                for each in item.get("set", {}).get("elem", ())
            ]
            if numbers := {value for value in values if isinstance(value, int)}:
                found[item["set"]["name"]] = numbers
        return found

    def unplug(self, links: Iterable[str], namespace: Path) -> None:
        """Remove a guest's namespace and its links to the router."""
        for link in links if mounts_below(self._router) else ():
            with suppress(ProgramError):
                self._inside(["ip", "link", "del", link])
        unmount_below(namespace)
        namespace.unlink(missing_ok=True)

    def _inside(self, argv: list[str], stdin: str | None = None) -> str:
        return run(["nsenter", f"--net={self._router}", *argv], stdin=stdin)


class NamespaceSockets:
    """Makes sockets inside a network namespace, where they stay."""

    def __init__(self, namespace: Path):
        # a separate thread, which never leaves the namespace
        self._thread = ThreadPoolExecutor(1, initializer=enter_namespace, initargs=(namespace,))

    def listen(self, address: str, port: int) -> socket.socket:
        """Return a socket that listens there for TCP. Raises ``OSError``."""
        return self._made(lambda: socket.create_server((address, port), backlog=128))

    def listen_for_datagrams(self, address: str, port: int) -> socket.socket:
        """Return a socket that listens there for UDP. Raises ``OSError``."""
        made = self.outgoing(socket.SOCK_DGRAM)
        made.bind((address, port))
        return made

    def outgoing(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return a socket that is not connected yet. Raises ``OSError``."""
        return self._made(lambda: socket.socket(socket.AF_INET, kind))

    def close(self) -> None:
        """Let go of the namespace; the sockets that were made go on."""
        self._thread.shutdown()

    def _made(self, make: Callable[[], socket.socket]) -> socket.socket:
        try:
            return self._thread.submit(make).result()
        except BrokenExecutor as error:
            raise OSError(f"the network namespace cannot be entered: {error}") from None


def make_namespace(file: Path) -> None:
    """Make a network namespace that lasts as long as the file is mounted."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    run(["unshare", f"--net={file}", "true"])


def remove_link(link: str) -> None:
    """Remove an interface of the host, with all routes over it; its absence is fine."""
    if path_exists(Path("/sys/class/net", link)):
        with suppress(ProgramError):  # its other end was removed this moment
            run(["ip", "link", "del", link])


def enter_namespace(file: Path) -> None:
    """Move the calling thread, and no other, into a network namespace. Raises ``OSError``."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(file))
    finally:
        os.close(descriptor)


# rp_filter: a guest can send only from its own address, as a route leads there alone.
# icmp_ratelimit: every refusal is sent, so that nothing in a guest waits in vain.
_FORWARD = """
cd /proc/sys/net/ipv4
echo 1 > ip_forward
echo 0 > icmp_ratelimit
for name in all default uplink; do
    echo 1 > conf/$name/rp_filter
    echo 0 > conf/$name/send_redirects
    echo 0 > conf/$name/accept_redirects
done
"""


def _rules(gateway: str) -> str:
    return f"""
table {_TABLE} {{
    map to_private {{
        type ipv4_addr : ipv4_addr
    }}
    set hairpin {{
        type ipv4_addr . ipv4_addr
    }}
    set listeners {{
        type ipv4_addr . inet_proto . inet_service
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat
        dnat to ip daddr map @to_private
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat
        ip saddr . ip daddr @hairpin masquerade
    }}
    chain input {{
        type filter hook input priority filter; policy drop
        ct state established,related accept
        iifname {{ "lo", "{UPLINK}" }} accept
        icmp type echo-request accept
        ip daddr {gateway} tcp dport {{ {MIRROR_PORT}, {REGISTRY_PORT} }} accept
        ip daddr . meta l4proto . th dport @listeners accept
        meta l4proto tcp reject with tcp reset
        reject with icmp type admin-prohibited
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop
        ct state established,related accept
        oifname != "{UPLINK}" accept
        meta l4proto tcp reject with tcp reset
        reject with icmp type admin-prohibited
    }}
}}
table ip6 ecsmachine {{
    chain input {{
        type filter hook input priority filter; policy drop
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop
    }}
}}
"""
