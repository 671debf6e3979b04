"""What stands in for a driver that is not here: a machine that is known, but cannot be switched.

Stores of Docker Machine hold machines of clouds that ecsmachine has no driver for. Their engines
and hosts can be reached all the same, by the address and key that the store knows.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ecsmachine.drivers.base import (
    DataDiskRequest,
    DriverContext,
    Journal,
    Report,
    State,
    UnsupportedOperationError,
)
from ecsmachine.drivers.base_fields import from_config
from ecsmachine.errors import MachineError
from ecsmachine.ssh.route import check_route
from ecsmachine.ssh.target import SSHTarget

_ENGINE_PORT = 2376
_CONNECT_TIMEOUT_S = 5.0
_FORWARDED_SSH = frozenset(("virtualbox",))
"""Drivers whose guests are logged in to by a port of this machine."""


class UnavailableDriver:
    """A machine of a driver that is not here. Its configuration is kept as it was found."""

    provisions = True

    def __init__(self, name: str, context: DriverContext, config: Mapping[str, Any]):
        self.name = name
        self._config = dict(config)
        self._fields = from_config(context, config)
        key = context.directory / "id_rsa"
        if self._fields.ssh_key_path is None and key.is_file():
            self._fields.ssh_key_path = key

    def config(self) -> dict[str, Any]:
        """Return the ``Driver`` object as it was found."""
        return self._config

    def pre_create_check(self, report: Report) -> None:
        """Refuse."""
        raise self._refusal("created")

    def create(self, journal: Journal, report: Report, save: Callable[[], None]) -> None:
        """Refuse."""
        raise self._refusal("created")

    def remove(self, journal: Journal, report: Report) -> None:
        """Refuse: what the machine is made of would stay, and may cost."""
        raise self._refusal(
            "removed",
            hint=f'"ecsmachine rm -f {self._fields.machine_name}" forgets it here. '
            "The machine itself stays: remove it where it runs.",
        )

    def state(self) -> State:
        """Return Running if the SSH port answers.

        Raises :class:`UnsupportedOperationError` otherwise: only its driver could tell why.
        """
        if not self._answers():
            raise UnsupportedOperationError(
                f'The state of "{self._fields.machine_name}" is not known: it does not answer, '
                f'and there is no driver "{self.name}" here to ask'
            )
        return State.RUNNING

    def start(self, report: Report) -> None:
        """Refuse."""
        raise self._refusal("started")

    def stop(self, report: Report) -> None:
        """Refuse."""
        raise self._refusal("stopped")

    def restart(self, report: Report) -> None:
        """Refuse."""
        raise self._refusal("restarted")

    def kill(self, report: Report) -> None:
        """Refuse."""
        raise self._refusal("killed")

    def address(self) -> str:
        """Return the address that the store knows."""
        return self._fields.ip_address

    def addresses(self) -> Sequence[str]:
        """Return the address that the store knows."""
        return [self.address()] if self.address() else []

    def refresh(self) -> None:
        """Do nothing: there is nobody to ask for another address."""

    def url(self) -> str:
        """Return the engine's URL."""
        host = self.address()
        if not host:
            return ""
        return f"tcp://{f'[{host}]' if ':' in host else host}:{_ENGINE_PORT}"

    def ssh_target(self) -> SSHTarget:
        """Return where and as whom to log in."""
        host = self._ssh_host()
        if not host:
            raise MachineError(
                f'IP address is not set: the store knows none of "{self._fields.machine_name}"',
                hint=f'Only its driver "{self.name}" could find it.',
            )
        return SSHTarget(
            host=host,
            port=self._fields.ssh_port,
            user=self._fields.ssh_user,
            key_path=self._fields.ssh_key_path,
        )

    def data_disk(self) -> DataDiskRequest | None:
        """Return None: nothing is known of its disks."""
        return None

    def authorized_key(self) -> str | None:
        """Return None: the login is there."""
        return None

    def _ssh_host(self) -> str:
        return "127.0.0.1" if self.name in _FORWARDED_SSH else self.address()

    def _answers(self) -> bool:
        host = self._ssh_host()
        if not host:
            return False
        check_route(host)
        try:
            where = (host, self._fields.ssh_port)
            with socket.create_connection(where, timeout=_CONNECT_TIMEOUT_S):
                return True
        except OSError:
            return False

    def _refusal(self, done: str, *, hint: str | None = None) -> UnsupportedOperationError:
        return UnsupportedOperationError(
            f'Machine "{self._fields.machine_name}" cannot be {done}: '
            f'there is no driver "{self.name}" here',
            hint=hint or "Use Docker Machine, or the console of where it runs.",
        )
