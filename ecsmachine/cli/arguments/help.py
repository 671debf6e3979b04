"""The help of a command: what its parameters are called, in which groups, how wide."""

from __future__ import annotations

from typing import Any

from ecsmachine.cli.arguments.parameters import choices_of, written_in_help
from ecsmachine.cli.display import docker_machine
from ecsmachine.cli.display.printer import show
from ecsmachine.drivers.options import OPTION_GROUPS

WIDEST = 120
"""Columns that help takes of a terminal that has more."""

ALL = "--all"
"""With --help: every option, not the everyday ones alone."""


_OWN = "Options"
"""The heading above options that name no group."""


def help_of(context: Any) -> str:
    """Return the help of a command, laid out as the program that we are called."""
    text: str = context.get_help()
    if not _is_docker_machine(context):
        return text
    called: str = context.obj.as_called(text) if context.obj else text
    return docker_machine.help_text(called)


def format_options(context: Any, formatter: Any) -> None:
    """Write the arguments of a command, and its options by group (``rich_help_panel``)."""
    sections: dict[str, list[tuple[str, str]]] = {
        heading: [] for heading in ("Arguments", _OWN, *OPTION_GROUPS)
    }
    wants_all = _is_docker_machine(context) or ALL in getattr(context.obj, "program", ())
    everyday = None if wants_all else context.command.everyday
    left_out = 0
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None:
            continue
        if parameter.param_type_name == "argument":
            sections["Arguments"].append(record)
        elif everyday is None or parameter.name in everyday:
            group = getattr(parameter, "rich_help_panel", None) or _OWN
            sections[group].append(record)
        else:
            left_out += 1
    if len(sections[_OWN]) == 1:  # --help, which is not what one looks for first
        sections[_OWN] = sections.pop(_OWN)
    for heading, records in sections.items():
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)
    if left_out:
        formatter.write_paragraph()
        formatter.write_text(f"{left_out} more options: {context.command_path} --help {ALL}")


def _is_docker_machine(context: Any) -> bool:
    return bool(context.find_root().info_name == docker_machine.NAME)


def show_help(context: Any, _option: Any, given: bool) -> None:
    """Print help with our printer, if it is asked for, and end the command."""
    if given and not context.resilient_parsing:
        show(help_of(context))
        context.exit()


def in_words(parameter: Any, record_of: Any) -> Any:
    """Return what describes a parameter in help, without its type; ``record_of`` is typer's own."""

    def get_help_record(context: Any) -> tuple[str, str] | None:
        record = record_of(context)
        if record is None:
            return None
        written = written_in_help(parameter)
        choices = choices_of(parameter) if written.startswith("-") else []
        unsaid = [choice for choice in choices if choice not in f"{written} {record[1]}"]
        named = f"{record[1]} (one of {', '.join(choices)})" if unsaid else record[1]
        return written, named

    return get_help_record
