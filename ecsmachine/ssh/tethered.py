"""Programs that end when we do, however that is: killed outright, too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ecsmachine.system import tethers

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


def run(command: Sequence[str], *, quiet: bool = False) -> int:
    """Run a program that shares our terminal, ``quiet`` if nobody reads it; return its status.

    On Windows it goes on if we are killed outright.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL if quiet else None) as process:
        try:
            with tethers.Tether(process.pid):
                return process.wait()
        except BaseException:
            process.kill()
            raise


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
