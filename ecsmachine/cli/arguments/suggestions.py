"""What was probably meant where a command or an option does not exist."""

from __future__ import annotations

import re
from typing import Any

from ecsmachine.cli.table import WITH_DRIVER
from ecsmachine.suggestions import did_you_mean

_PLAINLY = (
    ("Value error, ", ""),
    ("Input should be a valid integer, unable to parse string as an integer", "Use a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "Use a number"),
    ("Input should be a valid boolean, unable to interpret input", "Use true or false"),
    ("Input should be greater than or equal to", "The least is"),
    ("Input should be less than or equal to", "The most is"),
    ("Input should be greater than", "Use more than"),
    ("Input should be less than", "Use less than"),
)
"""What the library that checks the types says, and what a user is told."""


def usage_line(error: Any) -> str:
    """Return what the parser of the command line found wrong, in one line."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "ecsmachine"
    message = " ".join(_message(error, context).split()).rstrip(".")
    end = "" if message.endswith("?") else "."
    return f"{message}{end} See '{path} --help'."


def _message(error: Any, context: Any) -> str:
    option = getattr(error, "option_name", None)
    if getattr(error, "possibilities", None) is not None and option is not None:
        message = error.message
        suggestion = _of_options(option, context) or _of_another_driver(option, context)
    else:
        message = error.format_message()
        for said, plainly in _PLAINLY:
            message = message.replace(said, plainly)
        chosen = re.search(r"'([^']*)' is not one of (.+)$", message)
        if chosen is None:
            return str(message)
        suggestion = did_you_mean(chosen[1], re.findall(r"'([^']*)'", chosen[2]))
    return f"{message.rstrip('.')}. {suggestion}".rstrip()


def _of_options(option: str, context: Any) -> str:
    """Return which options of the command may be meant, of those that take a dash or two."""
    from ecsmachine.cli.arguments.parameters import flags_of

    parameters = context.command.get_params(context) if context is not None else ()
    return did_you_mean(option, [flag for each in parameters for flag in flags_of(each)])


def _of_another_driver(option: str, context: Any) -> str:
    """Say which driver has the option, if the driver that is named has it not."""
    from ecsmachine.drivers import registry

    if context is None or context.info_name not in WITH_DRIVER:
        return ""
    for name in registry.driver_names():
        if option.startswith(f"--{name}-"):
            return f"It is an option of the driver {name}: give -d {name}"
    return ""
