"""The program, killed at one of the moments at which it changes, or may have changed, something.

``python -m tests.torture.moments LIST COMMAND…`` writes the moments of a command into a file, one
a line; ``python -m tests.torture.moments LIST:NUMBER COMMAND…`` kills it at that line's moment.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecsmachine.cli.app import run

_RANDOM = re.compile(r"\.[0-9a-f]{8}\b")
"""What makes the names of temporary files and folders different every time."""

_CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Moment:
    """A moment by what is about to be done, or was done, and the how-manieth of these (from 1)."""

    what: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} {self.number}"


class Watch:
    """Is told of everything that is done, and calls ``strike`` at each moment that counts.

    Files count if they are below ``store``, but for locks: whatever can change there, before it
    does. So do requests to the cloud and commands on the host, before and after.
    """

    def __init__(self, store: Path, strike: Callable[[Moment], None]):
        self._store = f"{store}/"
        self._strike = strike
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()

    def checkpoint(self, point: str) -> None:
        """Take a checkpoint of the program; what is written is seen by :meth:`audit`."""
        if point.split()[1] != "journal":
            self._count(point)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an event of the interpreter (``sys.addaudithook``)."""
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITING:
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        path = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if path.startswith(self._store) and not path.startswith(f"{self._store}.locks"):
            self._count(f"{event} {_RANDOM.sub('', path.removeprefix(self._store))}")

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
            self._strike(Moment(what, self._counts[what]))


def listed(path: Path) -> list[Moment]:
    """Return the moments that a run wrote into a file."""
    return [Moment(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> None:
    """Run the command."""
    where, *command = sys.argv[1:]
    path, _, number = where.partition(":")
    fatal = listed(Path(path))[int(number)] if number else None
    seen: list[Moment] = []

    def strike(moment: Moment) -> None:
        seen.append(moment)
        if moment == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    watch = Watch(Path(os.environ["MACHINE_STORAGE_PATH"]), strike)
    sys.addaudithook(watch.audit)
    status = run(command, os.environ, watch.checkpoint)
    watch.checkpoint("at end")
    if fatal is None:
        Path(path).write_text("".join(f"{json.dumps(asdict(each))}\n" for each in seen))
    sys.exit(status)


if __name__ == "__main__":
    main()
