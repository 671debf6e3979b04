"""Command lines that are the same to every login shell."""

from __future__ import annotations

import base64

_READ_DIFFERENTLY = frozenset("\n\\!")
"""csh ends a quoted word at a line's end, and puts an earlier command in place of ``!``; fish reads
``\\`` in one."""


def for_every_shell(command: str) -> str:
    """Return a command line with which a login shell, whichever it is, has ``sh`` run ``command``.

    It is returned as it is if all shells read it alike, so that it can be read.
    """
    if _READ_DIFFERENTLY.isdisjoint(command):
        return command
    encoded = base64.b64encode(command.encode(errors="surrogateescape")).decode()
    return f"sh -c 'eval \"$(echo {encoded} | base64 -d || echo exit 127)\"'"
