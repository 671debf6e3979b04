"""What a host says of its disks and its engine, in one round trip; nothing is changed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ecsmachine.provision import facts
from ecsmachine.provision.engine import DAEMON_JSON_PATH

if TYPE_CHECKING:
    from ecsmachine.provision.base import HostConnection


def gather(connection: HostConnection, docker_root: str) -> facts.Facts:
    """Look at a host. Raises :class:`~ecsmachine.provision.errors.ProvisionError`."""
    root = shlex.quote(docker_root)
    look = f"""\
mark space; timeout 5 df -P -k / {root} 2>/dev/null
mark inodes; timeout 5 df -P -i / {root} 2>/dev/null
mark unit; systemctl show docker.service -p LoadState -p ActiveState -p SubState 2>/dev/null
mark process; pidof dockerd
mark journal; journalctl -u docker.service --no-pager -q -n 40 -o cat 2>/dev/null
mark daemon_json; head -c 65536 {DAEMON_JSON_PATH} 2>/dev/null
"""
    return facts.gather(connection, look)
