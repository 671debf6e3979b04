"""What asks a program to end: signals, and on Windows Ctrl-C, Ctrl-Break and a window's end."""

from __future__ import annotations

import os
import signal
import sys

_TIME_TO_END_S = 60.0
_CLOSING = (2, 5, 6)
"""A window is closed, a user logs off, the system ends (Windows' HandlerRoutine)."""


def that_end() -> tuple[int, ...]:
    """Return the signals that ask this program to end, without those that are ignored.

    nohup has the hangup ignored, and the shell of a script the interrupt of ``COMMAND &``.
    """
    if sys.platform == "win32":
        return signal.SIGINT, signal.SIGBREAK
    known = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    return tuple(each for each in known if signal.getsignal(each) != signal.SIG_IGN)


def pass_on(number: int, process: int) -> None:
    """Pass a signal on to a program that was begun, if it has not ended.

    On Windows Ctrl-C reaches every program of a window, and cannot be sent to one.
    """
    if sys.platform != "win32":
        try:
            os.kill(process, number)
        except OSError:
            pass


def leave_to_the_others() -> None:
    """Have this thread hear no signals, so that the one that waits is woken by them.

    On Windows the first thread alone is told of Ctrl-C.
    """
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def end_as_interrupted() -> None:
    """End by SIGINT if we are in the foreground of a terminal, where Ctrl-C is pressed.

    A shell ends its script, or its loop, if the program it waits for was ended by that: one that
    leaves with a number has made another use of Ctrl-C. Returns elsewhere; as process 1, which no
    signal ends; and on Windows, where a batch file asks its user however a program ends.
    """
    if sys.platform == "win32":
        return
    for descriptor in range(3):
        try:
            in_front = os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:  # no terminal, or not ours
            continue
        if in_front:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
            return


def heed_the_end_of_the_window() -> object:
    """Have Ctrl-Break's handler called, and give it time, when a window of Windows is closed.

    That lasts as long as what this returns is kept. Windows ends a program as soon as it has been
    told, and five seconds later at the latest. Elsewhere SIGHUP's handler is called.
    """
    if sys.platform != "win32":
        return None
    import ctypes
    import time

    def told(event: int) -> int:
        if event not in _CLOSING:
            return 0
        signal.raise_signal(signal.SIGBREAK)
        time.sleep(_TIME_TO_END_S)
        return 1

    handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(told)
    ctypes.windll.kernel32.SetConsoleCtrlHandler(handler, 1)
    return handler
