"""Whether the computer that the local cloud runs on can bear more guests."""

from __future__ import annotations

import logging
import time

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import parse
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.model import Instance

LOG = logging.getLogger("ecsmachine.localcloud")

_GROWING_S = 180.0
"""How long a guest may take until it uses what it will: until its engine is installed."""


def check_host_capacity(call: Call, number: int) -> None:
    """Raise ``OperationDenied.NoStock``, with what is missing, if there is no room for more guests.

    Those that were asked for a moment ago are counted as well: they do not use yet what they need.
    """
    growing = sum(_is_growing(instance) for instance in call.state.instances)
    missing = call.lifecycle.guests.shortage(number + growing)
    if missing:
        counted = f", counting {growing} that have just been started" if growing else ""
        LOG.warning("%s is refused, as this computer is full: %s%s", call.action, missing, counted)
        raise ApiError(
            refusals.NO_STOCK.code,
            f"{refusals.NO_STOCK.message} (The local cloud's computer is full: {missing}.)",
            refusals.NO_STOCK.status,
        )


def _is_growing(instance: Instance) -> bool:
    if instance.status != "Running":
        return instance.status in ("Pending", "Starting")
    # In whole minutes: the one that it was started in counts as a whole.
    return bool(instance.started) and time.time() - parse(instance.started) < _GROWING_S
