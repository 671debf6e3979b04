"""What is so of every command and every group of ours, and is not of typer's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

import typer
import typer.core
import typer.main
from typer.models import ArgumentInfo

from ecsmachine.cli.arguments.conversion import value_of
from ecsmachine.cli.arguments.from_settings import use_settings_as_defaults
from ecsmachine.cli.arguments.help import format_options, in_words, show_help
from ecsmachine.cli.arguments.options import AsJson, Quiet
from ecsmachine.cli.arguments.parameters import flags_of, takes_value, written_in_help
from ecsmachine.cli.table import WITH_DRIVER
from ecsmachine.documents import is_true
from ecsmachine.errors import UsageError
from ecsmachine.suggestions import did_you_mean
from ecsmachine.system.folders import with_home

_TOO_LARGE = 2**31
"""What no program takes as a number of lines; as seconds it is a lifetime."""

_NEITHER = ("completion", "help", "mount", "run", "ssh")
"""Commands whose output is another program's, or made for one that reads no JSON."""


class _OfOurs:
    """Stands before a class of typer, whose methods it changes."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, each of which typer converts and describes only where needed."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if "process_value" not in vars(parameter):
                convert, record_of = parameter.process_value, parameter.get_help_record
                parameter.process_value = _converting_only_if_needed(parameter, convert)
                parameter.get_help_record = in_words(parameter, record_of)
        return parameters

    def get_help_option_names(self, ctx: Any) -> list[str]:
        """Return the flags of help in their order: typer has them in that of a set."""
        names: list[str] = super().get_help_option_names(ctx)  # type: ignore[misc]
        return sorted(names, key=ctx.help_option_names.index)

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help, by which our printer prints."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.callback = show_help
        return option

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of a command line, with flags as Docker Machine takes them.

        That is by Go's package flag: with one dash or two, and as ``--force=true``. One that is
        given as false is typed: it wins over variables and files, which may say true.
        """
        usual, off = _usual_forms(
            args, self.get_params(ctx), interspersed=ctx.allow_interspersed_args
        )
        try:
            parsed: list[str] = super().parse_args(ctx, list(usual))  # type: ignore[misc]
        except Exception as error:
            if getattr(error, "ctx", ctx) is None:  # an option without its value
                error.ctx = ctx  # type: ignore[attr-defined]
            if type(error).__name__ == "MissingParameter":
                _name_what_is_missing(error, self, ctx, usual)
            raise
        for name, value in off.items():
            if name in ctx.params:
                ctx.params[name] = value
                source = type(ctx.get_parameter_source(name))
                ctx.set_parameter_source(name, source["COMMANDLINE"])
        return parsed

    def usual_forms(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the words with each flag as help writes it."""
        interspersed = ctx.allow_interspersed_args
        return _usual_forms(args, self.get_params(ctx), interspersed=interspersed)[0]


class Command(_OfOurs, typer.core.TyperCommand):
    """A command: files of settings give it defaults, and it has ``--json`` and ``--quiet``.

    Of its ``everyday`` options (the names of their parameters), if it has some, help shows those
    alone, unless ``--all`` is given too.
    """

    def __init__(self, *args: Any, **given: Any):
        super().__init__(*args, **given)
        self.everyday: set[str] | None = getattr(self.callback, "everyday", None)
        self.params += _output_options(self)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of a command line."""
        use_settings_as_defaults(ctx, args, self.get_params(ctx))
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, and the options by group."""
        format_options(ctx, formatter)


class Group(_OfOurs, typer.core.TyperGroup):
    """A group, which says what may be meant by a word that is none of its commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first word names, and the other words."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            refuse_command(ctx, args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


def refuse_command(ctx: Any, word: str, known: Iterable[str]) -> None:
    """Raise the error of usage for a word that is no command of a group."""
    ctx.fail(f"'{word}' is not a command of {ctx.command_path}. {did_you_mean(word, known)}")


@cache
def command_of(name: str, function: Callable[..., Any]) -> Any:
    """Return the command that a function is, which is made once.

    A function may carry ``context_settings``, as ``ssh`` does to leave the remote command's flags
    alone, and ``everyday``, the names of the parameters that its help shows first.
    """
    ready_for_typer(function)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    settings = getattr(function, "context_settings", None)
    app.command(name, cls=Command, context_settings=settings)(function)
    return typer.main.get_command(app)


def ready_for_typer(function: Any) -> None:
    """Replace the type hints of a function, which are text, by what they say; complete them.

    Typer evaluates what is text four times for each parameter of a command. It would write the name
    of an argument in small letters, and give a switch that names no flag an opposite as well
    (``--no-…``), which ours have only if they say so.
    """
    if any(isinstance(hint, str) for hint in function.__annotations__.values()):
        function.__annotations__ = inspect.get_annotations(function, eval_str=True)
    for name, hint in function.__annotations__.items():
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, ArgumentInfo):
                info.metavar = info.metavar or name.upper()
            elif hint.__origin__ is bool and info.default is ...:  # where typer has the flag
                info.default = f"--{name.replace('_', '-')}"


