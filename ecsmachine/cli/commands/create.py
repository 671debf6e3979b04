"""The command ``create``. The flags of the driver that it names are among its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session, machine_names, session
from ecsmachine.cli.arguments.create_options import options_of_create, request_of
from ecsmachine.cli.arguments.driver_options import (
    parameter_name,
    resolve,
    told_flags_and_settings,
    with_options,
)
from ecsmachine.cli.arguments.login_keys import ask_for_passphrases
from ecsmachine.cli.arguments.names import expand
from ecsmachine.cli.arguments.options import AllOptions, Driver
from ecsmachine.cli.display import docker_machine
from ecsmachine.cli.display.printer import document, say, show, warn
from ecsmachine.drivers import registry
from ecsmachine.drivers.options import OPTION_GROUPS, Option, OptionValue
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.create_request import CreateRequest

_EVERYDAY = {"count", "driver", "dry_run", "like", "no_provision", "help"}
"""The command's own options that its help shows first."""

_PARALLEL = 10
"""How many machines are made at a time, unless told otherwise."""


def command(driver_name: str) -> Callable[..., None]:
    """Return the function behind ``create``, with the flags of a driver."""
    options = options_of_create(driver_name)

    def create(
        ctx: typer.Context,
        names: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="NAME", help='The names of the machines; "web-{1..3}" stands for three'
            ),
        ] = None,
        count: Annotated[
            int | None,
            typer.Option(min=1, max=1000, help="Number of machines to create: NAME-1, NAME-2, …"),
        ] = None,
        parallel: Annotated[
            int, typer.Option(min=1, max=100, help="How many at a time")
        ] = _PARALLEL,
        if_missing: Annotated[
            bool, typer.Option(help="Accept a machine that exists already with these options")
        ] = False,
        resume: Annotated[
            bool, typer.Option(help="Continue half-made machines, with the options first given")
        ] = False,
        no_provision: Annotated[
            bool,
            typer.Option(
                help='Make the machine without an engine; "ecsmachine provision" installs it'
            ),
        ] = False,
        driver: Driver = None,
        like: Annotated[
            list[str] | None,
            typer.Option(
                metavar="SET", help="Use a set of options from your settings (repeatable)"
            ),
        ] = None,
        keep_on_failure: Annotated[
            bool, typer.Option(help="Keep the created resources if the create fails")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option(help="Check everything and print what would be made; make nothing")
        ] = False,
        all_options: AllOptions = False,
        **given: Any,
    ) -> None:
        this = session(ctx)
        flags, settings = told_flags_and_settings(ctx, options, given, all_options=all_options)
        chosen = _names(this, names, count, resume=resume)
        changes: dict[str, Any] = {"keep_on_failure": keep_on_failure}
        if no_provision:
            changes["provision"] = False
        if resume and like:
            raise UsageError("--like cannot be used with --resume", hint="Leave it out.")
        begun = _begun(this, chosen) if resume else []
        if begun:
            _check_resume(options, flags, dry_run)
        this.named = chosen
        requests = [_resumed(this, name, flags, changes) for name in begun]
        if len(begun) < len(chosen):
            first = request_of(this, chosen[0], driver_name, flags, settings)
            first = replace(first, **changes)
            requests += [replace(first, name=name) for name in chosen if name not in begun]
        for request in requests:
            ask_for_passphrases(this, request)
        if dry_run:
            _show_plan(this, requests)
        elif len(requests) == 1 and count is None and not if_missing:
            _create(this, requests[0])
        else:
            if len(requests) > 1 and requests[0].swarm_role and not requests[0].swarm_join:
                raise UsageError(
                    "Each of these managers would start a swarm of its own",
                    hint="Create the first one by itself, then the others with --swarm-join.",
                )
            create_each(this, requests, parallel)

    create.__doc__ = f"""Create machines with the driver {driver_name}.

        Machines that exist already stay as they are. If one of several fails, the others are
        still made.

        Example: ecsmachine create -d aliyunecs dev1

        To see the options of another driver: ecsmachine create -d DRIVER --help
        """
    function = with_options(create, options, panel=OPTION_GROUPS[0])
    of_driver = registry.options_of(driver_name)
    chosen = any(option.everyday for option in of_driver)  # else the driver's author chose none
    function.everyday = _EVERYDAY | {  # type: ignore[attr-defined]
        parameter_name(option)
        for option in options
        if option.everyday or (option in of_driver and not chosen)
    }
    return function


def _names(this: Session, words: list[str] | None, count: int | None, *, resume: bool) -> list[str]:
    """Return the names of the machines that shall be there."""
    if not words:
        raise UsageError("No machine name specified", hint="Example: ecsmachine create dev1")
    if this.is_docker_machine and len(words) > 1:
        # there, a stray word costs no money
        raise MachineError(
            f"Invalid command line. Found extra arguments [{' '.join(words[1:])}]",
            hint="Under the name ecsmachine, several names make several machines.",
        )
    if resume:
        if count is not None:
            raise UsageError("--count cannot be used with --resume", hint="Name the machines.")
        return machine_names(this, words)
    names = expand(words)
    if count is None:
        return names
    if len(names) != 1:
        raise UsageError("--count takes exactly one name", hint="Leave the others out.")
    return [f"{names[0]}-{number}" for number in range(1, count + 1)]


