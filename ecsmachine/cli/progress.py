"""How far several machines are: a table that is kept up on a terminal, lines in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ecsmachine.drivers.base import Report

if TYPE_CHECKING:
    from rich.table import Table


class Progress(Protocol):
    """Takes what is to be said of machines while they are worked on."""

    def report_for(self, name: str) -> Report:
        """Return what takes the lines of a machine."""
        ...

    def end(self, name: str, outcome: str, seconds: float) -> None:
        """Say what came of a machine, in a few words."""
        ...


@contextmanager
def progress(names: Sequence[str]) -> Iterator[Progress]:
    """Yield what shows the progress of machines on standard output."""
    if not sys.stdout.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.live import Live

    rows = _Rows(names)
    with Live(console=Console(), get_renderable=rows.table, refresh_per_second=8, transient=False):
        yield rows


class _Lines:
    """One line for each step of each machine, with its name before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def report_for(self, name: str) -> Report:
        return lambda line: self._print(name, line)

    def end(self, name: str, outcome: str, seconds: float) -> None:
        self._print(name, f"{outcome} ({seconds:.1f} s)")

    def _print(self, name: str, line: str) -> None:
        with self._lock:
            print(f"{name}: {line.removeprefix(f'({name}) ')}", flush=True)


class _Rows:
    """One row for each machine: how long it has taken, and its last step."""

    def __init__(self, names: Sequence[str]):
        self._begun: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._steps = dict.fromkeys(names, "")

    def report_for(self, name: str) -> Report:
        return lambda line: self._take(name, line)

    def end(self, name: str, outcome: str, seconds: float) -> None:
        self._seconds[name] = seconds
        self._steps[name] = outcome

    def table(self) -> Table:
        """Return the table as it is now."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        now = time.monotonic()
        for name, step in self._steps.items():
            spent = self._seconds.get(name, now - self._begun.get(name, now))
            table.add_row(Text(name), f"{spent:.0f} s", Text(step))
        return table

    def _take(self, name: str, line: str) -> None:
        self._begun.setdefault(name, time.monotonic())
        self._steps[name] = line.removeprefix(f"({name}) ")
