"""``ecsmachine local up --foreground``: the cloud lasts as long as the command."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.cli.commands.local_cloud import as_machine_errors
from ecsmachine.cli.display.printer import finish, say, show
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.localcloud.host.settings import Running

_LOOK_S = 0.2


def run_in_foreground(folder: Path, running: Running) -> None:
    """Print the daemon's log until an interrupt, SIGTERM or SIGHUP comes; then stop the cloud.

    Raises :class:`MachineError` if the daemon ends by itself.
    """
    from ecsmachine.localcloud.host.paths import CloudPaths
    from ecsmachine.localcloud.host.processes import is_alive
    from ecsmachine.localcloud.service import daemon
    from ecsmachine.system import signals

    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in signals.that_end()}
    try:
        with CloudPaths.of(folder).log.open(encoding="utf-8", errors="replace") as log:
            log.seek(0, os.SEEK_END)
            finish()
            while not told.wait(_LOOK_S) and is_alive(running.process):
                show(log.read(), end="")
                finish()
            show(log.read(), end="")
        if not told.is_set():
            raise MachineError(
                "The local cloud has stopped.", hint="Its log says why: ecsmachine local logs -n 20"
            )
        with as_machine_errors():
            daemon.down(folder)
        say("The local cloud is down.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
