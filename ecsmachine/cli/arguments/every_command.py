"""What is changed of every command that typer makes, on one walk through the tree."""

from __future__ import annotations

from typing import Any

from ecsmachine.cli.arguments.flag_forms import accept_flag_forms
from ecsmachine.cli.arguments.from_settings import take_settings
from ecsmachine.cli.arguments.help import write_in_words
from ecsmachine.cli.arguments.output_options import add_output_options
from ecsmachine.cli.arguments.parsing import convert_only_if_needed


def changed(command: Any) -> Any:
    """Return a command that is changed; those of a group are when they are asked for."""
    write_in_words(command)
    convert_only_if_needed(command)
    accept_flag_forms(command)
    add_output_options(command)
    take_settings(command)
    if hasattr(command, "get_command"):
        find = command.get_command

        def get_command(context: Any, name: str) -> Any:
            found = find(context, name)
            return None if found is None else changed(found)

        command.get_command = get_command
    return command
