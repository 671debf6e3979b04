"""What carries our tags in the cloud, be it a machine's or left over; for sweeping and adopting."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ecsmachine.drivers.base import (
    Driver,
    DriverContext,
    Journal,
    Report,
)
from ecsmachine.drivers.host_name import shortened
from ecsmachine.drivers.options import OptionValue

INSTANCE = "instance"
"""The kind of a resource that is a computer: whatever driver, a journal calls it so."""

_LONGEST_TAG = 128  # the value of a tag, in TagResources of ECS


def tag_of(machine_name: str) -> str:
    """Return a machine's name as tags have it: one that is too long is shortened."""
    return shortened(machine_name, _LONGEST_TAG)


@dataclass(frozen=True)
class TaggedResource:
    """A cloud resource that carries our tags, or a name that only we give.

    ``kind`` and ``id`` are those of the journal. ``store_id`` is "" if it cannot be told whose it
    is. ``shared`` things belong to all machines of a store; others to the create ``create_id`` of
    the machine ``machine_name``. ``created`` is in UTC. ``protected`` is whether the cloud refuses
    to release it until that is switched off. ``details`` are those of the journal.
    """

    kind: str
    id: str
    region: str
    name: str = ""
    store_id: str = ""
    create_id: str = ""
    machine_name: str = ""
    shared: bool = False
    state: str = ""
    created: datetime | None = None
    protected: bool = False
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others of an account."""
        return self.kind, self.id


@dataclass(frozen=True)
class HourlyCost:
    """What a resource costs in an hour, in a currency such as CNY."""

    amount: float
    currency: str


class TaggedResources(Protocol):
    """The tagged resources of an account in one region.

    Methods raise :class:`~ecsmachine.errors.MachineError` with a line that a person can act on.
    """

    region: str

    def find(self) -> list[TaggedResource]:
        """Return all that carries our tags, of whatever store."""

    def attached_to(self, instance: TaggedResource) -> Iterator[TaggedResource]:
        """Yield what carries no tags, but points to that instance: routes, places behind
        load balancers."""

    def listed_in(self, journal: Journal) -> list[TaggedResource]:
        """Return what a journal lists and is still there, but carries no tags."""

    def named_in(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the keys of what the ``Driver`` object of a machine's configuration names."""

    def hourly_cost(self, resource: TaggedResource) -> HourlyCost | None:
        """Return what a resource costs, where the cloud tells it."""

    def removal_order(self, resource: TaggedResource) -> int:
        """Return a number by which resources are sorted so that none is in use when it goes."""

    def remove(self, resource: TaggedResource, report: Report) -> None:
        """Remove a resource; one that is gone is success."""

    def remove_listed(
        self, journal: Journal, machine_name: str, config: Mapping[str, Any], report: Report
    ) -> None:
        """Remove all that the journal of a dropped machine lists.

        ``config`` is the machine's ``Driver`` object, as far as it is known. Raises
        :class:`~ecsmachine.errors.MachineError` if the account is another one than the machine's.
        """

    def adopt(
        self,
        instance: TaggedResource,
        context: DriverContext,
        values: Mapping[str, OptionValue],
        journal: Journal,
    ) -> Driver:
        """Return the driver of a machine whose computer is that instance.

        What belongs to it is written into the journal. ``values`` are those of the driver's
        ``ADOPTION_OPTIONS``; the key that they name is copied into the machine's folder.
        """

    def mark(self, context: DriverContext, journal: Journal, *, shared: bool) -> None:
        """Tag what the journal lists as the machine's and its store's; with ``shared`` also what
        several machines use."""

    def wait_until_gone(self, resources: Collection[TaggedResource]) -> list[TaggedResource]:
        """Return those of ``resources`` that the cloud still shows after a while."""
