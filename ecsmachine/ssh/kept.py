"""The login to a machine whose connection is kept: how ssh is told to use it, at no weight.

What was once made of a machine's configuration holds as long as the configuration is the same
file; it is written down beside the connection's socket (:mod:`ecsmachine.ssh.sharing`).
"""

from __future__ import annotations

import binascii
import os
import signal
import stat
import sys

from ecsmachine.errors import INTERRUPTED, ReaderGoneError, UsageError
from ecsmachine.system import between, files, masters, signals, streams, tethers

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping, Sequence

BASE = "/tmp"  # noqa: S108 (the folder in it is looked at before it is used)
VARIABLE = "MACHINE_SSH_CONTROL_PERSIST"
"""The variable that says for how many seconds a connection is kept; 0 is for none."""

PERSIST_S = 60
"""For how long a connection is kept when it is not used, in seconds, if nothing else is said."""

MOST_SESSIONS = 8
"""How many commands share a connection; sshd allows ten (MaxSessions)."""

CONNECTION_FAILED = 255
"""What the ssh program leaves with when it cannot connect, or is interrupted."""

DENIED = b"Permission denied"
"""What ssh says of a key that it would have to ask the passphrase of, too."""

_DIAL = os.path.join(os.path.dirname(masters.__file__), "dial.py")
_DIALLING = '"$ECSMACHINE_PYTHON" -ISs "$ECSMACHINE_DIAL" %h %p "$ECSMACHINE_TO"'

_SECRET = ("SECRET", "PASSWORD", "PASSPHRASE", "TOKEN")
_LONGEST_PERSIST_S = 86400
_ALIVE_EVERY_S = 5
_LONGEST = 64 * 1024
_ANSWER_TIMEOUT_S = 5.0


def persist_s(environment: Mapping[str, str]) -> int:
    """Return for how long a connection is kept when it is not used, in seconds.

    Raises :class:`UsageError`.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return PERSIST_S
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= _LONGEST_PERSIST_S):
        raise UsageError(
            f'{VARIABLE}: "{text}" is not a number of seconds up to {_LONGEST_PERSIST_S}',
            hint="0 keeps no connections.",
        )
    return int(text)


def may_share(user: str, environment: Mapping[str, str]) -> bool:
    """Whether commands of a user share a connection: those of root, or of all if that is asked.

    sshd gives all sessions of a connection the groups that the user had at its login, and scripts
    run ``usermod -aG`` in one command and use the group in the next.
    """
    return user == "root" or bool(environment.get(VARIABLE, "").strip())


def folder(*, make: bool = False) -> str | None:
    """Return the folder of the user's sockets; None if somebody else could be behind it."""
    user = files.user_id()
    if user is None:  # Windows' OpenSSH shares no connections
        return None
    path = f"{BASE}/ecsmachine-ssh-{user}"
    try:
        if make:
            try:
                files.make_folder(path)
            except FileExistsError:
                pass
        status = os.lstat(path)
    except OSError:
        return None
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == user
    return path if ours and not stat.S_IMODE(status.st_mode) & 0o077 else None


def remember(pin_path: str, key_path: str, socket_path: str, words: Sequence[str]) -> None:
    """Write down with which words ssh uses a socket, for :func:`run`."""
    seen, place = _configuration(pin_path), folder()
    if seen is None or place is None:
        return
    content = "\0".join((pin_path, seen, key_path, socket_path, *words))
    path = _record(place, pin_path)
    if _read(path) == content:
        return
    temporary = f"{path}.{os.getpid()}"
    try:
        descriptor = files.create(temporary, 0o600)
        try:
            os.write(descriptor, os.fsencode(content))
        finally:
            os.close(descriptor)
        files.move(temporary, path)
    except OSError:
        return


def forget(pin_path: str) -> None:
    """Remove what :func:`remember` wrote down of a machine."""
    place = folder()
    if place is not None:
        _remove(_record(place, pin_path))


def run(
    pin_path: str, command: Sequence[str], environment: Mapping[str, str], *, seconds: int
) -> int | None:
    """Run a shell, or a command, over the connection that is kept, and return its status.

    One that has ended is begun again, and kept for so many seconds; :data:`CONNECTION_FAILED`
    if the host cannot be connected to. None, and nothing was run, if it is not known how, or
    anything is not as it was. Raises ``KeyboardInterrupt`` if this process was told to end.
    """
    place = folder()
    content = _read(_record(place, pin_path)) if place else ""
    pin, seen, key_path, socket_path, *words = [*content.split("\0"), "", "", "", ""]
    words = words[:-4]
    if not may_share(words[-1].partition("@")[0] if words else "", environment):
        return None
    if pin != pin_path or seen != _configuration(pin_path) or not _is_private(key_path):
        return None
    try:
        lock = open_lock(socket_path)
    except OSError:
        return None
    try:
        if not take_session(lock):
            return None
        said, connection = begin(lock, socket_path, words, environment, seconds=seconds)
        if said is None:
            return _run([*words, *command], environment, connection)
        if DENIED in said:
            return None
        os.write(2, said)
        return CONNECTION_FAILED
    except OSError:  # no ssh program, no room
        return None
    finally:
        os.close(lock)


