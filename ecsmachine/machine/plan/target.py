"""Parts of a file: machines and groups that ``--target`` names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ecsmachine.errors import UsageError
from ecsmachine.machine.plan.wanted import Wanted


def targeted(
    targets: Sequence[str], wanted: Iterable[Wanted], made: Iterable[str]
) -> set[str] | None:
    """Return the names of the machines that the targets mean; None if all are.

    A target is a machine, or the name in the file of several. ``made`` are machines that the file
    may name no longer. Raises :class:`UsageError` for one that means none.
    """
    if not targets:
        return None
    groups: dict[str, set[str]] = {}
    for each in wanted:
        groups.setdefault(each.group, set()).add(each.name)
        groups.setdefault(each.name, set()).add(each.name)
    for name in made:
        groups.setdefault(name, set()).add(name)
        numbered = re.fullmatch(r"(.+)-\d+", name)
        if numbered:
            groups.setdefault(numbered[1], set()).add(name)
    found: set[str] = set()
    for target in targets:
        if target not in groups:
            raise UsageError(
                f'--target: there is no "{target}" in the file',
                hint=f"There are: {', '.join(sorted(groups))}." if groups else None,
            )
        found |= groups[target]
    return found


def with_needed(names: set[str], wanted: Sequence[Wanted]) -> set[str]:
    """Return names with those of the machines that these need to be made: managers of swarms."""
    by_name = {each.name: each for each in wanted}
    found, pending = set(names), list(names)
    while pending:
        each = by_name.get(pending.pop())
        needed = each.request.swarm_join if each else ""
        if needed in by_name and needed not in found:
            found.add(needed)
            pending.append(needed)
    return found
