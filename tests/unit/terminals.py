"""Terminals for tests: what a program writes on one, and what is then to be seen."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TextIO

_CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


class Typed(io.StringIO):
    """What is typed on a terminal, in the place of standard input."""

    def isatty(self) -> bool:
        return True


class Written:
    """All that was written on a terminal so far, and the keys that are pressed there."""

    def __init__(self, leader: int):
        self._leader = leader
        self._bytes = b""
        self._seen = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read no more. The terminal's number may be another file's after it is closed."""
        self._is_over.set()
        self._thread.join()

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._leader, select.POLLIN)
        while not self._is_over.is_set():
            if not poll.poll(50):
                continue
            try:
                data = os.read(self._leader, 65536)
            except OSError:  # nobody has the terminal open any more
                return
            if not data:
                return
            self._bytes += data

    def press(self, keys: str) -> None:
        """Type on the terminal."""
        os.write(self._leader, keys.encode())

    def until(self, text: str, keys: str = "") -> None:
        """Wait until a text is on the terminal, after what was waited for before.

        ``keys`` are pressed until then, again and again: a shell that makes its terminal ready may
        lose them.
        """
        begun = pressed = time.monotonic()
        self.press(keys)
        while (found := self._bytes.find(text.encode(), self._seen)) < 0:
            now = time.monotonic()
            assert now - begun < 60, f"{text!r} is not in {self._bytes[self._seen :]!r}"
            if keys and now - pressed > 10:
                self.press(keys)
                pressed = now
            time.sleep(0.02)
        self._seen = found + len(text.encode())

    def whole(self) -> str:
        """Return everything, once the other side has closed."""
        self._thread.join(60)
        return self._bytes.decode()


@contextmanager
def terminal() -> Iterator[tuple[TextIO, Written]]:
    """Yield the stream of a terminal, to be closed by whoever writes, and what came out of it."""
    leader, follower = os.openpty()
    with (
        os.fdopen(leader, "rb", buffering=0),
        os.fdopen(follower, "w", encoding="utf-8") as stream,
        closing(Written(leader)) as written,
    ):
        yield stream, written


def run_on_terminal(*arguments: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run the program on a terminal; return its exit code and all that it wrote there."""
    with terminal() as (stream, written):
        code = begin_on_terminal(stream, *arguments, environment=environment).wait(60)
        return code, written.whole()


def begin_on_terminal(
    stream: TextIO, *arguments: str, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Begin the program on a terminal, whose stream is closed here."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", *arguments],
        stdin=stream,
        stdout=stream,
        stderr=stream,
        env=bare(environment),
        start_new_session=True,
    )
    stream.close()
    return process


_AS_ITS_OWN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def begin_in_front(
    stream: TextIO, *words: str, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Begin any program in the foreground of a terminal, whose keys send it signals.

    The stream is closed here.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _AS_ITS_OWN, *words],
        stdin=stream,
        stdout=stream,
        stderr=stream,
        env=bare(environment),
        start_new_session=True,
    )
    stream.close()
    return process


def run_in_pipe(
    *arguments: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the program with pipes."""
    return subprocess.run(
        [sys.executable, "-m", "ecsmachine", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=bare(environment),
    )


@contextmanager
def begun_in_pipe(
    *arguments: str, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run the program with pipes for the length of a block, at the end of which it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=bare(environment),
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def seen(text: str) -> list[str]:
    """Return the lines that are seen at the end: what was written over is gone, and so are colours.

    Knows the codes that the program uses: to the line's begin, up, clear the line, or all below it.
    """
    lines, row, column = [""], 0, 0
    for part in re.split(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)", text):
        code = _CODE.fullmatch(part)
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif code and code[2] == "A":
            row = max(0, row - int(code[1] or 1))
        elif code and code[2] == "K":
            lines[row] = ""
        elif code and code[2] == "J":
            lines[row:] = [lines[row][:column]]
        elif not code:
            old = lines[row].ljust(column)
            lines[row] = old[:column] + part + old[column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing but what the test names says how to print."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONUTF8": "1",
        "TERM": "xterm",
        "COLUMNS": "100",
        "LINES": "40",
        **environment,
    }
