"""Which system this is, for a person to read, and what it cannot do."""

from __future__ import annotations

import os
import sys


def system_name() -> str:
    """Return the system's name: platform.system would ask Windows' management service."""
    if sys.platform == "win32":
        return "Windows"
    return os.uname().sysname


def why_no_local_cloud() -> str | None:
    """Return why the local cloud cannot run here, not even its API alone; None if it can."""
    if sys.platform == "win32":
        return "its daemon is a process of Unix, and its guests are Linux's"
    return None
