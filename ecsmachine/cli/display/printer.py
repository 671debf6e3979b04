"""The one place that prints; what is printed is made fit to be shown here.

Work goes on whether or not anybody can read of it, and its exit code says what became of it. So
there are two ways to print on standard output: what a command was asked for must arrive
(:func:`show`), what is told of work need not (:func:`say`).
"""

from __future__ import annotations

import sys

from ecsmachine.cli.display import streams
from ecsmachine.cli.display.cleaning import clean, one_line, without_passwords
from ecsmachine.cli.display.terminal import coloured, rows_of, with_colour_codes
from ecsmachine.errors import UsageError
from ecsmachine.system.streams import is_terminal

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from ecsmachine.cli.display.document import Document


def document() -> Document | None:
    """Return the document that is made of what is printed, if there is one."""
    made: Document | None = getattr(sys.stdout, "document", None)
    return made


def show(text: str, *, end: str = "\n") -> None:
    """Print what a command was asked for on standard output; it may have several lines.

    Raises :class:`~ecsmachine.cli.display.streams.OutputError` if what was printed so far could not
    be written, and :class:`~ecsmachine.errors.ReaderGoneError` if nobody reads it, which may be
    found out as late as in :func:`finish`.
    """
    made = document()
    if made is not None:
        made.show(text + end)
        return
    held: list[str] | None = getattr(sys.stdout, "captured", None)
    if held is not None:
        held.append(text + end)
        return
    sys.stdout.write(_fit(text) + end)
    output = streams.descriptor_of(sys.stdout)
    if output is not None and output.failure is not None:
        output.told = True
        raise streams.output_error(output.failure)


class _Captured:
    """What stands in the place of standard output while what is shown is captured."""

    def __init__(self, stream: TextIO, complaints: list[str] | None):
        self.captured: list[str] = []
        self.complaints = complaints
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def captured(work: Callable[[], object], complaints: list[str] | None = None) -> str:
    """Return what a piece of work shows, in place of showing it; not where a document is made.

    ``complaints`` takes the lines for standard error, unless the work raises.
    """
    before = sys.stdout
    sys.stdout = stand_in = _Captured(before, complaints)
    try:
        work()
    except BaseException:
        _write("".join(f"{each}\n" for each in complaints or ()), sys.stderr)
        raise
    finally:
        sys.stdout = before
    return "".join(stand_in.captured)


def redraw(lines: list[str], above: int) -> int:
    """Show lines on a terminal in the place of so many rows above; return how many rows they take.

    Raises as :func:`show`.
    """
    text = _fit("".join(f"{line}\n" for line in lines))
    sys.stdout.write((f"\x1b[{above}A" if above else "") + "\r\x1b[J" + text)
    finish()
    return rows_of(lines)


def check_shows_bytes() -> None:
    """Raise :class:`UsageError` if standard output is no place for the content of a file."""
    if document() is not None:
        raise UsageError(
            "The file and the JSON cannot both go to standard output", hint="Name a file."
        )
    if is_terminal(sys.stdout):
        raise UsageError(
            "The file is binary, and standard output is a terminal",
            hint="Name a file, or redirect the output.",
        )


def show_bytes(content: bytes) -> None:
    """Write the content of a file on standard output. Raises as :func:`show` does."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    finish()


def finish() -> None:
    """Write out what was shown so far. Raises as :func:`show` does, unless it was told of."""
    sys.stdout.flush()
    output = streams.descriptor_of(sys.stdout)
    if output is not None and output.failure is not None and not output.told:
        show("", end="")


def say(line: str, stream: TextIO | None = None, *, end: str = "\n") -> None:
    """Tell of work in a line, at once, on standard output unless told otherwise; never raises.

    Where a document is made, that is standard error.
    """
    _write(one_line(without_passwords(line)) + end, stream or sys.stdout)
    excuse_output()


def excuse_output() -> None:
    """Say once, on standard error, that what was told of work cannot be written; never raises.

    A reader that has left wants to hear no more.
    """
    output = streams.descriptor_of(sys.stdout)
    if output is not None and output.failure is not None and not output.told:
        output.told = True
        if not isinstance(output.failure, ConnectionError):
            warn(f"{streams.sentence(output.failure)}. The work continues.")


def complain(text: str) -> None:
    """Print on standard error, after what is on standard output; never raises."""
    text = without_passwords(text)
    held: list[str] | None = getattr(sys.stdout, "complaints", None)
    if held is not None:
        held.append(text)
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        pass
    _write(text + "\n", sys.stderr)


def warn(line: str) -> None:
    """Print one line of warning on standard error; never raises."""
    complain(f"{coloured('Warning:', 'yellow', sys.stderr)} {one_line(line)}")


def complain_of(line: str) -> None:
    """Print one line about an error on standard error; never raises."""
    complain(f"{coloured('Error:', 'red', sys.stderr)} {one_line(line)}")


def _fit(text: str) -> str:
    return with_colour_codes(text, clean)


def _write(text: str, stream: TextIO) -> None:
    try:
        stream.write(_fit(text))
        stream.flush()
    except (OSError, ValueError):
        pass
