"""Where and as whom to log in, and through which other host."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Jump(Protocol):
    """A host through which others are reached."""

    @property
    def target(self) -> SSHTarget:
        """The login on the jump host itself."""

    @property
    def known_hosts(self) -> Sequence[Path]:
        """The files that know its host key; a new one is written into the first."""

    def open(self, host: str, port: int, *, timeout_s: float) -> socket.socket:
        """Return a connection to a port that the jump host reaches.

        Raises :class:`OSError` if nothing answers there, and
        :class:`~ecsmachine.errors.MachineError` if it is the jump host that cannot be used.
        """

    def check(self) -> None:
        """Log in to the jump host. Raises :class:`~ecsmachine.errors.MachineError`."""


@dataclass(frozen=True)
class SSHTarget:
    """An SSH server and a login on it, reached through ``jump`` if there is one.

    The key is tried first, then the password; with neither, the agent's keys.
    """

    host: str
    port: int = 22
    user: str = "root"
    key_path: Path | None = None
    password: str | None = field(default=None, repr=False)
    jump: Jump | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The login as a person writes it: ``USER@HOST``, with the port if it is not 22."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + (f":{self.port}" if self.port != 22 else "")