def _check_resume(
    options: tuple[Option, ...], flags: Mapping[str, OptionValue], dry_run: bool
) -> None:
    """Raise :class:`UsageError` for flags that say what the journal knows."""
    if dry_run:
        raise UsageError("--dry-run cannot be used with --resume", hint="Leave one of them out.")
    given = [option for option in options if flags[option.name] not in (None, [])]
    for option in given:
        if not (option.secret or option.credential):
            raise UsageError(
                f"--{option.name} cannot be used with --resume, which uses the first options",
                hint="Leave it out.",
            )


def _begun(this: Session, names: list[str]) -> list[str]:
    """Return those that are gone on with: all but those whose create was killed before it began."""
    store = this.store
    blank = [name for name in names if store.is_taken(name) and not store.exists(name)]
    if blank:
        warn(f"Nothing had been made yet of {', '.join(blank)}: the options given now are used")
    return [name for name in names if name not in blank]


def _resumed(
    this: Session,
    name: str,
    flags: Mapping[str, OptionValue],
    changes: dict[str, Any],
) -> CreateRequest:
    from ecsmachine.machine.create_request import begun_with, resumed, unwritten_options

    driver_name = begun_with(this.store, name)["DriverName"]
    unwritten = unwritten_options(registry.options_of(driver_name))
    return resumed(this.store, name, resolve(unwritten, flags, this.environment), **changes)


def _create(this: Session, request: CreateRequest) -> None:
    from ecsmachine.cli.display.progress import steps_of
    from ecsmachine.machine.create import MAKING, create
    from ecsmachine.machine.interruption import Interruption, in_own_thread

    this.under_way = [request.name]
    this.interruption = interruption = Interruption()
    reported: set[str] = set()
    try:
        with steps_of(request.name) as report:

            def told(line: str) -> None:
                reported.add(line)
                report(line)

            machine = in_own_thread(
                lambda: create(this.store, request, told, interruption=interruption)
            )
    except MachineError as error:
        if this.is_docker_machine:
            error.message = docker_machine.creating(error, begun=MAKING in reported)
        raise
    if machine.driver.provisions and not request.provision:
        line = f'There is no engine yet: "ecsmachine provision {request.name}" installs it'
    else:
        line = f"To see how to connect Docker to this machine, run: ecsmachine env {request.name}"
    say(this.as_called(line))


def create_each(this: Session, requests: list[CreateRequest], parallel: int) -> None:
    """Make machines with a line of progress each, and say at the end what came of all.

    Raises one :class:`MachineError` for those that failed.
    """
    from ecsmachine.cli.display.progress import progress
    from ecsmachine.machine.create_many import Outcome, create_many
    from ecsmachine.machine.interruption import Interruption
    from ecsmachine.machine.several import several_failures

    this.under_way = [request.name for request in requests]
    this.interruption = interruption = Interruption()
    begun, made = time.monotonic(), document()
    with progress(this.under_way) as shown:

        def done(outcome: Outcome) -> None:
            this.under_way = [name for name in this.under_way if name != outcome.name]
            words = "exists already" if outcome.existed else "made"
            if outcome.error is not None:
                words = f"failed: {outcome.error.message}"
            failed = outcome.error is not None
            shown.end(outcome.name, words, outcome.seconds, failed=failed)
            if made is not None and not failed:
                made.done(outcome.name)

        outcomes = create_many(
            this.store,
            requests,
            shown.report_for,
            done,
            parallel=parallel,
            interruption=interruption,
        )
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    existed = sum(outcome.existed for outcome in outcomes if outcome.error is None)
    counts = [f"{len(outcomes) - existed - len(failed)} made"]
    counts += [f"{existed} existed already"] if existed else []
    counts += [f"{len(failed)} failed"] if failed else []
    say(f"{', '.join(counts)}, in {time.monotonic() - begun:.1f} s")
    if failed:
        raise several_failures(
            [(outcome.name, outcome.error) for outcome in failed if outcome.error], len(outcomes)
        )


def _show_plan(this: Session, requests: list[CreateRequest]) -> None:
    """Say what would be made: in words, or as JSON."""
    from ecsmachine.cli.display.output import print_json, table
    from ecsmachine.cli.display.progress import steps
    from ecsmachine.machine.create import plan

    if len(requests) > 1:
        raise UsageError(
            "--dry-run is for one machine", hint="The others would be made the same way."
        )
    (request,) = requests
    with steps(machine=request.name) as report:
        made = plan(this.store, request, report)
    if document() is not None:
        print_json(made.data if made is not None else {"Name": request.name})
        return
    if made is None:
        show(f"The checks passed. The driver {request.driver_name} creates no cloud resources.")
        return
    show(f'Machine "{request.name}" would consist of:')
    show(table((f"  {label}", words) for label, words in made.lines))
    show("Nothing was made.")
