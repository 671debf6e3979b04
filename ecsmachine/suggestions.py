"""What was probably meant where a name is none of those that there are."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Iterable

_NEAR = 0.75
"""How much of two words must agree, from 0 to 1: words of one kind often begin alike."""

_SHORT = 4
_NEAR_IF_SHORT = 0.65
"""Of few letters, two that are in the wrong order are many."""

_AS_NEAR = 0.1
"""How much less near than the nearest word another one may be, to be named beside it."""

_SHORTEST_PART = 3
_FEW = 4
_MOST_NAMED = 24


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``Did you mean X?`` with the nearest of the known words; empty if none is near."""
    found = nearest(word, known)
    return f"Did you mean {' or '.join(found)}?" if found else ""


def instead_of(word: str, known: Iterable[str], *, most: int = _MOST_NAMED) -> str:
    """Return what to give instead of a word: the nearest of the known ones, or a list of them.

    Of many that are not near, the first ``most`` are named; of a few, all are named in any case.
    Empty if there are none.
    """
    names = list(dict.fromkeys(known))
    if not names:
        return ""
    meant = did_you_mean(word, names)
    is_enough = meant and not 1 < len(names) <= _FEW
    return meant if is_enough else f"{meant} {_one_of(names, most)}".strip()


def nearest(word: str, known: Iterable[str], most: int = 2) -> list[str]:
    """Return the known words that somebody who wrote ``word`` may have meant, at most two.

    Letters of either case are the same, as are ``-``, ``_`` and blanks. A pattern is compared
    without its wildcards. Without a word that is written much alike, those count of which the
    word is a part: ``type`` of ``instance-type``.
    """
    from difflib import SequenceMatcher, get_close_matches

    def likeness(form: str) -> float:
        return SequenceMatcher(None, form, plain).ratio()

    pattern = "*" in word or "?" in word or "[" in word
    plain = _plain(_without_wildcards(word) if pattern else word)
    length = len(plain) + 1 if pattern else None  # a pattern is near to what begins like it
    forms: dict[str, str] = {}
    for one in sorted(known):
        forms.setdefault(_plain(one)[:length], one)
    if plain in forms:
        return [forms[plain]]
    near = get_close_matches(
        plain,
        list(forms),
        n=most,
        cutoff=_NEAR if pattern or len(plain) > _SHORT else _NEAR_IF_SHORT,
    )
    near = [form for form in near if likeness(form) > likeness(near[0]) - _AS_NEAR]
    if not near and len(plain) >= _SHORTEST_PART:
        near = [form for form in forms if _has_part(form, plain)][:most]
    return [forms[form] for form in near]


def _one_of(names: list[str], most: int) -> str:
    if len(names) > most:
        return f"Use one of: {', '.join(names[:most])} and {len(names) - most} more."
    return f"Use {'one of: ' if len(names) > 1 else ''}{', '.join(names)}."


def _plain(word: str) -> str:
    return word.strip().lower().replace("_", "-").replace(" ", "-").lstrip("-")


def _without_wildcards(word: str) -> str:
    import re

    return re.sub(r"[*?]|\[[^]]*\]", "", word)


def _has_part(form: str, part: str) -> bool:
    """Whether a word has another as a part of its own, between signs or at an end."""
    start = form.find(part)
    while start >= 0:
        end = start + len(part)
        if not form[start - 1 : start].isalnum() and not form[end : end + 1].isalnum():
            return True
        start = form.find(part, start + 1)
    return False
