"""What a terminal can show: lines that change in place, and colours. A pipe gets neither."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_SECRET = os.urandom(8).hex()
"""What our marks begin with: nobody else can write one."""

_CUT = 1 << 20
"""More than any line is long: there is no room left."""

_CODES = {
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "end": "\x1b[0m",
    "blue": "\x1b[34m",
    "magenta": "\x1b[35m",
    "cyan": "\x1b[36m",
}
_NAMES = "|".join(_CODES)

PREFIX_COLOURS = ("cyan", "yellow", "green", "magenta", "blue")
"""Colours by which lines of several machines are told apart."""

_STATE_COLOURS = {
    "green": ("running", "ready", "active", "healthy", "in use", "normal", "reachable"),
    "red": ("error", "failed", "down", "timeout", "unhealthy", "not found", "unavailable"),
    "yellow": (
        *("starting", "stopping", "restarting", "paused", "pause", "drain", "updating"),
        *("initial", "initializing", "scaling", "deleting", "removing", "unknown", "disconnected"),
    ),
}
_COLOUR_OF_STATE = {state: name for name, states in _STATE_COLOURS.items() for state in states}


def can_move(stream: TextIO) -> bool:
    """Whether lines already written to a stream can be written over."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(stream: TextIO) -> bool:
    """Whether a stream is shown in colours: a terminal, unless ``NO_COLOR`` is set to something.

    Source: https://no-color.org.
    """
    return can_move(stream) and not os.environ.get("NO_COLOR")


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Return ``text`` in a colour (red, green, cyan, …); as it is where ``stream`` has no colours.

    ``stream`` is standard output unless another is named. What is returned is for the printer,
    which puts the terminal's codes in the place of our marks.
    """
    if not has_colours(stream or sys.stdout):
        return text
    return f"{_mark(colour)}{text}{_mark('end')}"


def with_colour_codes(text: str, others: Callable[[str], str] = str) -> str:
    """Return a text with codes in place of the marks of :func:`coloured`.

    ``others`` is applied to what stands between them.
    """
    if _SECRET not in text:
        return others(text)
    import re

    parts = re.split(f"{_SECRET}({_NAMES});", text)
    parts[::2] = map(others, parts[::2])
    parts[1::2] = map(_CODES.__getitem__, parts[1::2])
    return "".join(parts)


def without_colours(text: str) -> str:
    """Return a text without the marks of :func:`coloured`."""
    if _SECRET not in text:
        return text
    import re

    return re.sub(f"{_SECRET}({_NAMES});", "", text)


def screen_width() -> int | None:
    """Return how many columns standard output has if it is a terminal."""
    if not can_move(sys.stdout) or getattr(sys.stdout, "document", None) is not None:
        return None
    import shutil

    return shutil.get_terminal_size().columns


def cell_width(text: str) -> int:
    """Return how many columns a text takes on a terminal: some characters take two, or none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def rows_of(lines: list[str]) -> int:
    """Return how many rows lines take on the terminal, which breaks those that are too long."""
    columns = screen_width() or 80
    return sum(max(1, -(-cell_width(without_colours(line)) // columns)) for line in lines)


def cut(line: str, columns: int | None) -> str:
    """Return a line cut to so many columns; the marks of :func:`coloured` in it stay."""
    if columns is None or cell_width(without_colours(line)) <= columns:
        return line
    import re

    parts = re.split(f"({_SECRET}(?:{_NAMES});)", line)
    room = columns - 1
    for place in range(0, len(parts), 2):
        kept = ""
        for character in parts[place]:
            room -= cell_width(character)
            if room < 0:
                break
            kept += character
        ends_here = room < 0 and len(kept) < len(parts[place])
        parts[place] = f"{kept}…" if ends_here and room > -_CUT else kept
        room = -_CUT if ends_here else room
    return "".join(parts)


def _mark(colour: str) -> str:
    return f"{_SECRET}{colour};"


def coloured_state(state: str) -> str:
    """Return the word for a state in its colour, for standard output; others as they are."""
    colour = _COLOUR_OF_STATE.get(state.lower())
    return coloured(state, colour) if colour else state


class ColouredState(str):
    """The word for a state, which is printed in its colour and is equal to the bare word."""

    def __str__(self) -> str:
        return coloured_state(self[:])
