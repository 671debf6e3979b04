"""The program, whose standard output breaks after some lines.

``python -m tests.torture.failing_output FAULT LINES MET COMMAND…`` makes the file MET when it does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecsmachine.cli.app import run
from ecsmachine.cli.display import streams
from tests.unit.terminals import Written

GONE = "reader gone"
FULL = "disk full"
BOTH_GONE = "both readers gone"
TERMINAL_GONE = "terminal gone"
FAULTS = (GONE, FULL, BOTH_GONE, TERMINAL_GONE)


def lose_reader(*descriptors: int) -> None:
    """Put a pipe that nobody reads in the place of descriptors."""
    reading, writing = os.pipe()
    os.close(reading)
    for descriptor in descriptors:
        os.dup2(writing, descriptor)


def _fill() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def _terminal() -> Callable[[], None]:
    """Put a terminal in the place of both outputs, and return what takes it away."""
    leader, follower = os.openpty()
    os.environ["TERM"] = "xterm"
    for descriptor in (1, 2):
        os.dup2(follower, descriptor)
    os.close(follower)

    written = Written(leader)

    def take_away() -> None:
        written.close()
        os.close(leader)

    return take_away


def main() -> None:
    """Run the command."""
    fault, lines, met, *command = sys.argv[1:]
    strike = {
        GONE: lambda: lose_reader(1),
        FULL: _fill,
        BOTH_GONE: lambda: lose_reader(1, 2),
        TERMINAL_GONE: _terminal() if fault == TERMINAL_GONE else lambda: None,
    }[fault]
    left = int(lines)
    undisturbed = streams.Descriptor.write

    def write(self: streams.Descriptor, content: Any) -> int:
        nonlocal left
        if self.fileno() == 1:
            if left == 0:
                Path(met).touch()
                strike()
            left -= 1
        return undisturbed(self, content)

    streams.Descriptor.write = write  # type: ignore[method-assign]
    streams.take_over()
    sys.exit(run(command, os.environ))


if __name__ == "__main__":
    main()
