"""JSON in the one style that all commands print it in."""

from __future__ import annotations

import json

_INDENT = 4
"""As Docker Machine indents what ``inspect`` prints."""


def as_text(value: object) -> str:
    """Return a value as JSON."""
    return json.dumps(value, indent=_INDENT, ensure_ascii=False)
