"""The addresses at which a cluster's master and router listen on this computer."""

from __future__ import annotations

import socket
from contextlib import suppress

from ecsmachine.localcloud.protocol.problems import LocalCloudError

ADDRESS = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Return a socket on a port of 127.0.0.1, or on any if that one is taken."""
    for wanted in (port, 0):
        with suppress(OSError):
            return socket.create_server((ADDRESS, wanted), backlog=128)
    raise LocalCloudError(f"No port of {ADDRESS} is free for a cluster.")
