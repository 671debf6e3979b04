"""Masters, whose connections several ssh programs share: begun, looked for, and held by locks.

Windows' OpenSSH has none: there is no folder for them, and nothing of this is called.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

if sys.platform == "win32":

    def _none(*_given: object, **_named: object) -> NoReturn:
        raise NotImplementedError("Windows' OpenSSH shares no connections")

    is_served = take_byte = free_byte = start = wait = pass_on = _none

else:
    import fcntl
    import os

    def is_served(path: str, timeout_s: float) -> bool:
        """Whether a master is behind a socket."""
        import _socket  # socket takes longer to load than a command takes there

        stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            stream.settimeout(timeout_s)
            stream.connect(path)
        except OSError:
            return False
        finally:
            stream.close()
        return True

    def take_byte(descriptor: int, byte: int, *, wait: bool = False) -> bool:
        """Take the lock of one byte; False if another process has it, unless that is waited for."""
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
        except OSError:
            if wait:
                raise
            return False
        return True

    def free_byte(descriptor: int, byte: int) -> None:
        """Give the lock of one byte back."""
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)

    def start(words: Sequence[str], environment: Mapping[str, str], said: str | None = None) -> int:
        """Begin a program, and return its process id. Raises :class:`OSError`.

        It has our standard streams; or none, and what it says goes to a new file ``said``.
        """
        import signal

        actions: list[tuple[int, int, str, int, int]] = []
        if said is not None:
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, said, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
            ]
        return os.posix_spawnp(
            words[0],
            list(words),
            environment,
            file_actions=actions,
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )

    def wait(process: int) -> int:
        """Wait for a program that was begun, and return its status."""
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def pass_on(signal: int, process: int) -> None:
        """Pass a signal on to a program that was begun."""
        os.kill(process, signal)
