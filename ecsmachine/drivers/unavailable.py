"""What stands in for a driver that is not here: a machine that is known, but cannot be switched.

Stores of Docker Machine hold machines of clouds that ecsmachine has no driver for. Their engines
and hosts can be reached all the same, by the address and key that the store knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ecsmachine.drivers.base import (
    DriverContext,
    Journal,
    Report,
    State,
    UnsupportedOperationError,
)
from ecsmachine.drivers.base_fields import from_config
from ecsmachine.drivers.existing_host import PARTICIPLES, ExistingHost
from ecsmachine.errors import MachineError
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.system.files import file_exists

_FORWARDED_SSH = frozenset(("virtualbox",))
"""Drivers whose guests are logged in to by a port of this machine."""


class UnavailableDriver(ExistingHost):
    """A machine of a driver that is not here. Its configuration is kept as it was found."""

    provisions = True

    def __init__(self, name: str, context: DriverContext, config: Mapping[str, Any]):
        super().__init__(from_config(context, config), jump=context.jump)
        self.name = name
        self._config = dict(config)
        key = context.directory / "id_rsa"
        if self._fields.ssh_key_path is None and file_exists(key):
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
            hint=f'"ecsmachine rm -f {self._fields.machine_name}" forgets it here. The machine '
            "itself keeps running: remove it where it runs.",
        )

    def state(self) -> State:
        """Return Running if the SSH port answers.

        Raises :class:`UnsupportedOperationError` otherwise: only its driver could tell why.
        """
        if not (self.address() or self.name in _FORWARDED_SSH) or not self.answers():
            raise UnsupportedOperationError(
                f'The state of "{self._fields.machine_name}" is unknown: it does not answer, and '
                f'its driver "{self.name}" is not installed'
            )
        return State.RUNNING

    def ssh_target(self) -> SSHTarget:
        """Return where and as whom to log in."""
        target = super().ssh_target()
        if self.name in _FORWARDED_SSH:
            return replace(target, host="127.0.0.1")
        if not target.host:
            raise MachineError(
                f'IP address is not set: the store has none for "{self._fields.machine_name}"',
                hint=f'Only its driver "{self.name}" can find it.',
            )
        return target

    def unsupported(self, operation: str) -> UnsupportedOperationError:
        """Return the refusal: only the driver could do that."""
        return self._refusal(PARTICIPLES[operation])

    def _refusal(self, done: str, *, hint: str | None = None) -> UnsupportedOperationError:
        return UnsupportedOperationError(
            f'Machine "{self._fields.machine_name}" cannot be {done}: its driver "{self.name}" is '
            "not installed",
            hint=hint or "Use Docker Machine, or the provider's console.",
        )
