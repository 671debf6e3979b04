"""What machines write down: the engine's journal, over SSH, and the console at the provider."""

from __future__ import annotations

import re
import shlex
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from queue import Full, Queue
from threading import Event, Thread

from ecsmachine.drivers.capabilities import ConsoleOutput
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.address import login
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.provision.shell import as_root

_AHEAD = 1000
"""How many lines of a machine are read before they are taken."""

_CONSOLE_EVERY_S = 2.0
_OVERLAP = 3
_FULL_S = 0.2

_FILES = ("/var/log/docker.log", "/var/log/upstart/docker.log", "/var/log/docker")
"""Where engines write on hosts without a journal."""


@dataclass(frozen=True)
class Wanted:
    """Which lines: of the console or the engine; the last ``lines``, all if it is None; those since
    a time, as :func:`since` gives it; and, to ``follow``, those that come.
    """

    console: bool = False
    lines: int | None = None
    since: str = ""
    follow: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a machine."""

    machine: str
    text: str


_Item = Line | tuple[str, BaseException | None]
"""A line, or the end of a machine's lines and what ended them."""


def since(text: str) -> str:
    """Return a time, as journalctl(1) takes it: ``10m``, ``2h``, ``3d`` ago, or a date and time.

    Raises :class:`UsageError` for a text that is none.
    """
    if re.fullmatch(r"[1-9][0-9]{0,6}[smhd]", text):
        return f"-{text}"
    try:
        when = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text)).timestamp()
    except (ValueError, OverflowError):  # the second of a time that no clock here can have
        raise UsageError(
            f'--since: "{text}" is not a time', hint="Write it as 10m, 2h, 3d or 2030-01-31T12:00."
        ) from None
    return f"@{when:.0f}"


def lines_of(machine: Machine, wanted: Wanted) -> Iterator[str]:
    """Yield the lines of a machine, one that follows as they come.

    A connection that is lost is not made again: the error says so.
    """
    return _of_console(machine, wanted) if wanted.console else _of_engine(machine, wanted)


def lines_of_all(
    store: Store, names: list[str], wanted: Wanted, failed: Callable[[str, MachineError], None]
) -> Iterator[Line]:
    """Yield the lines of machines: one after the other, or together as they come if followed.

    ``failed`` is told of a machine that cannot be read, or not any more; the others go on.
    """
    over = Event()
    shared: Queue[_Item] = Queue(_AHEAD)
    queues = {name: shared if wanted.follow else Queue(_AHEAD) for name in names}

    def read(name: str) -> None:
        end: BaseException | None = None
        try:
            for text in lines_of(store.load(name), wanted):
                if not _hand_over(queues[name], Line(name, text), over):
                    return
        except BaseException as error:  # a fault of ours is raised where lines are taken
            end = error
        _hand_over(queues[name], (name, end), over)

    for name in names:
        Thread(target=read, args=(name,), daemon=True).start()
    try:
        left = len(names)
        for queue in [shared] if wanted.follow else [queues[name] for name in names]:
            while left:
                item = queue.get()
                if isinstance(item, Line):
                    yield item
                    continue
                left -= 1
                name, error = item
                if isinstance(error, MachineError):
                    failed(name, error)
                elif error is not None:
                    raise error
                if not wanted.follow:
                    break
    finally:
        over.set()


def _hand_over(queue: Queue[_Item], item: _Item, over: Event) -> bool:
    """Hand an item over; False if nobody takes any more."""
    while not over.is_set():
        with suppress(Full):
            queue.put(item, timeout=_FULL_S)
            return True
    return False


def _of_engine(machine: Machine, wanted: Wanted) -> Iterator[str]:
    from ecsmachine.ssh.connection import connect
    from ecsmachine.ssh.streaming import printed_lines

    if not machine.driver.provisions:
        raise MachineError(
            f'The host of "{machine.name}" is not known: its engine is somebody else\'s',
            hint="Read the log on the host itself.",
        )
    host = login(machine)
    with connect(host.target, host.pin_path) as connection:
        yield from printed_lines(connection, as_root(_script(wanted), connection.user))


def _script(wanted: Wanted) -> str:
    """Return what prints the engine's log: the journal's, or that of a file."""
    count = "all" if wanted.lines is None else str(wanted.lines)
    journal = ["journalctl", "-u", "docker.service", "--no-pager", "-q", "-o", "short-iso"]
    journal += ["-n", count, *(["--since", wanted.since] if wanted.since else [])]
    tail = ["tail", "-n", "+1" if wanted.lines is None else str(wanted.lines)]
    if wanted.follow:
        journal.append("-f")
        tail.append("-F")
    only_journal = "echo '--since needs a journal, and this host has none'; exit 1"
    return f"""\
export LC_ALL=C
if command -v journalctl >/dev/null 2>&1; then exec {shlex.join(journal)}; fi
{only_journal if wanted.since else ":"}
for file in {" ".join(_FILES)}; do
    [ -f "$file" ] && exec {shlex.join(tail)} "$file"
done
echo 'the host has neither a journal nor a log file of the engine'; exit 1
"""


def _of_console(machine: Machine, wanted: Wanted) -> Iterator[str]:
    driver = machine.driver
    if not isinstance(driver, ConsoleOutput):
        raise machine.without("has no console", hint="Leave --console out.")
    seen = driver.console().splitlines()
    yield from seen if wanted.lines is None else deque(seen, maxlen=wanted.lines)
    while wanted.follow:
        time.sleep(_CONSOLE_EVERY_S)
        now = driver.console().splitlines()
        yield from new_lines(seen, now)
        seen = now


def new_lines(seen: list[str], now: list[str]) -> list[str]:
    """Return what a console shows below the lines that it showed before.

    A console shows its end alone: where nothing of what was seen is left, all of it is new.
    """
    if now[: len(seen)] == seen:
        return now[len(seen) :]
    known = seen[-_OVERLAP:]
    for place in range(len(now) - len(known), -1, -1):
        if now[place : place + len(known)] == known:
            return now[place + len(known) :]
    return now
