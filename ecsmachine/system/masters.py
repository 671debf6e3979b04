"""Masters, whose connections several ssh programs share: begun, looked for, and held by locks.

Windows' OpenSSH has none: there is no folder for them, and nothing of this is called.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

if sys.platform == "win32":

    def _none(*_given: object, **_named: object) -> NoReturn:
        raise NotImplementedError("Windows' OpenSSH shares no connections")

    is_served = take_byte = free_byte = start = wait = letter_box = collect = _none

else:
    import fcntl
    import os

    _LONGEST = 4096
    _DESCRIPTOR_BYTES = 4
    _AT_FIRST = 40
    _PAUSE_S = 0.003

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

    def start(
        words: Sequence[str],
        environment: Mapping[str, str],
        said: str | None = None,
        streams: Mapping[int, int] | None = None,
    ) -> int:
        """Begin a program, and return its process id. Raises :class:`OSError`.

        It has our standard streams, or others, by their numbers; or none, and what it says goes to
        a new file ``said``.
        """
        import signal

        actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
            (os.POSIX_SPAWN_DUP2, given, number) for number, given in (streams or {}).items()
        ]
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

    def letter_box(path: str) -> _socket.socket:
        """Return a socket at a path, for what :mod:`ecsmachine.system.dial` sends.

        Raises :class:`OSError`.
        """
        import _socket

        box = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        box.bind(path)
        box.settimeout(0)
        return box

    def collect(box: _socket.socket) -> tuple[_socket.socket | None, bytes]:
        """Return the connection that was sent, if one was, and why there is none."""
        import _socket

        try:
            said, rights, _, _ = box.recvmsg(_LONGEST, _socket.CMSG_LEN(_DESCRIPTOR_BYTES))
        except OSError:
            return None, b""
        if not rights:
            return None, said
        return _socket.socket(fileno=int.from_bytes(rights[0][2], sys.byteorder)), said

    def wait(process: int, connection: _socket.socket | None = None) -> int:
        """Wait for a program that was begun, and return its status.

        At first, what comes over a connection is acknowledged as it comes: a host that has sent
        a small packet sends the next one only then, and the system here takes 40 ms for it.
        """
        if connection is not None and sys.platform == "linux":
            import _socket
            import time

            for _ in range(_AT_FIRST):
                try:
                    connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_QUICKACK, 1)
                except OSError:  # it is over, or the system knows nothing of that
                    break
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(_PAUSE_S)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
