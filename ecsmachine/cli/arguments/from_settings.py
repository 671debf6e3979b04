"""Options that files of settings give: to whichever command is run, as its defaults."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import typer

from ecsmachine.cli.arguments.context import Session, values_given
from ecsmachine.cli.arguments.driver_options import is_of_a_driver
from ecsmachine.cli.arguments.parameters import choices_of, flags_of, takes_value, variable_of
from ecsmachine.cli.display.printer import say
from ecsmachine.cli.settings.keys import NEVER
from ecsmachine.cli.settings.layers import Found
from ecsmachine.cli.table import WITH_DRIVER
from ecsmachine.errors import UsageError
from ecsmachine.suggestions import instead_of

_FORMS = (frozenset(("quiet", "format_")), frozenset(("output", "sort")))
"""Parameters for the form of what is printed: one that is typed leaves out the others of files."""


def choose_profile(ctx: typer.Context, value: str) -> str:
    """Use the profile that the command line names. Raises :class:`UsageError`."""
    if value:
        this: Session = ctx.obj
        this.settings.choose(value, "--profile")
        this.repeated[""] = ["--profile", value]
        this.use(this.settings)
    return value


def use_sets_of_create(this: Session, arguments: Sequence[str]) -> None:
    """Read the project's file, and use the sets of options that are named, before ``create`` is.

    Which driver they name says what flags there are. Raises
    :class:`~ecsmachine.errors.MachineError`.
    """
    if not this.is_docker_machine:  # which other programs call, wherever they are
        this.settings.read_project()
    this.settings.use_sets(values_given(arguments, "like"))
    this.use(this.settings)


def use_settings_as_defaults(
    context: Any, arguments: Sequence[str], parameters: Iterable[Any]
) -> None:
    """Give a command that is to be run the defaults that files of settings say."""
    this: Session = context.obj
    if not context.allow_interspersed_args:  # what follows a word is another program's
        arguments = list(takewhile(lambda word: word.startswith("-"), arguments))
    if context.resilient_parsing or {"--help", "-h", "-help"} & {*arguments}:
        return
    found = settings_of(this, path_of(context), parameters)
    typed = _typed(arguments, parameters)
    for own, others in (_FORMS, _FORMS[::-1]):
        if typed & own:
            found = {name: one for name, one in found.items() if name not in others}
    context.default_map = {name: value for name, (_, _, value) in found.items()}
    this.settings.applied = {key: one for name, (key, one, _) in found.items() if name not in typed}
    _report_sources(this, path_of(context))


def path_of(context: Any) -> tuple[str, ...]:
    """Return the words that call a command, without the program's name."""
    names: list[str] = []
    while context.parent is not None:
        # the command behind a group's name has that name itself
        if hasattr(context.command, "get_command") or context.command.name == context.info_name:
            names.insert(0, context.info_name)
        context = context.parent
    return tuple(names)


def options_of(parameters: Iterable[Any]) -> dict[str, Any]:
    """Return the options of a command by their long flags, without dashes."""
    return {
        word.removeprefix("--"): each
        for each in parameters
        for word in flags_of(each)
        if word.startswith("--")
    }


def settings_of(
    this: Session,
    path: tuple[str, ...],
    parameters: Iterable[Any],
    given: Mapping[str, Found] | None = None,
) -> dict[str, tuple[str, Found, Any]]:
    """Return what files give to the parameters of a command: the key, where, and the value.

    ``given`` is what they give to options, if it is not all that counts. Raises
    :class:`UsageError` for an option that the command does not have, and a value that is none of
    the option.
    """
    options = options_of(parameters)
    if given is None:
        variables = {name: variable_of(option) for name, option in options.items()}
        given = this.settings.options(path, variables)
    found = {}
    for key, one in given.items():
        if key in options:
            found[options[key].name] = (key, one, _converted(options[key], key, one))
        elif not is_of_a_driver(key):
            raise UsageError(
                f'{one.where}: "{" ".join(path)}" has no option --{key}',
                hint=instead_of(key, [name for name in options if name not in NEVER])
                or "Leave it out.",
            )
    return found


def _converted(option: Any, key: str, found: Found) -> Any:
    """Return a value as the option has it on a command line. Raises :class:`UsageError`."""
    value, several = found.value, bool(getattr(option, "multiple", False))
    if not takes_value(option):
        what, fits = "true or false", isinstance(value, bool)
    elif several:
        value = value if isinstance(value, list) else [value]
        what = "a text or a number, or a list of them"
        fits = not any(isinstance(each, bool) for each in value)
    else:
        what, fits = "a text or a number", type(value) in (str, int, float)
    if not fits:
        raise UsageError(f"{found.where}: --{key} is not {what}", hint="Correct it.")
    choices = choices_of(option)
    if choices and not several and takes_value(option) and str(value) not in choices:
        raise UsageError(
            f'{found.where}: --{key}: "{value}" is not known', hint=instead_of(str(value), choices)
        )
    if takes_value(option):
        return [str(each) for each in value] if several else str(value)
    return value


def _typed(arguments: Sequence[str], parameters: Iterable[Any]) -> set[str]:
    """Return the names of the parameters whose flags are among the words."""
    words = {word.partition("=")[0] for word in arguments if word.startswith("-")}
    words |= {f"-{word}" for word in words if not word.startswith("--")}
    return {each.name for each in parameters if words & set(flags_of(each))}


def _report_sources(this: Session, path: tuple[str, ...]) -> None:
    """Say what a person might not expect: of a project's file, and whose rights are used."""
    applied = this.settings.applied
    uses_rights = path[:1] and path[0] in (*WITH_DRIVER, "cluster")
    unused = this.settings.unused_credentials() if uses_rights else None
    if unused is not None:
        found, variable = unused
        this.warn(f"{variable} is set: the credentials of {found.where} are not used")
    project = this.settings.project
    names = [f"--{key}" for key, one in applied.items() if one.layer.file is project]
    if project is not None and names:
        say(f"Options of {project.path}: {', '.join(names)}", sys.stderr)
