"""What is examined: a machine, with what the steps before have found out about it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.drivers import registry
from ecsmachine.machine.model import Machine

if TYPE_CHECKING:
    from ecsmachine.drivers.looks import CloudLooks
    from ecsmachine.provision.facts import Facts
    from ecsmachine.ssh.connection import Connection


@dataclass
class Subject:
    """A machine that is examined. ``address`` is the one in the store, whatever is found later.

    ``connection`` is there from the step that logs in; :meth:`close` ends it.
    """

    machine: Machine
    environment: Mapping[str, str]
    docker_folder: Path
    address: str = ""
    connection: Connection | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.address = self.machine.driver.address()

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.machine.name

    @cached_property
    def looks(self) -> CloudLooks | None:
        """What its provider can be asked, if it has one."""
        return registry.looks_of(self.machine.driver)

    @cached_property
    def facts(self) -> Facts:
        """What its host says of its disks and its engine; asked for once, when logged in.

        One round trip; nothing is changed. Raises :class:`ProvisionError`.
        """
        from ecsmachine.provision import facts
        from ecsmachine.provision.engine import DAEMON_JSON_PATH

        assert self.connection is not None  # noqa: S101  (the steps need the login)
        root = shlex.quote(self.machine.engine.graph_dir or "/var/lib/docker")
        look = f"""\
mark space; timeout 5 df -P -k / {root} 2>/dev/null
mark inodes; timeout 5 df -P -i / {root} 2>/dev/null
mark unit; systemctl show docker.service -p LoadState -p ActiveState -p SubState 2>/dev/null
mark process; pidof dockerd
mark journal; journalctl -u docker.service --no-pager -q -n 40 -o cat 2>/dev/null
mark daemon_json; head -c 65536 {DAEMON_JSON_PATH} 2>/dev/null
"""
        return facts.gather(self.connection, look)

    @property
    def sudo(self) -> str:
        """What a command of root's begins with on the host."""
        return "" if self.machine.ssh_target().user == "root" else "sudo "

    def close(self) -> None:
        """End what the steps have begun."""
        if self.connection is not None:
            self.connection.close()
