"""SSH and SFTP servers that keep to no rule."""

from __future__ import annotations

import contextlib
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from tests.ssh_server import Login, ServerTransport

FOLDER, FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644
BLOCK = 32768


class Files:
    """The files of a host, by its word: honest, as far as one of these is not told otherwise."""

    def mode(self, path: bytes) -> int:
        """The kind of a path; ``/d`` and what is below it without a name's dot are folders."""
        return FOLDER if path.endswith(b"/d") else FILE

    def size(self, path: bytes) -> int | None:
        return 4

    def names(self, path: bytes, asked: int) -> list[bytes] | None:
        """What the ``asked``-th request for a folder's names is answered; None is the end."""
        return [b"one"] if asked == 0 else None

    def read(self, path: bytes, at: int, length: int) -> bytes | None:
        return b"data"[at : at + length] or None

    def raw(self, kind: int, number: bytes) -> bytes | None:
        """A packet in the place of an answer to a request of this kind, or None."""
        return None


def packet(kind: int, number: bytes, body: bytes) -> bytes:
    return struct.pack(">IB", len(number) + len(body) + 1, kind) + number + body


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def status(number: bytes, code: int) -> bytes:
    return packet(101, number, struct.pack(">I", code) + text(b"") + text(b""))


class HostileSftp(paramiko.SubsystemHandler):
    """SFTP with the answers of some :class:`Files`."""

    def __init__(
        self, channel: paramiko.Channel, name: str, server: paramiko.ServerInterface, files: Files
    ):
        super().__init__(channel, name, server)
        self._files = files
        self._handles: list[tuple[bytes, int]] = []

    def start_subsystem(
        self, name: str, transport: paramiko.Transport, channel: paramiko.Channel
    ) -> None:
        stream = channel.makefile("rb")
        with contextlib.suppress(OSError, EOFError):
            while len(head := stream.read(4)) == 4:
                body = stream.read(int.from_bytes(head, "big"))
                channel.sendall(self._answer(body[0], body[1:5], body[5:]))

    def _answer(self, kind: int, number: bytes, body: bytes) -> bytes:
        instead = self._files.raw(kind, number)
        if instead is not None:
            return instead
        if kind == 1:
            return packet(2, struct.pack(">I", 3), b"")
        value = body[4 : 4 + int.from_bytes(body[:4], "big")]
        if kind in (7, 17):
            return packet(105, number, self._attributes(value))
        if kind in (3, 11):
            self._handles.append((value, 0))
            return packet(102, number, text(str(len(self._handles) - 1).encode()))
        if kind == 12:
            path, asked = self._handles[int(value)]
            self._handles[int(value)] = path, asked + 1
            names = self._files.names(path, asked)
            if names is None:
                return status(number, 1)
            entries = (text(name) + text(name) + self._attributes(b"") for name in names)
            return packet(104, number, struct.pack(">I", len(names)) + b"".join(entries))
        if kind == 5:
            path, _ = self._handles[int(value)]
            at, length = struct.unpack(">QI", body[-12:])
            block = self._files.read(path, at, length)
            return status(number, 1) if block is None else packet(103, number, text(block))
        return status(number, 0)

    def _attributes(self, path: bytes) -> bytes:
        size = self._files.size(path)
        parts = struct.pack(">Q", size) if size is not None else b""
        flags = 4 | (1 if size is not None else 0)
        return struct.pack(">I", flags) + parts + struct.pack(">I", self._files.mode(path))


Command = Callable[[paramiko.Channel], None]


class _Login(Login):
    def __init__(self, host: HostileHost):
        self._host = host

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if self._host.command is None:
            self._host.ended.wait()  # it never says whether it will
        else:
            self.begin(self._host.command, channel)
        return True


@dataclass
class HostileHost:
    """A host that lets everybody in; ``command`` is what it does in the place of any command."""

    files: Files = field(default_factory=Files)
    command: Command | None = None
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def serving(self) -> Iterator[HostileHost]:
        key = paramiko.ECDSAKey.generate()
        transports: list[paramiko.Transport] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                transport = ServerTransport(connection)
                transport.add_server_key(key)
                transport.set_subsystem_handler("sftp", HostileSftp, self.files)
                transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
                    transport.start_server(server=_Login(self))

        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            threading.Thread(target=serve, daemon=True).start()
            try:
                yield self
            finally:
                self.ended.set()
                for transport in transports:
                    transport.close()


def endless(block: bytes) -> Callable[[socket.socket], None]:
    """Return a talk that says the same for ever."""

    def talk(connection: socket.socket) -> None:
        while True:
            connection.sendall(block)

    return talk


def pin_path(folder: Path) -> Path:
    return folder / "dev1" / "known_hosts"
