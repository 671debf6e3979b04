"""``--json`` and ``--quiet`` of every command, whether or not it has data of its own to print."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.main

from ecsmachine.cli.arguments.groups import AsJson
from ecsmachine.cli.arguments.parameters import flags_of
from ecsmachine.errors import UsageError

_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only names")]

_NEITHER = ("completion", "help", "mount", "run", "ssh")
"""Commands whose output is another program's, or made for one that reads no JSON."""

_ACTIONS = ("adopt", "bake", "create", "sweep")
"""Commands that have JSON of their own, and do something all the same."""


def add_output_options(command: Any) -> None:
    """Give a command both options, if it is no group.

    A command that has an option of that name keeps it; one that prints data has no ``--quiet``.
    """
    if not hasattr(command, "get_command") and command.name not in _NEITHER:
        own = {flag for each in command.params for flag in flags_of(each)}
        prints_data = "--json" in own and command.name not in _ACTIONS
        for option in _options():
            flags = flags_of(option)
            if not own & {flags[0]} and not (prints_data and flags[0] != "--json"):
                option.rich_help_panel = getattr(command.params[0], "rich_help_panel", None)
                option.opts = [flag for flag in flags if flag not in own]
                command.params.append(option)


def _options() -> list[Any]:
    """Return the options, made by typer from what a command declares."""

    def declared(json: AsJson = False, quiet: _Quiet = False) -> None:
        pass

    app = typer.Typer(add_completion=False)
    app.command()(declared)
    options = [each for each in typer.main.get_command(app).params if flags_of(each)]
    for option in options:
        option.expose_value = False
    options[1].callback = _begin_quiet
    return options


def _begin_quiet(context: Any, _option: Any, given: bool) -> None:
    if not given or context.resilient_parsing:
        return
    from ecsmachine.cli.display import document, printer

    if printer.document() is not None:
        raise UsageError("--quiet cannot be used with --json", hint="Give one of them.")
    document.begin("names")
