"""The daemon as a process: one per folder, detached from its caller, with its own limits.

This is for Unix.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ecsmachine.localcloud.host.processes import ProcessId, identify
from ecsmachine.localcloud.host.settings import ELSEWHERE
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system import locks
from ecsmachine.system.files import is_open_at
from ecsmachine.system.os_errors import reason

_MANY_FILES = 65536


@contextmanager
def held(root: Path, *, make: bool = False) -> Iterator[None]:
    """Hold a cloud's folder against other commands that start or stop it."""
    while True:
        if make:
            _make(root)
        with locks.held(root) as descriptor:
            # The folder may have been removed and created again while we waited.
            if is_open_at(descriptor, root):
                yield
                return
            if not make:
                raise LocalCloudError("The local cloud was removed meanwhile.")


def _make(root: Path) -> None:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
    except OSError as error:
        raise LocalCloudError(
            f"The folder {root} cannot be made: {error.strerror}", hint=ELSEWHERE
        ) from None


def begin(
    program: Sequence[str], mark: str, log: Path, variables: Mapping[str, str], inherited: int
) -> ProcessId | None:
    """Start a program that outlives its caller; None if it has already ended.

    Its output goes to the ``log``. ``mark`` is an entry of its environment, as are the
    ``variables``; ``inherited`` is a descriptor that it inherits. Raises
    :class:`LocalCloudError`.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        started = subprocess.run(
            # The shell in between makes the daemon nobody's child: it outlives its caller, and
            # never waits for it as a zombie. env becomes the program, with its process id.
            ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", "env", mark, *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=descriptor,
            pass_fds=(inherited,),
            env={**os.environ, **variables},
            start_new_session=True,
            cwd="/",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise LocalCloudError(f"The daemon cannot be started: {reason(error)}") from None
    finally:
        os.close(descriptor)
    return identify(int(started.stdout))


def line_of(reader: int, timeout_s: float) -> bytes | None:
    """Return the first line from a pipe; less if it ends before, None if that takes too long."""
    text = b""
    deadline = time.monotonic() + timeout_s
    poll = select.poll()  # select() takes no descriptor from 1024 on
    poll.register(reader, select.POLLIN)
    while not text.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        part = os.read(reader, 65536)
        if not part:
            break
        text += part
    return text


def be_a_daemon() -> None:
    """Set the process properties of a daemon: file limit, file modes, and signals.

    The usual limit is 1024 open files and connections. Guests start with the limits of the host's
    process 1, not with the daemon's.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(most, _MANY_FILES), most):
        with suppress(OSError, ValueError):  # only root may have more than it was given
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            break
    os.umask(0o022)  # of the guests' files; the cloud's own are private by their folder
    # So that the server, which raises the signal once more when it has ended, comes back here.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
