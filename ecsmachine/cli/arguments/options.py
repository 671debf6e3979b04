"""Options and arguments that many commands declare, so that they read the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from ecsmachine.cli.arguments.help import ALL

AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON; with --json=lines, one line per event")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only names")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation")]

AllOptions = Annotated[bool, typer.Option(ALL, help="With --help: show every option")]
Driver = Annotated[
    str | None,
    typer.Option("--driver", "-d", help="The driver [default: aliyunecs, $MACHINE_DRIVER]"),
]

_A_MACHINE = typer.Argument(metavar="NAME", help='Name of a machine; "default" if none is given')

MachineName = Annotated[str | None, _A_MACHINE]
"""None only where it was left out: an empty word, of a variable that is not set, is no name."""
OneMachineName = Annotated[list[str] | None, _A_MACHINE]
"""The same, where a pattern may stand for the name."""

MachineNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help='Names of machines; "default" if none is given'),
]
NamedMachine = Annotated[str, typer.Argument(metavar="NAME", help="The name of a machine")]
NamedMachines = Annotated[list[str], typer.Argument(metavar="NAME", help="Names of machines")]
