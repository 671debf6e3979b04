"""A program that ends when this one is killed outright, though it shares our terminal.

Nothing stands between it and the terminal: a shell beside it waits for the end of a pipe, which
the system closes for us. Windows has no such shell, and no tether.
"""

from __future__ import annotations

import os
import signal
import sys

_SCRIPT = 'trap "" HUP INT QUIT TERM; read _; kill "$0"'
_SOON_S = 0.05
"""What ends before that is not slowed down by a shell, and leaves nothing behind."""


class Tether:
    """Ends a child of ours if we end within a block, which waits for that child.

    It is there 50 ms after the beginning of the block, and takes SIGALRM for that.
    """

    def __init__(self, process: int):
        self._process = process
        self._shell = 0
        self._pipe = -1

    def __enter__(self) -> None:
        if sys.platform != "win32":
            self._before = signal.signal(signal.SIGALRM, self._tie)
            signal.setitimer(signal.ITIMER_REAL, _SOON_S)

    def __exit__(self, *_error: object) -> None:
        if sys.platform == "win32":
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        if self._shell:
            os.kill(self._shell, signal.SIGKILL)  # it would take the end of the pipe for ours
            os.waitpid(self._shell, 0)
            os.close(self._pipe)

    if sys.platform != "win32":

        def _tie(self, _signal: int, _frame: object) -> None:
            reading, writing = os.pipe()
            try:
                self._shell = os.posix_spawn(
                    "/bin/sh",
                    ["sh", "-c", _SCRIPT, str(self._process)],
                    {},
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, reading, 0),
                        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    ],
                )
                self._pipe = writing
            except OSError:  # no more processes: it goes without
                os.close(writing)
            finally:
                os.close(reading)
