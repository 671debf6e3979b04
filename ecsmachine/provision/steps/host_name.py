"""The host's name, which must resolve on the host itself: else every sudo waits for DNS."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import ProvisionRequest
from ecsmachine.provision.step import Action, Run, Situation, Step


def look(request: ProvisionRequest) -> str:
    """Return the commands that show the name, and what resolves."""
    return """\
mark hostname; hostname
mark etc_hostname; cat /etc/hostname 2>/dev/null
mark hosts; cat /etc/hosts 2>/dev/null
"""


def actions(situation: Situation) -> list[Action]:
    """Return what gives the host its name."""
    facts = situation.facts
    wanted = commands(
        situation.request.hostname,
        current=facts["hostname"],
        etc_hostname=facts["etc_hostname"],
        hosts=facts["hosts"],
    )
    return [Run("set -e\n" + "\n".join(wanted))] if wanted else []


def commands(hostname: str, *, current: str, etc_hostname: str, hosts: str) -> list[str]:
    """Return the shell commands that give a host its name; none if it has it."""
    name = shlex.quote(hostname)
    wanted: list[str] = []
    if not _resolves(hostname, hosts):
        if any(line.split()[:1] == ["127.0.1.1"] for line in hosts.splitlines()):
            line = shlex.quote(f"s/^127\\.0\\.1\\.1.*/127.0.1.1 {hostname}/")
            # a copy is written over it: in a container the file may be a mount of its own
            wanted.append(
                f"hosts=$(sed {line} /etc/hosts) && printf '%s\\n' \"$hosts\" > /etc/hosts"
            )
        else:
            wanted.append(f"printf '127.0.1.1 %s\\n' {name} >> /etc/hosts")
    if etc_hostname.strip() != hostname:
        wanted.append(f"printf '%s\\n' {name} > /etc/hostname")
    if current.strip() != hostname:
        wanted.append(f"hostname {name}")
    return wanted


def _resolves(hostname: str, hosts: str) -> bool:
    for line in hosts.splitlines():
        fields = line.partition("#")[0].split()
        if hostname in fields[1:]:
            return True
    return False


STEP = Step("host name", look, actions, "Setting the host name...")
