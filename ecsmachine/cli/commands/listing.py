"""The commands that show machines, as typer reads them: ls, inspect, status, ip, url, …"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from ecsmachine.cli.arguments.context import Session, session
from ecsmachine.cli.arguments.options import AsJson, MachineName, MachineNames, Quiet
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import captured, document, finish, redraw, show
from ecsmachine.cli.display.terminal import can_move, rows_of
from ecsmachine.cli.everyday import looks
from ecsmachine.cli.everyday import ls as everyday_ls
from ecsmachine.errors import UsageError

_INTERVAL_S = 5.0

_Timeout = Annotated[
    int, typer.Option("--timeout", "-t", min=1, help="Seconds that a machine may take to answer")
]


def ls(
    ctx: typer.Context,
    quiet: Quiet = False,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="KEY=VALUE",
            help="Show machines by name (a regular expression), driver, state, label or swarm "
            "(repeatable)",
        ),
    ] = None,
    timeout: _Timeout = 10,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="TEMPLATE",
            help='A Go template, "table TEMPLATE" for one with a header, or "json"',
        ),
    ] = "",
    json: Annotated[bool, typer.Option(help="The same as --format json")] = False,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="COLUMNS",
            help='"wide", or columns such as NAME,STATE,TYPE,ADDRESS',
        ),
    ] = "",
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="Sort by a column, such as STATE")
    ] = "",
    orphans: Annotated[
        bool,
        typer.Option(help="List cloud resources left from machines that this store does not have"),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until Ctrl-C")] = False,
    interval: Annotated[
        float | None,
        typer.Option(min=0.5, help="Seconds between refreshes [default: 5]"),
    ] = None,
) -> None:
    """List machines.

    Fields of templates: Name Active ActiveHost ActiveSwarm DriverName State URL SwarmOptions
    Swarm EngineOptions Error DockerVersion ResponseTime Price
    Cost Charged Expires.

    Example: ecsmachine ls --filter state=Running -f '{{.Name}}: {{.URL}}'
    """
    this = session(ctx)
    typed = _typed(ctx)
    if "--interval" in typed and not watch:
        raise UsageError("--interval can only be used with --watch", hint="Add --watch.")
    if orphans:
        unfit = [each for each in typed if each != "--format" or format_ != "json"]
        if unfit:
            raise UsageError(
                f"--orphans cannot be used with {unfit[0]}", hint="Leave one of them out."
            )
        _list_orphans(this, quiet=quiet, as_json=json or format_ == "json")
        return

    def look() -> None:
        everyday_ls.ls(
            this,
            quiet=quiet,
            filters=filters,
            timeout=timeout,
            format_=format_,
            json=json,
            output=output,
            sort=sort,
        )

    if watch:
        this.until_interrupted = True
        _watch(look, interval or _INTERVAL_S)
    else:
        look()


def _typed(ctx: typer.Context) -> list[str]:
    """Return what is on the command line of the options for machines; a file's are for others."""
    flags = {
        "filters": "--filter",
        "format_": "--format",
        **{name: f"--{name}" for name in ("output", "sort", "watch", "interval")},
    }
    sources = {name: ctx.get_parameter_source(name) for name in flags}
    return [flags[name] for name, found in sources.items() if found and found.name == "COMMANDLINE"]


def _watch(look: Callable[[], None], interval_s: float) -> NoReturn:
    """Show what a look shows, again and again: in place on a terminal, else one after the other."""
    made, drawn = document(), 0
    in_place = made is None and can_move(sys.stdout)
    while True:
        begun = time.monotonic()
        # warnings on the same terminal are drawn with the rest: they would move it
        warnings: list[str] | None = [] if in_place and can_move(sys.stderr) else None
        text = captured(look, warnings)
        if made is not None:
            made.pass_on()
        elif in_place:
            lines, below = text.splitlines(), warnings or []
            room = max(2, shutil.get_terminal_size().lines - 1 - rows_of(below))
            if len(lines) > room:
                lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more"]
            drawn = redraw([*lines, *below], drawn)
        else:
            show(text)
            finish()
        time.sleep(max(0.0, interval_s - (time.monotonic() - begun)))


def inspect(
    ctx: typer.Context,
    name: MachineName = None,
    format_: Annotated[
        str, typer.Option("--format", "-f", metavar="TEMPLATE", help="A Go template")
    ] = "",
    json: Annotated[bool, typer.Option(help="Print JSON (the default without --format)")] = False,
) -> None:
    """Print what the store holds about a machine, as JSON without secrets.

    Example: ecsmachine inspect -f '{{.Driver.IPAddress}}' dev1
    """
    looks.inspect(session(ctx), name=name, format_=format_, json=json)


def status(ctx: typer.Context, names: MachineNames = None, json: AsJson = False) -> None:
    """Print the state of machines: Running, Stopped, …

    Example: ecsmachine status dev1
    """
    looks.status(session(ctx), names=names, json=json)


def ip(ctx: typer.Context, names: MachineNames = None, json: AsJson = False) -> None:
    """Print the address of machines.

    Example: ecsmachine ip dev1
    """
    looks.ip(session(ctx), names=names, json=json)


def url(ctx: typer.Context, names: MachineNames = None, json: AsJson = False) -> None:
    """Print the engine URLs of running machines.

    Example: ecsmachine url dev1
    """
    looks.url(session(ctx), names=names, json=json)


def active(ctx: typer.Context, timeout: _Timeout = 10, json: AsJson = False) -> None:
    """Print which machine is active: the running one that DOCKER_HOST points to.

    Example: ecsmachine active
    """
    looks.active(session(ctx), timeout=timeout, json=json)


def prompt(ctx: typer.Context, json: AsJson = False) -> None:
    """Print the machine that the variables of "env" name, for your shell prompt.

    It asks neither engine nor cloud, so it is fast enough for a prompt. Without an active machine
    it prints nothing.

    Example: PS1='[$(ecsmachine prompt)] $ '
    """
    looks.prompt(session(ctx), json=json)


def version(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Print the version of this machine's engine")
    ] = None,
    json: AsJson = False,
) -> None:
    """Print the version of ecsmachine, or of a machine's engine.

    Example: ecsmachine version dev1
    """
    looks.version(session(ctx), name=name, json=json)


def _list_orphans(this: Session, *, quiet: bool, as_json: bool) -> None:
    from ecsmachine.cli.commands.orphans import orphan_rows, orphan_table
    from ecsmachine.cli.display.output import print_json

    rows = orphan_rows(this)
    if as_json:
        print_json(rows)
    elif quiet:
        for row in rows:
            show(one_line(row["Id"]))
    else:
        show(orphan_table(rows))
