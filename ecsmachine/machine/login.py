"""Where a machine can be logged in to now."""

from __future__ import annotations

import socket
from dataclasses import replace

from ecsmachine.machine.model import Machine
from ecsmachine.machine.provisioning import find
from ecsmachine.ssh.openssh import KnownHost
from ecsmachine.ssh.route import check_route
from ecsmachine.ssh.target import SSHTarget

_PATIENCE_S = 3.0


def login(machine: Machine, user: str = "") -> KnownHost:
    """Return the machine's login, as ``user`` if one is given.

    The provider is asked only if nothing answers where the store says that the machine is: it
    may have moved. Raises :class:`~ecsmachine.machine.probe.NotRunningError`.
    """
    target = machine.driver.ssh_target() if machine.driver.address() else None
    if target is None or not _answers(target):
        find(machine)
        target = machine.driver.ssh_target()
    return KnownHost(replace(target, user=user or target.user), machine.known_hosts_path)


def _answers(target: SSHTarget) -> bool:
    check_route(target.host)
    try:
        with socket.create_connection((target.host, target.port), timeout=_PATIENCE_S):
            return True
    except OSError:
        return False
