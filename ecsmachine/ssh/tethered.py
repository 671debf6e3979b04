"""Programs that end when we do, however that is: killed outright, too."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ecsmachine.system import between, signals, tethers

_TIME_TO_END_S = 5.0

_KEEPER = """
import os, signal, subprocess, sys, threading
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def tethered():
    os.read(0, 1)
    child.terminate()
threading.Thread(target=tethered, daemon=True).start()
status = child.wait()
os._exit(status if status >= 0 else 128 - status)
"""
"""Runs a program until that ends, or until standard input does: every system closes it for us."""


def run(
    command: Sequence[str],
    *,
    quiet: bool = False,
    interrupts: list[int] | None = None,
    environment: Mapping[str, str] | None = None,
    may_outlive_us: bool = False,
) -> int:
    """Run a program that shares our terminal, ``quiet`` if nobody reads it; return its status.

    It has our variables, or those of ``environment``. With ``interrupts``, an interrupt is not
    ours: it is noted there, and passed on to the program. What else ends us has time to leave
    the terminal as it was. On Windows the program goes on if we are killed outright.
    ``may_outlive_us``: what is given its standard streams does, but their readers shall not wait
    for it.
    """
    with _passing_interrupts_on(interrupts) as pass_on_to:
        readers = between.Between() if may_outlive_us else None
        streams = readers.streams if readers else {}
        try:
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL if quiet else streams.get(1),
                stderr=streams.get(2),
                env=environment,
            )
        finally:
            if readers:
                readers.begun()
        try:
            pass_on_to(process.pid)
            with tethers.Tether(process.pid):
                status = process.wait()
            pass_on_to(None)  # its number may be another's soon
            if readers:
                readers.over(status, interrupts or ())
            return status
        except BaseException:
            process.terminate()
            try:
                process.wait(_TIME_TO_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise


@contextmanager
def _passing_interrupts_on(
    interrupts: list[int] | None,
) -> Iterator[Callable[[int | None], None]]:
    """Note interrupts for a block; gives what is told of the program that they are passed on to.

    It shares our terminal, whose Ctrl-C asks it twice, which is as once.
    """
    if interrupts is None or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield lambda process: None
        return
    programs: list[int] = []

    def note(number: int, _frame: object) -> None:
        interrupts.append(number)
        for process in programs:
            signals.pass_on(number, process)

    def pass_on_to(process: int | None) -> None:
        programs[:] = [] if process is None else [process]
        if interrupts and process is not None:
            signals.pass_on(signal.SIGINT, process)

    # not SIG_IGN: the program would inherit that
    before = signal.signal(signal.SIGINT, note)
    try:
        yield pass_on_to
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def tethered(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for a block, with its output in a pipe and nothing to read.

    It is ended with the block, and with this process. Ctrl-C does not reach it.
    """
    words = [sys.executable, "-I", "-S", "-c", _KEEPER, *command] if sys.executable else command
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        if not sys.executable:
            process.terminate()
        process.wait()
