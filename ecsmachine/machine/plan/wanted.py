"""What a file wants machines to be, and which of them ``--target`` names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecsmachine.errors import UsageError
from ecsmachine.machine.create_request import CreateRequest
from ecsmachine.suggestions import instead_of


@dataclass(frozen=True)
class Setup:
    """What is done on a host once the machine is made: files copied there, then commands run.

    A copy is of a path here to one there; each command is a script of the login user's shell.
    """

    copies: tuple[tuple[Path, str], ...] = ()
    commands: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.copies or self.commands)


@dataclass(frozen=True)
class Wanted:
    """A machine that a file names: the create that would make it, and what follows that.

    ``group`` is the name in the file: web for web-1, web-2, …
    """

    request: CreateRequest
    group: str
    setup: Setup = field(default_factory=Setup)

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.request.name


def targeted(
    targets: Sequence[str], wanted: Sequence[Wanted], made: Iterable[str]
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
            where = "in the file" if wanted else "among the machines that were made from the file"
            raise UsageError(
                f'--target: there is no "{target}" {where}',
                hint=instead_of(target, sorted(groups)),
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
