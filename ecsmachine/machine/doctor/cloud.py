"""Steps at the provider: the account, the instance, its address, and whom its firewall lets in."""

from __future__ import annotations

import contextlib
import ipaddress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol

from ecsmachine.drivers.base import Expiring, State, StateReason
from ecsmachine.drivers.existing_host import ExistingHost
from ecsmachine.errors import MachineError
from ecsmachine.machine.doctor.examination import Step, Warned
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.machine.engine_look import port_of
from ecsmachine.machine.probe import NotRunningError
from ecsmachine.ssh.route import source_towards
from ecsmachine.ssh.stream import answers

if TYPE_CHECKING:
    from ecsmachine.drivers.looks import CloudLooks

CREDENTIALS, CLOCK, ACCOUNT, REGION = "credentials", "clock", "account", "region"
INSTANCE, ADDRESS = "instance", "address"
SSH_RULES, ENGINE_RULES = "rules for SSH", "rules for the engine"

_REFUSED_S = 900
"""By how much the clock may differ, in seconds, before requests are refused (InvalidTimeStamp)."""

_SAME_S = 3
_OFF_S = 60
_SOON = timedelta(days=1)
_ANSWER_S = 3.0


class HasLooks(Protocol):
    """What has an account at a provider: a machine, or this computer."""

    @property
    def looks(self) -> CloudLooks | None:
        """What the provider can be asked."""


def has_looks(subject: HasLooks) -> bool:
    """Whether there is a provider that can be asked."""
    return subject.looks is not None


def _looks(subject: HasLooks) -> CloudLooks:
    assert subject.looks is not None  # noqa: S101  (the steps apply to nothing else)
    return subject.looks


def credentials(subject: HasLooks) -> str:
    """See where the credentials are taken from."""
    return _looks(subject).credentials()


def clock(subject: HasLooks) -> str | Warned:
    """Compare this computer's clock with the provider's."""
    offset_s = _looks(subject).clock_offset_s()
    if offset_s is None:
        return Warned("the cloud's answer has no time")
    off = abs(round(offset_s))
    if off <= _SAME_S:
        return "as the cloud's"
    words = f"{off} s {'ahead of' if offset_s > 0 else 'behind'} the cloud's"
    hint = "Set this computer's clock: sudo timedatectl set-ntp true"
    if off >= _REFUSED_S:
        raise MachineError(f"it is {words}, which refuses requests therefore", hint=hint)
    return Warned(f"it is {words}", hint) if off > _OFF_S else words


def account(subject: HasLooks) -> str:
    """See whose the credentials are."""
    return _looks(subject).account()


def region(subject: HasLooks) -> str:
    """See that the region is there."""
    return _looks(subject).region()


def instance(subject: Subject) -> str | Warned:
    """See that the provider says that the machine runs; its address is fresh afterwards."""
    driver = subject.machine.driver
    state = driver.state()
    reason = driver.state_reason() if isinstance(driver, StateReason) else ""
    if state is not State.RUNNING:
        told = f"it is {state.value}" + (f": {reason}" if reason else "")
        raise NotRunningError(subject.machine, state, told)
    if reason:
        return Warned(f"it runs, but is {reason}")
    expires = driver.expires() if isinstance(driver, Expiring) else ""
    if expires and _is_soon(expires):
        return Warned(
            f"it runs, and is released at {expires}",
            f'"ecsmachine expire {subject.name} 8h" sets another time.',
        )
    return "it runs"


def address(subject: Subject) -> str:
    """See that the machine is where the store says."""
    now = subject.machine.driver.address()
    if not now:
        raise MachineError(
            "it has none",
            hint=f'"ecsmachine restart {subject.name}" has it given one, if it is to have one.',
        )
    if now != subject.address:
        raise MachineError(
            f"it is {now} now, and was {subject.address or 'none'}",
            hint=f'"ecsmachine start {subject.name}" takes it over, into the certificate too.',
        )
    return now


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
    found = _looks(subject).admission(source, port)
    if found.lets_in:
        return f"{found.told} ({found.where})"
    host, jump = subject.machine.driver.address(), subject.machine.auth.jump
    with contextlib.suppress(MachineError):
        if answers(host, port, jump=jump, timeout_s=_ANSWER_S):
            return f"it is reached, though of {found.where} {found.told}"
    hint = f'"ecsmachine doctor {subject.name} --let-in {source or "ADDRESS"}" adds a rule.'
    if "drops" in found.told:
        hint = f"Remove that rule of {found.where} in the ECS console."
    raise MachineError(f"{found.told} ({found.where})", hint=hint)


def _is_soon(when: str) -> bool:
    try:
        end = datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return end - datetime.now(timezone.utc) < _SOON


def _has_looks(subject: Subject) -> bool:
    return has_looks(subject)


def _has_provider(subject: Subject) -> bool:
    return not isinstance(subject.machine.driver, ExistingHost)


_KNOWN = (CREDENTIALS, CLOCK, ACCOUNT)

STEPS: tuple[Step[Subject], ...] = (
    Step(CREDENTIALS, credentials, applies=_has_looks),
    Step(CLOCK, clock, needs=(CREDENTIALS,), applies=_has_looks),
    Step(ACCOUNT, account, needs=(CREDENTIALS, CLOCK), applies=_has_looks),
    Step(REGION, region, needs=_KNOWN, applies=_has_looks),
    Step(INSTANCE, instance, needs=(*_KNOWN, REGION), applies=_has_provider),
    Step(ADDRESS, address, needs=(*_KNOWN, INSTANCE), applies=_has_provider),
    Step(SSH_RULES, ssh_rules, needs=(*_KNOWN, REGION, INSTANCE), applies=_has_looks),
    Step(ENGINE_RULES, engine_rules, needs=(*_KNOWN, REGION, INSTANCE), applies=_has_looks),
)
