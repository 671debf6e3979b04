"""A plan: for each machine of a file what is to be done, and what it costs before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ecsmachine.drivers.options import OptionValue
from ecsmachine.machine.plan.wanted import Setup, Wanted


class Kind(Enum):
    """What is to be done with a machine; the values are the words that JSON has."""

    KEEP = "keep"
    CREATE = "create"
    CONTINUE = "continue"
    CHANGE = "change"
    RESTART = "restart"
    REPLACE = "replace"
    REMOVE = "remove"


MAKING = (Kind.CREATE, Kind.CONTINUE, Kind.REPLACE)
"""What ends in a create."""

CHANGING = (Kind.KEEP, Kind.CHANGE, Kind.RESTART)
"""What leaves the machine where it is."""


@dataclass(frozen=True)
class Difference:
    """An option that is another than wanted; ``kind`` is what it takes to change it.

    It is a ``drift`` if that takes a new machine for what was changed outside of the file alone,
    and ``exclusive`` if only one machine can have a value of it.
    """

    option: str
    before: OptionValue
    after: OptionValue
    kind: Kind
    drift: bool = False
    exclusive: bool = False


@dataclass(frozen=True)
class Price:
    """What an hour costs."""

    hour: float
    currency: str


@dataclass(frozen=True)
class Step:
    """What is to be done with one machine.

    ``reason`` says why, where the differences do not; ``setup`` is what is yet to be done on its
    host. It is to be started (``start``), has another address (``moved``), was stopped for a change
    that was cut off (``unfinished``), or joins its swarm anew (``rejoin``) once the manager is
    made. If it goes, the ``protection`` is lifted first by changing that option, and its host
    stays where it is not ours (``host_stays``). A price is None where it is not known, or there is
    none. ``about`` is the instance type of a new one.
    """

    name: str
    kind: Kind
    wanted: Wanted | None = None
    reason: str = ""
    differences: Sequence[Difference] = ()
    setup: Setup = field(default_factory=Setup)
    start: bool = False
    moved: bool = False
    unfinished: bool = False
    rejoin: bool = False
    host_stays: bool = False
    protection: str = ""
    before: Price | None = None
    after: Price | None = None
    about: str = ""

    @property
    def lost(self) -> list[Difference]:
        """What only one machine can have, and this one shall not have any more."""
        return [each for each in self.differences if each.exclusive and each.before]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return self.kind is Kind.KEEP


@dataclass(frozen=True)
class Plan:
    """The steps for the machines of a file, in its order; those that go come last."""

    file: Path
    steps: Sequence[Step]

    def of(self, *kinds: Kind) -> list[Step]:
        """Return the steps of some kinds."""
        return [step for step in self.steps if step.kind in kinds]

    def handed_over(self) -> dict[str, list[str]]:
        """Return the options whose values machines lose first, as others are waiting for them.

        They are by the machine's name. One that gets another value keeps the former until then,
        unless that very value is waited for: in between it has none.
        """
        changed = self.of(Kind.CHANGE, Kind.RESTART)
        exclusive = [each for step in changed for each in step.differences if each.exclusive]
        waited_for = [(each.option, each.after) for each in exclusive if each.after]
        found: dict[str, list[str]] = {}
        for step in changed if waited_for else ():
            for each in step.lost:
                if not each.after or (each.option, each.before) in waited_for:
                    found.setdefault(step.name, []).append(each.option)
        return found

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do at all."""
        return all(step.is_done for step in self.steps)

    def is_like(self, other: Plan) -> bool:
        """Whether another plan does the same; prices may have changed."""
        return [_work(step) for step in self.steps] == [_work(step) for step in other.steps]


def _work(step: Step) -> object:
    return (step.name, step.kind, step.wanted, list(step.differences), step.setup, step.reason)