def context_below(context: Any, word: str) -> Any:
    """Return a context of the command that a word calls below another; None if there is none."""
    of_group = hasattr(context.command, "get_command")
    found = context.command.get_command(context, word) if of_group else None
    if found is None:
        return None
    return found.make_context(word, [], parent=context, resilient_parsing=True)


def commands_below(context: Any) -> list[str]:
    """Return the commands of a group; none of a command."""
    of_group = hasattr(context.command, "list_commands")
    return list(context.command.list_commands(context)) if of_group else []


def _converting_only_if_needed(parameter: Any, convert: Any) -> Any:
    """Return what converts a value, and leaves to typer only what :mod:`conversion` does.

    A default has its type already.
    """
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


def _name_what_is_missing(error: Any, command: Any, ctx: Any, words: list[str]) -> None:
    """Change an error of a list of words that is missing: the one word there is stands first.

    The parser takes it for what follows the list, as that has to have one.
    """
    arguments = [each for each in command.get_params(ctx) if not flags_of(each)]
    following = arguments[arguments.index(error.param) + 1 :] if error.param in arguments else []
    if following and error.param.nargs == -1:
        found, _, _ = command.make_parser(ctx).parse_args(list(words))
        if found.get(following[0].name) is not None:
            error.param = following[0]


def _usual_forms(
    arguments: Sequence[str], parameters: Iterable[Any], *, interspersed: bool
) -> tuple[list[str], dict[str, bool]]:
    """Return the arguments with every known flag in its usual form, without switches set to false.

    Those are in the mapping, by their parameters' names: False, or True of ``--no-slb=false``. The
    values of flags, what follows ``--``, and without ``interspersed`` what follows the first word,
    are left as they are. Raises :class:`UsageError` for a switch that is given a value which
    is neither true nor false.
    """
    options = {word: each for each in parameters for word in flags_of(each)}
    usual: list[str] = []
    off: dict[str, bool] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--" or (not _is_flag(word) and not interspersed):
            return [*usual, word, *rest], off
        name, equals, value = word.partition("=")
        if f"-{name}" in options and len(name) > 2:
            name = f"-{name}"
        if not _is_flag(word) or name not in options:
            usual.append(word)
        elif not takes_value(options[name]):
            switch, hint = options[name], f"Give {name} without a value, or leave it out."
            off.pop(switch.name, None)
            if not equals or is_true(value, name, hint):
                usual.append(name)
            else:
                off[switch.name] = name in switch.secondary_opts
        elif not equals:
            usual += [name, *rest[:1]]
            rest = rest[1:]
        else:
            usual += [f"{name}={value}"] if name.startswith("--") else [name, value]
    return usual, off


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _output_options(command: Any) -> list[Any]:
    """Return ``--json`` and ``--quiet`` for a command.

    A command that has an option of that name keeps it; one that prints data has no ``--quiet``.
    """
    if command.name in _NEITHER:
        return []
    own = {flag for each in command.params for flag in flags_of(each)}
    prints_data = "--json" in own and command.name not in WITH_DRIVER  # which do something
    found = []
    for option in _declared_options():
        flags = flags_of(option)
        if flags[0] not in own and not (prints_data and flags[0] != "--json"):
            option.rich_help_panel = getattr(command.params[0], "rich_help_panel", None)
            option.opts = [flag for flag in flags if flag not in own]
            found.append(option)
    return found


def _declared_options() -> list[Any]:
    """Return the options, made by typer from what a command declares."""

    def declared(json: AsJson = False, quiet: Quiet = False) -> None:
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
