"""``ecsmachine logs``: the engine's journal, or the console, of one machine or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import existing_machine_names, session
from ecsmachine.cli.arguments.options import AsJson, MachineNames
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import document, finish, show, warn
from ecsmachine.cli.display.terminal import PREFIX_COLOURS, coloured
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.logs import Line

_LINES = 100


def logs(
    ctx: typer.Context,
    names: MachineNames = None,
    engine: Annotated[
        bool, typer.Option(help="The journal of the engine, over SSH (the default)")
    ] = False,
    console: Annotated[
        bool, typer.Option(help="The output of the instance's console; works without SSH")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines")] = False,
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines", "-n", min=0, help="Print only this many of the last lines [default: 100]"
        ),
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Print only lines since then: 10m, 2h or 3d ago, or 2030-01-31T12:00",
        ),
    ] = "",
    json: AsJson = False,
) -> None:
    """Print the logs of machines: the engine's journal, or the console.

    With several machines, each line begins with the machine's name. --follow continues until you
    interrupt it, or the connection is lost.

    \b
    Examples:
      ecsmachine logs -f dev1 dev2
      ecsmachine logs --console -n 30 dev1
    """
    from ecsmachine.machine import logs as engine_logs
    from ecsmachine.machine.several import raise_failures

    if console and (engine or since):
        raise UsageError(
            f"--console cannot be used with {'--engine' if engine else '--since'}",
            hint="Give one of them: console lines have no times.",
        )
    this = session(ctx)
    chosen = existing_machine_names(this, names)
    count = _LINES if lines is None and not since else lines
    wanted = engine_logs.Wanted(
        console, count, engine_logs.since(since) if since else "", follow=follow
    )
    failures: list[tuple[str, MachineError]] = []

    def failed(name: str, error: MachineError) -> None:
        error.machine = name
        failures.append((name, error))
        if follow and len(chosen) > len(failures):
            warn(f"{name}: {error.message}")

    _show(
        engine_logs.lines_of_all(this.store, chosen, wanted, failed),
        chosen,
        follow=follow,
        as_json=json,
    )
    raise_failures(failures, len(chosen))


def _show(found: Any, names: list[str], *, follow: bool, as_json: bool) -> None:
    from ecsmachine.cli.display.output import print_json

    width = max(map(len, names))
    marks = {
        name: f"{coloured(name, colour)}{' ' * (width - len(name))} | "
        for name, colour in zip(names, PREFIX_COLOURS * len(names), strict=False)
    }
    made = document()
    rows: list[dict[str, str]] = []
    line: Line
    for line in found:
        row = {"Name": line.machine, "Line": line.text}
        if made is not None and (follow or made.form == "lines"):
            made.row(row)
        elif as_json:
            rows.append(row)
        else:
            show((marks[line.machine] if len(names) > 1 else "") + one_line(line.text))
            if follow:
                finish()
    if as_json and not (made is not None and made.form == "lines"):
        print_json(rows)
