"""The console of a guest, and the reason of its end."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ecsmachine.system.files import path_exists

ENDED = "ended"
"""The file in a guest's folder with the status that its systemd-nspawn left with."""

_KEPT_BYTES = 64 * 1024
_LINES = 12  # of a guest that has died


def end_of(file: Path) -> bytes:
    """Return the end of a console, as long as in ECS; empty if there is none."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _KEPT_BYTES))
            return log.read(_KEPT_BYTES)
    except FileNotFoundError:
        return b""


def last_lines(file: Path) -> str:
    """Return the last lines of a console, for the log: indented, so that they do not look like log
    lines.

    Control characters are removed.
    """
    text = legible(end_of(file).decode(errors="replace"))
    lines = ["".join(filter(str.isprintable, line)).strip() for line in text.splitlines()]
    return "\n".join(f"    {line}" for line in list(filter(None, lines))[-_LINES:])


def legible(text: str) -> str:
    """Return a console's text without its colours and the returns at the ends of its lines."""
    return re.sub(r"\x1b\[[\d;]*m|(?<!\r)\r+(?=\n)", "", text)


def note_end(folder: Path) -> None:
    """Write down that a guest does not die: it is ended."""
    (folder / ENDED).write_text("0\n")


def take_death(folder: Path, memory_kills: int) -> str:
    """Return why a guest that has run and does not any more died, once; "" if it did not.

    ``memory_kills`` is how many of its processes were killed because it ran out of memory.
    """
    log = folder / "console.log"
    try:
        status = (folder / ENDED).read_text().strip()
    except OSError:
        status = ""
    if status == "0" or not path_exists(log):
        return ""
    note_end(folder)
    reasons = [f"its first process exited with status {status}" if status else "it was killed"]
    if memory_kills:
        reasons.append(f"it ran out of memory ({memory_kills} processes were killed)")
    return f"{', '.join(reasons)}; its console ends with:\n{last_lines(log)}"
