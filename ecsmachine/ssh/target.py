"""Where and as whom to log in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SSHTarget:
    """An SSH server and a login on it.

    The key is tried first, then the password; with neither, the agent's keys.
    """

    host: str
    port: int = 22
    user: str = "root"
    key_path: Path | None = None
    password: str | None = field(default=None, repr=False)
