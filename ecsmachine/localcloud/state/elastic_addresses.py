"""Elastic addresses (EIPs) and what they are bound to."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.localcloud.state.model import Eip
from ecsmachine.localcloud.state.state import State


def eips_of(state: State, holder_id: str) -> list[Eip]:
    """Return the addresses bound to an instance, a secondary interface or a load balancer."""
    return [eip for eip in state.eips if holder_id and eip.instance_id == holder_id]


def unbind_eips(state: State, holder_id: str) -> None:
    """Let the addresses be bound to nothing of what is gone; inside a transaction."""
    for eip in eips_of(state, holder_id):
        state.eips.put(replace(eip, instance_id="", instance_type="", status="Available"))
