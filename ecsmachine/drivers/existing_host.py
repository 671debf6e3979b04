"""What drivers have alike whose hosts are there already: nobody makes them, or switches them."""

from __future__ import annotations

from ecsmachine.drivers.base import Report, State, UnsupportedOperationError
from ecsmachine.drivers.base_fields import BaseFields
from ecsmachine.drivers.stored import ENGINE_PORT, engine_url
from ecsmachine.ssh.stream import answers
from ecsmachine.ssh.target import Jump, SSHTarget

_CONNECT_TIMEOUT_S = 5.0
PARTICIPLES = {"start": "started", "stop": "stopped", "restart": "restarted", "kill": "killed"}
"""What a machine is after an operation, in words."""


class ExistingHost:
    """A host that is known by its address and login; part of a driver."""

    def __init__(
        self, fields: BaseFields, engine_port: int = ENGINE_PORT, jump: Jump | None = None
    ):
        self._fields = fields
        self._jump = jump
        self._engine_port = engine_port

    def unsupported(self, operation: str) -> UnsupportedOperationError:
        """Return the refusal of ``start``, ``stop``, ``restart`` or ``kill``."""
        raise NotImplementedError

    def state(self) -> State:
        """Return Running if the SSH port answers, else Stopped."""
        return State.RUNNING if self.answers() else State.STOPPED

    def start(self, report: Report) -> None:
        """Refuse."""
        raise self.unsupported("start")

    def stop(self, report: Report) -> None:
        """Refuse."""
        raise self.unsupported("stop")

    def restart(self, report: Report) -> None:
        """Refuse."""
        raise self.unsupported("restart")

    def kill(self, report: Report) -> None:
        """Refuse."""
        raise self.unsupported("kill")

    def address(self) -> str:
        """Return the address that the store knows."""
        return self._fields.ip_address

    def addresses(self) -> list[str]:
        """Return the address that the store knows."""
        return [self.address()] if self.address() else []

    def refresh(self) -> None:
        """Do nothing: there is nobody to ask for another address."""

    def url(self) -> str:
        """Return the engine's URL."""
        return engine_url(self.address(), self._engine_port)

    def ssh_target(self) -> SSHTarget:
        """Return where and as whom to log in."""
        fields = self._fields
        return SSHTarget(
            self.address(), fields.ssh_port, fields.ssh_user, fields.ssh_key_path, jump=self._jump
        )

    def data_disk(self) -> None:
        """Return None: the disks of the host are its owner's."""

    def authorized_key(self) -> None:
        """Return None: the login is there."""

    def answers(self) -> bool:
        """Whether somebody takes a connection to the port of SSH."""
        target = self.ssh_target()
        return answers(target.host, target.port, jump=target.jump, timeout_s=_CONNECT_TIMEOUT_S)
