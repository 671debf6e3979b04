"""What a driver may add to what every driver does: who needs it looks whether it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ecsmachine.drivers.base import Driver, Journal, PortRange, Report


@dataclass(frozen=True)
class CreatePlan:
    """What a create would make.

    ``lines`` say it in words, each with what it is about; ``data`` is the same as plain data, for
    JSON. Neither holds a secret.
    """

    lines: tuple[tuple[str, str], ...]
    data: dict[str, Any]


@runtime_checkable
class Resuming(Protocol):
    """What a driver adds whose create can go on where another process left it."""

    def resume(self, config: Mapping[str, Any]) -> None:
        """Take what that process had stored of the machine: its :meth:`Driver.config`."""


@runtime_checkable
class Replacing(Protocol):
    """What a driver adds whose machines have what only one can have, such as an address."""

    def replace(self, config: Mapping[str, Any]) -> None:
        """Check as if a machine, by its :meth:`Driver.config`, had gone; there may be several."""


@runtime_checkable
class ManyAtOnce(Protocol):
    """What a driver adds that can tell what holds for several new machines of the same options."""

    def check_several(self) -> None:
        """Raise :class:`~ecsmachine.errors.UsageError` if an option can be of one machine only."""

    def take_checks(self, checked: Driver) -> bool:
        """Take what the checks of another new machine found out; whether they hold for this one."""


@runtime_checkable
class RemovedTogether(Protocol):
    """What a driver adds whose machines can be removed together, in requests about many of them."""

    def join_removal(self, other: Driver) -> bool:
        """Ask the cloud together with another machine from now on, if that can be.

        What they share is then removed once for all: :meth:`remove_own` has come to its end for
        each of them before :meth:`Driver.remove` is called for the first.
        """

    def remove_own(self, journal: Journal, report: Report) -> None:
        """Remove what create made for this machine alone; the journal lists the rest further."""


@runtime_checkable
class Planning(Protocol):
    """What a driver adds that can say what ``create`` would make."""

    def plan(self) -> CreatePlan:
        """Return what ``create`` would make, without making it.

        Runs the checks if need be, and raises as they do.
        """


@dataclass(frozen=True)
class CredentialUse:
    """Which credentials a machine uses; never a secret.

    ``recorded`` is the reference in the store, or "" if the store has the keys themselves
    (Docker Machine writes them); ``taken`` says in words what would be taken now, or is "" where
    nothing is there; ``account`` is the id of the account, if it is known.
    """

    recorded: str
    taken: str
    account: str


@runtime_checkable
class CloudCredentials(Protocol):
    """What a driver adds whose machines need the rights of an account."""

    def credential_use(self) -> CredentialUse:
        """Return what is recorded and what would be taken now, without asking the cloud."""

    def check_credentials(self) -> CredentialUse:
        """Ask the cloud whose the credentials are.

        Raises :class:`~ecsmachine.errors.MachineError` if they are not of the machine's account.
        """

    def use_credentials(self, reference: str, *, check: bool, store_keys: bool) -> None:
        """Take others from now on: ``environment``, ``profile:NAME``, ``ram-role[:NAME]``.

        "" leaves it at what is recorded. With ``check`` they must be of the machine's account.
        Keys in the store are dropped, or with ``store_keys`` replaced.
        """

    def forget_keys(self) -> None:
        """Drop the keys in the store."""
        ...


@runtime_checkable
class NamedHost(Protocol):
    """What a driver adds whose hosts can be called otherwise than their machines."""

    def host_name(self) -> str:
        """Return the name that the host shall have, or "" for the machine's own."""


@runtime_checkable
class FirstPassword(Protocol):
    """What a driver adds whose hosts may know a password before they know the machine's key."""

    def first_password(self) -> str | None:
        """Return that password, which is never stored, if this process was given it."""


@runtime_checkable
class StateReason(Protocol):
    """What a driver adds whose machines get into states that nobody has put them in."""

    def state_reason(self) -> str:
        """Return, in words, what is behind the state that was asked for last, or ""."""


@dataclass(frozen=True)
class RunningCost:
    """What a machine costs by the price that was told at its create: computed, not billed.

    ``hour`` is what an hour costs while it runs, ``now`` what one costs as it is now.
    """

    currency: str
    hour: float
    now: float
    spent: float


@runtime_checkable
class Priced(Protocol):
    """What a driver adds whose machines cost money."""

    def running_cost(self) -> RunningCost | None:
        """Return what the machine costs, without asking the provider; None if that is not known."""

    def stop_without_charge(self, report: Report) -> None:
        """Stop the machine so that it itself costs nothing until it is started; its disks do.

        Raises :class:`~ecsmachine.errors.MachineError` if it is stopped otherwise already.
        """


@runtime_checkable
class Expiring(Protocol):
    """What a driver adds whose machines can be released by the provider at a time."""

    def expires(self) -> str:
        """Return when (UTC, as 2030-01-31T12:00:00Z), as far as it is known, or ""."""

    def expire(self, when: str) -> str:
        """Set when: a time, 8h or 3d from now, or "" for never. Returns the time.

        Raises :class:`~ecsmachine.errors.UsageError` for a text that is none of them.
        """


@runtime_checkable
class ConsoleOutput(Protocol):
    """What a driver adds whose machines have a console that the provider shows."""

    def console(self, *, only_end: bool = False) -> str:
        """Return what the machine's console shows, or its last lines; "" if it shows nothing.

        Raises :class:`~ecsmachine.errors.MachineError` if the provider refuses.
        """


@runtime_checkable
class MemberPorts(Protocol):
    """What a driver adds that can open ports between machines, and to nobody else."""

    def open_between(
        self, others: Sequence[Driver], ports: Sequence[PortRange], report: Report
    ) -> None:
        """Let this machine and the others reach each other at the ports; done already is success.

        Those of other providers are left out: their firewalls are not this driver's.
        """

    def close_between(
        self, others: Sequence[Driver], ports: Sequence[PortRange], report: Report
    ) -> None:
        """Take back what :meth:`open_between` opened; ``others`` still need theirs."""
