"""What became of the points, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class AnyPoint(Protocol):
    """A point of any kind: what it is grouped by in the table, and its own words."""

    @property
    def phase(self) -> str:
        """The command that the fault struck."""
        ...

    @property
    def fault(self) -> str:
        """What was done to it."""
        ...


@dataclass(frozen=True)
class Outcome:
    """``struck`` is whether the fault came about; ``lost`` says what was wrong at the end."""

    point: AnyPoint
    struck: bool
    lost: Sequence[str]
    log: str = field(default="", repr=False)


def worst(problems: Iterable[str], most: int = 8) -> list[str]:
    """Return the first problems, each once."""
    return list(dict.fromkeys(problems))[:most]


def table(outcomes: Iterable[Outcome]) -> str:
    """Return a line for each command and fault: how many points, survived, not reached, lost."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.point.phase, outcome.point.fault), []).append(outcome)
    lines = [f"{'command':<22}{'fault':<20}{'points':>8}{'survived':>10}{'not met':>9}{'lost':>6}"]
    total = [0, 0, 0, 0]
    for (phase, fault), group in sorted(groups.items()):
        lost = sum(bool(each.lost) for each in group)
        missed = sum(not each.struck and not each.lost for each in group)
        figures = [len(group), len(group) - lost - missed, missed, lost]
        total = [one + other for one, other in zip(total, figures, strict=True)]
        lines.append(_line(phase, fault, figures))
    lines.append(_line("all", "", total))
    return "\n".join(lines)


def _line(phase: str, fault: str, figures: Sequence[int]) -> str:
    points, survived, missed, lost = figures
    return f"{phase:<22}{fault:<20}{points:>8}{survived:>10}{missed:>9}{lost:>6}"
