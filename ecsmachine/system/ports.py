"""Ports of 127.0.0.1 that a program finds free again when it comes back to them."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST, _HIGHEST = 20_000, 30_000
_TRIED = 50


def server(port: int) -> socket.socket:
    """Listen on a port; on any that is free, and stays so, if that is 0. Raises :class:`OSError`.

    A system gives connections that go out, and whoever takes any port, those of a range
    (ip_local_port_range of ip(7)): what listened on one of these may find it taken the next time.
    """
    end = min(_HIGHEST, _first_given())
    lasting = range(_LOWEST, end) if not port and end - _LOWEST > _TRIED else ()
    for each in random.SystemRandom().sample(lasting, _TRIED) if lasting else ():
        try:
            return _server(each)
        except OSError:
            continue
    return _server(port)


def _first_given() -> int:
    """Return the first port that the system gives away; where none is told, it is a higher one."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _HIGHEST


def _server(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=256)
