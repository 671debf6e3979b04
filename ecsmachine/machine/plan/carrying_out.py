"""Carrying a plan out: what is done with the machines of a file, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine.changes import change_machine
from ecsmachine.machine.create_request import CreateRequest
from ecsmachine.machine.plan.changing import change, give_up_swarm, hand_over, rejoin
from ecsmachine.machine.plan.plan import MAKING, Kind, Plan, Step
from ecsmachine.machine.plan.planning import in_order_of_removal
from ecsmachine.machine.plan.setup import set_up
from ecsmachine.machine.several import raise_failures
from ecsmachine.machine.store import Store


class Ways(Protocol):
    """How several machines are worked on at once, and how that is shown.

    Each raises one :class:`MachineError` for the machines that failed, as
    :func:`ecsmachine.machine.several.for_each` does.
    """

    def each(self, names: Sequence[str], operation: Callable[[str, Report], None]) -> None:
        """Do the same to each machine."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove machines."""

    def create(self, requests: Sequence[CreateRequest]) -> None:
        """Make machines."""

    def all_made(self) -> None:
        """Hear that all are made: what comes then is not undone if it is interrupted."""


def carry_out(store: Store, plan: Plan, ways: Ways) -> None:
    """Do what a plan says: what goes, what is changed, what is made, what is done on hosts.

    What fails does not stop what does not need it. Raises one :class:`MachineError` for all that
    failed.
    """
    by_name = {step.name: step for step in plan.steps}
    failures: list[tuple[str, MachineError]] = []
    failed: set[str] = set()

    def phase(chosen: Sequence[Step], work: Callable[[list[str]], None]) -> None:
        names = [step.name for step in chosen if step.name not in failed]
        if not names:
            return
        try:
            work(names)
        except MachineError as error:
            for part in error.parts or (error,):
                failures.append((part.machine or names[0], part))
                failed.update([part.machine] if part.machine else names)

    def each(work: Callable[[Store, Step, Report], None]) -> Callable[[list[str]], None]:
        """Return what does a part of several steps at once."""
        return lambda names: ways.each(
            names, lambda name, report: work(store, by_name[name], report)
        )

    def unprotect(store: Store, step: Step, report: Report) -> None:
        change_machine(store, step.name, {step.protection: False}, report)

    def hand_over_first(store: Store, step: Step, report: Report) -> None:
        hand_over(store, step, handed_over[step.name], report)
        by_name[step.name] = replace(step, start=False, moved=False)  # that is done with it

    def set_up_one(store: Store, step: Step, report: Report) -> None:
        if step.wanted is not None:
            set_up(store, step.name, step.wanted.setup, report)

    def create(names: list[str]) -> None:
        ways.create([wanted.request for name in names if (wanted := by_name[name].wanted)])

    phase([step for step in plan.steps if step.protection], each(unprotect))
    for step in plan.steps:
        if step.rejoin:
            give_up_swarm(store, step.name)
    for those in in_order_of_removal(store, plan.of(Kind.REMOVE, Kind.REPLACE)):
        phase(those, ways.remove)
    handed_over = plan.handed_over()
    phase([by_name[name] for name in handed_over], each(hand_over_first))
    phase(plan.of(Kind.CHANGE, Kind.RESTART), each(change))
    phase(plan.of(*MAKING), create)
    ways.all_made()
    phase(
        [
            step
            for step in plan.steps
            if step.rejoin and step.wanted and step.wanted.request.swarm_join not in failed
        ],
        each(rejoin),
    )
    phase([step for step in plan.steps if step.setup], each(set_up_one))
    raise_failures(failures, len(plan.steps))
