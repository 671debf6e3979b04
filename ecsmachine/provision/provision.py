"""Provisioning: each step looks first, and changes only what differs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ecsmachine.errors import MachineError
from ecsmachine.provision import facts
from ecsmachine.provision.base import HostConnection, ProvisionRequest, Report
from ecsmachine.provision.detect import parse_os_release, provisioner_for
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.provisioner import OperatingSystem
from ecsmachine.provision.step import Situation, Step, do
from ecsmachine.provision.steps import STEPS

_log = logging.getLogger(__name__)

Observe = Callable[[str, Literal["before", "after"]], None]
"""Is told of each step by its name, before it and after it."""


@dataclass
class ProvisionResult:
    """What provisioning found, and the names of the steps that changed something."""

    system: OperatingSystem
    changed: list[str] = field(default_factory=list)


def provision(
    host: HostConnection,
    request: ProvisionRequest,
    report: Report,
    *,
    observe: Observe | None = None,
) -> ProvisionResult:
    """Make a Docker host of a host. Run again, it changes nothing.

    Raises :class:`ProvisionError` naming the step, with the failed command's output and, where
    the engine does not start, the end of its journal.
    """
    report("Detecting operating system of created instance...")
    situation = look(host, request)
    report("Provisioning created instance...")
    report(f"Provisioning with {situation.provisioner.name}...")
    for step in STEPS:
        if observe is not None:
            observe(step.name, "before")
        _run_step(step, host, situation, report)
        if observe is not None:
            observe(step.name, "after")
    return ProvisionResult(situation.system, situation.changed)


def look(host: HostConnection, request: ProvisionRequest) -> Situation:
    """Look at a host with the eyes of all steps; nothing is changed.

    Raises :class:`ProvisionError`, and
    :class:`~ecsmachine.errors.MachineError` for a system that is not supported.
    """
    seen = facts.gather(host, *(step.look(request) for step in STEPS))
    system = parse_os_release(seen["os_release"])
    provisioner = provisioner_for(system)
    if not seen.systemd_version:
        raise ProvisionError(
            "detecting the OS",
            f"{system.pretty_name} runs without systemd",
            hint="Choose an image whose init is systemd.",
        )
    return Situation(request, system, provisioner, seen, user=host.user)


def _run_step(step: Step, host: HostConnection, situation: Situation, report: Report) -> None:
    try:
        actions = step.actions(situation)
        _log.debug("%s: %s", step.name, "differs" if actions else "is as it shall be")
        if actions or step.always_says:
            report(step.says if isinstance(step.says, str) else step.says(situation))
        for action in actions:
            do(step.name, action, host, situation)
    except ProvisionError:
        raise
    except MachineError as error:
        raise ProvisionError(
            step.name, error.message, hint=error.hint, details=error.details
        ) from error
    if actions and step.changes:
        situation.changed.append(step.name)
    if actions and step.look_again:
        situation.facts = look(host, situation.request).facts
