"""Driver options on the command line: from a driver's option table to flags, and to values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session, session, values_given
from ecsmachine.cli.arguments.precedence import Given, resolve_conflicts
from ecsmachine.cli.display.printer import warn
from ecsmachine.cli.settings.layers import TYPED, VARIABLE
from ecsmachine.documents import is_true
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Report
from ecsmachine.drivers.options import Option, OptionValue
from ecsmachine.errors import UsageError
from ecsmachine.suggestions import instead_of

_FLAG_TYPES = {
    "string": str | None,
    "int": int | None,
    "bool": bool | None,
    "list": list[str] | None,
}
"""The type of a flag that may be left out, by the kind of option."""

_OWN_FLAGS = ("debug", "dry-run")
"""The flags before and after the commands with drivers that begin as ``-d`` does."""


def driver_name_of(arguments: Iterable[str], environment: Mapping[str, str]) -> str:
    """Return the driver that a ``create`` command line names, before it is parsed.

    It must be known first: the driver says what flags there are. Raises
    :class:`~ecsmachine.drivers.registry.DriverNotFoundError` for one of a variable.
    """
    typed = values_given((word for word in arguments if not _is_longer_flag(word)), "driver", "-d")
    named = environment.get("MACHINE_DRIVER")
    if named and not typed and named not in registry.driver_names():
        raise registry.DriverNotFoundError(named, given_as="MACHINE_DRIVER")
    return (typed or [named or "aliyunecs"])[-1]


def _is_longer_flag(word: str) -> bool:
    """Whether a word is not ``-d`` with a value, but a flag such as ``-debug`` or ``-dry-run``."""
    name = word.partition("=")[0][1:]
    if not word.startswith("-d") or name[1:] in ("", *registry.driver_names()):
        return False
    return name in _OWN_FLAGS or is_of_a_driver(name)


def is_of_a_driver(name: str) -> bool:
    """Whether one of the drivers has an option of that name."""
    return any(
        name == option.name
        for driver_name in registry.driver_names()
        for option in registry.options_of(driver_name)
    )


def parameter_name(option: Option) -> str:
    """Return the name of the function parameter for an option."""
    return "driver_" + option.name.replace("-", "_")


def option_parameters(options: Iterable[Option]) -> list[inspect.Parameter]:
    """Return the function parameters for options, each None where its flag is left out."""
    group = ""
    parameters = []
    for option in options:
        group = option.group or group
        parameters.append(
            inspect.Parameter(
                parameter_name(option),
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    _FLAG_TYPES[option.kind],
                    typer.Option(
                        f"--{option.name}",
                        help=help_of(option),
                        hidden=bool(option.deprecated),
                        metavar="|".join(option.choices) or None,
                        rich_help_panel=group or None,
                    ),
                ],
            )
        )
    return parameters


def help_of(option: Option) -> str:
    """Return the help of an option, with its default and its variable."""
    notes = []
    if option.default not in (None, "", False, []):
        notes.append(f"default: {option.default}")
    if option.env:
        notes.append(f"${option.env}")
    return option.help + (f" [{', '.join(notes)}]" if notes else "")


def resolve(
    options: Iterable[Option],
    flags: Mapping[str, OptionValue],
    environment: Mapping[str, str],
    settings: Mapping[str, OptionValue] = MappingProxyType({}),
    strengths: Mapping[str, int] = MappingProxyType({}),
    warn: Report = warn,
) -> dict[str, OptionValue]:
    """Return the value of every option: its flag, else its variable, else its default.

    ``flags`` has None where a flag was not given. A variable that is set to nothing counts as
    not set. ``settings`` are values of files, without those that a variable wins over;
    ``strengths`` are those of values (by the names of options) and variables that files give. Of
    options that cannot be together the stronger one counts, as
    :mod:`~ecsmachine.cli.arguments.precedence` says. Raises :class:`UsageError` naming the
    variable whose value does not fit, or the options that do not go together.
    """
    options = list(options)
    given = given_of(options, flags, environment, settings, strengths, warn)
    return values_or_defaults(options, given)


def values_or_defaults(
    options: Iterable[Option], given: Mapping[str, Given]
) -> dict[str, OptionValue]:
    """Return the value of every option: what is given, else its default."""
    return {
        option.name: given[option.name].value if option.name in given else option.default
        for option in options
    }


def given_of(
    options: Collection[Option],
    flags: Mapping[str, OptionValue],
    environment: Mapping[str, str],
    settings: Mapping[str, OptionValue],
    strengths: Mapping[str, int],
    warn: Report,
) -> dict[str, Given]:
    """Return what counts of what options are given by flags, settings and variables.

    As :func:`resolve` does, and raises as that.
    """
    found: dict[str, Given] = {}
    for option in options:
        flag = f"--{option.name}"
        for source in (flags, settings):
            value = source.get(option.name)
            if value not in (None, []):
                strength = strengths.get(option.name, TYPED)
                found[option.name] = Given(_chosen(option, value), strength, flag)
                break
        else:
            if option.env and environment.get(option.env):
                value = _chosen(option, _from_text(option, environment[option.env]))
                strength = strengths.get(option.env, VARIABLE)
                found[option.name] = Given(value, strength, option.env)
    return resolve_conflicts(options, found, warn)


def flags_and_settings(
    ctx: typer.Context, options: Iterable[Option], given: Mapping[str, Any]
) -> tuple[dict[str, OptionValue], dict[str, OptionValue]]:
    """Return what a command was given of options on its command line, and by files."""
    flags: dict[str, OptionValue] = {}
    settings: dict[str, OptionValue] = {}
    for option in options:
        name = parameter_name(option)
        source = ctx.get_parameter_source(name)
        by_file = source is not None and source.name == "DEFAULT_MAP"
        flags[option.name] = None if by_file else given[name]
        if by_file:
            settings[option.name] = given[name]
    return flags, settings


def told_flags_and_settings(
    ctx: typer.Context, options: Iterable[Option], given: Mapping[str, Any], *, all_options: bool
) -> tuple[dict[str, OptionValue], dict[str, OptionValue]]:
    """Return as :func:`flags_and_settings` does, after a warning of each that is deprecated.

    Raises :class:`UsageError` for ``all_options`` (``--all``), which is for help alone.
    """
    flags, settings = flags_and_settings(ctx, options, given)
    for line in warnings_of(options, {**flags, **settings}, session(ctx).environment):
        warn(line)
    if all_options:
        raise UsageError("--all can only be used with --help", hint="Leave it out.")
    return flags, settings


def with_options(
    function: Callable[..., None], options: tuple[Option, ...], *, panel: str = ""
) -> Callable[..., None]:
    """Give a command the flags of a driver beside its own, which help shows below ``panel``."""
    signature = inspect.signature(function, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "given"]
    for parameter in own[1:] if panel else ():
        (described,) = parameter.annotation.__metadata__
        described.rich_help_panel = panel
    parameters = [*own, *option_parameters(options)]
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


def values_of(
    ctx: typer.Context,
    options: tuple[Option, ...],
    given: Mapping[str, Any],
) -> dict[str, OptionValue]:
    """Return the value of every option of a command that :func:`with_options` made."""
    return values_for(session(ctx), options, *flags_and_settings(ctx, options, given))


def values_for(
    this: Session,
    options: Iterable[Option],
    flags: Mapping[str, OptionValue] = MappingProxyType({}),
    settings: Mapping[str, OptionValue] = MappingProxyType({}),
) -> dict[str, OptionValue]:
    """Return as :func:`resolve` does, for this run of the program."""
    strengths = this.settings.strengths()
    return resolve(options, flags, this.environment, settings, strengths, this.warn)


def warnings_of(
    options: Iterable[Option], flags: Mapping[str, OptionValue], environment: Mapping[str, str]
) -> list[str]:
    """Return a line for every deprecated option that was given; a switch typed as false was not."""
    return [
        f"--{option.name}: {option.deprecated}"
        for option in options
        if option.deprecated
        and (
            flags.get(option.name) not in (None, [], False)
            or (option.env and environment.get(option.env))
        )
    ]


def _from_text(option: Option, text: str) -> OptionValue:
    if option.kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    if option.kind == "int":
        try:
            return int(text)
        except ValueError:
            raise UsageError(
                f'The variable {option.env} is not a whole number: "{text}"',
                hint=f"Correct it, or give --{option.name}.",
            ) from None
    if option.kind == "bool":
        hint = f"Correct it, or give --{option.name}."
        return bool(text.strip()) and is_true(text, f"The variable {option.env}", hint)
    return text


def _chosen(option: Option, value: OptionValue) -> OptionValue:
    """Return a value; raise :class:`UsageError` if it is none of those that there are."""
    if option.choices and value not in ("", *option.choices):
        variable = f" ({option.env})" if option.env else ""
        raise UsageError(
            f'--{option.name}{variable}: "{value}" is not known',
            hint=instead_of(str(value), option.choices),
        )
    return value
