"""Which system a host runs, and which provisioner knows it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ecsmachine.errors import MachineError


@dataclass(frozen=True)
class OperatingSystem:
    """What /etc/os-release says (os-release(5))."""

    id: str
    like: tuple[str, ...] = ()
    version: str = ""
    pretty_name: str = ""


@dataclass(frozen=True)
class Provisioner:
    """What differs between families of systems.

    ``ids`` are matched with ID of /etc/os-release, ``like`` with the words of ID_LIKE.
    ``engine_command`` is how the engine is named in its unit before it is installed: systemd 239
    and later look a bare name up, as Debian's and Docker's packages put it in different places.
    """

    name: str
    ids: tuple[str, ...]
    like: tuple[str, ...] = ()
    engine_command: str = "dockerd"
    storage_driver: str = "overlay2"


# Asked in this order, the most specific first.
PROVISIONERS = (
    Provisioner("ubuntu(systemd)", ids=("ubuntu",)),
    Provisioner("debian", ids=("debian",), like=("debian",)),
)


def parse_os_release(text: str) -> OperatingSystem:
    """Read the text of /etc/os-release; lines that are no assignment are passed over."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if not separator or name.startswith("#"):
            continue
        try:
            words = shlex.split(value)
        except ValueError:
            continue
        values[name] = " ".join(words)
    return OperatingSystem(
        id=values.get("ID", "linux").lower(),
        like=tuple(values.get("ID_LIKE", "").lower().split()),
        version=values.get("VERSION_ID", ""),
        pretty_name=values.get("PRETTY_NAME", values.get("ID", "")),
    )


def provisioner_for(system: OperatingSystem) -> Provisioner:
    """Return the provisioner that knows a system.

    Raises :class:`MachineError` for one that is not supported.
    """
    for provisioner in PROVISIONERS:
        if system.id in provisioner.ids:
            return provisioner
    for provisioner in PROVISIONERS:
        if set(system.like) & set(provisioner.like):
            return provisioner
    raise MachineError(
        f'Error detecting OS: OS type not recognized: "{system.pretty_name or system.id}"',
        hint="Supported are Debian and Ubuntu; choose such an image.",
    )
