"""Asking before something is done that cannot be undone."""

from __future__ import annotations


def confirmed(question: str) -> bool:
    """Ask on the terminal; anything but an answer that begins with y is a no."""
    try:
        return input(f"{question} (y/n): ").strip().lower().startswith("y")
    except EOFError:
        print()
        return False
