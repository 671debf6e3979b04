"""What was probably meant by a word that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_WILDCARD = re.compile(r"[*?]|\[[^]]*\]")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``Did you mean X?`` with the nearest of the known words, "" if none is near.

    Letters of either case are the same, and a pattern is compared without its wildcards.
    """
    plain = _WILDCARD.sub("", word).lower()
    # A pattern is near to what begins like it.
    length = len(plain) + 1 if plain != word.lower() else None
    by_case = {one.lower()[:length]: one for one in sorted(known, reverse=True)}
    near = get_close_matches(plain, list(by_case), n=1, cutoff=0.75)
    part = [one for one in by_case if len(plain) > 2 and plain in one]
    found = [by_case[one] for one in (near or part[:2])]
    return f"Did you mean {' or '.join(found)}?" if found else ""
