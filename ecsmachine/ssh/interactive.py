"""A person's SSH session: a shell, or a command whose output streams through."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecsmachine.errors import MachineError, ReaderGoneError, UsageError
from ecsmachine.ssh import host_keys, kept, openssh, sharing, tethered
from ecsmachine.ssh.connection import SSHError, connect, shown_host_key
from ecsmachine.ssh.kept import CONNECTION_FAILED
from ecsmachine.ssh.private_files import check_login_key
from ecsmachine.ssh.route import check_route
from ecsmachine.ssh.steps import log_step
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.system import programs, streams, terminal

if TYPE_CHECKING:
    from ecsmachine.ssh.library import Channel

_CHUNK = 65536
_BEGIN_TIMEOUT_S = 60.0


class NotConnectedError(Exception):
    """The ssh program cannot connect; holds what it said."""

    def __init__(self, said: bytes):
        super().__init__(said)
        self.said = said


@contextlib.contextmanager
def ssh_command(
    target: SSHTarget,
    pin_path: Path,
    command: Sequence[str] = (),
    *,
    keep: sharing.Persistence | None = None,
) -> Iterator[list[str]]:
    """Give the arguments for OpenSSH's ``ssh``, for a block; the host key must be the pinned one.

    With ``keep`` the connection is shared with other commands, and kept for a while after the
    last of them; not if there are options of ssh.

    The user's own SSH configuration stays out of it, and ``command`` may begin with options of
    ssh (``-L 8080:localhost:80``, ``-t``), both as in Docker Machine. Raises
    :class:`~ecsmachine.errors.MachineError` for a login that ssh would take for something else.
    """
    host = openssh.KnownHost(target, pin_path)
    if target.jump:  # what its host is logged in to with is in no option of a command line
        with openssh.configuration_file([host]) as path:
            words = [programs.executable("ssh"), "-F", str(path), host.alias]
            log_step("running %s", " ".join(words))
            yield [*words, *command]
        return
    words = openssh.words(host)
    if command and command[0].startswith("-"):
        keep = None
    with sharing.shared(host, words, keep) as shared:
        if shared.failure is not None:
            raise NotConnectedError(shared.failure)
        own = (f"-o{name}={value}" for name, value in shared.options.items())
        words[-1:-1] = own
        if shared.socket_path is not None:
            kept.remember(
                str(pin_path.absolute()), str(target.key_path), str(shared.socket_path), words
            )
        log_step("running %s", " ".join(words))
        yield [*words, *command]


def run_session(
    target: SSHTarget,
    pin_path: Path,
    command: Sequence[str] = (),
    *,
    native: bool = False,
    keep: sharing.Persistence | None = None,
) -> int:
    """Run a shell, or ``command``, on the host and return its exit status.

    Uses the ssh program if there is one, unless ``native``; ``keep`` as for
    :func:`ssh_command`. The words of ``command`` are joined
    by blanks and read by the remote shell, as ssh does; options of ssh may stand before them.
    :data:`CONNECTION_FAILED` comes back from the ssh program when it cannot connect; the native
    client raises :class:`~ecsmachine.ssh.connection.SSHError`, and
    :class:`~ecsmachine.errors.UsageError` for options, which it has none of. Both raise
    :class:`~ecsmachine.ssh.host_keys.HostKeyChangedError`.
    """
    if not target.jump:
        check_route(target.host)
    if not native and target.password is None and programs.find("ssh"):
        if target.key_path:
            check_login_key(target.key_path)
        interrupts: list[int] = []
        try:
            with ssh_command(target, pin_path, command, keep=keep) as words:
                shared = any(word.startswith("-oControlPath=") for word in words)
                status = tethered.run(words, interrupts=interrupts, may_outlive_us=shared)
        except NotConnectedError as error:
            _write(streams.writer(sys.stderr.fileno()), error.said)
            status = CONNECTION_FAILED
        status = kept.told_status(status, interrupted=bool(interrupts))
        if status == CONNECTION_FAILED:
            check_host_key(target, pin_path)
        return status
    command = _without_options(command)
    from ecsmachine.ssh.library import SSHException

    with connect(target, pin_path) as connection:
        channel = connection.open_channel()
        with connection.limited(_BEGIN_TIMEOUT_S):
            if command:
                # whatever bytes the words are of, as the ssh program hands them on
                channel.exec_command(os.fsencode(" ".join(command)))
            elif sys.stdin.isatty():
                size = shutil.get_terminal_size()
                channel.get_pty("xterm-256color", size.columns, size.lines)
            if not command:
                channel.invoke_shell()
        try:
            return (
                _stream(channel) if command or not sys.stdin.isatty() else _run_on_terminal(channel)
            )
        except (SSHException, EOFError) as error:
            raise connection.lost(error) from error


def check_host_key(target: SSHTarget, pin_path: Path) -> None:
    """Look whether a host key that has changed is why a program of OpenSSH could not connect.

    They do not say so in their status. Raises
    :class:`~ecsmachine.ssh.host_keys.HostKeyChangedError`.
    """
    if host_keys.pinned(pin_path):
        with contextlib.suppress(SSHError):
            shown = shown_host_key(target, pin_path)
            host_keys.PinnedKey(pin_path).check(target.host, shown)


def _without_options(command: Sequence[str]) -> Sequence[str]:
    """Return the words of a command. Raises :class:`UsageError` if options come before them."""
    if command[:1] == ["--"]:
        return command[1:]
    if command and command[0].startswith("-"):
        raise UsageError(
            f"{command[0]} is an option of the ssh program, which this login does not use",
            hint="ecsmachine uses that program for logins by key, if it is installed, without "
            "--native-ssh.",
        )
    return command


def _run_on_terminal(channel: Channel) -> int:
    """Carry a shell on our terminal, which passes every key on."""

    def resize() -> None:
        size = shutil.get_terminal_size()
        channel.resize_pty(size.columns, size.lines)

    with terminal.raw(resize):
        return _stream(channel)


def _stream(channel: Channel) -> int:
    """Carry standard input, output and error between this process and the channel.

    A block at a time in every direction: neither output without end nor a host that does not
    read what is typed holds up the other.
    """
    typing = terminal.Typing(sys.stdin.fileno())
    output, errors = (streams.writer(each.fileno()) for each in (sys.stdout, sys.stderr))
    unsent, open_input = b"", True
    while True:
        wanted: list[Any] = [channel, *([typing] if open_input and not unsent else [])]
        readable, _, _ = select.select(wanted, [], [], 0.01 if unsent else 0.1)
        if typing in readable:
            unsent = typing.read(_CHUNK)
            if not unsent:
                channel.shutdown_write()
                open_input = False
        # asked before the outputs are emptied: what comes with the end is in them by then
        ended = channel.closed or (channel.exit_status_ready() and channel.eof_received)
        moved = False
        if unsent and channel.send_ready():
            unsent, open_input = _sent(channel, unsent)
            moved = True
        if channel.recv_ready():
            _write(output, channel.recv(_CHUNK))
            moved = True
        if channel.recv_stderr_ready():
            _write(errors, channel.recv_stderr(_CHUNK))
            moved = True
        if not moved and ended:
            status = channel.recv_exit_status()
            # none comes if a signal has ended the command, or the connection is lost
            # one may have 32 bits (RFC 4254, 6.10), and a program can leave with no more than 8
            return min(status, CONNECTION_FAILED) if status >= 0 else CONNECTION_FAILED


def _sent(channel: Channel, content: bytes) -> tuple[bytes, bool]:
    """Send what was typed; return what is left of it, and whether more is wanted.

    A command that has ended, as ``head -1`` does, takes no more.
    """
    try:
        return content[channel.send(content) :], True
    except OSError:
        return b"", False


def _write(write: Callable[[memoryview], int], content: bytes) -> None:
    rest = memoryview(content)
    try:
        while len(rest):
            rest = rest[write(rest) :]
    except OSError as error:
        kind = ReaderGoneError if isinstance(error, ConnectionError) else MachineError
        raise kind(f"What the host sent cannot be written: {error.strerror}") from error
