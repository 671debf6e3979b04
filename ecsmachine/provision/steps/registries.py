"""Whether the engine will find images: its mirrors of registries, or Docker Hub, are asked once."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.shell import PATH
from ecsmachine.provision.step import Action, Run, Situation, Step
from ecsmachine.ssh.command_result import CommandResult

NAME = "registries"
DOCKER_HUB = "https://registry-1.docker.io"
_UNREACHED = "unreached: "


def actions(situation: Situation) -> list[Action]:
    """Return what asks the registries, if that was asked for and the engine has no proxy."""
    engine = situation.request.engine
    has_proxy = any("proxy=" in variable.lower() for variable in engine.env)
    if not situation.request.first_time or has_proxy:
        return []
    script = asking_script([*engine.registry_mirror, DOCKER_HUB])
    return [Run(script, timeout_s=120.0, check=_note)]


def asking_script(addresses: list[str]) -> str:
    """Return the ``sh`` script that prints why no registry answers; nothing if one does.

    Any answer will do, as that a login is needed.
    """
    return f"""\
export LC_ALL=C PATH="{PATH}"
command -v curl >/dev/null 2>&1 || exit 0
for address in {shlex.join(address.rstrip("/") for address in addresses)}; do
    why=$(curl -sS -o /dev/null --connect-timeout 4 --max-time 8 "$address/v2/" 2>&1) && exit 0
    echo "{_UNREACHED}$address: $why"
done
"""


def _note(host: HostConnection, situation: Situation, result: CommandResult) -> None:
    situation.unreached_registries = [
        line.removeprefix(_UNREACHED)
        for line in result.stdout.splitlines()
        if line.startswith(_UNREACHED)
    ]


STEP = Step(NAME, lambda request: "", actions, "", changes=False)
