"""The commands of machines in a file: plan, apply, destroy."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
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
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from ecsmachine.machine.create_request import CreateRequest
    from ecsmachine.machine.plan.plan import Plan

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
    """Do what a plan says, and say so. Raises one error for all that failed."""
    from ecsmachine.machine.plan.carrying_out import carry_out

    carry_out(this.store, made, _Ways(this, parallel))
    if not made.is_empty:
        say("Everything is done")


@dataclass(frozen=True)
class _Ways:
    """How the machines of a plan are worked on, with their progress shown.

    Source: :class:`ecsmachine.machine.plan.carrying_out.Ways`.
    """

    this: Session
    parallel: int

    def each(self, names: Sequence[str], operation: Callable[[str, Report], None]) -> None:
        for_each(names, _named(operation))

    def remove(self, names: Sequence[str]) -> None:
        from ecsmachine.machine.removal import Removal

        removal = Removal(self.this.store)
        remove_each(self.this, list(names), _named(removal.begin), _named(removal.finish))

    def create(self, requests: Sequence[CreateRequest]) -> None:
        from ecsmachine.cli.commands.create import create_each

        for request in requests:
            ask_for_passphrases(self.this, request)
        create_each(self.this, list(requests), self.parallel)

    def all_made(self) -> None:
        self.this.interruption = None


def _named(work: Callable[[str, Report], None]) -> Callable[[str, Report], None]:
    """Return work on a machine whose errors say which machine it is."""

    def named(name: str, report: Report) -> None:
        with about(name, is_last=False):
            work(name, report)

    return named
