"""The one place where a connection to a machine is opened: to its SSH, or to its engine."""

from __future__ import annotations

import socket

from ecsmachine.ssh.route import check_route
from ecsmachine.ssh.steps import log_step

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import Any

    from ecsmachine.ssh.target import Jump

_UNANSWERED_S = 60


def open_stream(host: str, port: int, *, jump: Jump | None, timeout_s: float) -> socket.socket:
    """Return a connection to a port, through the jump host if there is one.

    Raises :class:`OSError` if nothing answers there,
    :class:`~ecsmachine.ssh.route.NoGuestError`, or what :meth:`Jump.open` does.
    """
    if jump is not None:
        return jump.open(host, port, timeout_s=timeout_s)
    check_route(host)
    # bytes are taken as they are; for a text the tables of international names are loaded
    where: Any = (host.encode() if host.isascii() else host, port)
    try:
        stream = socket.create_connection(where, timeout=timeout_s)
    except OSError as error:
        log_step("%s:%d: %s", host, port, error)
        raise
    log_step("%s:%d: connected", host, port)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # a host that is gone is noticed in a minute: keepalives go unanswered
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_S * 1000)
    return stream


def answers(host: str, port: int, *, jump: Jump | None, timeout_s: float) -> bool:
    """Whether something takes connections at a port. Raises as :func:`open_stream`, but OSError."""
    try:
        open_stream(host, port, jump=jump, timeout_s=timeout_s).close()
    except OSError:
        return False
    return True
