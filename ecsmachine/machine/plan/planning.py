"""Making a plan: what a file wants against what the store has and the cloud says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Report, State
from ecsmachine.drivers.capabilities import Planning, Priced
from ecsmachine.drivers.changes import Observed
from ecsmachine.errors import MachineError
from ecsmachine.machine import changes, create
from ecsmachine.machine.create_request import CreateRequest, alike
from ecsmachine.machine.create_request import differences as differences_of_create
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import Machine
from ecsmachine.machine.plan.comparing import differences
from ecsmachine.machine.plan.plan import CHANGING, MAKING, Kind, Plan, Price, Step
from ecsmachine.machine.plan.refusing import (
    check_drift,
    check_owner,
    check_released,
    check_removed,
    check_replaced,
)
from ecsmachine.machine.plan.setup import left_to_do
from ecsmachine.machine.plan.wanted import Wanted, targeted, with_needed
from ecsmachine.machine.several import raise_failures
from ecsmachine.machine.store import Store

_CHOSEN = ("instance-type", "category", "zone", "image-id")
"""How the names of options end that the cloud chooses where nobody does."""

_UNCHANGED = "take back in the file what needs a new machine"
_NOT_REMOVED = "keep it in the file, and name the others with --target"


def machines_of_file(store: Store, path: Path, moved_from: Path | None = None) -> list[str]:
    """Return the machines of the store that the file at a path had made, whole or not.

    ``moved_from`` is where the file was before.
    """
    paths = {str(path), str(moved_from or path)}
    return [name for name in store.names() if _request_of(store, name).get("File") in paths]


def hand_over(store: Store, path: Path, moved_from: Path) -> None:
    """Write down of the machines of a file that has moved where it is now."""
    for name in machines_of_file(store, moved_from):
        with store.lock(name):
            store.journal(name).note(File=str(path))


def make_plan(
    store: Store,
    path: Path,
    wanted: Sequence[Wanted],
    targets: Sequence[str],
    report: Report,
    *,
    moved_from: Path | None,
) -> Plan:
    """Return what has to be done for the machines of a file to be as it wants them.

    The cloud is asked about many machines at once, and what is to be made is checked once for
    those that are alike. Raises one :class:`MachineError` for all that cannot be planned.
    """
    made = machines_of_file(store, path, moved_from)
    names = {each.name for each in wanted}
    chosen = targeted(targets, wanted, made)
    those = [each for each in wanted if chosen is None or each.name in with_needed(chosen, wanted)]
    steps: dict[str, Step] = {}
    failures: list[tuple[str, MachineError]] = []
    whole: dict[str, tuple[Wanted, FileJournal, Machine]] = {}
    for each in those:
        try:
            journal = _journal_of_ours(store, path, each.name, moved_from)
            if journal is not None and journal.complete and not journal.removing:
                whole[each.name] = (each, journal, store.load(each.name))
            else:
                steps[each.name] = _unmade(each, journal)
        except MachineError as error:
            failures.append((each.name, error))
    unmade = [step.name for step in steps.values() if step.kind is Kind.REPLACE]
    _check_released(_seen(store, unmade), _UNCHANGED, failures)
    steps |= _compared(whole, report, failures)
    if chosen is not None:  # what the targets only need is made, but not changed
        steps = {
            name: step
            for name, step in steps.items()
            if name in chosen or (step.kind in (Kind.CREATE, Kind.CONTINUE))
        }
    gone = [name for name in made if name not in names and (chosen is None or name in chosen)]
    machines = {name: machine for name, (_, _, machine) in whole.items()}
    steps = _with_prices(store, steps, gone, machines, report, failures)
    steps = _with_rejoins(steps)
    removed = _steps_of_removal(store, gone, failures)
    if len(failures) == 1:
        ((name, failure),) = failures
        failure.machine = name
        if f'"{name}"' not in failure.message:
            failure.message = f"{name}: {failure.message}"
    raise_failures(failures, len(those) + len(gone))
    return Plan(path, [*(steps[each.name] for each in those if each.name in steps), *removed])


def plan_of_removal(
    store: Store, path: Path, targets: Sequence[str], *, moved_from: Path | None
) -> Plan:
    """Return the plan of a file's end: all that it had made goes.

    Raises :class:`MachineError` for machines that are protected.
    """
    made = machines_of_file(store, path, moved_from)
    chosen = targeted(targets, (), made)
    gone = [name for name in made if chosen is None or name in chosen]
    failures: list[tuple[str, MachineError]] = []
    steps = _steps_of_removal(store, gone, failures)
    raise_failures(failures, len(gone))
    return Plan(path, steps)


def in_order_of_removal(store: Store, steps: Sequence[Step]) -> list[list[Step]]:
    """Return machines in two parts: managers that others have joined go after those."""
    joined = {_request_of(store, step.name).get("SwarmJoin") for step in steps}
    return [
        [step for step in steps if step.name not in joined],
        [step for step in steps if step.name in joined],
    ]


def _request_of(store: Store, name: str) -> Mapping[str, Any]:
    try:
        return store.journal(name).request
    except MachineError:
        return {}  # whatever it is, it is not known to be a file's


def _journal_of_ours(
    store: Store, path: Path, name: str, moved_from: Path | None
) -> FileJournal | None:
    """Return the journal of a machine that the file has made; None if there is none.

    Raises :class:`MachineError` if that machine is somebody else's.
    """
    if not store.exists(name):
        return None
    journal = store.journal(name)
    check_owner(name, journal.request.get("File", ""), path, moved_from)
    return journal


def _unmade(wanted: Wanted, journal: FileJournal | None) -> Step:
    """Return the step of a machine that is not there, or not whole."""
    if journal is None or not journal.request:
        return Step(wanted.name, Kind.CREATE, wanted, setup=wanted.setup)
    if journal.removing:
        reason = "its removal was not finished"
    else:
        differing = differences_of_create(journal.request, wanted.request)
        if not differing:
            reason = "its create was interrupted"
            return Step(wanted.name, Kind.CONTINUE, wanted, reason, setup=wanted.setup)
        reason = f"its create was interrupted, with other options: {', '.join(differing)}"
    return Step(wanted.name, Kind.REPLACE, wanted, reason, setup=wanted.setup)


def _compared(
    whole: dict[str, tuple[Wanted, FileJournal, Machine]],
    report: Report,
    failures: list[tuple[str, MachineError]],
) -> dict[str, Step]:
    """Return the steps of machines that are whole, after a look at what they are now."""
    if not whole:
        return {}
    report(f"Looking at {len(whole)} machine{'s' * (len(whole) > 1)}...")
    seen = changes.observe([machine for _, _, machine in whole.values()])
    steps: dict[str, Step] = {}
    for name, (wanted, journal, machine) in whole.items():
        found = seen[name]
        try:
            if isinstance(found, MachineError):
                raise found
            steps[name] = _step(wanted, journal, machine, found)
        except MachineError as error:
            failures.append((name, error))
    return steps


def _step(wanted: Wanted, journal: FileJournal, machine: Machine, seen: Observed | None) -> Step:
    before = _price(machine)
    stays = _host_stays(machine)
    step = Step(wanted.name, Kind.KEEP, wanted, before=before, after=before, host_stays=stays)
    if seen is not None and seen.gone:
        return replace(
            step, kind=Kind.REPLACE, reason="its instance is gone", setup=wanted.setup, before=None
        )
    found = differences(journal.request, wanted.request, machine, seen)
    step = replace(step, differences=found)
    kinds = {each.kind for each in found}
    if Kind.REPLACE in kinds:
        driver_name, protection = machine.driver.name, seen.protection if seen else ""
        check_drift(wanted.name, driver_name, found)
        check_replaced(wanted.name, driver_name, protection, found)
        check_released(wanted.name, seen.paid_until if seen else "", _UNCHANGED)
        return replace(step, kind=Kind.REPLACE, setup=wanted.setup, protection=protection)
    step = replace(
        step,
        setup=left_to_do(wanted.setup, journal.request.get("Setup", ())),
        unfinished=changes.is_unfinished(machine),
        start=seen is not None and seen.state in (State.STOPPED, State.STOPPING),
        moved=seen is not None and seen.address not in ("", machine.driver.address()),
    )
    reasons = [
        words
        for words, holds in (
            ("its change was interrupted", step.unfinished or journal.changing),
            ("it is stopped", step.start and not step.unfinished),
            ("its address has changed", step.moved),
        )
        if holds
    ]
    if not (found or step.setup or reasons):
        return step
    restarts = Kind.RESTART in kinds or step.unfinished
    kind = Kind.RESTART if restarts else Kind.CHANGE
    return replace(step, kind=kind, reason=", ".join(reasons))


def _with_rejoins(steps: dict[str, Step]) -> dict[str, Step]:
    """Return the steps with those that join their swarm anew, as no manager of it is left."""
    requests = {name: step.wanted.request for name, step in steps.items() if step.wanted}

    def first_manager(name: str) -> str:
        joined = requests[name].swarm_join if name in requests else ""
        return first_manager(joined) if joined else name

    left = {
        first_manager(name)
        for name, request in requests.items()
        if request.swarm_role == "manager" and steps[name].kind in CHANGING
    }
    found = dict(steps)
    for name, request in requests.items():
        step, manager = steps[name], first_manager(name)
        begun_anew = manager in steps and steps[manager].kind in (Kind.CREATE, Kind.REPLACE)
        if step.kind in CHANGING and request.swarm_join and begun_anew and manager not in left:
            reason = ", ".join(filter(None, (step.reason, f"it joins the new {manager}")))
            kind = Kind.CHANGE if step.kind is Kind.KEEP else step.kind
            found[name] = replace(step, kind=kind, reason=reason, rejoin=True)
    return found


def _with_prices(
    store: Store,
    steps: dict[str, Step],
    gone: Sequence[str],
    machines: Mapping[str, Machine],
    report: Report,
    failures: list[tuple[str, MachineError]],
) -> dict[str, Step]:
    """Return the steps with what machines cost then; what is to be made is checked for that.

    ``machines`` are those that are there, and ``gone`` those that no step is of: they are removed.
    """
    leaving = (step.name for step in steps.values() if step.kind is Kind.REPLACE or step.lost)
    going = {*gone, *leaving}
    sets: dict[tuple[object, ...], list[tuple[Step, CreateRequest]]] = {}
    for step in steps.values():
        request = _request_to_price(step, machines.get(step.name))
        if request is not None:
            sets.setdefault((*alike(request), step.kind), []).append((step, request))
    if sets:
        report("Running pre-create checks...")
    priced = dict(steps)
    for those in sets.values():
        first, request = those[0]
        price, about = None, ""
        try:
            price, about = _checked(store, request, going)
        except MachineError as error:
            if first.kind in MAKING:
                failures.append((first.name, error))
        for step, _ in those:
            if step.kind in MAKING:
                priced[step.name] = replace(step, after=price, about=about)
            elif price is not None:  # else what it costs now is the best that is known
                priced[step.name] = replace(step, after=price)
    return priced


def _request_to_price(step: Step, machine: Machine | None) -> CreateRequest | None:
    """Return the create that is as the machine of a step will be, if its price is another then."""
    if step.wanted is None or step.kind is Kind.CONTINUE:
        return None
    if step.kind in MAKING or machine is None:
        return step.wanted.request
    priced = {each.name for each in registry.options_of(machine.driver.name) if each.priced}
    if priced.isdisjoint(each.option for each in step.differences):
        return None
    # what the cloud chose at the create stays as it is
    known = changes.recorded(machine)
    values = step.wanted.request.driver_values
    filled = {
        name: known.get(name) if value == "" and name.endswith(_CHOSEN) else value
        for name, value in values.items()
    }
    return replace(step.wanted.request, driver_values=filled)


def _checked(
    store: Store, request: CreateRequest, going: Collection[str]
) -> tuple[Price | None, str]:
    """Run the checks of a create; return price and instance type."""
    plan = create.plan(store, request, lambda line: None, going=going)
    if plan is None:
        return None, ""
    told = plan.data.get("Price")
    price = Price(told["Hour"], told["Currency"]) if told else None
    return price, str((plan.data.get("Instance") or {}).get("InstanceType", ""))


def _steps_of_removal(
    store: Store, names: Sequence[str], failures: list[tuple[str, MachineError]]
) -> list[Step]:
    """Return the steps of machines that go; one that cannot go is among the failures."""
    steps = {name: Step(name, Kind.REMOVE) for name in names}
    found = _seen(store, names)
    for name, (machine, seen) in found.items():
        price, stays = _price(machine), _host_stays(machine)
        steps[name] = replace(steps[name], before=price, host_stays=stays)
        protection = seen.protection if seen and store.journal(name).complete else ""
        try:
            check_removed(name, machine.driver.name, protection)
        except MachineError as error:
            failures.append((name, error))
            found[name] = machine, None  # what was said first is enough
    _check_released(found, _NOT_REMOVED, failures)
    return list(steps.values())


def _check_released(
    found: Mapping[str, tuple[Machine, Observed | None]],
    keep: str,
    failures: list[tuple[str, MachineError]],
) -> None:
    """Add to the failures which machines the provider does not release yet."""
    for name, (_, seen) in found.items():
        try:
            check_released(name, seen.paid_until if seen else "", keep)
        except MachineError as error:
            failures.append((name, error))


def _seen(store: Store, names: Sequence[str]) -> dict[str, tuple[Machine, Observed | None]]:
    """Return the machines that can be loaded, and what the provider says of them now.

    None of one that cannot be asked for: the removal says why.
    """
    machines: list[Machine] = []
    for name in names:
        with suppress(MachineError):  # it can be removed all the same
            machines.append(store.load(name))
    found = changes.observe(machines) if machines else {}
    seen = {name: each if isinstance(each, Observed) else None for name, each in found.items()}
    return {machine.name: (machine, seen[machine.name]) for machine in machines}


def _host_stays(machine: Machine) -> bool:
    """Whether the host of a machine that is removed stays as it is: only a cloud's goes."""
    return not isinstance(machine.driver, Planning)


def _price(machine: Machine) -> Price | None:
    cost = machine.driver.running_cost() if isinstance(machine.driver, Priced) else None
    return Price(cost.hour, cost.currency) if cost else None
