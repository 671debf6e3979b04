"""Whose process this is."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":

    def user_id() -> int | None:
        """Return the number of the user; None where users have none."""
        return None

else:

    def user_id() -> int | None:
        """Return the number of the user; None where users have none."""
        return os.geteuid()
