"""One SSH connection to a host, over which many commands run (paramiko)."""

from __future__ import annotations

import contextlib
import logging
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.documents.rules import address_of
from ecsmachine.errors import MachineError
from ecsmachine.ssh.command_line import for_every_shell
from ecsmachine.ssh.command_result import CommandResult, KeptEnd, ending
from ecsmachine.ssh.host_keys import PinnedKey
from ecsmachine.ssh.stream import open_stream
from ecsmachine.ssh.target import SSHTarget

if TYPE_CHECKING:
    from ecsmachine.ssh.known_hosts import KnownHosts
    from ecsmachine.ssh.library import Channel, PKey
    from ecsmachine.ssh.login import LoginEndedError
    from ecsmachine.ssh.sftp import SftpSession
    from ecsmachine.ssh.transport import BoundedTransport

_CHUNK = 65536
_OUTPUT_AFTER_END_S = 1.0
_LONGEST_OUTPUT_AFTER_END_S = 30.0
_GRACE_S = 5.0
_SESSION_TIMEOUT_S = 30
_UPLOAD_TIMEOUT_S = 60.0
_KEEP_ALIVE_S = 60
_LONGEST_REASON = 200
_HANDSHAKE_TIMEOUT_S = 30.0
_LOG_CHANNEL = "ecsmachine.ssh.transport"
_log = logging.getLogger(__name__)


class SSHError(MachineError):
    """The host cannot be reached over SSH, or the connection was lost.

    ``printed`` is what a command that was under way had printed by then.
    """

    printed: CommandResult | None = None


class AuthenticationError(SSHError):
    """The host is there, but does not accept the login."""


