"""Names that folders can have."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    _DEVICES = frozenset(
        (
            *("con", "prn", "aux", "nul", "conin$", "conout$"),
            *(f"{kind}{digit}" for kind in ("com", "lpt") for digit in "0123456789¹²³"),
        )
    )

    def why_no_folder(name: str) -> str | None:
        """Return why no folder can have a name; None if one can.

        Source: "Naming Files, Paths, and Namespaces" of Microsoft's.
        """
        if name.partition(".")[0].rstrip(" ").lower() in _DEVICES:
            return "Windows takes it for a device"
        if name.endswith((".", " ")):
            return "Windows drops the dot or blank at its end"
        if any(character in '<>:"/\\|?*' or ord(character) < 32 for character in name):
            return "Windows has no such characters in names"
        return None

else:

    def why_no_folder(name: str) -> str | None:
        """Return why no folder can have a name; None if one can."""
        return None
