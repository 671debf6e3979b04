"""What a driver declares of its options: how they are given, and what they mean for each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

OptionValue = str | int | bool | list[str] | None


def in_words(value: OptionValue) -> str:
    """Return the value of an option for a message; "none" for what is not given, or empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value in (None, "") else str(value)


class ChangeKind(Enum):
    """How a machine that exists comes to another value of an option."""

    IN_PLACE = "in place"
    WITH_RESTART = "with a restart"
    NEW_MACHINE = "new machine"
    AT_CREATE = "only at create"
    """It is used only at create: a later change has no effect."""


OPTION_GROUPS = ("Machine", "Where", "Account", "Network", "Login", "Engine", "Money")
"""The groups of options, in the order in which help shows them."""


@dataclass(frozen=True)
class Alternative:
    """Another option that one cannot be together with, or that says the same in another way.

    It counts for the values ``mine`` and ``theirs``, or for any. Of two that are not given alike (a
    flag, a variable) the stronger counts; unless they are ``mutual``, only where that is this one.
    Given alike, ``both`` are refused (``why``), or this one ``wins``, or both ``count``.
    """

    name: str
    both: Literal["refused", "wins", "count"] = "refused"
    mine: tuple[OptionValue, ...] = ()
    theirs: tuple[OptionValue, ...] = ()
    why: str = "they say the same in two ways"
    mutual: bool = True

    def meets(self, mine: OptionValue, theirs: OptionValue) -> bool:
        """Whether the values of the two are ones for which it counts."""
        return all(
            value in values if values else value not in (None, "", False, [])
            for value, values in ((mine, self.mine), (theirs, self.theirs))
        )


@dataclass(frozen=True)
class Option:
    """One option of a driver: a flag, its variable, its default and its help.

    ``name`` is the flag without the leading dashes. A ``list`` option may be repeated on the
    command line; its variable is split on commas. ``choices`` are matched exactly.
    ``deprecated`` is the warning printed when the option is given. A ``credential`` says who asks:
    it may change from one run to the next, and is never written down. A ``private_key`` is the path
    of one, whose passphrase is asked before anything is done; a ``file`` is any other path. Each
    value of a list of ``pairs`` is like key=value. Help shows an option below its
    ``group``, or that of the option before it, and an ``everyday`` one without --all as well.
    ``changes`` is what another value means for a machine that is there already, ``priced`` whether
    it costs something else then. An empty value leaves the choice to the provider, unless it is
    ``removable``: then the machine loses what it had of it. A value of an ``exclusive`` one can be
    of one machine only. ``alternatives`` are other options that it cannot be with, each pair in one
    of the two.
    """

    name: str
    help: str
    env: str | None = None
    kind: Literal["string", "int", "bool", "list"] = "string"
    default: OptionValue = None
    secret: bool = False
    deprecated: str | None = None
    credential: bool = False
    private_key: bool = False
    file: bool = False
    pairs: bool = False
    choices: tuple[str, ...] = ()
    group: str = ""
    everyday: bool = False
    changes: ChangeKind = ChangeKind.NEW_MACHINE
    priced: bool = False
    removable: bool = False
    exclusive: bool = False
    alternatives: tuple[Alternative, ...] = ()


def pairs_of(
    options: Iterable[Option], values: Mapping[str, OptionValue]
) -> Iterator[tuple[Option, Option, Alternative]]:
    """Yield the options among ``values`` that meet, with what holds for the two."""
    by_name = {option.name: option for option in options}
    for name, option in by_name.items():
        for each in option.alternatives if name in values else ():
            if each.name in values and each.meets(values[name], values[each.name]):
                yield option, by_name[each.name], each
