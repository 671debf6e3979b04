"""How far the work is: steps with their times on a terminal, plain lines in a pipe.

The lines that are told of the work are the same in both. One that ends with ``...`` is a step,
which lasts until the next line; the others are remarks. Telling never raises: whatever becomes of
the output, or of what draws on a terminal, the work goes on.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TextIO

from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import document, excuse_output, say
from ecsmachine.cli.display.terminal import can_move, has_colours
from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from ecsmachine.cli.display.document import Document


class Progress(Protocol):
    """Takes what is to be said of machines while they are worked on."""

    def report_for(self, name: str) -> Report:
        """Return what takes the lines of a machine."""

    def end(self, name: str, outcome: str, seconds: float, *, failed: bool = False) -> None:
        """Say what came of a machine, in a few words."""


@contextmanager
def steps(
    stream: TextIO | None = None,
    *,
    machine: str = "",
    only_steps: bool = False,
    only_on_terminal: bool = False,
) -> Iterator[Report]:
    """Yield what shows the steps of one piece of work, on standard output unless told otherwise.

    On a terminal a step that is done stays as a line with its time, the running one is shown
    with its seconds, and the last line has the time of all. ``only_steps``: every line is a step.
    ``only_on_terminal``: a pipe gets none of them. As events they are about the ``machine``.
    """
    stream = stream or sys.stdout
    made = document()
    if made is not None and made.form == "lines":
        yield _Events(made).report_for(machine)
        return
    console = _console(stream)
    if console is None:
        yield (lambda line: None) if only_on_terminal else plain_lines(stream)
        return
    shown = _Steps(console, only_steps=only_steps)
    with _live(shown.console, shown.running_line) as live:

        def take(line: str) -> None:
            with suppress(Exception):
                shown.take(one_line(line))
                live.refresh()

        try:
            yield take
        finally:
            with suppress(Exception):
                shown.end()
                live.refresh()
        with suppress(Exception):
            shown.show_total()


@contextmanager
def steps_of(name: str) -> Iterator[Report]:
    """Yield what shows the steps of work on one machine, which is done when nothing is raised."""
    with steps(machine=name) as report, about(name):
        yield report


@contextmanager
def progress(names: Sequence[str], *, with_remarks: bool = False) -> Iterator[Progress]:
    """Yield what shows the progress of several machines on standard output.

    On a terminal each is a row of a table, and those that run are seen, whatever its height;
    ``with_remarks`` has what is no step above it.
    """
    made = document()
    if made is not None and made.form == "lines":
        yield _Events(made)
        return
    console = _console(sys.stdout)
    if console is None:
        yield _Lines()
        return
    rows = _Rows(names, console, with_remarks=with_remarks)
    with _live(console, rows.table):
        try:
            yield rows
        finally:
            rows.over = True


def for_each(
    names: Sequence[str],
    *operations: Callable[[str, Report], None],
    at_once: int | None = None,
) -> None:
    """Do the same to machines at once, and show how far each is.

    An operation is called with a machine's name and what takes its lines; each after that before
    it is through with all. Raises :class:`MachineError` as
    :func:`ecsmachine.machine.several.for_each` does.
    """
    from ecsmachine.machine import several

    at_once = at_once or several.MOST_AT_ONCE
    made = document()
    if made is not None:
        last = operations[-1]
        operations = tuple(partial(_recorded, made, each, each is last) for each in operations)
    if len(names) == 1 or not can_move(sys.stdout):
        with steps() as report:
            plain = [partial(_with_lines, each, report) for each in operations]
            several.for_each(names, *plain, at_once=at_once)
        return
    begun = time.monotonic()
    with progress(names, with_remarks=True) as shown:
        begun_at: dict[str, float] = {}

        def work(operation: Callable[[str, Report], None], name: str) -> None:
            begun_at.setdefault(name, time.monotonic())
            operation(name, shown.report_for(name))
            if operation is operations[-1]:
                shown.end(name, "done", time.monotonic() - begun_at[name])

        def failed(name: str, error: MachineError) -> None:
            spent = time.monotonic() - begun_at[name]
            shown.end(name, f"failed: {error.message}", spent, failed=True)

        shown_work = [partial(work, each) for each in operations]
        several.for_each(names, *shown_work, failed=failed, at_once=at_once)
    say(f"Done in {duration(time.monotonic() - begun)}")


def _with_lines(operation: Callable[[str, Report], None], report: Report, name: str) -> None:
    operation(name, report)


def _recorded(
    made: Document,
    operation: Callable[[str, Report], None],
    is_last: bool,
    name: str,
    report: Report,
) -> None:
    """Do something to a machine, with its events and its end in the document."""
    if made.form == "lines":
        report = _Events(made).report_for(name)
    with about(name, is_last=is_last):
        operation(name, report)


@contextmanager
def about(name: str, *, is_last: bool = True) -> Iterator[None]:
    """Name a machine in what is raised; with nothing raised, it is in the document as done.

    So it is if this ``is_last`` of what is done to the machine.
    """
    try:
        yield
    except MachineError as error:
        error.machine = error.machine or name
        raise
    made = document()
    if made is not None and is_last:
        made.done(name)


def plain_lines(stream: TextIO) -> Report:
    """Return what prints each line whole, whichever thread it comes from."""
    lock = threading.Lock()

    def tell(line: str) -> None:
        with lock:
            say(line, stream)

    return tell


def duration(seconds: float) -> str:
    """Return a length of time as a person reads it: ``0.4 s``, ``12 s``, ``1 min 12 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _console(stream: TextIO) -> Console | None:
    """Return what draws on a terminal; None where lines cannot be written over."""
    if not can_move(stream):
        return None
    from rich.console import Console

    colours = has_colours(stream)
    # its settings are read from variables that anybody may have set to anything
    with suppress(Exception):
        return Console(
            file=stream,
            color_system="auto" if colours else None,
            no_color=not colours,
            highlight=False,
            emoji=False,
        )
    return None


