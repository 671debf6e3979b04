"""What there is of instance types in zones: what the seed says, less what a fault says."""

from __future__ import annotations

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.faults import requests as faults
from ecsmachine.localcloud.protocol import refusals


def check_stock(call: Call, zone: str, instance_type: str, amount: int) -> None:
    """Refuse so many instances with ``OperationDenied.NoStock`` where they cannot be had."""
    left = _left(call, zone, instance_type)
    if left is not None and amount > left:
        raise refusals.NO_STOCK()
    faults.check_stock(call.faults, call.action, zone, instance_type)


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
