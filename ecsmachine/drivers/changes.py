"""What a machine is now, by its options, and how it is brought to other values of them.

Values are looked at in the form that :func:`ecsmachine.drivers.registry.comparable` gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Protocol, runtime_checkable

from ecsmachine.drivers.base import Driver, Journal, Report, State
from ecsmachine.drivers.options import ChangeKind, OptionValue


@dataclass(frozen=True)
class Observed:
    """What the provider says of a machine now.

    ``address`` is the one that a login would use, ``protection`` the name of the option that keeps
    the machine from being removed, or "". ``paid_until`` is the time before which the provider
    does not release it, as it is paid for in advance, or "". ``values`` are those of the options
    that can be seen, by their names; of an option that is not in it, the record alone is known.
    """

    gone: bool
    state: State
    address: str = ""
    values: Mapping[str, OptionValue] = field(default_factory=dict)
    protection: str = ""
    paid_until: str = ""


class HostWork(Flag):
    """What is left to be done on the host itself once the provider has made a change."""

    NONE = 0
    GROW_SYSTEM_DISK = auto()
    GROW_DATA_DISK = auto()
    """The disk has the value's size now: its partition and file system follow."""
    PROVISION = auto()
    """Its name, address or certificate is another: provisioning looks at all of it."""
    MEMBER_PORTS = auto()
    """It is in another security group: members of its swarm open their ports to it anew."""


Others = Callable[[], Sequence[Driver]]
"""Returns other machines; they are loaded where a change is about what machines share."""


@runtime_checkable
class Changeable(Protocol):
    """What a driver adds whose machines can be given other values of options.

    Values are in the form of :func:`ecsmachine.drivers.registry.comparable`.
    """

    def recorded(self) -> Mapping[str, OptionValue]:
        """Return what the record says of the options, without asking the provider."""

    def observed(self) -> Observed:
        """Ask the provider what the machine is now.

        After ``registry.share_lookups`` machines are asked for together, and the answer may be
        two seconds old.
        """

    def how_to_change(self, option: str, old: OptionValue, new: OptionValue) -> ChangeKind:
        """Return how the machine comes from one value of an option to another."""

    def check_change(self, option: str, value: OptionValue) -> None:
        """Raise :class:`~ecsmachine.errors.MachineError` for what the provider would refuse.

        Asked before anything is changed, and so before the machine is stopped.
        """

    def change(
        self,
        option: str,
        value: OptionValue,
        journal: Journal,
        report: Report,
        others: Others,
        save: Callable[[], None],
    ) -> HostWork:
        """Bring the machine to a value, and return what is left to be done on its host.

        :meth:`check_change` has been asked about the value before, and is not asked again.
        Given again it does nothing; cut off, it is given again. An option that changes with a
        restart is changed while the machine is stopped. What it makes and removes is written into
        the machine's ``journal``. ``others`` returns the machines of the
        store that may share things with it: what they need stays. The record is changed last; where
        others look at it for what is shared, ``save`` writes it before they do.
        What the machine was before is asked for once for all changes and checks of a driver, and
        again once its address is another.
        """