@contextmanager
def _live(console: Console, shown: Callable[[], Table]) -> Iterator[Live]:
    from rich.live import Live

    live = Live(
        console=console,
        get_renderable=shown,
        refresh_per_second=8,
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )
    with suppress(Exception):
        live.start()
    try:
        yield live
    finally:
        with suppress(Exception):
            live.stop()
        excuse_output()


def _without_name(line: str) -> str:
    """Return a line of a driver without the name of the machine before it."""
    name, end, rest = line.partition(") ")
    return rest if end and name.startswith("(") else line


def _is_step(line: str) -> bool:
    return line.endswith("...")


class _Lines:
    """One line for each step of each machine, with its name before it."""

    def __init__(self) -> None:
        self._say = plain_lines(sys.stdout)

    def report_for(self, name: str) -> Report:
        return lambda line: self._say(f"{name}: {line.removeprefix(f'({name}) ')}")

    def end(self, name: str, outcome: str, seconds: float, *, failed: bool = False) -> None:
        self.report_for(name)(f"{outcome} ({seconds:.1f} s)")


class _Events:
    """One event for each line of each machine."""

    def __init__(self, made: Document) -> None:
        self._made = made

    def report_for(self, name: str) -> Report:
        return lambda line: self._made.tell(line.removeprefix(f"({name}) "), name)

    def end(self, name: str, outcome: str, seconds: float, *, failed: bool = False) -> None:
        self._made.tell(outcome, name)


@dataclass
class _Step:
    """A step that is under way, and the error that was being handled when it began."""

    line: str
    begun: float = field(default_factory=time.monotonic)
    handled: BaseException | None = field(default_factory=lambda: sys.exc_info()[1])

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def has_failed(self) -> bool:
        """Whether an error has come up since it began."""
        return sys.exc_info()[1] not in (None, self.handled)


