"""Asking on the terminal: before what cannot be undone, and for secrets."""

from __future__ import annotations

import sys

from ecsmachine.errors import UsageError


def confirmed(question: str) -> bool:
    """Ask on the terminal; anything but an answer that begins with y is a no."""
    try:
        return input(f"{question} (y/n): ").strip().lower().startswith("y")
    except EOFError:
        print()
        return False


def secret(prompt: str, *, hint: str) -> str:
    """Ask for a secret, which is not shown.

    Raises :class:`UsageError` with the hint where there is no terminal to ask at.
    """
    import getpass

    if not sys.stdin.isatty():
        raise UsageError(
            f"{prompt.rstrip(': ')}: it is not given, and there is no terminal to ask at",
            hint=hint,
        )
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""
