"""A step of provisioning: what to look at on the host, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ecsmachine.errors import MachineError
from ecsmachine.provision.base import HostCertificates, HostConnection, ProvisionRequest
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.provisioner import OperatingSystem, Provisioner
from ecsmachine.provision.shell import as_root, as_user, command_failed, run
from ecsmachine.ssh.command_result import CommandResult


@dataclass
class Situation:
    """What is known while a host is provisioned: what it shall be, and what it is."""

    request: ProvisionRequest
    system: OperatingSystem
    provisioner: Provisioner
    facts: Facts
    user: str = "root"
    changed: list[str] = field(default_factory=list)
    _certificates: HostCertificates | None = None

    @property
    def certificates(self) -> HostCertificates:
        """The certificates for the host, which are asked for once."""
        if self._certificates is None:
            self._certificates = self.request.certificates()
        return self._certificates


Explain = Callable[[HostConnection, Situation, CommandResult], ProvisionError | None]
"""Turns a command's end into an error, or None if all is well."""


@dataclass(frozen=True)
class Run:
    """A ``sh`` script to run: as root, or as the user that logs in.

    Unless ``explain`` judges its end, another status than 0 is an error.
    """

    script: str
    timeout_s: float = 120.0
    as_user: bool = False
    explain: Explain | None = None


@dataclass(frozen=True)
class Upload:
    """A file to write."""

    content: bytes = field(repr=False)
    path: str
    mode: int


Action = Run | Upload


@dataclass(frozen=True)
class Step:
    """One thing that a host has to have, or to be.

    ``look`` returns the ``sh`` commands that show it, which change nothing; all steps' looks go
    to the host in one round trip, before the first step. ``actions`` reads what they printed and
    returns what has to be done: nothing, if the host is as it shall be. ``says`` is the line of
    progress; ``always_says``: also when nothing is done. ``look_again``: what other steps have
    seen is stale after this one.
    """

    name: str
    look: Callable[[ProvisionRequest], str]
    actions: Callable[[Situation], list[Action]]
    says: str | Callable[[Situation], str]
    always_says: bool = False
    look_again: bool = False
    changes: bool = True


def do(step: str, action: Action, host: HostConnection, situation: Situation) -> None:
    """Do one thing on the host. Raises :class:`ProvisionError` with the step's name."""
    if isinstance(action, Upload):
        try:
            host.upload(action.content, action.path, mode=action.mode)
        except MachineError as error:
            raise ProvisionError(step, error.message, hint=error.hint) from error
        return
    command = as_user(action.script) if action.as_user else as_root(action.script, host.user)
    result = run(host, step, command, timeout_s=action.timeout_s)
    if action.explain is not None:
        explained = action.explain(host, situation, result)
        if explained is not None:
            raise explained
    elif result.exit_status:
        raise command_failed(step, host.user, result)
