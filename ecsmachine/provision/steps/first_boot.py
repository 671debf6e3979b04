"""The first boot: what cloud-init does there, host name and packages included, is waited for."""

from __future__ import annotations

from ecsmachine.provision.base import ProvisionRequest
from ecsmachine.provision.step import Action, Run, Situation, Step

_TIMEOUT_S = 600


def look(request: ProvisionRequest) -> str:
    """Return the commands that show whether cloud-init is at work: its result comes last."""
    return """\
mark cloud_init
if command -v cloud-init >/dev/null 2>&1 && [ -e /run/cloud-init/enabled ] &&
    ! [ -e /run/cloud-init/result.json ]; then echo running; fi
"""


def actions(situation: Situation) -> list[Action]:
    """Return what waits for cloud-init.

    However it ends, and if it does not end: that is for the person who gave it its work.
    """
    if situation.facts["cloud_init"].strip() != "running":
        return []
    wait = f"timeout {_TIMEOUT_S} cloud-init status --wait >/dev/null 2>&1 || :"
    return [Run(wait, timeout_s=_TIMEOUT_S + 30)]


STEP = Step(
    "first boot",
    look,
    actions,
    "Waiting for cloud-init to finish the first boot...",
    look_again=True,
    changes=False,
)
