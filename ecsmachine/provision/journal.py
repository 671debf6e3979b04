"""The engine's own words about why it does not run."""

from __future__ import annotations

from ecsmachine.errors import MachineError
from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.shell import as_root

_LINES = 30


def engine_journal(host: HostConnection) -> str:
    """Return the end of the engine's journal under a heading; nothing if there is none."""
    command = f"journalctl -u docker.service --no-pager -q -n {_LINES} -o cat"
    try:
        text = host.run(as_root(command, host.user), timeout_s=60).stdout.strip()
    except MachineError:
        return ""  # the error that brought us here says more
    return f"The engine's journal:\n{text}" if text else ""
