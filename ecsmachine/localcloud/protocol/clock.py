"""The time in the forms that the API prints."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timezone

_USUAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_DAYS = {"Week": 7, "Month": 30, "Year": 360}


def timestamp(seconds: float | None = None) -> str:
    """Return the time now (or at ``seconds`` since 1970) as ``2024-05-01T08:00:00Z``."""
    return _utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(seconds: float) -> str:
    """Return a time in seconds since 1970 as ``2024-05-01T08:00:00.123Z``."""
    return _utc(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def minutes(seconds: float | None = None) -> str:
    """Return the time now (or at ``seconds`` since 1970) as ``2024-05-01T08:00Z``."""
    return _utc(seconds).strftime("%Y-%m-%dT%H:%MZ")


def later(start: float, period: int, unit: str) -> str:
    """Return when a period ends that begins at ``start`` (seconds since 1970), in minutes.

    ``unit`` is Week, Month (of 30 days) or Year (of twelve of those).
    """
    return minutes(start + period * _DAYS[unit] * 86400)


def parse(text: str) -> float:
    """Return the seconds since 1970 of either form; raises ValueError for any other."""
    if _USUAL.fullmatch(text):  # of every request; strptime takes ten times as long
        with suppress(ValueError):
            return datetime.fromisoformat(f"{text[:-1]}+00:00").timestamp()
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not a UTC time like 2024-05-01T08:00:00Z")


def _utc(seconds: float | None) -> datetime:
    if seconds is None:
        return datetime.now(timezone.utc)
    return datetime.fromtimestamp(seconds, timezone.utc)
