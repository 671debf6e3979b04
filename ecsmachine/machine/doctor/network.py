"""Steps on the way to the host: the jump host, and whom the firewall at the provider lets in."""

from __future__ import annotations

import contextlib
import ipaddress

from ecsmachine.errors import MachineError
from ecsmachine.machine.doctor import cloud
from ecsmachine.machine.doctor.examination import Step, Warned
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.machine.engine_look import port_of
from ecsmachine.ssh.route import source_towards
from ecsmachine.ssh.stream import answers

JUMP, SSH_RULES, ENGINE_RULES = "jump host", "rules for SSH", "rules for the engine"

_ANSWER_S = 3.0


def jump_host(subject: Subject) -> str:
    """See that the jump host can be logged in to."""
    jump = subject.machine.auth.jump
    assert jump is not None  # noqa: S101  (the step applies to nothing else)
    jump.check()
    return jump.target.name


def ssh_rules(subject: Subject) -> str | Warned:
    """See whether the machine's firewall lets us in at the port of SSH."""
    return _admitted(subject, subject.machine.ssh_target().port)


def engine_rules(subject: Subject) -> str | Warned:
    """See whether the machine's firewall lets us in at the engine's port."""
    return _admitted(subject, port_of(subject.machine.driver.url()))


def own_address(subject: Subject) -> str | None:
    """Return our address as the machine sees it; None where that is not known.

    It is the one that the route to the machine has, unless that is a private one behind which an
    address of the internet is reached: then it is translated on the way.
    """
    host = subject.machine.driver.address()
    if subject.machine.auth.jump is not None:
        return None
    source = source_towards(host)
    try:
        is_as_seen = source is not None and (
            ipaddress.ip_address(source).is_global or ipaddress.ip_address(host).is_private
        )
    except ValueError:
        return None
    return source if is_as_seen else None


def _admitted(subject: Subject, port: int) -> str | Warned:
    source = own_address(subject)
    found = cloud.looks_of(subject).admission(source, port)
    if found.lets_in:
        return f"{found.told} ({found.where})"
    host, jump = subject.machine.driver.address(), subject.machine.auth.jump
    with contextlib.suppress(MachineError):
        if answers(host, port, jump=jump, timeout_s=_ANSWER_S):
            return f"it is reachable, although in {found.where} {found.told}"
    hint = f'"ecsmachine doctor {subject.name} --let-in {source or "ADDRESS"}" adds a rule.'
    if "drops" in found.told:
        hint = f"Remove that rule of {found.where} in the ECS console."
    raise MachineError(f"{found.told} ({found.where})", hint=hint)


def _has_jump(subject: Subject) -> bool:
    return subject.machine.auth.jump is not None


_NEEDS = (*cloud.KNOWN, cloud.REGION, cloud.INSTANCE, JUMP)

STEPS: tuple[Step[Subject], ...] = (
    Step(JUMP, jump_host, needs=(cloud.INSTANCE,), applies=_has_jump),
    Step(SSH_RULES, ssh_rules, needs=_NEEDS, applies=cloud.has_looks),
    Step(ENGINE_RULES, engine_rules, needs=_NEEDS, applies=cloud.has_looks),
)
