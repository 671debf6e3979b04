"""The servers behind load balancers: where each is reached, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.state.balancers import Backend
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.state.tables import ResourceTable


def instance_of(state: State, backend: Backend) -> Instance | None:
    """Return the instance that answers for a server, or None: its interface has none, or it went.

    An interface is told from an instance by its ``address``.
    """
    if not backend.address:
        return state.instances.get(backend.server_id)
    interface = state.network_interfaces.get(backend.server_id)
    if interface is not None:
        return state.instances.get(interface.instance_id)
    found = (one for one in state.instances if one.network_interface_id == backend.server_id)
    return next(found, None)


def address_of(state: State, backend: Backend) -> str:
    """Return the private address that a server is reached at, or ""."""
    instance = instance_of(state, backend)
    return backend.address or (instance.private_ip if instance else "")


def forget_server(state: State, *server_ids: str) -> None:
    """Take an instance or an interface out of all balancers; inside a transaction."""
    tables: tuple[ResourceTable[Any], ...] = (state.load_balancers, state.server_groups)
    for table in tables:
        for row in list(table):
            left = tuple(one for one in row.backends if one.server_id not in server_ids)
            if left != row.backends:
                table.put(replace(row, backends=left))
