"""Our public key among the user's authorized keys; what is there stays."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import ProvisionRequest
from ecsmachine.provision.step import Action, Run, Situation, Step


def look(request: ProvisionRequest) -> str:
    """Return the commands that show whether the key is there; the user's, as seen by root."""
    if not request.authorized_key:
        return ""
    line = shlex.quote(request.authorized_key.strip())
    return f"""\
home=$(getent passwd "${{SUDO_USER:-$(id -un)}}" | cut -d : -f 6)
mark authorized_key; grep -qxF {line} "$home/.ssh/authorized_keys" 2>/dev/null && echo there
"""


def actions(situation: Situation) -> list[Action]:
    """Return what adds the key."""
    key = situation.request.authorized_key
    if not key or situation.facts["authorized_key"].strip() == "there":
        return []
    return [Run(script(key), timeout_s=60, as_user=True)]


def script(key: str) -> str:
    """Return the script that adds a key. A last line without an end would become one with it."""
    line = shlex.quote(key.strip())
    return f"""\
set -e
umask 077
keys=~/.ssh/authorized_keys
mkdir -p ~/.ssh
touch "$keys"
[ -z "$(tail -c 1 "$keys")" ] || echo >> "$keys"
printf '%s\\n' {line} >> "$keys"
if command -v restorecon >/dev/null 2>&1; then restorecon -R ~/.ssh; fi
"""


STEP = Step("authorized key", look, actions, "Adding the machine's SSH key...")
