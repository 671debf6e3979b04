"""Looking again until something is so: often at first, then less, until a time limit."""

from __future__ import annotations

import time
from collections.abc import Iterator


def polls(
    timeout_s: float, *, first_pause_s: float = 0.1, longest_pause_s: float = 2.5
) -> Iterator[float]:
    """Yield the seconds since the beginning, once for each look, until the time is up.

    At least one look is made, and a last one when the time is up, however long the one before it
    took; the pause between two grows from the first to the longest.
    """
    begun = time.monotonic()
    pause_s = first_pause_s
    while True:
        spent_s = time.monotonic() - begun
        yield spent_s
        if spent_s >= timeout_s:
            return
        remaining_s = timeout_s - (time.monotonic() - begun)
        time.sleep(max(0.0, min(pause_s, remaining_s)))
        pause_s = min(pause_s * 1.5, longest_pause_s)
