"""Stands between a program and those who read its errors, so that they read no longer than we run.

ssh hands its standard streams to the master of a shared connection, which is nobody's child. When
ssh is ended, the master keeps standard error until the command on the host has ended, and a reader
of ours (``timeout 60 ecsmachine ssh … 2>&1 | tee log``) would wait for that.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Sequence

if sys.platform == "win32":

    class Between:
        """Stands for what is not needed: Windows' OpenSSH shares no connections."""

        def __init__(self) -> None:
            self.streams: dict[int, int] = {}

        def begun(self) -> None:
            """Do nothing."""

        def over(self, status: int, told_to_end: Sequence[int] = ()) -> None:
            """Do nothing."""

else:
    import _thread
    import os
    import stat

    from ecsmachine.system import signals, streams

    _CHUNK = 65536
    _LOOK_S = 0.05
    _IDLE_S = 0.3
    _NOT_THE_COMMANDS = 255

    class Between:
        """What a program is given in place of a pipe that somebody reads.

        ``streams`` are the descriptors that it gets, by their number: none if standard error is no
        pipe; for standard output as well if both are one, whose order is to be kept.
        """

        def __init__(self) -> None:
            self.streams: dict[int, int] = {}
            errors = os.fstat(2)
            if not (stat.S_ISFIFO(errors.st_mode) or stat.S_ISSOCK(errors.st_mode)):
                return
            self._read = _thread.allocate_lock()
            try:
                reading, writing = os.pipe()
            except OSError:  # too many files are open: it goes without
                return
            self._read.acquire()
            self._is_waiting = False
            try:
                _thread.start_new_thread(self._pass_on, (reading,))
            except RuntimeError:  # no more threads: without, as well
                os.close(reading)
                os.close(writing)
                return
            numbers = (1, 2) if os.path.samestat(os.fstat(1), errors) else (2,)
            self.streams = dict.fromkeys(numbers, writing)

        def begun(self) -> None:
            """Have the pipe end with the program, which has it now."""
            for writing in set(self.streams.values()):
                os.close(writing)

        def over(self, status: int, told_to_end: Sequence[int] = ()) -> None:
            """Wait until all that the program wrote is passed on, however slowly it is read.

            The master has the pipe no longer if the program has left with the command's own
            ``status``; else it is waited for until nothing comes. Returns at once when we are
            ``told_to_end`` meanwhile: the list gets longer.
            """
            told = len(told_to_end)
            left_by_itself = 0 <= status != _NOT_THE_COMMANDS
            idle_s = 0.0
            while self.streams and len(told_to_end) == told and idle_s < _IDLE_S:
                if self._read.acquire(timeout=_LOOK_S):
                    return
                is_idle = self._is_waiting and not left_by_itself
                idle_s = idle_s + _LOOK_S if is_idle else 0.0

        def _pass_on(self, reading: int) -> None:
            signals.leave_to_the_others()
            write = streams.writer(2)
            try:
                while True:
                    self._is_waiting = True
                    content = os.read(reading, _CHUNK)
                    self._is_waiting = False
                    if not content:
                        return
                    rest = memoryview(content)
                    while rest:
                        rest = rest[write(rest) :]
            except OSError:  # nobody reads it: nor does the program write for long
                pass
            finally:
                os.close(reading)
                self._read.release()
