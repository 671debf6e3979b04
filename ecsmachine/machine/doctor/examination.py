"""Steps of an examination, one after the other: what each found, and what mends it.

A step returns what it saw, or a :class:`Warned`; what it raises is what is broken, in the words and
with the hint that every other command has for it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from ecsmachine.errors import MachineError

_LIMIT_S = 30.0
_COMMAND = re.compile(r'"(ecsmachine (?!credentials set")[^"]+)"')  # that one wants a choice

S = TypeVar("S")


class Outcome(str, Enum):
    """What became of a step."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Warned:
    """What a step saw that is no obstacle now, and what to do about it."""

    told: str
    hint: str | None = None


@dataclass(frozen=True)
class Finding:
    """What a step found; ``told`` is one line, ``details`` are lines of a host."""

    step: str
    outcome: Outcome
    told: str = ""
    hint: str | None = None
    details: str | None = None

    @property
    def mend(self) -> list[str]:
        """The commands of ours that mend it, in their order; none where a person has to judge."""
        return _COMMAND.findall(self.hint or "")


@dataclass(frozen=True)
class Step(Generic[S]):
    """One look. It is not tried where one of those that it ``needs`` is broken.

    ``applies`` says whether there is such a thing at all; ``limit_s`` is how long it may take.
    """

    name: str
    look: Callable[[S], str | Warned]
    needs: tuple[str, ...] = ()
    applies: Callable[[S], bool] = field(default=lambda subject: True)
    limit_s: float = _LIMIT_S


def examine(steps: Sequence[Step[S]], subject: S) -> Iterator[Finding]:
    """Yield what each step finds, as it is found; no step is waited for beyond its limit."""
    broken: set[str] = set()
    for step in steps:
        if not step.applies(subject):
            continue
        cause = next((name for name in step.needs if name in broken), None)
        if cause is not None:
            yield Finding(step.name, Outcome.NOT_TRIED, f"because of: {cause}")
            continue
        finding = _within_limit(step, subject)
        if finding.outcome is Outcome.BROKEN:
            broken.add(step.name)
        yield finding


def _within_limit(step: Step[S], subject: S) -> Finding:
    found: list[Finding | BaseException] = []

    def look() -> None:
        try:
            found.append(_looked(step, subject))
        except BaseException as error:  # a fault of ours is raised where it is seen
            found.append(error)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(step.limit_s)
    if not found:
        return Finding(step.name, Outcome.BROKEN, f"no answer in {step.limit_s:.0f} s")
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _looked(step: Step[S], subject: S) -> Finding:
    try:
        seen = step.look(subject)
    except MachineError as error:
        return Finding(step.name, Outcome.BROKEN, error.message, error.hint, error.details)
    if isinstance(seen, Warned):
        return Finding(step.name, Outcome.WARNING, seen.told, seen.hint)
    return Finding(step.name, Outcome.OK, seen)
