"""Which of the options counts that say the same in two ways: the one that is given more strongly.

The table of options says which they are (``alternatives``). From the strongest: the command line
(or a machine of a file, before the defaults of that file), sets of options, variables, the
profile, the project's file, the user's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ecsmachine.cli.settings.layers import VARIABLE
from ecsmachine.drivers.base import Report
from ecsmachine.drivers.options import Option, OptionValue, pairs_of
from ecsmachine.errors import UsageError


@dataclass(frozen=True)
class Given:
    """The value that an option is given, and how: ``called`` is its flag, or its variable.

    The ``strength`` is as in :mod:`ecsmachine.cli.settings.layers`: the less, the stronger.
    """

    value: OptionValue
    strength: int
    called: str


def resolve_conflicts(
    options: Iterable[Option], given: Mapping[str, Given], warn: Report
) -> dict[str, Given]:
    """Return what is given without what something stronger, or of the same strength, replaces.

    ``warn`` is told which variables do not count, and which of two that are given alike. Raises
    :class:`UsageError` for two that are given alike and cannot be together.
    """
    options = list(options)
    left = dict(given)
    for strength in sorted({each.strength for each in given.values()}):
        told: dict[str, list[str]] = {}
        for loser, winner, is_told in list(_replaced(options, left, strength)):
            one = left.pop(loser, None)
            if one is not None and is_told:
                told.setdefault(given[winner].called, []).append(one.called)
        for called, others in told.items():
            are = "are" if len(others) > 1 else "is"
            warn(f"{called} is given: {' and '.join(others)} {are} not used")
    return left


def _replaced(
    options: list[Option], given: Mapping[str, Given], strength: int
) -> Iterator[tuple[str, str, bool]]:
    """Yield the options that ones of a strength replace, with those, and whether that is told."""
    values = {name: each.value for name, each in given.items()}
    for one, other, how in pairs_of(options, values):
        mine, theirs = given[one.name], given[other.name]
        if strength != min(mine.strength, theirs.strength):
            continue
        if mine.strength < theirs.strength:
            yield other.name, one.name, theirs.strength == VARIABLE
        elif mine.strength > theirs.strength:
            if how.mutual:
                yield one.name, other.name, mine.strength == VARIABLE
        elif how.both == "wins":
            yield other.name, one.name, True
        elif how.both == "refused":
            raise UsageError(
                f"{_named(one, mine)}: it cannot be used with {_named(other, theirs)}: {how.why}",
                hint="Give one of them.",
            )


def _named(option: Option, given: Given) -> str:
    flag = f"--{option.name}"
    return flag if given.called == flag else f"{flag} ({given.called})"
