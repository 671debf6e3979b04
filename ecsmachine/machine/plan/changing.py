"""Changing a machine that is there to what a file wants: one step of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from ecsmachine.drivers.base import Report
from ecsmachine.machine import changes, engine_config, operations, provisioning
from ecsmachine.machine.address import refresh_address
from ecsmachine.machine.create_request import CreateRequest, recorded
from ecsmachine.machine.plan.plan import Step
from ecsmachine.machine.store import Store

_OURS = ("driver", "ssh-jump", "provision", "engine-version", "swarm-mode", "swarm-join")
"""What is no option that :func:`ecsmachine.machine.changes.change_machine` changes."""

_LEFT = "left"
"""What is written down as the role in a swarm that has ended."""


def change(store: Store, step: Step, report: Report) -> None:
    """Do what a step says that leaves the machine where it is, but for what its host is to run.

    What is done is written down; cut off, it is done again by the next plan. Raises
    :class:`~ecsmachine.errors.MachineError`.
    """
    if step.wanted is None:
        return
    name, request = step.name, step.wanted.request
    options = {each.option for each in step.differences}
    _reach(store, step, request, report)
    # an engine that is yet to be installed has its options from the start
    others = _OURS if "provision" not in options else (*_OURS, *engine_config.FIELDS)
    wanted = {each.option: each.after for each in step.differences if each.option not in others}
    if wanted:  # cut off, it is changed again, even to what it was
        with store.lock(name):
            store.journal(name).note(Changing=sorted(wanted))
    if wanted or step.unfinished:
        changes.change_machine(store, name, wanted, report)
    if "provision" in options:
        provisioning.provision(store, name, report, engine=request.engine)
    if "engine-version" in options:
        provisioning.upgrade(store, name, report, version=request.engine.version)
    if step.rejoin:
        return
    if options & {"swarm-mode", "swarm-join"}:
        _set_swarm(store, request, report)
    _write_down(store, request)


def hand_over(store: Store, step: Step, options: Sequence[str], report: Report) -> None:
    """Take from a machine what another one gets, before that is changed."""
    if step.wanted is not None:
        _reach(store, step, step.wanted.request, report)
        changes.change_machine(store, step.name, dict.fromkeys(options, ""), report)


def give_up_swarm(store: Store, name: str) -> None:
    """Write down that the swarm of a machine ends: whatever comes then, the machine joins anew."""
    with store.lock(name):
        journal = store.journal(name)
        if journal.request.get("SwarmRole"):
            journal.note(SwarmRole=_LEFT)


def rejoin(store: Store, step: Step, report: Report) -> None:
    """Let a machine leave a swarm that has no manager any more, and join that of the new one."""
    if step.wanted is None:
        return
    _set_swarm(store, step.wanted.request, report)
    _write_down(store, step.wanted.request)


def _write_down(store: Store, request: CreateRequest) -> None:
    """Write down what the machine was last asked to be."""
    with store.lock(request.name):
        journal = store.journal(request.name)
        done = journal.request.get("Setup", [])
        journal.begin(request={**recorded(request), "Setup": done})


def _reach(store: Store, step: Step, request: CreateRequest, report: Report) -> None:
    """Let the machine of a step run, and its host be found."""
    if step.start:
        operations.start(store, step.name, report)
    if any(each.option == "ssh-jump" for each in step.differences):
        _set_jump(store, request)
    if step.moved:
        _find_again(store, request, report)


def _set_jump(store: Store, request: CreateRequest) -> None:
    with store.holding(request.name) as machine:
        machine.auth.jump = store.jump(request.ssh_jump)
        store.save(machine)


def _find_again(store: Store, request: CreateRequest, report: Report) -> None:
    """Learn the machine's new address, and give its engine a certificate for it."""
    if request.provision:
        provisioning.provision(store, request.name, report)
        return
    with store.holding(request.name) as machine:
        refresh_address(machine)
        store.save(machine)


def _set_swarm(store: Store, request: CreateRequest, report: Report) -> None:
    """Let the machine join the swarm that it is wanted in, in the role that it shall have."""
    from ecsmachine.machine.swarm.join import join_or_begin
    from ecsmachine.machine.swarm.leave import leave

    name, role, manager_name = request.name, request.swarm_role, request.swarm_join
    if not role:
        leave(store, name, report)
        return
    record = store.journal(name).request
    if manager_name and record.get("SwarmRole") == _LEFT:
        leave(store, name, report, force=True)
    elif manager_name and record.get("SwarmJoin") not in ("", manager_name):
        leave(store, name, report)
    with store.holding(name) as machine:
        join_or_begin(store, machine, report, role=role, manager_name=manager_name)
