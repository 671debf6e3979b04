"""The words for true and false. By themselves, as every command needs them."""

from __future__ import annotations

TRUE_WORDS = frozenset(("1", "t", "true", "y", "yes", "on"))
FALSE_WORDS = frozenset(("0", "f", "false", "n", "no", "off"))
