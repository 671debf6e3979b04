"""The cloud's router as the place where load balancers listen."""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection
from pathlib import Path

from ecsmachine.localcloud.host.guests.base import Place, Transport
from ecsmachine.localcloud.host.network import NamespaceSockets, Network
from ecsmachine.localcloud.protocol.errors import LocalCloudError

_log = logging.getLogger("ecsmachine.localcloud")


class RouterOfBalancers:
    """Gives the router the addresses of load balancers, and makes sockets inside it."""

    def __init__(self, network: Network, router: Path):
        self._network = network
        self._sockets = NamespaceSockets(router)
        self._addresses: set[str] = set()

    def set_listeners(self, places: Collection[Place]) -> None:
        """Set the addresses of these places, and accept their traffic; and no others."""
        wanted = {address for _, address, _ in places}
        for address in self._addresses - wanted:
            self._network.withdraw(address)
        for address in wanted - self._addresses:
            try:
                self._network.offer(address)
            except LocalCloudError as error:
                _log.warning("this computer does not reach a load balancer: %s", error.message)
        self._addresses = wanted
        self._network.let_in(sorted(places))

    def listen(self, place: Place) -> socket.socket:
        """Return a socket that listens inside the router. Raises ``OSError``."""
        kind, address, port = place
        if kind == "udp":
            return self._sockets.listen_for_datagrams(address, port)
        return self._sockets.listen(address, port)

    def outgoing(self, kind: Transport) -> socket.socket:
        """Return a socket that connects from the router. Raises ``OSError``."""
        return self._sockets.outgoing(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
