"""What is left in the cloud of machines that no store knows any more: found, and removed.

The cloud is listed before the store is read: a create writes its journal before it asks for
anything, so what the cloud shows of a create that runs is always in a journal by then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import ID
from ecsmachine.documents.text import read_file
from ecsmachine.drivers.base import Report
from ecsmachine.drivers.tagged import INSTANCE, HourlyCost, TaggedResource, TaggedResources, tag_of
from ecsmachine.errors import MachineError
from ecsmachine.machine import files
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.store import Store
from ecsmachine.system.files import path_exists

UNKNOWN_STORE = "unknown"
"""What stands for the store of something whose tags did not come to be written."""

_YOUNG_S = 3600.0
"""How long after its last change a journal that is not complete counts as one of a create that
runs, in seconds."""


class Standing(Enum):
    """Whose a resource is."""

    ORPHAN = "orphan"
    MAKING = "in the making"
    FOREIGN = "of another store"
    OWNED = "of a machine"


@dataclass(frozen=True)
class Found:
    """A tagged resource and whose it is; ``cost`` where the cloud tells it.

    ``journal`` is the file in ``.abandoned`` that lists it, if one does.
    """

    resource: TaggedResource
    standing: Standing
    machine_name: str = ""
    cost: HourlyCost | None = None
    journal: Path | None = None

    @property
    def store_id(self) -> str:
        """The id of the store that it is of."""
        return self.resource.store_id or UNKNOWN_STORE


@dataclass
class Swept:
    """What a sweep removed, and what it could not remove and why."""

    removed: list[TaggedResource] = field(default_factory=list)
    failures: list[tuple[str, MachineError]] = field(default_factory=list)


def survey(store: Store, cloud: TaggedResources) -> list[Found]:
    """Return all that carries our tags in the region of ``cloud``, with whose it is."""
    there = _with_store_ids(cloud.find())
    claims = _claims(store, cloud)
    own_id = store.context("").store_id
    listed = _listed_in_abandoned(store, cloud.region)
    found: list[Found] = []
    for resource in there:
        owner = claims.owner_of(resource)
        if owner is not None:
            making = Standing.MAKING if owner in claims.making else Standing.OWNED
            found.append(Found(resource, making, owner))
            continue
        journal = listed.get(resource.create_id) or listed.get(resource.id)
        mine = resource.store_id == own_id or journal is not None
        standing = Standing.ORPHAN if mine else Standing.FOREIGN
        if resource.shared and standing is Standing.ORPHAN and claims.making:
            # a create that runs may be about to use it
            found.append(Found(resource, Standing.MAKING, sorted(claims.making)[0]))
            continue
        cost = cloud.hourly_cost(resource)
        found.append(Found(resource, standing, resource.machine_name, cost, journal))
        if resource.kind == INSTANCE:
            found += [
                Found(each, standing, each.machine_name, None, journal)
                for each in cloud.attached_to(resource)
            ]
    known = {each.resource.key for each in found}
    for path in _abandoned(store, cloud.region):
        found += [
            Found(each, Standing.ORPHAN, _machine_name_of(path), None, path)
            for each in cloud.listed_in(FileJournal(path))
            if each.key not in known
        ]
    return found


def sweep(store: Store, cloud: TaggedResources, chosen: Collection[Found], report: Report) -> Swept:
    """Remove what was chosen of a survey in the region of ``cloud``, and see that it is gone.

    What a machine of this store has come to own since is left alone. One that cannot be
    removed does not keep the others from being tried, but an instance keeps what it uses.
    """
    swept = Swept()
    with store.lock(".sweep"):
        for path in _abandoned(store, cloud.region):
            _sweep_journal(store, cloud, path, swept, report)
        kept: dict[str, str] = {}
        rest = [
            found.resource
            for found in chosen
            if found.resource.region == cloud.region and found.journal is None
        ]
        for resource in sorted(rest, key=cloud.removal_order):
            if _claims(store, cloud).owner_of(resource) is not None:
                continue
            try:
                _check_removable(resource, kept)
                report(f"Removing {resource.kind} {resource.id}...")
                cloud.remove(resource, lambda line: None)
            except MachineError as error:
                swept.failures.append((f"{resource.kind} {resource.id}", error))
                if resource.kind == INSTANCE:
                    kept[resource.create_id] = resource.id
            else:
                swept.removed.append(resource)
        for resource in cloud.wait_until_gone(swept.removed):
            swept.removed.remove(resource)
            still_there = MachineError(
                "It was removed, but the cloud still shows it",
                hint='"ecsmachine ls --orphans" shows whether it is gone.',
            )
            swept.failures.append((f"{resource.kind} {resource.id}", still_there))
    return swept


def known_regions(store: Store) -> list[str]:
    """Return the regions that machines, and journals of dropped machines, name."""
    regions: list[str] = []
    for name in store.names():
        with contextlib.suppress(MachineError):
            regions += _regions(store.journal(name))
    for path in _abandoned_files(store):
        with contextlib.suppress(MachineError):
            regions += _regions(FileJournal(path))
    return list(dict.fromkeys(regions))


def regions_of(store: Store, name: str) -> list[str]:
    """Return the regions in which a machine has something, by its journal."""
    return list(dict.fromkeys(_regions(store.journal(name))))


def _with_store_ids(resources: Iterable[TaggedResource]) -> list[TaggedResource]:
    """Return the resources; one whose tags were not written yet is of the store of its create."""
    resources = list(resources)
    stores = {
        each.create_id: each.store_id for each in resources if each.create_id and each.store_id
    }
    return [
        each if each.store_id else replace(each, store_id=stores.get(each.create_id, ""))
        for each in resources
    ]


@dataclass
class _Claims:
    """What the machines of a store say is theirs."""

    by_create: dict[str, str] = field(default_factory=dict)
    by_key: dict[tuple[str, str], str] = field(default_factory=dict)
    by_name: dict[tuple[str, str], str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    making: set[str] = field(default_factory=set)
    store_id: str = ""

    def owner_of(self, resource: TaggedResource) -> str | None:
        """Return the machine that a resource belongs to; of shared ones, one that uses it."""
        owner = self.by_key.get(resource.key)
        if owner is None and resource.create_id:
            owner = self.by_create.get(resource.create_id)
        if owner is None and resource.shared and resource.store_id == self.store_id:
            owner = self.by_name.get((resource.kind, resource.name))
            if owner is None and self.unreadable:
                owner = sorted(self.unreadable)[0]
        if owner is None and resource.machine_name in self.unreadable:
            owner = resource.machine_name
        return owner


def _claims(store: Store, cloud: TaggedResources) -> _Claims:
    claims = _Claims(store_id=store.context("").store_id)
    for name in store.names():
        path = store.directory(name) / "journal.json"
        try:
            config: dict[str, Any] = {}
            with contextlib.suppress(MachineError):
                config = store.config(name)["Driver"]
            for key in cloud.named_in(config):
                claims.by_key[key] = name
            if not path_exists(path):
                continue
            journal = store.journal(name)
        except MachineError:
            # whose journal cannot be read may own all that names it, and all that is shared
            claims.unreadable.add(tag_of(name))
            continue
        claims.by_create[journal.create_id] = name
        for resource in journal.resources():
            if resource.id is not None:
                claims.by_key[resource.kind, resource.id] = name
            elif "name" in resource.details:
                claims.by_name[resource.kind, resource.details["name"]] = name
        if not journal.complete and (_is_locked(store, name) or _is_young(path)):
            claims.making.add(name)
    return claims


def _check_removable(resource: TaggedResource, kept: dict[str, str]) -> None:
    """Raise :class:`MachineError` for what must stay: protected, or used by what stays."""
    if resource.protected:
        raise MachineError(
            f"{resource.id} is protected against release",
            hint='Adopt it with "ecsmachine adopt", or disable the protection in the console.',
        )
    user = kept.get(resource.create_id) if resource.create_id else None
    if user is not None:
        raise MachineError(f"It stays because {user} could not be removed")


def _sweep_journal(
    store: Store, cloud: TaggedResources, path: Path, swept: Swept, report: Report
) -> None:
    """Remove what the journal of a dropped machine lists, then the journal."""
    try:
        content = _content(path)
        journal = FileJournal(path)
        if any(journal.create_id == store.journal(name).create_id for name in store.names()):
            return  # it has been adopted since
        before = journal.resources()
        config = content.object("Driver").values
        try:
            cloud.remove_listed(journal, _machine_name_of(path), config, report)
        finally:
            left, claims = journal.resources(), _claims(store, cloud)
            swept.removed += [
                TaggedResource(each.kind, each.id, cloud.region, details=each.details)
                for each in before
                # what another machine uses too has stayed for it
                if each.id is not None
                and each not in left
                and (each.kind, each.id) not in claims.by_key
            ]
        path.unlink()
    except MachineError as error:
        swept.failures.append((f"{path.name}: what it lists", error))


def _listed_in_abandoned(store: Store, region: str) -> dict[str, Path]:
    """Return the journals of dropped machines by create id, and by the ids that they list."""
    listed: dict[str, Path] = {}
    for path in _abandoned(store, region):
        journal = FileJournal(path)
        listed[journal.create_id] = path
        for resource in journal.resources():
            if resource.id is not None:
                listed[resource.id] = path
    return listed


def _abandoned(store: Store, region: str) -> Iterator[Path]:
    """Yield the journals of dropped machines that have something in a region."""
    for path in _abandoned_files(store):
        with contextlib.suppress(MachineError):
            _machine_name_of(path)  # one that cannot be read hides no other
            if region in _regions(FileJournal(path)):
                yield path


def _abandoned_files(store: Store) -> list[Path]:
    return sorted(store.abandoned_path.glob("*.json"))


def _regions(journal: FileJournal) -> list[str]:
    return [each.details["region"] for each in journal.resources() if "region" in each.details]


def _content(path: Path) -> Fields:
    """Return what the store wrote down of a dropped machine. Raises :class:`MachineError`."""

    def fault(reason: str) -> MachineError:
        return MachineError(
            f"The journal {path} cannot be read: {reason}",
            hint="It lists a machine's remaining cloud resources: find them in the console.",
        )

    try:
        return read_object(read_file(path, fault), fault)
    except FileNotFoundError:
        raise fault("it is gone") from None


def _machine_name_of(path: Path) -> str:
    """Return the machine that the journal of a dropped machine was of."""
    return _content(path).text("Machine", ID) or path.stem.rpartition("-")[0]


def _is_young(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _YOUNG_S
    except OSError:
        return True


def _is_locked(store: Store, name: str) -> bool:
    return files.is_locked(store.path / ".locks" / name)
