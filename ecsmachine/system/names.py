"""Names that folders can have."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from pathlib import Path

_DEVICES = ("con", "prn", "aux", "nul", "conin$", "conout$")
_NUMBERED = ("com", "lpt")


def why_not_on_windows(name: str) -> str | None:
    """Return why Windows can have no folder or file of a name; None if it can.

    Source: "Naming Files, Paths, and Namespaces" of Microsoft's.
    """
    first = name.partition(".")[0].rstrip(" ").lower()
    if first in _DEVICES or (first[:-1] in _NUMBERED and first[-1] in "0123456789¹²³"):
        return "Windows takes it for a device"
    if name.endswith((".", " ")):
        return "Windows drops the dot or blank at its end"
    if any(character in '<>:"/\\|?*' or ord(character) < 32 for character in name):
        return "Windows has no such characters in names"
    return None


def why_no_folder(name: str) -> str | None:
    """Return why no folder can have a name; None if one can."""
    return why_not_on_windows(name) if sys.platform == "win32" else None


def is_too_long(path: Path) -> bool:
    """Whether a path is longer than Windows takes, unless a setting of its allows it.

    Elsewhere the error itself says so.
    """
    if sys.platform == "win32":
        return len(str(path)) > 259 and not str(path).startswith("\\\\?\\")
    return False
