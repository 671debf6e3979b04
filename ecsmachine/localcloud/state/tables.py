"""The tables of the state: resources of one kind by id.

:class:`ResourceTable` is for resources of a region that requests name. It is declared in
:mod:`ecsmachine.localcloud.state.state` with the refusal of an unknown id and the resource type of
its tags; so ``find`` needs only the id and the region of the request::

    vpc = state.vpcs.find("vpc-bp1...", region="cn-hangzhou")   # or InvalidVpcId.NotFound

``get`` is for ids that the state itself stores (the instance of a disk, the VPC of a VSwitch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import TagSet

T = TypeVar("T")


class Owner(Protocol):
    """The state that a table is of: it notes each change."""

    tag_sets: Table[TagSet]

    def changed(self, table: Table[Any], key: str, new: Any) -> None:
        """Note a change; raises RuntimeError outside a transaction."""


class OfRegion(Protocol):
    """A resource that belongs to a region."""

    @property
    def region(self) -> str:
        """The region's id."""


R = TypeVar("R", bound=OfRegion)


@dataclass(eq=False, repr=False)
class Table(Generic[T]):
    """The resources of one kind by id, in the order in which they were made.

    ``key`` is the field that holds the id.
    """

    kind: type[T]
    owner: Owner
    key: str = field(default="id", kw_only=True)
    _rows: dict[str, T] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        """What the table is called on disk."""
        return self.kind.__name__

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows.values())

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def get(self, key: str) -> T | None:
        """Return the resource with an id that the state holds, or None."""
        return self._rows.get(key)

    def put(self, value: T) -> T:
        """Add the resource, or replace the one with its id; inside a transaction only."""
        key = getattr(value, self.key)
        self.owner.changed(self, key, value)
        self._rows[key] = value
        return value

    def remove(self, key: str) -> None:
        """Remove the resource if it is there; inside a transaction only."""
        if key in self._rows:
            self.owner.changed(self, key, None)
            del self._rows[key]

    def rows(self) -> dict[str, T]:
        """Return a copy of the resources in the table, by id."""
        return dict(self._rows)

    def restore(self, rows: dict[str, T]) -> None:
        """Hold these, by id, in their order; nothing is noted."""
        self._rows = rows


@dataclass(eq=False, repr=False)
class ResourceTable(Table[R]):
    """Resources of regions, which requests name by id.

    ``missing`` is the refusal of an unknown id. ``tagged_as`` is the kind in TagResources, in lower
    case ("" without tags); the tags of a resource are removed with it. ``named_by`` is the field by
    which requests name a resource, if that is not its id. ``is_visible`` says
    whether requests may find one (eventual consistency).
    """

    missing: Refusal
    tagged_as: str = ""
    named_by: str = field(default="", kw_only=True)
    is_visible: Callable[[R], bool] = field(default=lambda _: True, kw_only=True)

    def find(self, name: str, *, region: str | None, missing: Refusal | None = None) -> R:
        """Return the resource that a request names, if it is in ``region`` (None: in any).

        Raises the table's own refusal, or ``missing`` where an action has another one for it.
        """
        found = self.find_or_none(name, region=region)
        if found is None:
            raise (missing or self.missing)()
        return found

    def find_or_none(self, name: str, *, region: str | None) -> R | None:
        """Return the resource that a request names, or None if it is not in ``region``."""
        if self.named_by:
            same = (row for row in self if getattr(row, self.named_by) == name)
            return next((row for row in same if region in (None, row.region)), None)
        row = self._rows.get(name)
        if row is None or region not in (None, row.region) or not self.is_visible(row):
            return None
        return row

    def in_region(self, region: str | None) -> list[R]:
        """Return the resources of a region (None: of all) that requests may find, oldest first."""
        return [row for row in self if region in (None, row.region) and self.is_visible(row)]

    def key_of(self, row: R) -> str:
        """Return the id that a resource and its tags are kept by."""
        key: str = getattr(row, self.key)
        return key

    def names_by_key(self) -> dict[str, str]:
        """Return what requests call the resources, where that is not the id they are kept by."""
        if not self.named_by:
            return {}
        return {self.key_of(row): str(getattr(row, self.named_by)) for row in self}

    def tags(self, key: str) -> dict[str, str]:
        """Return the tags of a resource."""
        tags = self.owner.tag_sets.get(f"{self.tagged_as}/{key}")
        return {} if tags is None else tags.tags

    def remove(self, key: str) -> None:
        """Remove the resource and its tags if it is there; inside a transaction only."""
        super().remove(key)
        if self.tagged_as:
            self.owner.tag_sets.remove(f"{self.tagged_as}/{key}")
