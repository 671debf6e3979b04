"""One connection of OpenSSH's for all that is done on a host within a minute (ControlMaster).

Its master runs apart from the command that began it, with its streams on /dev/null: who reads
that command's output waits for nothing else. Its socket is in a folder of the user's own in
/tmp, as the path of a socket has 104 bytes at most.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.ssh import kept
from ecsmachine.ssh.openssh import KnownHost
from ecsmachine.ssh.target import SSHTarget

_ANSWER_TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shared:
    """What a program of OpenSSH is to use: a socket, if there is one.

    ``failure`` is what ssh said where the host cannot be connected to.
    """

    socket_path: Path | None = None
    failure: bytes | None = None

    @property
    def options(self) -> dict[str, str]:
        """The options, as ssh_config(5) has them."""
        if self.socket_path is None:
            return {}
        return {"ControlMaster": "no", "ControlPath": str(self.socket_path)}


@dataclass(frozen=True)
class Persistence:
    """For how long a connection is kept when it is not used, and what its program may know."""

    seconds: int
    environment: Mapping[str, str]


def persistence(environment: Mapping[str, str]) -> Persistence:
    """Return how connections are kept. Raises :class:`UsageError`."""
    return Persistence(kept.persist_s(environment), environment)


@contextlib.contextmanager
def shared(host: KnownHost, words: list[str], keep: Persistence | None) -> Iterator[Shared]:
    """Give the connection to share with others for the length of a block, begun if need be.

    ``words`` are those of ssh that log in. There is none without ``keep``, to a host that is
    reached through another, with keys of the agent alone, or unasked as another user than root.
    """
    target = host.target
    can = keep is not None and keep.seconds and target.key_path and not target.jump
    folder = _folder() if can else None
    if keep is None or folder is None or not kept.may_share(target.user, keep.environment):
        yield Shared()
        return
    path = folder / _name(target, host.pin_path)
    lock = kept.open_lock(str(path))
    try:
        yield _begun(path, lock, words, keep) if kept.take_session(lock) else Shared()
    finally:
        os.close(lock)


def close(pin_path: Path, *, at_once: bool = False) -> None:
    """Close what is shared to a machine: when its last command has ended, or ``at_once``."""
    folder = _folder(make=False)
    if folder is None:
        return
    machine = _machine(pin_path)
    _close(folder.glob(f"{machine}.*[0-9a-f]"), at_once=at_once)
    if at_once:
        for lock in folder.glob(f"{machine}.*.lock"):
            lock.unlink(missing_ok=True)
        kept.forget(str(pin_path.absolute()))


def _close(paths: Iterator[Path], *, at_once: bool) -> None:
    how = "exit" if at_once else "stop"
    for path in paths:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["ssh", *("-F", "/dev/null"), *("-O", how), *("-S", str(path)), "host"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_ANSWER_TIMEOUT_S,
                check=False,
            )
        with contextlib.suppress(OSError):
            path.unlink()


def _begun(path: Path, lock: int, words: list[str], keep: Persistence) -> Shared:
    """Return the connection, begun if it is not there."""
    if not kept.is_served(str(path)):
        # what led to a former address of the machine leads nowhere, or to another host
        machine, address, _ = path.name.split(".")
        others = path.parent.glob(f"{machine}.*[0-9a-f]")
        _close((each for each in others if each.name.split(".")[1] != address), at_once=False)
    said, connection = kept.begin(lock, str(path), words, keep.environment, seconds=keep.seconds)
    if connection is not None:
        connection.close()
    if said is None:
        return Shared(path)
    # a passphrase may be asked for, which only a command with a terminal can
    return Shared() if kept.DENIED in said else Shared(failure=said)


def _folder(*, make: bool = True) -> Path | None:
    """Return the folder of the user's sockets; None if somebody else could be behind it."""
    found = kept.folder(make=make)
    if found is None and make:
        _log.debug("%s has no folder of ours alone: no connection is shared", kept.BASE)
    return Path(found) if found else None


def _name(target: SSHTarget, pin_path: Path) -> str:
    """Return a name for each machine of each store, its address, and the login there."""
    address = _hashed(target.host, target.port)
    return f"{_machine(pin_path)}.{address}.{_hashed(target.user, target.key_path)}"


def _machine(pin_path: Path) -> str:
    return _hashed(pin_path.absolute())


def _hashed(*values: object) -> str:
    return hashlib.sha256(repr([str(value) for value in values]).encode()).hexdigest()[:12]
