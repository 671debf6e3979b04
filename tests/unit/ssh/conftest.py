"""An SSH server on the loopback interface that runs what it is told in a shell of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_OK

import tests.hypothesis_profiles  # noqa: F401 (they are registered by being imported)
from ecsmachine.ssh.keys import ensure_key_pair
from ecsmachine.ssh.private_files import write_private
from ecsmachine.ssh.target import SSHTarget
from tests.ssh_server import Login, ServerTransport


class _Login(Login):
    def __init__(self, server: LoopbackServer):
        self.server = server

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.server.users.append(username)
        allowed = key.get_base64() in self.server.authorized and self.server.open
        return AUTH_SUCCESSFUL if allowed else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        allowed = password == self.server.password and self.server.open
        return AUTH_SUCCESSFUL if allowed else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if not self.server.runs_commands:
            return False
        self.begin(partial(_serve_command, command, self.server.shell), channel)
        return True


def _serve_command(command: bytes, shell: str, channel: paramiko.Channel) -> None:
    process = subprocess.Popen(
        [shell, "-c", os.fsdecode(command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def feed() -> None:
        with suppress(OSError), process.stdin as stdin:  # type: ignore[union-attr]
            while data := channel.recv(65536):
                stdin.write(data)
                stdin.flush()

    def pass_on(stream: Any, send: Callable[[bytes], object]) -> None:
        with suppress(OSError), stream:  # the client may be gone
            while data := stream.read1(65536):
                send(data)

    threading.Thread(target=feed, daemon=True).start()
    errors = threading.Thread(
        target=pass_on, args=(process.stderr, channel.sendall_stderr), daemon=True
    )
    errors.start()
    pass_on(process.stdout, channel.sendall)
    errors.join()
    if process.wait() >= 0:  # as servers do: there is none if a signal has ended it
        channel.send_exit_status(process.returncode)
    channel.close()


@dataclass
class LoopbackServer:
    """A server whose host key and logins a test can change."""

    folder: Path
    host_key: paramiko.PKey
    password: str | None = None
    runs_commands: bool = True
    shell: str = "sh"
    authorized: set[str] = field(default_factory=set)
    users: list[str] = field(default_factory=list)
    open: bool = True
    ended: bool = False
    port: int = 0
    transports: list[paramiko.Transport] = field(default_factory=list)

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            if self.ended:
                connection.close()
                return
            transport = ServerTransport(connection)
            transport.add_server_key(self.host_key)
            transport.set_subsystem_handler("sftp", _SFTPServer, Files)
            self.transports.append(transport)
            try:
                transport.start_server(server=_Login(self))
            except (paramiko.SSHException, OSError, EOFError):
                transport.close()

    def target(self, **changed: object) -> SSHTarget:
        values: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "key_path": self.folder / "id_rsa",
            **changed,
        }
        return SSHTarget(**values)  # type: ignore[arg-type]

    @property
    def pin_path(self) -> Path:
        return self.folder / "known_hosts"


class _SFTPServer(paramiko.SFTPServer):
    """Says how it ended, as OpenSSH's does: scp leaves with an error otherwise."""

    def start_subsystem(
        self, name: str, transport: paramiko.Transport, channel: paramiko.Channel
    ) -> None:
        try:
            super().start_subsystem(name, transport, channel)
        finally:
            channel.send_exit_status(0)


class Files(paramiko.SFTPServerInterface):
    """The files of this machine."""

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle:
        handle = paramiko.SFTPHandle(flags)
        try:
            descriptor = os.open(path, flags, attr.st_mode or 0o666)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)  # type: ignore[return-value]
        if flags & (os.O_WRONLY | os.O_RDWR):
            handle.writefile = os.fdopen(descriptor, "wb")  # type: ignore[attr-defined]
        else:
            handle.readfile = os.fdopen(descriptor, "rb")  # type: ignore[attr-defined]
        handle.stat = lambda: self.stat(path)  # type: ignore[method-assign]
        handle.filename = path  # type: ignore[attr-defined]

        def chattr(attr: paramiko.SFTPAttributes) -> int:
            if handle.writefile:  # type: ignore[attr-defined]
                handle.writefile.flush()  # type: ignore[attr-defined]
            return self.chattr(path, attr)

        handle.chattr = chattr  # type: ignore[method-assign]
        return handle

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(Path(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def canonicalize(self, path: str) -> str:
        return str(Path(path).absolute())

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name)
                for entry in Path(path).iterdir()
            ]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        # paramiko empties a file whose size it sets
        flags: int = attr._flags  # type: ignore[attr-defined]
        size = attr.st_size if flags & attr.FLAG_SIZE else None
        attr._flags = flags & ~attr.FLAG_SIZE  # type: ignore[attr-defined]
        paramiko.SFTPServer.set_file_attr(path, attr)
        if size is not None:
            os.truncate(path, size)
        return SFTP_OK

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        Path(path).mkdir(attr.st_mode or 0o777)
        return SFTP_OK


@pytest.fixture(scope="session")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "id_rsa"
    ensure_key_pair(path, "dev1")
    return path


@pytest.fixture
def server(tmp_path: Path, key_pair: Path) -> Iterator[LoopbackServer]:
    folder = tmp_path / "dev1"
    folder.mkdir()
    shutil.copy(key_pair.with_suffix(".pub"), folder)
    write_private(folder / key_pair.name, key_pair.read_bytes())
    public = (folder / "id_rsa.pub").read_text().split()[1]
    this = LoopbackServer(folder, paramiko.ECDSAKey.generate(), authorized={public})
    listening = socket.create_server(("127.0.0.1", 0))
    this.port = listening.getsockname()[1]
    serving = threading.Thread(target=this.serve, args=(listening,), daemon=True)
    serving.start()
    yield this
    this.ended = True
    for transport in this.transports:
        transport.close()
    # one that still accepts would take a connection to the next server, whose socket may get
    # the number of this one
    with socket.create_connection(("127.0.0.1", this.port)):
        serving.join(10)
    listening.close()
