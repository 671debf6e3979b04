"""The group docker: a user who logs in and is not root may use the engine."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import ProvisionRequest
from ecsmachine.provision.step import Action, Run, Situation, Step


def look(request: ProvisionRequest) -> str:
    """Return the commands that show the groups of the user that logs in."""
    return 'mark groups; id -nG "${SUDO_USER:-$(id -un)}"\n'


def actions(situation: Situation) -> list[Action]:
    """Return what puts the user into the group."""
    if situation.user == "root" or "docker" in situation.facts["groups"].split():
        return []
    user = shlex.quote(situation.user)
    return [Run(f"groupadd -f -r docker && usermod -aG docker {user}")]


STEP = Step("docker group", look, actions, "Adding the SSH user to the group docker...")
