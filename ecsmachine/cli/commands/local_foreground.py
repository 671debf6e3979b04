"""``ecsmachine local up --foreground``: the cloud lasts as long as the command."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.cli.commands.local_cloud import as_machine_errors
from ecsmachine.cli.display.printer import finish, say, show
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.localcloud.host.settings import Running

_LOOK_S = 0.2


@contextmanager
def lasting(folder: Path, running: Running) -> Iterator[None]:
    """Let a cloud last as long as the command: print the daemon's log after what the block prints.

    An interrupt, SIGTERM or SIGHUP stops the cloud, and so does whatever else ends the command.
    Where somebody else stops it, the command ends too. Raises :class:`MachineError` if it dies.
    """
    from ecsmachine.localcloud.host.paths import CloudPaths
    from ecsmachine.localcloud.host.processes import is_alive
    from ecsmachine.localcloud.service import daemon
    from ecsmachine.system import signals

    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in signals.that_end()}
    try:
        try:
            # opened first: whoever stops the cloud meanwhile may remove it
            with CloudPaths.of(folder).log.open(encoding="utf-8", errors="replace") as log:
                log.seek(0, os.SEEK_END)
                yield
                finish()
                while not told.wait(_LOOK_S) and is_alive(running.process):
                    show(log.read(), end="")
                    finish()
                show(log.read(), end="")
        finally:
            if told.is_set() or is_alive(running.process):
                with as_machine_errors():
                    daemon.down(folder)
        if not told.is_set() and not daemon.was_stopped(folder):
            raise MachineError(
                "The local cloud has stopped.", hint="Its log says why: ecsmachine local logs -n 20"
            )
        say("The local cloud is down.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
