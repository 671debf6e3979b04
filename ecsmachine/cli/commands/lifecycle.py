"""The commands that change machines: start, stop, restart, kill, expire, rm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ecsmachine.cli.arguments.context import Session, existing_machine_names, machine_names, session
from ecsmachine.cli.arguments.options import MachineNames, Yes
from ecsmachine.cli.commands.docker_context import refresh_contexts, remove_contexts
from ecsmachine.cli.display.confirmation import confirmed
from ecsmachine.cli.display.printer import say
from ecsmachine.cli.display.progress import for_each
from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.store import Store

_REMOVED_AT_ONCE = 100
"""How many machines are removed at the same time; one request takes as many."""


def with_each(
    ctx: typer.Context, names: list[str] | None, operation: Callable[[Store, str, Report], None]
) -> list[str]:
    """Do the same to all machines that a command was given, and return their names."""
    this = session(ctx)
    chosen = existing_machine_names(this, names)
    for_each(chosen, lambda name, report: operation(this.store, name, _as_called(this, report)))
    return chosen


def _as_called(this: Session, report: Report) -> Report:
    return lambda line: report(this.as_called(line))


def start(ctx: typer.Context, names: MachineNames = None) -> None:
    """Start machines, and wait until their engines answer.

    Example: ecsmachine start dev1 dev2
    """
    from ecsmachine.machine.operations import start

    refresh_contexts(session(ctx), with_each(ctx, names, start))
    _say_new_addresses(ctx, "Started")


def stop(
    ctx: typer.Context,
    names: MachineNames = None,
    no_charge: Annotated[
        bool,
        typer.Option(help="Pay only for disks while stopped; a fixed public address is released"),
    ] = False,
) -> None:
    """Shut machines down cleanly.

    Example: ecsmachine stop dev1
    """
    from ecsmachine.machine.operations import stop, stop_without_charge

    with_each(ctx, names, stop_without_charge if no_charge else stop)


def expire(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the machine")],
    when: Annotated[
        str, typer.Argument(help="8h or 3d from now, a time such as 2030-01-31T12:00:00Z, or never")
    ],
) -> None:
    """Set when the cloud itself releases a machine, with all that is on it.

    Example: ecsmachine expire dev1 8h
    """
    from ecsmachine.machine.operations import expire

    if not when.strip():
        raise UsageError("No time specified", hint='Write it as 8h or 3d, or as "never".')
    with_each(ctx, [name], partial(expire, when="" if when == "never" else when))


def restart(ctx: typer.Context, names: MachineNames = None) -> None:
    """Restart machines, and wait until their engines answer.

    Example: ecsmachine restart dev1
    """
    from ecsmachine.machine.operations import restart

    refresh_contexts(session(ctx), with_each(ctx, names, restart))
    _say_new_addresses(ctx, "Restarted")


def kill(ctx: typer.Context, names: MachineNames = None) -> None:
    """Stop machines at once, like pulling the plug.

    Example: ecsmachine kill dev1
    """
    from ecsmachine.machine.operations import kill

    with_each(ctx, names, kill)


def rm(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Names of machines")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            "-f",
            help="Remove it from the store even if the cloud refuses, without confirmation",
        ),
    ] = False,
    yes: Yes = False,
    if_exists: Annotated[bool, typer.Option(help="Ignore machines that do not exist")] = False,
) -> None:
    """Remove machines, with everything made for them in the cloud.

    With --force or --if-exists, machines that do not exist are ignored.

    Example: ecsmachine rm -y dev1
    """
    from ecsmachine.machine.removal import Removal

    if not names:
        raise UsageError(
            "Expected to get one or more machine names as arguments",
            hint='"ecsmachine ls -q" lists them.',
        )
    this = session(ctx)
    excused = this.warn if force else say if if_exists else None
    names = list(dict.fromkeys(machine_names(this, names, missing=excused)))
    known = [name for name in names if this.store.is_taken(name)]
    if excused is not None:
        for name in names:
            if name not in known:
                excused(f'Docker machine "{name}" does not exist')
        names = known
    if known:
        say(f"About to remove {', '.join(known)}")
        say("WARNING: This action will delete both local reference and remote instance.")
        if not (yes or force or confirmed("Are you sure?", piped=this.is_docker_machine)):
            return

    removal = Removal(this.store, force=force)

    def named(work: Callable[[str, Report], None], name: str, report: Report) -> None:
        try:
            work(name, _as_called(this, report))
        except MachineError as error:
            if this.is_docker_machine:
                error.message = f'Error removing host "{name}": {error.message}'
            raise

    begin, finish = partial(named, removal.begin), partial(named, removal.finish)
    remove_each(this, names, begin, finish)


def remove_each(
    this: Session,
    names: list[str],
    begin: Callable[[str, Report], None],
    finish: Callable[[str, Report], None],
) -> None:
    """Remove machines with their contexts; all are begun before the first is finished."""
    known = [name for name in names if this.store.is_taken(name)]
    try:
        for_each(
            names, *([begin, finish] if len(names) > 1 else [finish]), at_once=_REMOVED_AT_ONCE
        )
    finally:
        remove_contexts(this, known)


def wait(
    ctx: typer.Context,
    names: MachineNames = None,
    for_: Annotated[
        Literal["running", "ready", "stopped"],
        typer.Option("--for", help="State to wait for; ready means that the engine answers"),
    ] = "ready",
    timeout: Annotated[
        int, typer.Option("--timeout", "-t", min=0, help="How long to wait, in seconds")
    ] = 300,
) -> None:
    """Wait until machines are running, ready, or stopped.

    The wait ends at once if a machine cannot reach that state: it is gone, or has failed.

    Example: ecsmachine wait dev1 --for ready --timeout 120
    """
    from ecsmachine.machine.waiting import wait_for

    with_each(
        ctx,
        names,
        lambda store, name, report: wait_for(store, name, for_, timeout, report),
    )


def _say_new_addresses(ctx: typer.Context, which: str) -> None:
    this = session(ctx)
    quote = "`" if this.is_docker_machine else '"'
    say(
        f"{which} machines may have new IP addresses. "
        f"You may need to re-run the {quote}{this.program[0]} env{quote} command."
    )
