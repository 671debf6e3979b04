"""What there is instead of what was asked for: the nearest names, and how to list them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from ecsmachine.aliyun.ecs_values import InstanceType


def nearest(name: str, known: Iterable[str], *, what: str, most: int = 8) -> str:
    """Return a sentence with the names that are nearest to ``name``, or else the first few."""
    names = sorted(set(known))
    if not names:
        return f"There are no {what}."
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:most])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"Use one of: {shown}{more}."


def nearest_types(
    wanted: InstanceType | None, name: str, types: Iterable[InstanceType], offered: Collection[str]
) -> str:
    """Return a sentence with the offered instance types that are nearest to the wanted one.

    Nearest in size if the wanted type is known, else in name.
    """
    candidates = [each for each in types if each.id in offered]
    if wanted is None:
        names = [each.id for each in candidates]
        if get_close_matches(name, names, n=1, cutoff=0.6) or not names:
            return nearest(name, names, what="instance types")
        candidates.sort(key=lambda each: (each.cpu_cores, each.memory_gib, each.id))
        return f"The smallest available: {with_sizes(candidates[:3])}."
    candidates = [each for each in candidates if each.architecture == wanted.architecture]
    if not candidates:
        return "Nothing of this architecture is available there."
    candidates.sort(
        key=lambda each: (
            abs(each.cpu_cores - wanted.cpu_cores) + abs(each.memory_gib - wanted.memory_gib),
            each.id,
        )
    )
    return f"Closest available: {with_sizes(candidates[:3])}."


def with_sizes(types: Iterable[InstanceType]) -> str:
    """Return the names of instance types, with what each has."""
    return ", ".join(
        f"{each.id} ({each.cpu_cores} vCPU, {each.memory_gib:g} GiB)" for each in types
    )
