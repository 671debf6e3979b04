"""The commands of machines in a file: plan, apply, destroy."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import Session, check_path, session
from ecsmachine.cli.arguments.login_keys import ask_for_passphrases
from ecsmachine.cli.arguments.options import Yes
from ecsmachine.cli.commands.lifecycle import remove_each
from ecsmachine.cli.display.confirmation import confirmed
from ecsmachine.cli.display.output import print_json, print_result
from ecsmachine.cli.display.plan import data_of, lines_of
from ecsmachine.cli.display.printer import document, say, show
from ecsmachine.cli.display.progress import about, for_each, steps
from ecsmachine.cli.machines_file.reading import FILE
from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.several import raise_failures
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from ecsmachine.machine.plan.plan import Plan, Step
    from ecsmachine.machine.store import Store

File = Annotated[
    Path, typer.Option("--file", "-f", help="The file that names the machines", dir_okay=False)
]
Target = Annotated[
    list[str] | None, typer.Option(help="A machine or group of the file (repeatable)")
]
MovedFrom = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where the file was when it made its machines")
]
Parallel = Annotated[int, typer.Option(min=1, max=100, help="How many to make at a time")]


def plan(
    ctx: typer.Context,
    file: File = Path(FILE),
    target: Target = None,
    moved_from: MovedFrom = None,
    detailed_exitcode: Annotated[
        bool, typer.Option(help="Exit with code 2 if there is something to do")
    ] = False,
    schema: Annotated[
        bool, typer.Option(help="Print the JSON schema of the file, for editors")
    ] = False,
) -> None:
    """Print what "apply" would do to make machines match a file; change nothing.

    Example: ecsmachine plan --detailed-exitcode
    """
    if schema:
        from ecsmachine.cli.machines_file.schema import schema as schema_of_files

        print_json(schema_of_files())
        return
    try:
        made = _plan(session(ctx), file, target or [], _before(moved_from))
    except MachineError as error:
        if detailed_exitcode:
            error.exit_code = 1
        raise
    shown = document()
    if shown is not None:
        data = data_of(made)
        to_do = [each for each in data["Machines"] if each["Action"] != "keep"]
        print_json(to_do if shown.form == "names" else data)
    else:
        for line in lines_of(made):
            show(line)
    if detailed_exitcode and not made.is_empty:
        raise typer.Exit(2)


def apply(
    ctx: typer.Context,
    file: File = Path(FILE),
    target: Target = None,
    moved_from: MovedFrom = None,
    yes: Yes = False,
    parallel: Parallel = 10,
) -> None:
    """Make, change and remove machines so that they match a file.

    If an apply fails or is interrupted, the next one continues it. Machines that were not made from
    the file are never touched.

    Example: ecsmachine apply -y
    """
    from ecsmachine.machine.plan.planning import hand_over

    this = session(ctx)
    targets = target or []
    path = _real(this, file)
    before = _before(moved_from)
    shown = None
    if not yes:
        shown = _plan(this, file, targets, before)
        _ask(shown)
    if shown is not None and shown.is_empty and before is None:
        print_result(data_of(shown))
        return
    with _locked(this, path):
        now = _plan(this, file, targets, before)
        while shown is not None and not shown.is_like(now):
            say("The plan has changed in the meantime:")
            shown = now
            _ask(now)
            now = _plan(this, file, targets, before)
        if shown is None:
            _show(now)
        if before is not None:
            hand_over(this.store, path, before)
        print_result(data_of(now))
        this.named = [step.name for step in now.steps]
        _carry_out(this, now, parallel)


def destroy(
    ctx: typer.Context,
    file: File = Path(FILE),
    target: Target = None,
    moved_from: MovedFrom = None,
    yes: Yes = False,
) -> None:
    """Remove the machines made from a file, with everything made for them in the cloud.

    Example: ecsmachine destroy -y
    """
    from ecsmachine.machine.plan.planning import plan_of_removal

    this = session(ctx)
    path = _real(this, file)
    with _locked(this, path):
        before = _before(moved_from)
        made = plan_of_removal(this.store, path, target or [], moved_from=before)
        if not made.steps and not path_exists(path):
            raise MachineError(
                f"There is no {file}, and no machine that was made from it",
                hint="Name the file with -f, as it was when it made its machines.",
            )
        this.named = [step.name for step in made.steps]
        _show(made)
        print_result(data_of(made))
        if made.is_empty:
            return
        if not yes:
            _confirm()
        _carry_out(this, made, 1)


def _locked(this: Session, path: Path) -> AbstractContextManager[None]:
    """Keep other commands out that work on the machines of the file."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return this.store.shared_lock(str(path), file=f"plan-{digest}")


