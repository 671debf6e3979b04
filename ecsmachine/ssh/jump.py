"""A host through which others are reached (``ssh -J``): one connection carries all of them."""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

from ecsmachine.documents.rules import JUMP, address_of
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.ssh.connection import AuthenticationError, SSHError, authenticated
from ecsmachine.ssh.known_hosts import KnownHosts, users_files
from ecsmachine.ssh.target import SSHTarget

if TYPE_CHECKING:
    from ecsmachine.ssh.library import Channel, Transport

_PROHIBITED = 1
"""SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254, 5.1)."""

_CHUNK = 65536


class JumpError(MachineError):
    """The jump host cannot be used; waiting does not mend it."""


def target_of(text: str) -> SSHTarget:
    """Return the login that ``USER@HOST[:PORT]`` names. Raises :class:`UsageError` for another."""
    if not JUMP.fits(text):
        raise UsageError(
            f'--ssh-jump (ECSMACHINE_SSH_JUMP): "{text}" is not {JUMP.what}',
            hint="Write it as me@bastion.example.com.",
        )
    user, _, where = text.rpartition("@")
    host, _, port = where.rpartition(":")
    if where.startswith("["):
        host, port = where[1:].partition("]")[::2]
        port = port.removeprefix(":")
    elif ":" in host or not host:  # an IPv6 address, or a host alone
        host, port = where, ""
    return SSHTarget(host, int(port or 22), user)


class JumpHost:
    """A jump host, logged in to at first use with the keys of the agent and of ``~/.ssh``.

    ``target`` is the login on the jump host itself, ``known_hosts`` the files that know its key.
    """

    def __init__(self, target: SSHTarget, own_known_hosts: Path):
        """A host key that no file of the user knows is written into ``own_known_hosts``."""
        self.target = target
        self.known_hosts = [own_known_hosts, *users_files()]
        self._lock = Lock()
        self._transport: Transport | None = None

    def open(self, host: str, port: int, *, timeout_s: float) -> socket.socket:
        """Return a connection to a port that the jump host reaches (``direct-tcpip``)."""
        from ecsmachine.ssh.library import paramiko

        transport = self._connected(timeout_s)
        try:
            channel = transport.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=timeout_s
            )
        except paramiko.ChannelException as error:
            if error.code == _PROHIBITED:
                raise JumpError(
                    f"The jump host {self.target.name} does not forward to "
                    f"{address_of(host, port)}",
                    hint="Its sshd_config may have AllowTcpForwarding no, or PermitOpen.",
                ) from error
            said = "the jump host cannot connect to it"
            raise OSError(errno.ECONNREFUSED, said) from error
        except Exception as error:  # paramiko raises whatever it met in what the host sent
            said = "the jump host's connection was lost" if not transport.is_active() else ""
            raise OSError(errno.ETIMEDOUT, said or "no answer in time") from error
        stream = _socket_of(channel)
        stream.settimeout(timeout_s)
        return stream

    def check(self) -> None:
        """Log in to the jump host, unless that is done."""
        self._connected(10.0)

    def _connected(self, timeout_s: float) -> Transport:
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                port = self.target.port
                name = self.target.host if port == 22 else f"[{self.target.host}]:{port}"
                try:
                    self._transport = authenticated(
                        self.target, KnownHosts(name, self.known_hosts), timeout_s=timeout_s
                    )
                except AuthenticationError as error:
                    raise JumpError(
                        f"The jump host {error.message}",
                        hint="Your own keys log in there: add the right one to the SSH agent "
                        "(ssh-add), and not too many others.",
                    ) from error
                except SSHError as error:
                    raise SSHError(f"The jump host cannot be used: {error.message}") from error
            return self._transport


def _socket_of(channel: Channel) -> socket.socket:
    """Return a socket whose other end is the channel: TLS and select need one."""
    ours, theirs = socket.socketpair()

    def end() -> None:
        channel.close()
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)

    def send() -> None:
        with contextlib.suppress(Exception):
            while data := theirs.recv(_CHUNK):
                channel.sendall(data)
        end()
        theirs.close()

    def receive() -> None:
        with contextlib.suppress(Exception):
            while data := channel.recv(_CHUNK):
                theirs.sendall(data)
        end()

    for work in (send, receive):
        Thread(target=work, daemon=True).start()
    return ours
