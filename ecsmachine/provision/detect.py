"""Which system a host runs, and which provisioner knows it."""

from __future__ import annotations

import shlex

from ecsmachine.errors import MachineError
from ecsmachine.provision import debian, redhat, suse
from ecsmachine.provision.provisioner import OperatingSystem, Provisioner

# Asked in this order, the most specific first: by ID, and only then by ID_LIKE.
PROVISIONERS = (*debian.PROVISIONERS, *redhat.PROVISIONERS, *suse.PROVISIONERS)


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
        # relatives say here which release of their parent they are made from
        codename=values.get("UBUNTU_CODENAME")
        or values.get("DEBIAN_CODENAME")
        or values.get("VERSION_CODENAME", ""),
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
        hint="Supported are the families of Debian, Red Hat and SUSE; choose such an image.",
    )
