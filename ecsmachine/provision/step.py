"""A step of provisioning: what to look at on the host, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from ecsmachine.provision.base import HostCertificates, HostConnection, ProvisionRequest
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.provisioner import OperatingSystem, Provisioner
from ecsmachine.ssh.command_result import CommandResult


@dataclass
class Situation:
    """What is known while a host is provisioned: what it shall be, and what it is.

    ``replaces_drop_in``: an engine runs, and the configuration that it had is kept until it runs
    with the new one.
    """

    request: ProvisionRequest
    system: OperatingSystem
    provisioner: Provisioner
    facts: Facts
    user: str = "root"
    changed: list[str] = field(default_factory=list)
    unreached_registries: list[str] = field(default_factory=list)
    replaces_drop_in: bool = False

    @cached_property
    def certificates(self) -> HostCertificates:
        """The certificates for the host, which are asked for once."""
        return self.request.certificates()


Explain = Callable[[HostConnection, Situation, CommandResult], ProvisionError]
"""Turns the end of a command that has failed into an error."""

Check = Callable[[HostConnection, Situation, CommandResult], ProvisionError | None]
"""Looks at what a command that has not failed has printed; returns what is wrong, if anything."""


@dataclass(frozen=True)
class Run:
    """A ``sh`` script to run: as root, or as the user that logs in.

    Another status than 0 is an error: that of ``explain``, or one for every command.
    """

    script: str
    timeout_s: float = 120.0
    as_user: bool = False
    explain: Explain | None = None
    check: Check | None = None


@dataclass(frozen=True)
class Upload:
    """A file to write, by root; its folder is made if need be."""

    content: bytes = field(repr=False)
    path: str
    mode: int


Action = Run | Upload


@dataclass(frozen=True)
class Step:
    """One thing that a host has to have, or to be.

    ``look`` returns the ``sh`` commands that show it, which change nothing; all steps' looks go
    to the host at once, before the first step. ``actions`` reads what they printed and
    returns what has to be done: nothing, if the host is as it shall be. ``says`` is the line of
    progress, "" for none; ``always_says``: also when nothing is done. ``look_again``: what other
    steps have seen is stale after this one. Steps between two looks are done by one script: none
    of them may need what another of them has done to be seen.
    """

    name: str
    look: Callable[[ProvisionRequest], str]
    actions: Callable[[Situation], list[Action]]
    says: str | Callable[[Situation], str]
    always_says: bool = False
    look_again: bool = False
    changes: bool = True