def _plan(this: Session, file: Path, targets: Sequence[str], moved_from: Path | None) -> Plan:
    from ecsmachine.cli.machines_file.wanting import in_keys, wanted_by
    from ecsmachine.machine.plan.planning import make_plan

    path = _real(this, file)
    wanted = wanted_by(this, path)
    with steps(only_on_terminal=True) as report:
        try:
            return make_plan(this.store, path, wanted, targets, report, moved_from=moved_from)
        except MachineError as error:
            in_keys(error, wanted)
            raise


def _real(this: Session, file: Path) -> Path:
    """Return the path that machines know their file by, however it is named.

    Raises :class:`UsageError` for one that cannot be recorded.
    """
    if file != Path(FILE):
        this.repeated["file"] = ["-f", os.fspath(file)]
    path = os.path.realpath(file)
    check_path(path, "The file of machines", "Move it.")
    return Path(path)


def _before(moved_from: Path | None) -> Path | None:
    """Return where a file was. Raises :class:`UsageError` if there is one still."""
    if moved_from is None:
        return None
    if path_exists(moved_from):
        raise UsageError(
            f"--moved-from: {moved_from} is still there", hint="Its machines are its own."
        )
    return Path(os.path.realpath(moved_from))


def _show(made: Plan) -> None:
    for line in lines_of(made):
        say(line)


def _ask(made: Plan) -> None:
    """Show a plan and ask whether it is to be carried out; a no ends the command."""
    _show(made)
    if not made.is_empty:
        _confirm()


def _confirm() -> None:
    if not confirmed("Do it?"):
        raise typer.Exit(1)


def _carry_out(this: Session, made: Plan, parallel: int) -> None:
    """Do what a plan says: what goes, what is changed, what is made, what is done on hosts.

    What fails does not stop what does not need it. Raises one error for all that failed.
    """
    from ecsmachine.cli.commands.create import create_each
    from ecsmachine.machine.changes import change_machine
    from ecsmachine.machine.plan.changing import change, give_up_swarm, hand_over, rejoin
    from ecsmachine.machine.plan.plan import MAKING, Kind
    from ecsmachine.machine.plan.planning import in_order_of_removal
    from ecsmachine.machine.plan.setup import set_up

    by_name = {step.name: step for step in made.steps}
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

        def work_on(name: str, report: Report) -> None:
            work(this.store, by_name[name], report)

        return lambda names: for_each(names, _named(work_on))

    def unprotect(store: Store, step: Step, report: Report) -> None:
        change_machine(store, step.name, {step.protection: False}, report)

    def hand_over_first(store: Store, step: Step, report: Report) -> None:
        hand_over(store, step, handed_over[step.name], report)
        by_name[step.name] = replace(step, start=False, moved=False)  # that is done with it

    def set_up_one(store: Store, step: Step, report: Report) -> None:
        if step.wanted is not None:
            set_up(store, step.name, step.wanted.setup, report)

    def create_these(names: list[str]) -> None:
        requests = [wanted.request for name in names if (wanted := by_name[name].wanted)]
        for request in requests:
            ask_for_passphrases(this, request)
        create_each(this, requests, parallel)

    phase([step for step in made.steps if step.protection], each(unprotect))
    for step in made.steps:
        if step.rejoin:
            give_up_swarm(this.store, step.name)
    for those in in_order_of_removal(this.store, made.of(Kind.REMOVE, Kind.REPLACE)):
        phase(those, lambda names: _remove(this, names))
    handed_over = made.handed_over()
    phase([by_name[name] for name in handed_over], each(hand_over_first))
    phase(made.of(Kind.CHANGE, Kind.RESTART), each(change))
    phase(made.of(*MAKING), create_these)
    this.interruption = None  # what comes now is not undone
    phase(
        [
            step
            for step in made.steps
            if step.rejoin and step.wanted and step.wanted.request.swarm_join not in failed
        ],
        each(rejoin),
    )
    phase([step for step in made.steps if step.setup], each(set_up_one))
    raise_failures(failures, len(made.steps))
    if not made.is_empty:
        say("Everything is done")


def _named(work: Callable[[str, Report], None]) -> Callable[[str, Report], None]:
    """Return work on a machine whose errors say which machine it is."""

    def named(name: str, report: Report) -> None:
        with about(name, is_last=False):
            work(name, report)

    return named


def _remove(this: Session, names: list[str]) -> None:
    from ecsmachine.machine.removal import Removal

    removal = Removal(this.store)
    remove_each(this, names, _named(removal.begin), _named(removal.finish))
