"""The journal of a machine: every cloud resource, on disk before it is asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import ID, JUMP
from ecsmachine.documents.text import read_file
from ecsmachine.drivers.base import Checkpoint, Resource, no_checkpoint
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError
from ecsmachine.machine.files import write_json
from ecsmachine.system.files import path_exists

_VERSION = 1


class FileJournal:
    """A journal kept in one JSON file, written anew, and fsynced, at every change.

    ``checkpoint`` is told of every change, before it is written and when it is on disk.
    Implements :class:`ecsmachine.drivers.base.Journal`.
    """

    def __init__(self, path: Path, checkpoint: Checkpoint = no_checkpoint):
        self._path = path
        self._checkpoint = checkpoint
        self.create_id = ""
        """Identifies this create."""
        self.complete = False
        """Whether the create that this journal is of came to its end."""
        self.removing = False
        """Whether the removal of what it lists was begun: some of it may be gone."""
        self.request: Mapping[str, Any] = {}
        """What the create was asked for, as far as it is written down; empty if it is not."""
        self._adopted = False
        self._resources: list[Resource] = []
        try:
            self._read()
        except FileNotFoundError:
            self.create_id = os.urandom(8).hex()

    @property
    def exists(self) -> bool:
        """Whether it is on disk; Docker Machine's machines have none."""
        return path_exists(self._path)

    @property
    def adopting(self) -> bool:
        """Whether it is of an adoption that did not come to its end."""
        return self._adopted and not self.complete

    @property
    def changing(self) -> bool:
        """Whether the machine is being changed, or a change of it was cut off."""
        return bool(self.request.get("Changing"))

    @property
    def bake(self) -> Mapping[str, str]:
        """What an image is baked of the machine for: its family, and what became of it."""
        bake: Mapping[str, str] = self.request.get("Bake", {})
        return bake

    def begin(self, request: Mapping[str, Any] | None = None) -> None:
        """Write the journal of a create that has made nothing yet, or goes on.

        ``request`` is what was asked for, without secrets.
        """
        self.request = request or self.request
        self._write("begin")

    def note(self, **facts: Any) -> None:
        """Write down more of what was asked for, or something else than before."""
        self.begin({**self.request, **facts})

    def begin_adoption(self, create_id: str) -> None:
        """Write the journal of a machine whose instance is there: ``create_id`` is in its tags."""
        self.create_id = create_id
        self._adopted = True
        self._write("begin")

    def begin_removal(self) -> None:
        """Write down that what the create made is removed from now on.

        On a full disk that is left out: the removal matters more.
        """
        if not self.exists:
            return
        self.removing = True
        with contextlib.suppress(MachineError):
            self._write("removal")

    def hand_over(self, resources: Sequence[Resource], **facts: str) -> None:
        """Write down that a bake is over: what it made stays, and all the rest is removed.

        ``facts`` are kept with what it was asked for, until the machine is gone.
        """
        self._resources = [each for each in self._resources if each not in resources]
        self.request = {**self.request, "Bake": {**self.bake, **facts}}
        self.removing = True
        self._write("hand over")

    def end_removal(self) -> None:
        """Write down that the removal was refused, and nothing was removed: it is whole."""
        if self.removing:
            self.removing = False
            self._write("end of removal")

    def finish(self) -> None:
        """Write down that the machine is whole."""
        self.complete = True
        self._write("finish")

    def find(self, kind: str, **details: str) -> Resource | None:
        """Return the resource of that kind, and with those details, that is not removed."""
        for resource in self._resources:
            if resource.kind == kind and details.items() <= resource.details.items():
                return resource
        return None

    def intend(self, kind: str, **details: str) -> Resource:
        """Write down that a resource is about to be asked for, with a fresh token."""
        known = self.find(kind, **details)
        if known is not None and known.id is None:
            return known
        resource = Resource(kind=kind, token=os.urandom(16).hex(), details=dict(details))
        self._resources.append(resource)
        self._write(f"intend {kind}")
        return resource

    def made(self, resource: Resource, resource_id: str) -> None:
        """Write down the id that the cloud gave."""
        resource.id = resource_id
        self._write(f"made {resource.kind}")

    def removed(self, resource: Resource) -> None:
        """Write down that the resource is gone, or was never made."""
        self._resources.remove(resource)
        self._write(f"removed {resource.kind}")

    def resources(self) -> Sequence[Resource]:
        """Return what is not removed, newest first."""
        return tuple(reversed(self._resources))

    def content(self) -> dict[str, Any]:
        """Return the object that the file holds."""
        return {
            "Version": _VERSION,
            "CreateId": self.create_id,
            "Complete": self.complete,
            "Adopted": self._adopted,
            "Removing": self.removing,
            "Request": self.request,
            "Resources": [asdict(resource) for resource in self._resources],
        }

    def _write(self, change: str) -> None:
        self._checkpoint(f"before journal {change}")
        write_json(self._path, self.content())
        self._checkpoint(f"after journal {change}")

    def _read(self) -> None:
        content = read_object(read_file(self._path, self._fault), self._fault)
        version = content.number("Version")
        if version > _VERSION:
            raise MachineError(
                f"The journal {self._path} was written by a newer ecsmachine",
                hint="Upgrade ecsmachine.",
            )
        for name in ("Version", "Complete", "Resources"):
            if not content.has(name):
                raise content.error(name, " is missing")
        self.create_id = content.required("CreateId", ID)
        self.complete = content.flag("Complete")
        self._adopted = content.flag("Adopted")
        self.removing = content.flag("Removing")
        self.request = _request(content.object("Request"))
        self._resources = [
            Resource(
                kind=entry.required("kind", ID),
                token=entry.required("token", ID),
                id=entry.optional("id"),
                details=entry.mapping("details"),
            )
            for entry in content.objects("Resources")
        ]

    def _fault(self, reason: str) -> MachineError:
        name = self._path.parent.name
        hint = "It lists cloud resources: restore it from a backup"
        if not name.startswith("."):  # a machine's, and not one that is in passing or abandoned
            hint += f', or remove the machine with "ecsmachine rm -f {name}"'
        return MachineError(f"The journal {self._path} cannot be read: {reason}", hint=f"{hint}.")


def _request(fields: Fields) -> dict[str, Any]:
    """Return what a create was asked for; empty if it is not written down."""
    if not fields.values:
        return {}
    options = fields.object("DriverOptions")
    return {
        "DriverName": fields.required("DriverName", ID),
        "DriverOptions": {name: _option(options, name) for name in options.values},
        "SecretOptions": fields.texts("SecretOptions"),
        "Provision": fields.flag("Provision", True),
        "SwarmRole": fields.text("SwarmRole"),
        "SwarmJoin": fields.text("SwarmJoin"),
        **({"SSHJump": fields.text("SSHJump", JUMP)} if fields.has("SSHJump") else {}),
        **({"Bake": fields.mapping("Bake")} if fields.has("Bake") else {}),
        **({"File": fields.text("File")} if fields.has("File") else {}),
        **{name: fields.texts(name) for name in ("Given", "Setup", "Changing") if fields.has(name)},
    }


def _option(options: Fields, name: str) -> OptionValue:
    value = options.values[name]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return options.number(name)
    return options.texts(name) if isinstance(value, list) else options.text(name)
