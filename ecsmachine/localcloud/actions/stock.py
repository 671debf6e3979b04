"""Whether instances can be had: by the seed, by faults, and by what this computer can bear."""

from __future__ import annotations

import logging
import time

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.faults import requests as faults
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import parse
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.model import Instance


def amount_in_stock(call: Call, zone: str, instance_type: str, amount: int, least: int) -> int:
    """Return how many instances of ``amount`` can be had.

    Raises ``OperationDenied.NoStock`` if they are less than ``least``.
    """
    left = _left(call, zone, instance_type)
    if left is not None and left < least:
        raise refusals.NO_STOCK()
    faults.check_stock(call.faults, call.action, zone, instance_type)
    return amount if left is None else min(amount, left)


def sold_out(call: Call, zone: str, instance_type: str) -> bool:
    """Return whether no instance of a type can be had in a zone."""
    if _left(call, zone, instance_type) == 0:
        return True
    return faults.sold_out(call.faults, zone, instance_type)


def _left(call: Call, zone: str, instance_type: str) -> int | None:
    """Return how many more instances there can be; None where nothing bounds them."""
    left = [
        stock.amount
        - sum(stock.matches(one.instance_type, one.zone) for one in call.state.instances)
        for stock in call.state.offer.stock
        if stock.matches(instance_type, zone)
    ]
    return max(0, min(left)) if left else None


LOG = logging.getLogger("ecsmachine.localcloud")

_GROWING_S = 180.0
"""How long a guest may take to reach its full resource use, with its engine installed."""


def check_host_capacity(call: Call, number: int) -> None:
    """Raise ``OperationDenied.NoStock``, with what is missing, if there is no room for more guests.

    Recently requested guests count with their full needs, which they do not use yet.
    """
    growing = sum(_is_growing(instance) for instance in call.state.instances)
    missing = call.lifecycle.guests.shortage(number + growing)
    if missing:
        counted = f", including {growing} that have just started" if growing else ""
        LOG.warning(
            "%s is refused because this computer is full: %s%s", call.action, missing, counted
        )
        refused = refusals.NO_STOCK()
        message = f"{refused.message} (The local cloud's computer is full: {missing}.)"
        raise ApiError(refused.code, message, refused.status)


def _is_growing(instance: Instance) -> bool:
    if instance.status != "Running":
        return instance.status in ("Pending", "Starting")
    # In whole minutes: the one that it was started in counts as a whole.
    return bool(instance.started) and time.time() - parse(instance.started) < _GROWING_S
