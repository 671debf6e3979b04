"""How output is laid out: columns, JSON and durations."""

from __future__ import annotations

from operator import attrgetter

from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import document, show
from ecsmachine.cli.display.terminal import cell_width, cut, screen_width, without_colours

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

HEADINGS = {
    "Name": "NAME",
    "Active": "ACTIVE",
    "ActiveHost": "ACTIVE_HOST",
    "ActiveSwarm": "ACTIVE_SWARM",
    "DriverName": "DRIVER",
    "State": "STATE",
    "URL": "URL",
    "SwarmOptions": "SWARM_OPTIONS",
    "Swarm": "SWARM",
    "EngineOptions": "ENGINE_OPTIONS",
    "Error": "ERRORS",
    "DockerVersion": "DOCKER",
    "ResponseTime": "RESPONSE",
    "Price": "PRICE/HOUR",
    "Cost": "COST (COMPUTED)",
    "Charged": "CHARGED",
    "Expires": "EXPIRES",
}
"""The fields of a row of ``ls``, in Docker Machine's order, then ours, and the heading of each."""

_NARROWEST = 5
_GAP = 3


def align(text: str) -> str:
    """Return ``text`` with its tabs made into columns, at least three blanks apart.

    As Go's tabwriter does it for Docker Machine: a column is as wide as its widest cell in the
    lines that follow one another and have it; what stands after the last tab of a line is in
    no column. Blanks at the end of a line are dropped, and colours have no width. On a terminal
    a line that is longer than it is wide is cut.
    """
    rows = [line.split("\t") for line in text.split("\n")]
    columns = max(len(row) for row in rows) - 1
    for column in range(columns):
        block: list[list[str]] = []
        for row in [*rows, []]:
            if len(row) - 1 > column:
                block.append(row)
                continue
            width = max((_width(member[column]) + _GAP for member in block), default=0)
            for member in block:
                blanks = max(_NARROWEST, width) - _width(member[column])
                member[column] += " " * blanks
            block = []
    widest = screen_width()
    return "\n".join(cut("".join(row).rstrip(" "), widest) for row in rows)


def _width(cell: str) -> int:
    """Return how many columns a cell takes: the marks of colours take none."""
    return cell_width(without_colours(cell))


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows in columns, each on a line of its own whatever is in its cells."""
    return align("\n".join("\t".join(map(one_line, row)) for row in rows))


def print_json(value: Any) -> None:
    """Print JSON, in the one style that all commands have.

    It is the whole document where the command was called with ``--json``.
    """
    from ecsmachine.cli.display.json_text import as_text

    made = document()
    if made is not None:
        made.set_result(value)
    else:
        show(as_text(value))


def print_listing(
    items: Iterable[Any],
    columns: Mapping[str, str | Callable[[Any], str]],
    *,
    as_json: bool,
    quiet: bool = False,
    value: Callable[[Any], object] = lambda item: dict(item.raw),
) -> None:
    """Print items in columns, or quietly the first column alone, or each one's value as JSON.

    A column is an attribute of the items, or a function.
    """
    cells = [attrgetter(cell) if isinstance(cell, str) else cell for cell in columns.values()]
    if as_json:
        print_json([value(item) for item in items])
    elif quiet:
        for item in items:
            show(one_line(cells[0](item)))
    else:
        show(table([tuple(columns), *(tuple(cell(item) for cell in cells) for item in items)]))


def print_result(value: dict[str, Any]) -> None:
    """Put what came of work into the document, if one is made: it was told in words before."""
    made = document()
    if made is not None:
        made.set_result({**value, "Errors": []})


def with_our_keys(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields under the names that JSON of ours has: ``instance_type`` is InstanceType."""
    return {
        "".join(word[:1].upper() + word[1:] for word in name.split("_")): value
        for name, value in fields.items()
    }


class Duration(int):
    """A length of time in nanoseconds, which is shown as Go shows one: ``1.5ms``, ``2m0.25s``."""

    @classmethod
    def of_seconds(cls, seconds: float) -> Duration:
        """Return the duration of so many seconds."""
        return cls(round(seconds * 1e9))

    @property
    def methods(self) -> dict[str, int | float | str]:
        """What templates call of Go's type, without arguments."""
        return {
            "Hours": self / 3.6e12,
            "Minutes": self / 6e10,
            "Seconds": self / 1e9,
            "Milliseconds": self // 1_000_000,
            "Microseconds": self // 1000,
            "Nanoseconds": int(self),
            "String": str(self),
        }

    def __str__(self) -> str:
        if self == 0:
            return "0s"
        for unit, nanoseconds in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if self < nanoseconds * 1000:
                return f"{_decimal(self, nanoseconds)}{unit}"
        minutes, rest = divmod(int(self), 60_000_000_000)
        hours, minutes = divmod(minutes, 60)
        text = f"{_decimal(rest, 1_000_000_000)}s"
        if hours or minutes:
            text = f"{minutes}m{text}"
        return f"{hours}h{text}" if hours else text


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(int(value), unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
