"""What there is instead of what was asked for: the nearest names, and how to list them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ecsmachine.aliyun.ecs_values import InstanceType
from ecsmachine.suggestions import did_you_mean, instead_of


def nearest(name: str, known: Iterable[str], *, what: str, most: int = 8) -> str:
    """Return a sentence with the names that are nearest to ``name``, or else the first few."""
    return instead_of(name, sorted(set(known)), most=most) or f"There are no {what}."


def nearest_types(
    wanted: InstanceType | None, name: str, types: Iterable[InstanceType], offered: Collection[str]
) -> str:
    """Return a sentence with the offered instance types that are nearest to the wanted one.

    Nearest in size if the wanted type is known, else in name.
    """
    candidates = [each for each in types if each.id in offered]
    if wanted is None:
        names = [each.id for each in candidates]
        if not names or did_you_mean(name, names):
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