class _Steps:
    """The steps of one piece of work, each with its time, and the running one."""

    def __init__(self, console: Console, *, only_steps: bool):
        from rich.spinner import Spinner

        self.console = console
        self._begun = time.monotonic()
        self._only_steps = only_steps
        self._lock = threading.RLock()
        self._running: _Step | None = None
        self._count = 0
        unicode = console.encoding.lower().startswith("utf")
        self._spinner = Spinner("dots" if unicode else "line")
        self._done = ("✓" if unicode else "+", "green")
        self._failed = ("✗" if unicode else "x", "red")

    def take(self, line: str) -> None:
        """Begin a step, or print a remark; the step before it is done."""
        line = _without_name(line)
        with self._lock:
            self.end()
            if self._only_steps or _is_step(line):
                self._running = _Step(line)
                self._count += 1
            else:
                self._print(f"  {line}")

    def end(self) -> None:
        """Print the running step, if there is one, with its time."""
        from rich.text import Text

        with self._lock:
            step, self._running = self._running, None
            if step is None:
                return
            mark = self._failed if step.has_failed else self._done
            self._print(Text.assemble(mark, f" {step.line} ", (duration(step.seconds), "dim")))

    def show_total(self) -> None:
        """Print how long all of it has taken."""
        if self._count:
            self._print(f"  Done in {duration(time.monotonic() - self._begun)}")

    def running_line(self) -> Table:
        """Return the running step as it is now; nothing if there is none."""
        from rich.table import Table
        from rich.text import Text

        shown = Table.grid(padding=(0, 1, 0, 0))
        shown.add_column(no_wrap=True)
        shown.add_column(no_wrap=True, overflow="ellipsis")
        shown.add_column(no_wrap=True)
        step = self._running
        if step is not None:
            shown.add_row(
                self._spinner, Text(step.line), Text(f"{step.seconds:.0f} s", style="dim")
            )
        return shown

    def _print(self, line: object) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


class _Rows:
    """One row for each machine: how long it has taken, and its last step.

    Until it is ``over`` there are as many rows as the terminal has room for, first those of
    machines that are worked on, and below them how many are through.
    """

    def __init__(self, names: Sequence[str], console: Console, *, with_remarks: bool):
        self._begun: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._steps = dict.fromkeys(names, "")
        self._failed: set[str] = set()
        self._console = console
        self._with_remarks = with_remarks
        self.over = False

    def report_for(self, name: str) -> Report:
        def take(line: str) -> None:
            with suppress(Exception):
                self._take(name, one_line(line))

        return take

    def end(self, name: str, outcome: str, seconds: float, *, failed: bool = False) -> None:
        self._seconds[name] = seconds
        self._steps[name] = one_line(outcome)
        if failed:
            self._failed.add(name)

    def table(self) -> Table:
        """Return the table as it is now."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        now = time.monotonic()
        for name, step in self._shown():
            spent = self._seconds.get(name, now - self._begun.get(name, now))
            style = "red" if name in self._failed else "green" if name in self._seconds else ""
            table.add_row(Text(name), f"{spent:.0f} s", Text(step, style=style))
        if not self.over:
            table.add_row(Text(f"{len(self._seconds)}/{len(self._steps)}", style="bold"))
        return table

    def _shown(self) -> list[tuple[str, str]]:
        """Return the machines that there is room for, in their order, with their last steps."""
        steps = list(self._steps.items())
        room = max(1, self._console.size.height - 2)
        if self.over or len(steps) <= room:
            return steps
        running = [name for name in list(self._begun) if name not in self._seconds]
        waiting = [name for name, _ in steps if name not in self._begun | self._seconds]
        chosen = {*[*running, *reversed(list(self._seconds)), *waiting][:room]}
        return [(name, step) for name, step in steps if name in chosen]

    def _take(self, name: str, line: str) -> None:
        line = line.removeprefix(f"({name}) ")
        self._begun.setdefault(name, time.monotonic())
        if not self._with_remarks or _is_step(line):
            self._steps[name] = line
        else:
            self._console.print(f"{name}: {line}", markup=False, soft_wrap=True)