class Connection:
    """A host, logged in to. Leave it with :meth:`close`, or use it as a context manager."""

    def __init__(self, transport: BoundedTransport, target: SSHTarget):
        self._transport = transport
        self._target = target
        self._sftp: SftpSession | None = None
        self._mark = f"ecsmachine-{secrets.token_hex(8)}"

    @property
    def user(self) -> str:
        """The user that commands run as."""
        return self._target.user

    def run(
        self,
        command: str,
        *,
        stdin: bytes | None = None,
        timeout_s: float | None = None,
        login_shell: bool = False,
    ) -> CommandResult:
        """Run a shell command line and wait for its end; the last 4 MiB of each output are kept.

        It is for ``sh``, or with ``login_shell`` for the shell of the user that logs in.
        What that shell itself prints before it (a ``.bashrc`` may greet) is left out.
        Raises :class:`SSHError` when the connection is lost or ``timeout_s`` is over.
        """
        command = command if login_shell else for_every_shell(command)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        output, errors = KeptEnd(), KeptEnd()
        try:
            with self.limited(None if timeout_s is None else timeout_s + _GRACE_S):
                channel = self.open_channel()
                try:
                    channel.exec_command(f"echo {self._mark}; {command}")
                    status = self._exchange(channel, stdin or b"", deadline, output, errors)
                finally:
                    with contextlib.suppress(Exception):  # what ended the command is to be told
                        channel.close()
        except SSHError as error:
            error.printed = CommandResult(-1, self._of_the_command(output), errors.text())
            raise
        return CommandResult(status, self._of_the_command(output), errors.text())

    def sftp(self) -> SftpSession:
        """Return the connection's SFTP session, opened at first use.

        Raises :class:`SSHError` if the host offers none.
        """
        from ecsmachine.ssh.sftp import SftpSession

        if self._sftp is None:
            with self.limited(_UPLOAD_TIMEOUT_S):
                channel = self.open_channel()
                channel.invoke_subsystem("sftp")
                self._sftp = SftpSession(channel)
        return self._sftp

    def open_channel(self) -> Channel:
        """Open a session on the connection, for one command or a shell."""
        with self.limited(None):
            return self._transport.open_session(timeout=_SESSION_TIMEOUT_S)

    def open_way(self, host: str, port: int) -> Channel:
        """Open a connection from the host to a port that it reaches (``direct-tcpip``).

        Raises :class:`SSHError` if there is none.
        """
        from ecsmachine.ssh.library import ChannelException

        where = address_of(host, port)
        try:
            return self._transport.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=_SESSION_TIMEOUT_S
            )
        except ChannelException as error:
            raise SSHError(
                f"{self._target.host} cannot connect to {where}: {error.text}"
            ) from error
        except Exception as error:  # paramiko raises whatever it met in what the host sent
            raise SSHError(f"{self._target.host}: {where}: {_reason(error)}") from error

    def keep_alive(self) -> None:
        """Send something now and then, so that a connection which is gone is noticed."""
        self._transport.set_keepalive(_KEEP_ALIVE_S)

    @property
    def is_open(self) -> bool:
        """Whether the connection has not ended."""
        return self._transport.is_active()

    @contextlib.contextmanager
    def limited(self, seconds: float | None) -> Iterator[None]:
        """Cut the connection if the block, which asks the host for something, takes longer.

        paramiko waits for ever for some answers, and raises whatever it met in what the host
        sent: all of it becomes an :class:`SSHError`.
        """
        timer = None if seconds is None else threading.Timer(seconds, self._transport.close)
        begun = time.monotonic()
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            yield
        except MachineError:
            raise
        except Exception as error:
            if seconds is not None and time.monotonic() - begun >= seconds:
                raise SSHError(f"{self._target.host} did not answer in time") from error
            raise self.lost(error) from error
        finally:
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()
        _log.debug("%s: %d turns over SSH", _where(self._target), self.turns)

    @property
    def turns(self) -> int:
        """How often the host's answer was waited for, the handshake's included."""
        return self._transport.turns

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(
        self,
        channel: Channel,
        stdin: bytes,
        deadline: float | None,
        output: KeptEnd,
        errors: KeptEnd,
    ) -> int:
        """Feed a command, collect both of its outputs, whichever comes first; return its status."""
        unsent = memoryview(stdin)
        if not stdin:
            channel.shutdown_write()
        ended_at: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(channel.fileno(), selectors.EVENT_READ)
            while True:
                moved = False
                # asked before the outputs are emptied: what comes with the end is in them by then
                ended, at_end = channel.exit_status_ready(), channel.eof_received
                if unsent and channel.send_ready():
                    unsent = unsent[channel.send(bytes(unsent[:_CHUNK])) :]
                    moved = True
                    if not unsent:
                        channel.shutdown_write()
                if channel.recv_stderr_ready():
                    errors.add(channel.recv_stderr(_CHUNK))
                    moved = True
                if channel.recv_ready():
                    output.add(channel.recv(_CHUNK))
                    moved = True
                now = time.monotonic()
                late = deadline is not None and now >= deadline
                if ended:
                    ended_at = ended_at or now
                    # a process in the background may hold the outputs open, or fill them, for ever
                    patience_s = _OUTPUT_AFTER_END_S if not moved else _LONGEST_OUTPUT_AFTER_END_S
                    if (at_end and not moved) or late or now - ended_at > patience_s:
                        break
                elif late:
                    raise SSHError(
                        f"A command on {self._target.host} did not finish in time",
                        details=ending(self._of_the_command(output) + errors.text()) or None,
                    )
                if moved:
                    continue
                if not self._transport.is_active():
                    raise self.lost(EOFError("the host closed it"))
                if channel.eof_received:
                    channel.status_event.wait(0.05)  # readable for ever, all the same
                else:
                    selector.select(0.01 if unsent else 0.1)
        status = channel.recv_exit_status()
        if status < 0:
            raise SSHError(f"A command on {self._target.host} was killed by a signal")
        return status

    def _of_the_command(self, output: KeptEnd) -> str:
        text = output.text()
        return text.partition(f"{self._mark}\n")[2] if self._mark in text else text

    def lost(self, error: BaseException) -> SSHError:
        """Return the error for a connection, or a session on it, that has ended too early."""
        # why paramiko's thread has ended says more than that it has
        reason = _reason(self._transport.get_exception() or error)
        return SSHError(f"The SSH connection to {self._target.host} was lost: {reason}")


def _reason(error: BaseException) -> str:
    """Return what paramiko says of a failure, which may quote what the host has sent."""
    text = str(getattr(error, "strerror", None) or error)
    return " ".join(text.split())[:_LONGEST_REASON] or "the host closed it"


def connect(
    target: SSHTarget,
    pin_path: Path,
    *,
    timeout_s: float = 10.0,
    handshake_timeout_s: float = _HANDSHAKE_TIMEOUT_S,
) -> Connection:
    """Log in to a host whose key is pinned in ``pin_path``. As :func:`authenticated`."""
    identity = PinnedKey(pin_path)
    transport = authenticated(
        target, identity, timeout_s=timeout_s, handshake_timeout_s=handshake_timeout_s
    )
    return Connection(transport, target)


