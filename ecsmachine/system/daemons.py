"""Whether this is a system on which the local cloud can serve."""

from __future__ import annotations

import sys

if sys.platform == "win32":

    def why_none() -> str | None:
        """Return why the local cloud cannot run here, not even its API alone; None if it can."""
        return "its daemon is a process of Unix, and its guests are Linux's"

else:

    def why_none() -> str | None:
        """Return why the local cloud cannot run here, not even its API alone; None if it can."""
        return None
