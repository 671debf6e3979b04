"""Provisioning: each step looks first, and changes only what differs.

What steps do is gathered until one of them makes what was seen stale, and goes to the host as
one script, the next look with it: a host far away is waited for three times in all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from ecsmachine.errors import MachineError
from ecsmachine.provision import batch, facts
from ecsmachine.provision.base import EngineOptions, HostConnection, ProvisionRequest, Report
from ecsmachine.provision.detect import parse_os_release, provisioner_for
from ecsmachine.provision.engine import with_known_mirrors
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.provisioner import OperatingSystem
from ecsmachine.provision.step import Action, Run, Situation, Step
from ecsmachine.provision.steps import STEPS

_log = logging.getLogger(__name__)

Observe = Callable[[str, Literal["before", "after"]], None]
"""Is told of each step by its name, before it is decided on and after it was done."""


@dataclass
class ProvisionResult:
    """What provisioning found, and the names of the steps that changed something.

    ``engine`` are its options, with what was found out on the host; ``unreached_registries``
    tells of each registry why it does not answer, if none does.
    """

    system: OperatingSystem
    engine: EngineOptions
    changed: list[str] = field(default_factory=list)
    unreached_registries: list[str] = field(default_factory=list)


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
    waiting: list[str] = []
    parts: list[batch.Part] = []

    def do(*, look_again: bool) -> None:
        _run_parts(parts, host, situation, look_again=look_again)
        for name in waiting:
            if observe is not None:
                observe(name, "after")
        parts.clear()
        waiting.clear()

    for step in STEPS:
        if observe is not None:
            observe(step.name, "before")
        actions = _decide(step, situation, report)
        parts += (batch.Part(step.name, action) for action in actions)
        waiting.append(step.name)
        if not parts or (actions and step.look_again):
            do(look_again=bool(parts))
    do(look_again=False)
    return ProvisionResult(
        situation.system,
        situation.request.engine,
        situation.changed,
        situation.unreached_registries,
    )


def look(host: HostConnection, request: ProvisionRequest) -> Situation:
    """Look at a host with the eyes of all steps; nothing is changed.

    Raises :class:`ProvisionError`, and
    :class:`~ecsmachine.errors.MachineError` for a system that is not supported.
    """
    seen = facts.gather(host, *_looks(request))
    system = parse_os_release(seen["os_release"])
    provisioner = provisioner_for(system)
    if not seen.systemd_version:
        raise ProvisionError(
            "detecting the OS",
            f"{system.pretty_name} does not run systemd",
            hint="Choose an image whose init is systemd.",
        )
    engine = with_known_mirrors(request.engine, seen["registry_mirrors"])
    request = replace(request, engine=engine)
    return Situation(request, system, provisioner, seen, user=host.user)


def _looks(request: ProvisionRequest) -> tuple[str, ...]:
    return tuple(step.look(request) for step in STEPS)


def _decide(step: Step, situation: Situation, report: Report) -> list[Action]:
    """Return what a step has to do, once that is said."""
    try:
        actions = step.actions(situation)
        _log.debug("%s: %s", step.name, "differs" if actions else "is up to date")
        says = step.says if isinstance(step.says, str) else step.says(situation)
        if says and (actions or step.always_says):
            report(says)
    except ProvisionError:
        raise
    except MachineError as error:
        raise ProvisionError(
            step.name, error.message, hint=error.hint, details=error.details
        ) from error
    if actions and step.changes:
        situation.changed.append(step.name)
    return actions


def _run_parts(
    parts: list[batch.Part], host: HostConnection, situation: Situation, *, look_again: bool
) -> None:
    """Do what was decided on; with ``look_again`` what is there then is seen."""
    if look_again:
        script = facts.look_script(*_looks(situation.request))
        results = batch.run(host, situation, [*parts, batch.Part(facts.STEP, Run(script))])
        situation.facts = facts.parse(results[-1].stdout)
    else:
        batch.run(host, situation, parts)