def authenticated(
    target: SSHTarget,
    identity: PinnedKey | KnownHosts,
    *,
    timeout_s: float = 10.0,
    handshake_timeout_s: float = _HANDSHAKE_TIMEOUT_S,
) -> BoundedTransport:
    """Return a connection to a host that is who it shall be, and has let us in.

    The host has ``timeout_s`` to take the connection, and then ``handshake_timeout_s`` to say
    who it is: a small or busy one takes its time over that.
    ``identity`` is what is known of its key: the types that it is asked for first, and a check.
    Tries the key, then the password; with neither, the agent's keys and those of ``~/.ssh``.
    Raises :class:`SSHError`, :class:`AuthenticationError`, :class:`KeyFileError`,
    :class:`~ecsmachine.ssh.host_keys.HostKeyChangedError` or
    :class:`~ecsmachine.ssh.route.NoGuestError`; and what the jump host's connection does.
    """
    from ecsmachine.ssh.library import paramiko
    from ecsmachine.ssh.login import LoginEndedError, log_in, login_key

    key = login_key(target)
    where = _where(target)
    sock = _open(target, timeout_s)
    transport: BoundedTransport | None = None
    try:
        transport = _transport(sock, identity, handshake_timeout_s)
        transport.auth_timeout = 30
        transport.start_client(timeout=handshake_timeout_s)
        identity.check(target.host, transport.get_remote_server_key())
        log_in(transport, target, key)
        transport.set_keepalive(15)
    except paramiko.AuthenticationException as error:
        _close(transport, sock)
        raise AuthenticationError(
            f'{where} does not accept the login of "{target.user}" with {_ways_tried(target)}',
            hint="Check the user, and the key or the password, of the machine.",
        ) from error
    except LoginEndedError as error:
        _close(transport, sock)
        raise _ended(where, target, error) from error
    except BaseException as error:
        _close(transport, sock)
        if isinstance(error, MachineError) or not isinstance(error, Exception):
            raise
        # paramiko raises whatever it met in what the host sent
        raise SSHError(f"SSH does not answer at {where}: {_reason(error)}") from error
    _log.debug("%s: logged in as %s", where, target.user)
    return transport


def _ended(where: str, target: SSHTarget, error: LoginEndedError) -> SSHError:
    """Return the error for a host that ended the connection while it was logged in to."""
    said = f": {error}" if str(error) else ""
    if not said and not error.refused:  # it may be on its way down, or up
        return SSHError(
            f"SSH does not answer at {where}: the connection was closed during the login"
        )
    tries = f" after {error.refused} {'key' if error.refused == 1 else 'keys'}"
    several = error.refused > 1
    return AuthenticationError(
        f'{where} ended the login of "{target.user}"{tries if error.refused else ""}{said}',
        hint="It accepts only that many tries: name the right key, or have fewer keys in the SSH "
        "agent (ssh-add -d)."
        if several
        else None,
    )


def shown_host_key(target: SSHTarget, pin_path: Path, *, timeout_s: float = 10.0) -> PKey:
    """Return the key that a host shows, of the pinned type if it has one; nobody logs in.

    Raises :class:`SSHError` if the host does not answer.
    """
    sock = _open(target, timeout_s)
    transport: BoundedTransport | None = None
    try:
        transport = _transport(sock, PinnedKey(pin_path), _HANDSHAKE_TIMEOUT_S)
        transport.start_client(timeout=_HANDSHAKE_TIMEOUT_S)
        return transport.get_remote_server_key()
    except Exception as error:
        raise SSHError(f"SSH does not answer at {_where(target)}: {_reason(error)}") from error
    finally:
        _close(transport, sock)


def _where(target: SSHTarget) -> str:
    through = f" (through {target.jump.target.name})" if target.jump else ""
    return f"{address_of(target.host, target.port)}{through}"


def _open(target: SSHTarget, timeout_s: float) -> socket.socket:
    try:
        return open_stream(target.host, target.port, jump=target.jump, timeout_s=timeout_s)
    except OSError as error:
        said = error.strerror or error or "no answer in time"
        raise SSHError(f"SSH does not answer at {_where(target)}: {said}") from error


def _transport(
    sock: socket.socket, identity: PinnedKey | KnownHosts, timeout_s: float
) -> BoundedTransport:
    from ecsmachine.ssh.transport import BoundedTransport

    transport = BoundedTransport(sock)
    # paramiko logs what it raises as well, with a traceback
    logging.getLogger(_LOG_CHANNEL).setLevel(logging.CRITICAL)
    transport.set_log_channel(_LOG_CHANNEL)
    transport.banner_timeout = timeout_s
    transport.handshake_timeout = timeout_s
    _prefer(transport, identity.types())
    return transport


def _prefer(transport: BoundedTransport, types: Sequence[str]) -> None:
    """Ask for the types of host key that are known, else a host with several would look changed."""
    options = transport.get_security_options()
    # an RSA key is asked for by the signature algorithms that use it
    rsa = ("rsa-sha2-512", "rsa-sha2-256") if "ssh-rsa" in types else ()
    first = [name for name in options.key_types if name in types or name in rsa]
    options.key_types = (*first, *(name for name in options.key_types if name not in first))


def _ways_tried(target: SSHTarget) -> str:
    ways = []
    if target.key_path:
        ways.append(f"the key {target.key_path}")
    if target.password is not None:
        ways.append("the password")
    return " or ".join(ways) or "the keys of the SSH agent and of ~/.ssh"


def _close(transport: BoundedTransport | None, sock: socket.socket) -> None:
    if transport is not None:
        transport.close()
    sock.close()
