"""What a command on a host gave."""

from __future__ import annotations

from dataclasses import dataclass

_KEPT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class CommandResult:
    """Exit status, standard output and standard error of a command, the latter as text.

    Of a very long output it is the end.
    """

    exit_status: int
    stdout: str
    stderr: str


class KeptEnd:
    """The end of an output: 4 MiB of it, however long it is."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, content: bytes) -> None:
        """Take what has come."""
        self._kept += content
        if len(self._kept) > 2 * _KEPT_BYTES:
            del self._kept[:-_KEPT_BYTES]

    def text(self) -> str:
        """Return the end as text."""
        return self._kept[-_KEPT_BYTES:].decode(errors="replace")


def ending(text: str, *, lines: int = 40) -> str:
    """Return the last lines of a text, as an error shows them: 8,000 characters at most."""
    return "\n".join(text[-8000:].rstrip().splitlines()[-lines:])
