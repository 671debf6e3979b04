"""What a terminal can show: lines that change in place, and colours. A pipe gets neither."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_RESET = "\x1b[0m"
_COLOURS = {"red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m"}

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
    """Return ``text`` in red, green or yellow; as it is where ``stream`` has no colours.

    ``stream`` is standard output unless another is named.
    """
    if not has_colours(stream or sys.stdout):
        return text
    return f"{_COLOURS[colour]}{text}{_RESET}"


def coloured_state(state: str) -> str:
    """Return the word for a state in its colour, for standard output; others as they are."""
    colour = _COLOUR_OF_STATE.get(state.lower())
    return coloured(state, colour) if colour else state


class ColouredState(str):
    """The word for a state, which is printed in its colour and is equal to the bare word."""

    def __str__(self) -> str:
        return coloured_state(self[:])