def begin(
    lock: int,
    socket_path: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    seconds: int,
) -> tuple[bytes | None, _socket.socket | None]:
    """Begin the connection unless it is there; return what ssh says if that cannot be.

    The second is the connection that was made, for the caller to close. ``words`` are those of
    ssh that log in. One of several commands begins it, the others wait at the first byte of the
    ``lock`` file. Raises :class:`OSError`.
    """
    if is_served(socket_path):
        return None, None
    masters.take_byte(lock, 0, wait=True)
    said, letters = (f"{socket_path}.{os.getpid()}.{what}" for what in ("text", "dial"))
    try:
        if is_served(socket_path):
            return None, None
        for path in (socket_path, letters):  # of what was killed
            _remove(path)
        own = ["-f", "-N", "-M", "-S", socket_path, "-o", f"ControlPersist={seconds}"]
        own += ["-o", "BatchMode=yes", "-o", f"ServerAliveInterval={_ALIVE_EVERY_S}"]
        known = without_secrets(environment)
        if sys.executable and os.path.isfile(_DIAL):  # in an archive it is no program
            own += ["-o", "ProxyUseFdpass=yes", "-o", f"ProxyCommand={_DIALLING}"]
            known |= {"ECSMACHINE_PYTHON": sys.executable, "ECSMACHINE_DIAL": _DIAL}
            known |= {"ECSMACHINE_TO": letters, "SHELL": "/bin/sh"}
        box = masters.letter_box(letters)
        try:
            status = masters.wait(masters.start([words[0], *own, *words[1:]], known, said))
            connection, failure = masters.collect(box)
        finally:
            box.close()
        if status == 0 and is_served(socket_path):
            return None, connection
        if connection is not None:
            connection.close()
        # of a server that answers no more, ssh says nothing
        told = failure or os.fsencode(_read(said))
        return told or os.fsencode(f"SSH does not answer at {words[-1]}\n"), None
    finally:
        _remove(said)
        _remove(letters)
        masters.free_byte(lock, 0)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a process may have which goes on when the program has ended."""
    return {
        name: value
        for name, value in environment.items()
        if not any(word in name.upper() for word in _SECRET)
    }


def is_served(socket_path: str) -> bool:
    """Whether a master is behind a socket."""
    return masters.is_served(socket_path, _ANSWER_TIMEOUT_S)


def take_session(lock: int) -> bool:
    """Take one of the places of a connection, until the lock file is closed; False if all are."""
    return any(masters.take_byte(lock, byte) for byte in range(1, MOST_SESSIONS + 1))


def open_lock(socket_path: str) -> int:
    """Open the file whose first byte whoever begins holds, and one of the next who uses it.

    It stays as long as the machine runs: two that begin must not hold two of them. Raises
    :class:`OSError`.
    """
    return files.open_file(f"{socket_path}.lock", os.O_RDWR | os.O_CREAT, through_links=False)


def _run(
    words: list[str], environment: Mapping[str, str], connection: _socket.socket | None
) -> int | None:
    """Run ssh, which shares our terminal, and is passed on what asks us to end.

    At Ctrl-C it is asked twice, which is as once.
    """
    ended: list[int] = []
    child = 0

    def end(number: int, _frame: object) -> None:
        ended.append(number)
        if child:
            signals.pass_on(number, child)

    before = {number: signal.signal(number, end) for number in signals.that_end()}
    readers = between.Between()
    try:
        try:
            child = masters.start(words, environment, streams=readers.streams)
        except OSError:
            return None
        finally:
            readers.begun()
        with tethers.Tether(child):
            status = masters.wait(child, connection)
        child = 0  # its number may be another's soon
        readers.over(status, ended)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if connection is not None:
            connection.close()
    if any(number != signal.SIGINT for number in ended):
        raise KeyboardInterrupt
    return told_status(status, interrupted=bool(ended))


def told_status(status: int, *, interrupted: bool) -> int:
    """Return what to leave with where the ssh program has left with a status.

    Its 255 is for a host that cannot be connected to, but also for an interrupt, and for a
    command whose output nobody reads any more (``| head -1``): a shell has numbers for these.
    """
    if status != CONNECTION_FAILED:
        return status
    if interrupted:
        return INTERRUPTED
    return ReaderGoneError.exit_code if streams.has_lost_its_reader(1) else status


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _record(place: str, pin_path: str) -> str:
    return f"{place}/{binascii.crc32(os.fsencode(pin_path)):08x}.ssh"


def _read(path: str) -> str:
    try:
        descriptor = files.open_file(path, os.O_RDONLY, through_links=False, waiting=False)
    except OSError:
        return ""
    try:
        return os.fsdecode(os.read(descriptor, _LONGEST))
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _configuration(pin_path: str) -> str | None:
    """Return what tells one configuration of a machine from the next, and from its pinned key."""
    seen = []
    for path in (os.path.join(os.path.dirname(pin_path), "config.json"), pin_path):
        try:
            found = os.stat(path)
        except OSError:
            return None
        seen.append(f"{found.st_ino} {found.st_size} {found.st_mtime_ns}")
    return ", ".join(seen)


def _is_private(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and files.openness(path, status) is None
