"""What the parameters of a command are, told the same whichever release of typer is installed."""

from __future__ import annotations

from enum import Enum
from typing import Any, get_args

from ecsmachine.cli.display import docker_machine
from ecsmachine.cli.display.printer import show


def flags_of(parameter: Any) -> list[str]:
    """Return the words that an option is given by; none for an argument."""
    words = [*parameter.opts, *parameter.secondary_opts]
    return [word for word in words if word.startswith("-")]


def takes_value(option: Any) -> bool:
    """Whether a word follows the option."""
    if getattr(option, "count", False):
        return False
    annotation = _annotation(option)
    if annotation is not None:
        return bool not in (annotation, *get_args(annotation))
    return not getattr(option, "is_flag", False)


def choices_of(parameter: Any) -> list[str]:
    """Return the only values that there are, if the parameter has such."""
    if "|" in (parameter.metavar or ""):
        return str(parameter.metavar).split("|")
    annotation = _annotation(parameter)
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return [str(member.value) for member in kind]
    items = parameter.shell_complete(None, "")
    return [str(item.value) for item in items if item.type == "plain"]


def written_in_help(parameter: Any) -> str:
    """Return how help writes a parameter: ``-t, --timeout SECONDS``, ``NAME``.

    Without a word of its own, a value is named by the last word of its option.
    """
    flags = flags_of(parameter)
    if not flags:
        return str(parameter.metavar or parameter.name.upper())
    # the short form first, as everywhere
    written = ", ".join(sorted(flags, key=lambda flag: flag.startswith("--")))
    if not takes_value(parameter):
        return written
    value = parameter.metavar or "|".join(choices_of(parameter))
    return f"{written} {value or max(flags, key=len).rpartition('-')[2].upper()}"


def write_in_words(command: Any) -> Any:
    """Return the command, changed so that its help, and that of its commands, names no types.

    Help is printed by our printer.
    """
    parameters_of = command.get_params

    def get_params(context: Any) -> list[Any]:
        parameters: list[Any] = parameters_of(context)
        for parameter in parameters:
            if "get_help_record" not in vars(parameter):
                parameter.get_help_record = _in_words(parameter, parameter.get_help_record)
        return parameters

    option_of = command.get_help_option

    def get_help_option(context: Any) -> Any:
        option = option_of(context)
        if option is not None:
            option.callback = _show_help
        return option

    command.get_params = get_params
    command.get_help_option = get_help_option
    if hasattr(command, "get_command"):
        find = command.get_command

        def get_command(context: Any, name: str) -> Any:
            found = find(context, name)
            return None if found is None else write_in_words(found)

        command.get_command = get_command
    return command


def help_of(context: Any) -> str:
    """Return the help of a command, laid out as the program that we are called."""
    text: str = context.get_help()
    called = context.find_root().info_name
    return docker_machine.help_text(text) if called == docker_machine.NAME else text


def _show_help(context: Any, _option: Any, given: bool) -> None:
    if given and not context.resilient_parsing:
        show(help_of(context))
        context.exit()


def _in_words(parameter: Any, record_of: Any) -> Any:
    def get_help_record(context: Any) -> tuple[str, str] | None:
        record = record_of(context)
        return None if record is None else (written_in_help(parameter), record[1])

    return get_help_record


def _annotation(parameter: Any) -> Any:
    # typer before 0.27 has no such attribute, but click's types
    return getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
