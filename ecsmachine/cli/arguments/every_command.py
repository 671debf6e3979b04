"""What is changed of every command that typer makes, on one walk through the tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
import typer.main

from ecsmachine.cli.arguments.conversion import value_of
from ecsmachine.cli.arguments.from_settings import use_settings_as_defaults
from ecsmachine.cli.arguments.groups import AsJson
from ecsmachine.cli.arguments.help import write_in_words
from ecsmachine.cli.arguments.parameters import flags_of, takes_value, written_in_help
from ecsmachine.documents import is_true
from ecsmachine.errors import UsageError
from ecsmachine.system.folders import with_home

_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only names")]

_TOO_LARGE = 2**31
"""What no program takes as a number of lines; as seconds it is a lifetime."""

_NEITHER = ("completion", "help", "mount", "run", "ssh")
"""Commands whose output is another program's, or made for one that reads no JSON."""

_ACTIONS = ("adopt", "bake", "create", "sweep")
"""Commands that have JSON of their own, and do something all the same."""


@cache
def adapted(command: Any) -> Any:
    """Return a command as it is adapted, once; those of a group are when they are asked for."""
    write_in_words(command)
    _convert_only_if_needed(command)
    _accept_flag_forms(command)
    _add_output_options(command)
    use_settings_as_defaults(command)
    if hasattr(command, "get_command"):
        find = command.get_command

        def get_command(context: Any, name: str) -> Any:
            found = find(context, name)
            return None if found is None else adapted(found)

        command.get_command = get_command
    return command


def _convert_only_if_needed(command: Any) -> None:
    """Change a command so that typer converts only what :mod:`conversion` leaves to it.

    A default has its type already.
    """
    parameters_of = command.get_params

    def get_params(context: Any) -> list[Any]:
        parameters: list[Any] = parameters_of(context)
        for parameter in parameters:
            if "process_value" not in vars(parameter):
                parameter.process_value = _converting_only_if_needed(
                    parameter, parameter.process_value
                )
        return parameters

    command.get_params = get_params


def _converting_only_if_needed(parameter: Any, convert: Any) -> Any:
    several = getattr(parameter, "multiple", False) or parameter.nargs == -1
    annotation = parameter.type_descriptor.annotation
    kinds = {annotation, *get_args(annotation)}
    is_number, is_path = bool({int, float} & kinds), Path in kinds

    def process_value(context: Any, value: Any) -> Any:
        source = context.get_parameter_source(parameter.name)
        if is_number:
            _refuse_too_large(parameter, value if several and value else (value,))
        if is_path and value == "":  # of a variable that is not set: no path is the working folder
            raise UsageError(f"{_name_of(parameter)}: it is empty", hint="Name a path.")
        if is_path and isinstance(value, str):
            value = with_home(value)
        simple = value_of(parameter, value)
        if simple is not None:
            value = simple
        elif parameter.required:
            return convert(context, value)
        elif several and not value:
            value = ()
        elif value is not None and (source is None or source.name != "DEFAULT"):
            return convert(context, value)
        return parameter.callback(context, parameter, value) if parameter.callback else value

    return process_value


def _refuse_too_large(parameter: Any, words: Iterable[Any]) -> None:
    """Refuse numbers that no wait, no database and no other program takes."""
    for word in words:
        try:
            if isinstance(word, str) and abs(float(word)) >= _TOO_LARGE:
                raise UsageError(
                    f"{_name_of(parameter)}: {word} is too large", hint="Give a smaller number."
                )
        except ValueError:  # no number: the conversion says so
            pass


def _name_of(parameter: Any) -> str:
    return str((flags_of(parameter) or [written_in_help(parameter)])[0])


def _accept_flag_forms(command: Any) -> None:
    """Change a command so that it takes flags as Docker Machine does, by Go's package flag.

    That is with one dash or two, and as ``--force=true``.
    """
    parse = command.parse_args

    def parse_args(context: Any, arguments: list[str]) -> list[str]:
        parameters = command.get_params(context)
        interspersed = context.allow_interspersed_args
        usual = _usual_forms(arguments, parameters, interspersed=interspersed)
        try:
            parsed: list[str] = parse(context, usual)
        except Exception as error:
            if getattr(error, "ctx", context) is None:  # an option without its value
                error.ctx = context  # type: ignore[attr-defined]
            raise
        return parsed

    command.parse_args = parse_args


def _usual_forms(
    arguments: Sequence[str], parameters: Iterable[Any], *, interspersed: bool = True
) -> list[str]:
    """Return the arguments with every known flag in its usual form.

    The values of flags, what follows ``--``, and without ``interspersed`` what follows the first
    word, are left as they are. Raises :class:`UsageError` for a switch that is given a value which
    is neither true nor false.
    """
    options = {word: each for each in parameters for word in flags_of(each)}
    usual: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--" or (not _is_flag(word) and not interspersed):
            return [*usual, word, *rest]
        name, equals, value = word.partition("=")
        if f"-{name}" in options and len(name) > 2:
            name = f"-{name}"
        if not _is_flag(word) or name not in options:
            usual.append(word)
        elif not takes_value(options[name]):
            hint = f"Give {name} without a value, or leave it out."
            usual += [name] if not equals or is_true(value, name, hint) else []
        elif not equals:
            usual += [name, *rest[:1]]
            rest = rest[1:]
        else:
            usual += [f"{name}={value}"] if name.startswith("--") else [name, value]
    return usual


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _add_output_options(command: Any) -> None:
    """Give a command ``--json`` and ``--quiet``, if it is no group.

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
