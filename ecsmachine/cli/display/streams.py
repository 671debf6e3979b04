"""Standard output and error as streams that no write can fail on."""

from __future__ import annotations

import codecs
import io
import os
import sys

from ecsmachine.cli.display.cleaning import as_json
from ecsmachine.errors import MachineError, ReaderGoneError
from ecsmachine.system.streams import encoding as encoding_for
from ecsmachine.system.streams import show_colours, writer

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import Any, TextIO


class Descriptor(io.RawIOBase):
    """A file descriptor that takes everything.

    What cannot be written (a full disk, a reader or a terminal that has gone) goes nowhere, as
    does all that follows. ``failure`` says why; ``told`` is whether a person has been told.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._write = writer(descriptor)
        self.failure: OSError | None = None
        self.told = False

    def fileno(self) -> int:
        """Return the descriptor's number."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return True: it always is."""
        return True

    def write(self, content: Any) -> int:
        """Write all of the content, and wait where that takes time; return its length."""
        rest = memoryview(content)
        try:
            while len(rest) and self.failure is None:
                rest = rest[self._write(rest) :]
        except OSError as error:
            self.failure = error
        return len(content)


class OutputError(MachineError):
    """What a command was asked for could not be written on standard output."""


def output_error(failure: OSError) -> OutputError | ReaderGoneError:
    """Return what is raised where what a command was asked for cannot be written."""
    kind = ReaderGoneError if isinstance(failure, ConnectionError) else OutputError
    return kind(sentence(failure))


def sentence(failure: OSError) -> str:
    """Return what a person is told where standard output cannot be written."""
    return f"Standard output cannot be written: {failure.strerror}"


def take_over() -> None:
    """Put such streams in the place of ``sys.stdout`` and ``sys.stderr``.

    Characters that the output cannot encode are written as JSON escapes them.
    """
    codecs.register_error("as-json", _replace)
    show_colours()
    sys.stdout = _stream(1, sys.stdout)
    sys.stderr = _stream(2, sys.stderr)
    if sys.stdin is None:  # closed when the interpreter began
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")


def descriptor_of(stream: TextIO) -> Descriptor | None:
    """Return what a stream writes to, if it is one of :func:`take_over`'s."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, Descriptor) else None


def _stream(descriptor: int, before: TextIO | None) -> TextIO:
    raw = Descriptor(descriptor)
    encoding = encoding_for(descriptor, before.encoding if before is not None else "utf-8")
    try:
        "Error: \\".encode(encoding)
    except UnicodeError:  # one that is not for texts, chosen by PYTHONIOENCODING
        encoding = "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="as-json",
        newline="\n",  # as shells of Unix, and git's for Windows, evaluate it
        line_buffering=raw.isatty(),
    )


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return as_json(error.object[error.start : error.end]), error.end
