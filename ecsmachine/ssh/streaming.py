"""What a command on a host prints, line by line as it comes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ecsmachine.errors import MachineError
from ecsmachine.ssh.command_line import for_every_shell

if TYPE_CHECKING:
    from ecsmachine.ssh.connection import Connection
    from ecsmachine.ssh.library import Channel

_CHUNK = 65536
_STATUS_S = 10.0
_LONGEST = 64 << 10
"""How long a line may be, in bytes; one that is longer comes in parts."""


def printed_lines(connection: Connection, command: str) -> Iterator[str]:
    """Yield the lines that a command line of ``sh`` prints on both outputs, however long it runs.

    What the login shell itself prints before it is left out. Raises :class:`SSHError` where the
    connection is lost, and :class:`MachineError` with the last line of a command that fails.
    """
    mark = f"ecsmachine-{secrets.token_hex(8)}"
    channel = connection.open_channel()
    try:
        with connection.limited(None):
            channel.set_combine_stderr(True)
            channel.exec_command(f"echo {mark}; {for_every_shell(command)}")
            channel.shutdown_write()
        begun, last = False, ""
        for line in _lines(connection, channel):
            if begun:
                last = line
                yield line
            begun = begun or line == mark
        with connection.limited(_STATUS_S):
            status = channel.recv_exit_status()
        if status < 0:
            raise connection.lost(EOFError("the host closed it"))
        if status:
            raise MachineError(last or f"the command exited with {status}")
    finally:
        channel.close()


def _lines(connection: Connection, channel: Channel) -> Iterator[str]:
    """Yield what comes, in lines."""
    rest = b""
    while True:
        with connection.limited(None):
            data = channel.recv(_CHUNK)
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace").rstrip("\r") for line in whole)
        while len(rest) > _LONGEST:
            yield rest[:_LONGEST].decode(errors="replace")
            rest = rest[_LONGEST:]
    if rest:
        yield rest.decode(errors="replace")
