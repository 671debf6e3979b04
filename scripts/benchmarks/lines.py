"""The lines that the bench prints: each is a function, which returns a figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ground import Ground


@dataclass(frozen=True)
class Figure:
    """What was measured: a number, and what to say of it beside."""

    value: float
    beside: str = ""


@dataclass(frozen=True)
class Line:
    """A line of the bench: what it is about, its limit if it has one, and how it is measured."""

    group: str
    what: str
    at_most: float | None
    measure: Callable[[Ground], Figure]

    def printed(self, figure: Figure) -> str:
        """Return the line with its figure; one over its limit is marked."""
        limit = "" if self.at_most is None else f"<= {self.at_most:g}"
        over = "OVER" if self.at_most is not None and figure.value > self.at_most else ""
        number = f"{figure.value:.2f}".rstrip("0").rstrip(".")
        return f"{self.what:<62} {number:>7} {limit:>8} {over:<5}{figure.beside}".rstrip()


LINES: list[Line] = []


def line(
    group: str, what: str, at_most: float | None = None
) -> Callable[[Callable[[Ground], Figure]], Callable[[Ground], Figure]]:
    """Make a line of a function that measures."""

    def make(measure: Callable[[Ground], Figure]) -> Callable[[Ground], Figure]:
        LINES.append(Line(group, what, at_most, measure))
        return measure

    return make
