"""Ports of this computer that lead to ports that a host reaches (``ssh -L``)."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NoReturn

from ecsmachine.documents.rules import HOST
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.ssh.connection import Connection, connect
from ecsmachine.ssh.interactive import check_host_key, ssh_command
from ecsmachine.ssh.kept import CONNECTION_FAILED
from ecsmachine.ssh.private_files import check_login_key
from ecsmachine.ssh.route import check_route
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.ssh.tethered import tethered
from ecsmachine.system import programs

if TYPE_CHECKING:
    from ecsmachine.ssh.library import Channel

_LOOPBACK = "127.0.0.1"
_CHUNK = 65536
_LOOK_S = 0.5
_EXAMPLES = "Write it as 8080:80, 8080:10.0.0.5:80 or 0.0.0.0:8080:80."


class PortError(MachineError):
    """A port of this computer cannot be listened on."""


@dataclass(frozen=True)
class Forward:
    """A port of this computer, at ``address``, and where it leads: ``host`` as the machine sees it.

    Port 0 is any that is free.
    """

    address: str
    port: int
    host: str
    host_port: int

    @property
    def place(self) -> str:
        """What is listened on, ``127.0.0.1:8080``."""
        return f"{_written(self.address)}:{self.port}"

    @property
    def goal(self) -> str:
        """Where it leads, ``localhost:80``."""
        return f"{_written(self.host)}:{self.host_port}"


def forward_of(text: str) -> Forward:
    """Return what ``[ADDRESS:]PORT:[HOST:]PORT``, or a port alone, says.

    Addresses of IPv6 stand in brackets. Raises :class:`UsageError`.
    """
    parts = _split(text)
    address, host = _LOOPBACK, "localhost"
    if len(parts) == 1:
        parts *= 2
    if len(parts) == 4:
        address, port, host, host_port = parts
    elif len(parts) == 3 and _is_port(parts[0]):
        port, host, host_port = parts
    elif len(parts) == 3:
        address, port, host_port = parts
    elif len(parts) == 2:
        port, host_port = parts
    else:
        raise UsageError(f'"{text}" is not a port to forward', hint=_EXAMPLES)
    address = _LOOPBACK if address == "localhost" else address
    for name in (address, host):
        if not HOST.fits(name):
            raise UsageError(f'"{text}": "{name}" is not {HOST.what}', hint=_EXAMPLES)
    for number in (port, host_port):
        if not _is_port(number) or (number is host_port and not int(number)):
            raise UsageError(f'"{text}": "{number}" is not a port', hint=_EXAMPLES)
    return Forward(address, int(port), host, int(host_port))


def forward(
    target: SSHTarget,
    pin_path: Path,
    forwards: Sequence[Forward],
    *,
    native: bool,
    listening: Callable[[Forward], None],
    told: Callable[[str], None],
) -> int:
    """Forward ports until the connection ends; return what ssh leaves with.

    ``listening`` is called for each once it leads there, ``told`` with what went wrong with a
    connection. Uses the ssh program as :func:`~ecsmachine.ssh.interactive.run_session` does, and
    returns and raises as that. Raises :class:`PortError` too.
    """
    if not target.jump:
        check_route(target.host)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_listener(each)) for each in forwards]
        forwards = [
            replace(each, port=taken.getsockname()[1])
            for each, taken in zip(forwards, sockets, strict=True)
        ]
        if native or target.password is not None or not programs.find("ssh"):
            with connect(target, pin_path) as connection:
                for each in forwards:
                    listening(each)
                _carry(connection, dict(zip(sockets, forwards, strict=True)), told)
    # the ports are free, and for ssh to take
    return _by_program(target, pin_path, forwards, listening)


def _by_program(
    target: SSHTarget,
    pin_path: Path,
    forwards: Sequence[Forward],
    listening: Callable[[Forward], None],
) -> int:
    if target.key_path:
        check_login_key(target.key_path)
    # it says why a connection leads nowhere, and runs the local command when it listens
    options = ["LogLevel=INFO", "ExitOnForwardFailure=yes", "PermitLocalCommand=yes"]
    options.append("LocalCommand=echo")
    words = ["-N", "-n", *(f"-o{option}" for option in options)]
    words += [f"-L{each.place}:{each.goal}" for each in forwards]
    with ssh_command(target, pin_path, words) as command:
        command = [word.replace("LogLevel=ERROR", "LogLevel=INFO") for word in command]
        with tethered(command) as process:
            begun = process.stdout.readline() if process.stdout is not None else b""
            for each in forwards if begun else ():
                listening(each)
            status = process.wait()
    if status == CONNECTION_FAILED and not begun:
        check_host_key(target, pin_path)
    elif begun:
        raise MachineError(
            f"The SSH connection to {target.host} was lost", hint="Run the command again."
        )
    return status


def _listener(wanted: Forward) -> socket.socket:
    """Return a socket that listens. Raises :class:`PortError`."""
    family = socket.AF_INET6 if ":" in wanted.address else socket.AF_INET
    try:
        return socket.create_server((wanted.address, wanted.port), family=family, backlog=64)
    except OSError as error:
        free = f"0:{wanted.goal.removeprefix('localhost:')}"
        reason, hint = error.strerror or str(error), _EXAMPLES
        if error.errno == errno.EADDRINUSE:
            reason, hint = "it is in use", f"Choose another, or {free} for any free port."
        elif error.errno == errno.EACCES:
            reason, hint = "only root can use ports below 1024", f"Choose another, such as {free}."
        elif error.errno == errno.EADDRNOTAVAIL:
            reason = "this computer has no such address"
        raise PortError(f"Cannot listen on {wanted.place}: {reason}", hint=hint) from error


def _carry(
    connection: Connection,
    listeners: dict[socket.socket, Forward],
    told: Callable[[str], None],
) -> NoReturn:
    """Take connections, and carry each over SSH, until the connection to the host is lost."""

    def serve(stream: socket.socket, wanted: Forward) -> None:
        try:
            channel = connection.open_way(wanted.host, wanted.host_port)
        except MachineError as error:
            told(error.message)
            stream.close()
        else:
            _join(channel, stream)

    connection.keep_alive()
    with selectors.DefaultSelector() as selector:
        for each in listeners.items():
            each[0].setblocking(False)
            selector.register(each[0], selectors.EVENT_READ, each)
        while connection.is_open:
            for key, _ in selector.select(_LOOK_S):
                listener, wanted = key.data
                with contextlib.suppress(OSError):  # who connected has gone again
                    stream, _ = listener.accept()
                    stream.setblocking(True)
                    Thread(target=serve, args=(stream, wanted), daemon=True).start()
    raise connection.lost(EOFError("the host closed it"))


def _join(channel: Channel, stream: socket.socket) -> None:
    """Carry bytes both ways until both have ended; what ends one way leaves the other open."""

    def receive() -> None:
        with contextlib.suppress(Exception):
            while data := channel.recv(_CHUNK):
                stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            return
        with contextlib.suppress(OSError):  # nobody reads any more: nothing need be sent either
            stream.shutdown(socket.SHUT_RDWR)

    receiving = Thread(target=receive, daemon=True)
    receiving.start()
    with contextlib.suppress(Exception):
        while data := stream.recv(_CHUNK):
            channel.sendall(data)
        channel.shutdown_write()
        receiving.join()
    channel.close()
    stream.close()


def _split(text: str) -> list[str]:
    """Return the parts between colons, with those of an address in brackets together."""
    parts, rest = [], text
    while True:
        if rest.startswith("[") and "]" in rest:
            part, _, rest = rest[1:].partition("]")
            colon, rest = rest[:1], rest[1:]
        else:
            part, colon, rest = rest.partition(":")
        parts.append(part)
        if not colon:
            return parts if not rest else [*parts, rest]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host
