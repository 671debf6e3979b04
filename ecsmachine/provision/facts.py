"""What a host looks like before anything is changed: gathered in one round trip."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecsmachine.documents.fields import Fields
from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.shell import PATH, run_as_root

_MARK = "=== "
STEP = "looking at the host"
_BEGIN = f"""\
export LC_ALL=C PATH="{PATH}"
mark() {{ printf '\\n{_MARK}%s\\n' "$1"; }}
"""

SYSTEM = """\
mark os_release; cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release
mark systemd; systemctl --version 2>/dev/null | head -n 1
"""
"""Shows the system that a host runs."""


@dataclass(frozen=True)
class Facts:
    """The sections of what a host printed, and what they mean."""

    sections: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.sections.get(name, "").strip("\n")

    def pairs(self, name: str) -> dict[str, str]:
        """Return the ``NAME=value`` lines of a section."""
        lines = (line.partition("=") for line in self[name].splitlines())
        return {name: value for name, separator, value in lines if separator}

    def fields(self, name: str) -> Fields:
        """Return the ``NAME=value`` lines of a section, to be read by type.

        What is not of its type raises ``ProvisionError``.
        """
        return Fields(self.pairs(name), _fault, name, loose=True)

    @property
    def systemd_version(self) -> int:
        """The version of systemd; 0 without it."""
        found = re.match(r"systemd ([0-9]{1,6})\b", self["systemd"])
        return int(found[1]) if found else 0

    @property
    def unit(self) -> dict[str, str]:
        """The properties of docker.service that were asked for."""
        return self.pairs("unit")

    @property
    def engine_running(self) -> bool:
        """Whether docker.service is active."""
        return self.unit.get("ActiveState") == "active"


def _fault(reason: str) -> ProvisionError:
    return ProvisionError(
        STEP,
        f"the host's facts cannot be used: {reason}",
        hint="Check the host: its commands do not answer like those of a Linux system.",
    )


def look_script(*looks: str) -> str:
    """Return the ``sh`` script that looks at a host; nothing is changed."""
    return "".join((_BEGIN, SYSTEM, *looks, ":\n"))


def gather(host: HostConnection, *looks: str) -> Facts:
    """Look at a host. Raises ``ProvisionError``."""
    try:
        return parse(run_as_root(host, STEP, look_script(*looks)).stdout)
    except ProvisionError as error:
        if _MARK in (error.details or ""):
            error.details = None  # the facts until then, which tell nobody why it ended
        raise


def parse(output: str) -> Facts:
    """Return the facts in the output of the commands."""
    sections: dict[str, str] = {}
    for part in f"\n{output}".split(f"\n{_MARK}")[1:]:
        name, _, text = part.partition("\n")
        sections[name] = text
    return Facts(sections)
