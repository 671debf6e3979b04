"""The command ``settings``: what is set, and where that is said."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session, session
from ecsmachine.cli.arguments.every_command import commands_below, context_below
from ecsmachine.cli.arguments.from_settings import options_of, settings_of, use_sets_of_create
from ecsmachine.cli.arguments.options import AsJson
from ecsmachine.cli.arguments.parameters import variable_of
from ecsmachine.cli.display.cleaning import without_passwords
from ecsmachine.cli.display.output import print_json, table
from ecsmachine.cli.display.printer import say, show
from ecsmachine.cli.settings import files
from ecsmachine.cli.settings.keys import ACCESS_KEYS, NEVER, VARIABLES, is_secret
from ecsmachine.cli.settings.layers import PROFILE_VARIABLE, Found
from ecsmachine.errors import UsageError
from ecsmachine.suggestions import instead_of

_HEADINGS = ("SETTING", "VALUE", "FROM")
_DEFAULTS = {"driver": "aliyunecs", "tls-key-type": "ecdsa", "region": "cn-hangzhou"}


@dataclass(frozen=True)
class _Row:
    """A setting: its value, the kind of place that says so, and the place itself."""

    name: str
    value: Any
    source: str
    place: str = ""

    @classmethod
    def of_file(cls, name: str, found: Found) -> _Row:
        return cls(name, found.value, found.layer.kind, found.where)

    @classmethod
    def of_variable(cls, name: str, variable: str, this: Session) -> _Row:
        hidden = is_secret(name)
        value = without_passwords(this.environment[variable])
        return cls(name, None if hidden else value, "variable", variable)

    def cells(self) -> tuple[str, str, str]:
        """Return the row as a table shows it."""
        value = self.value
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        elif isinstance(value, bool):
            value = "true" if value else "false"
        elif value is None and self.source == "variable":
            value = "(secret)"
        return (
            self.name,
            "-" if value in (None, "") else str(value),
            f"{self.place} ({self.source})" if self.place else self.source,
        )


def settings(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Show the options of this command"),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET", help='Include a set of options, as "create --like" does (repeatable)'
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Print each setting and its source: command line, variable, file, or default.

    With a command name, print that command's options. All settings files are checked for unknown
    options.

    Example: ecsmachine settings create
    """
    this = session(ctx)
    use_sets_of_create(this, [f"--like={name}" for name in like or []])
    _check_commands(this, ctx)
    rows = list(_options(this, ctx, words) if words else _all(this, ctx))
    if json:
        print_json(
            [
                {"Name": row.name, "Value": row.value, "From": row.source, "Place": row.place}
                for row in rows
            ]
        )
        return
    _tell_of_files(this)
    show(table([_HEADINGS, *(row.cells() for row in rows)]))


def _all(this: Session, ctx: typer.Context) -> Iterator[_Row]:
    """Yield the profile, and every key that stands for a variable."""
    root = ctx.find_root()
    profile = this.settings.profile
    if isinstance(profile, Found):
        yield _Row.of_file("profile", profile)
    else:
        source = (
            "command line" if _is_given(root, "profile") else "variable" if profile else "default"
        )
        place = PROFILE_VARIABLE if source == "variable" else ""
        yield _Row("profile", profile, source, place)
    by_files = this.settings.variables()
    for key, variable in VARIABLES.items():
        parameter = key.replace("-", "_")
        if _is_given(root, parameter):
            yield _Row(key, str(root.params[parameter]), "command line")
        elif variable in by_files:
            yield _Row.of_file(key, by_files[variable])
        elif this.environment.get(variable):
            yield _Row.of_variable(key, variable, this)
        elif key == "credentials" and any(map(this.environment.get, ACCESS_KEYS)):
            (found, *_) = [name for name in ACCESS_KEYS if this.environment.get(name)]
            yield _Row(key, "environment", "variable", found)
        else:
            default = this.storage if key == "storage-path" else _DEFAULTS.get(key, "")
            yield _Row(key, default, "default")


def _is_given(context: Any, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _options(this: Session, ctx: typer.Context, words: list[str]) -> Iterator[_Row]:
    """Yield every option of a command."""
    context = _context(ctx, words)
    command = context and getattr(context.command, "default_command", context.command)
    if context is None or hasattr(command, "list_commands"):
        raise UsageError(
            f'There is no command "{" ".join(words)}" that has options', hint='See "ecsmachine -h".'
        )
    parameters = command.get_params(context)
    by_files, variables = settings_of(this, tuple(words), parameters), this.settings.variables()
    for name, option in options_of(parameters).items():
        if getattr(option, "hidden", False) or name in NEVER:
            continue
        variable = variable_of(option)
        if option.name in by_files:
            yield _Row.of_file(name, by_files[option.name][1])
        elif variable in variables:
            yield _Row.of_file(name, variables[variable])
        elif variable and this.environment.get(variable):
            yield _Row.of_variable(name, variable, this)
        else:
            said = re.search(r"\[default: ([^\],]*)", option.help or "")
            own = option.default if isinstance(option.default, (str, int)) else ""
            yield _Row(name, said[1] if said else own, "default")


def _context(ctx: typer.Context, words: Sequence[str]) -> Any:
    """Return a context of a command; None for one that there is not."""
    context: Any = ctx.find_root()
    for word in words:
        context = context and context_below(context, word)
    return context


def _check_commands(this: Session, ctx: typer.Context) -> None:
    """Look at the options of all commands in all files. Raises :class:`UsageError`."""
    for layer in this.settings.every_layer():
        for path in layer.commands():
            context = _context(ctx, path)
            if context is None:
                above = _context(ctx, path[:-1])
                raise UsageError(
                    f'{layer.where(path)}: there is no command "{" ".join(path)}"',
                    hint=instead_of(path[-1], commands_below(above) if above else [])
                    or f"Write options into [{'.'.join(path[:-1])}].",
                )
            command = getattr(context.command, "default_command", context.command)
            given = layer.options(path)
            if given:
                settings_of(this, path, command.get_params(context), given)


def _tell_of_files(this: Session) -> None:
    path = files.user_path(this.environment)
    if this.settings.user is None and path:
        say(f"There is no {path}: docs/settings.md describes what it can hold", sys.stderr)
    elif not path and this.environment.get(files.VARIABLE):
        say(f"Settings files are switched off ({files.VARIABLE}=off)", sys.stderr)
    elif not path:
        say("Your home folder is unknown (HOME): no settings file of yours is read", sys.stderr)
