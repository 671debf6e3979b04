"""Steps at the provider: the account, the instance and its address."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol

from ecsmachine.drivers.base import State
from ecsmachine.drivers.capabilities import Expiring, StateReason
from ecsmachine.drivers.existing_host import ExistingHost
from ecsmachine.errors import MachineError
from ecsmachine.machine.doctor.examination import Step, Warned
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.machine.probe import NotRunningError

if TYPE_CHECKING:
    from ecsmachine.drivers.looks import CloudLooks

CREDENTIALS, CLOCK, ACCOUNT, REGION = "credentials", "clock", "account", "region"
INSTANCE, ADDRESS = "instance", "address"

_REFUSED_S = 900
"""By how much the clock may differ, in seconds, before requests are refused (InvalidTimeStamp)."""

_SAME_S = 3
_OFF_S = 60
_SOON = timedelta(days=1)


class HasLooks(Protocol):
    """What has an account at a provider: a machine, or this computer."""

    @property
    def looks(self) -> CloudLooks | None:
        """What the provider can be asked."""


def has_looks(subject: HasLooks) -> bool:
    """Whether there is a provider that can be asked."""
    return subject.looks is not None


def looks_of(subject: HasLooks) -> CloudLooks:
    """Return what the provider can be asked, in a step that applies where there is one."""
    assert subject.looks is not None  # noqa: S101  (the steps apply to nothing else)
    return subject.looks


def credentials(subject: HasLooks) -> str:
    """See where the credentials are taken from."""
    return looks_of(subject).credentials()


def clock(subject: HasLooks) -> str | Warned:
    """Compare this computer's clock with the provider's."""
    offset_s = looks_of(subject).clock_offset_s()
    if offset_s is None:
        return Warned("the cloud's answer carries no time")
    off = abs(round(offset_s))
    if off <= _SAME_S:
        return "same as the cloud's"
    words = f"{off} s {'ahead of' if offset_s > 0 else 'behind'} the cloud's"
    hint = "Set this computer's clock: sudo timedatectl set-ntp true"
    if off >= _REFUSED_S:
        raise MachineError(f"it is {words}, so the cloud refuses requests", hint=hint)
    return Warned(f"it is {words}", hint) if off > _OFF_S else words


def account(subject: HasLooks) -> str:
    """See whose the credentials are."""
    return looks_of(subject).account()


def region(subject: HasLooks) -> str:
    """See that the region is there."""
    return looks_of(subject).region()


def instance(subject: Subject) -> str | Warned:
    """See that the provider says that the machine runs; its address is fresh afterwards."""
    driver = subject.machine.driver
    state = driver.state()
    reason = driver.state_reason() if isinstance(driver, StateReason) else ""
    if state is not State.RUNNING:
        told = f"it is {state.value}" + (f": {reason}" if reason else "")
        raise NotRunningError(subject.machine, state, told)
    if reason:
        return Warned(f"it is running, but is {reason}")
    expires = driver.expires() if isinstance(driver, Expiring) else ""
    if expires and _is_soon(expires):
        return Warned(
            f"it is running, and is released at {expires}",
            f'"ecsmachine expire {subject.name} 8h" sets another time.',
        )
    return "it runs"


def address(subject: Subject) -> str:
    """See that the machine is where the store says."""
    now = subject.machine.driver.address()
    if not now:
        raise MachineError(
            "it has none",
            hint=f'"ecsmachine restart {subject.name}" gets one, if the machine should have one.',
        )
    if now != subject.address:
        raise MachineError(
            f"it is {now} now; it was {subject.address or 'none'}",
            hint=f'"ecsmachine start {subject.name}" stores it, and renews the certificate.',
        )
    return now


def _is_soon(when: str) -> bool:
    try:
        end = datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return end - datetime.now(timezone.utc) < _SOON


def _has_provider(subject: Subject) -> bool:
    return not isinstance(subject.machine.driver, ExistingHost)


KNOWN = (CREDENTIALS, CLOCK, ACCOUNT)

STEPS: tuple[Step[Subject], ...] = (
    Step(CREDENTIALS, credentials, applies=has_looks),
    Step(CLOCK, clock, needs=(CREDENTIALS,), applies=has_looks),
    Step(ACCOUNT, account, needs=(CREDENTIALS, CLOCK), applies=has_looks),
    Step(REGION, region, needs=KNOWN, applies=has_looks),
    Step(INSTANCE, instance, needs=(*KNOWN, REGION), applies=_has_provider),
    Step(ADDRESS, address, needs=(*KNOWN, INSTANCE), applies=_has_provider),
)
