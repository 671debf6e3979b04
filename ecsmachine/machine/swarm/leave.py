"""Leaving a swarm: tasks move first, and nothing of the node stays behind."""

from __future__ import annotations

from ecsmachine.drivers.base import Report
from ecsmachine.drivers.changes import Changeable
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.errors import MachineError
from ecsmachine.machine.engine_look import EngineConnectionError
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import MachineNotFoundError
from ecsmachine.machine.swarm import api, members
from ecsmachine.machine.swarm.api import Membership
from ecsmachine.machine.swarm.nodes import set_node, strike_off, wait_until_drained
from ecsmachine.machine.swarm.ports import close_ports
from ecsmachine.ssh.route import NoGuestError

_LAST_LOOK_TIMEOUT_S = 1.5
"""How long a machine that is to be removed may take to say whether it is in a swarm."""


def leave(store: Store, name: str, report: Report, *, force: bool = False) -> None:
    """Take a machine out of its swarm: its tasks move first, and the join tokens are renewed.

    The last manager leaves only with ``force``, and the swarm ends with it. A machine that does
    not answer is struck off by a manager, with ``force``. Raises :class:`MachineError`.
    """
    if force and not store.exists(name):
        _strike_off_removed(store, name, report)
        return
    with store.holding(name) as machine:
        there = members.membership_or_none(machine)
        if there is not None and not there.is_member:
            report(f'Machine "{name}" is not in a swarm.')
            return
        manager, node = members.manager_of(store, machine, there)
        if there is None and not force:
            raise MachineError(
                f'The engine of machine "{name}" does not answer',
                hint=f'Start it, or remove it: "ecsmachine swarm leave --force {name}".',
            )
        if manager is None or node is None:
            _leave_alone(machine, there, force=force)
            report(f'Machine "{name}" has left its swarm.')
            return
        if node.role == "manager":
            node = set_node(manager, node, "worker", None)
        if there is not None:
            node = set_node(manager, node, None, "drain")
            wait_until_drained(manager, node)
            api.leave(machine, force=True)
        strike_off(manager, node.id)
        api.rotate_tokens(manager)
        _close_ports(store, machine, manager, report)
        report(f'Machine "{name}" has left the swarm of "{manager.name}".')


def leave_for_good(store: Store, machine: Machine, report: Report) -> None:
    """Take a machine out of its swarm, if it is in one, before the machine is removed.

    A failure is reported, but it is not an error: the removal continues.
    """
    try:
        there = api.membership(machine, timeout_s=_LAST_LOOK_TIMEOUT_S)
        if not there.is_member:
            return
        manager, node = members.manager_of(store, machine, there)
        if manager is None or node is None:
            return  # the last member of its swarm: no other node to inform
        if store.journal(machine.name).complete and _is_kept(machine):
            return  # and stays a member; one that is half made is removed whatever protects it
        report(f'Removing "{machine.name}" from the swarm of "{manager.name}"...')
        if node.role == "manager":
            set_node(manager, node, "worker", None)
        api.leave(machine, force=True)
        strike_off(manager, node.id)
        _close_ports(store, machine, manager, report)
    except (EngineConnectionError, NoGuestError):
        return  # it does not answer: a manager notices by itself
    except MachineError as error:
        report(
            f'The swarm of "{machine.name}" may still list it: {error.message}. "ecsmachine swarm '
            f'leave --force {machine.name}" removes it.'
        )


def _is_kept(machine: Machine) -> bool:
    """Whether the provider refuses to remove a machine, or to say anything about it."""
    if not isinstance(machine.driver, Changeable):
        return False
    try:
        seen = machine.driver.observed()
    except MachineError:
        return True
    return bool(seen.protection or seen.paid_until)


def _leave_alone(machine: Machine, there: Membership | None, *, force: bool) -> None:
    """Leave a swarm of which no other manager answers."""
    if there is None:
        raise members.no_manager(machine.name)
    if there.is_manager and not force:
        raise MachineError(
            f'Machine "{machine.name}" is the last manager of its swarm that answers: the swarm '
            "ends without it",
            hint=f'End it with "ecsmachine swarm leave --force {machine.name}".',
        )
    api.leave(machine, force=there.is_manager or force)


def _strike_off_removed(store: Store, name: str, report: Report) -> None:
    """Strike off the node of a machine that is not in the store any more."""
    for other, look in members.look_at_all(store):
        if not isinstance(look, Membership) or not look.is_manager:
            continue
        node = members.only_one_called(host_name_for(name), api.nodes(other))
        if node is None:
            continue
        if node.state == "ready" and node.manager != "unreachable":
            raise MachineError(
                f'There is no machine "{name}" here, but a node of that name answers in the swarm '
                f'of "{other.name}"',
                hint="It belongs to another store: make it leave from there.",
            )
        if node.role == "manager":
            node = set_node(other, node, "worker", None)
        strike_off(other, node.id)
        api.rotate_tokens(other)
        report(f'Node "{name}" was removed from the swarm of "{other.name}".')
        return
    raise MachineNotFoundError(name)


def _close_ports(store: Store, machine: Machine, manager: Machine, report: Report) -> None:
    remaining = members.machines_of(store, api.nodes(manager), but=machine.name)
    close_ports(machine, remaining, report)
