"""Which system this is, for a person to read."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":

    def system_name() -> str:
        """Return the system's name: platform.system would ask Windows' management service."""
        return "Windows"

else:

    def system_name() -> str:
        """Return the system's name."""
        return os.uname().sysname
