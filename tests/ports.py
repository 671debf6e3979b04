"""Ports of 127.0.0.1 for tests."""

from __future__ import annotations

import socket

from ecsmachine.system import ports

_TAKEN: list[socket.socket] = []
"""What holds ports on which nobody listens, as long as the tests run."""


def free_port() -> int:
    """Return a port for a program to listen on: nobody gets it by chance meanwhile."""
    with ports.server(0) as free:
        return int(free.getsockname()[1])


def refusing_port() -> int:
    """Return a port that refuses connections, now and later: it is taken, by nobody who listens."""
    _TAKEN.append(socket.socket())
    _TAKEN[-1].bind(("127.0.0.1", 0))
    return int(_TAKEN[-1].getsockname()[1])
