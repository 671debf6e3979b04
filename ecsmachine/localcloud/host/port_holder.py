"""Which program holds a port that is wanted."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from ecsmachine.localcloud.host.programs import ProgramError, run


def why_not_listening(error: OSError, port: int, *, namespace: Path | None = None) -> str:
    """Return why a port cannot be listened on; of one that is taken, who holds it.

    ``namespace`` is the network namespace that it is in.
    """
    if error.errno != errno.EADDRINUSE:
        return os.strerror(error.errno) if error.errno else str(error)
    inside = [] if namespace is None else ["nsenter", f"--net={namespace}"]
    try:
        listed = run([*inside, "ss", "-ltnpH", f"sport = :{port}"])
    except ProgramError:  # macOS has none
        listed = ""
    holders = read_holders(listed)
    return f"it is taken by {' and '.join(holders)}" if holders else "another program holds it"


def read_holders(listed: str) -> list[str]:
    """Read the programs from what ``ss -ltnp`` prints: ``nginx (process 12)``."""
    found = re.findall(r'\("([^"]+)",pid=(\d+)', listed)
    return list(dict.fromkeys(f"{name} (process {pid})" for name, pid in found))
