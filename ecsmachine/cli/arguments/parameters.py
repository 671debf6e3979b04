"""What the parameters of a command are, told the same whichever release of typer is installed."""

from __future__ import annotations

import re
from typing import Any, get_args

_LONGEST_WRITTEN = 54
"""How long an option is in help, so that it fits a terminal of 60 columns."""


def flags_of(parameter: Any) -> list[str]:
    """Return the words that an option is given by; none for an argument."""
    words = [*parameter.opts, *parameter.secondary_opts]
    return [word for word in words if word.startswith("-")]


def takes_value(option: Any) -> bool:
    """Whether a word follows the option."""
    annotation = option.type_descriptor.annotation
    return bool not in (annotation, *get_args(annotation))


def choices_of(parameter: Any) -> list[str]:
    """Return the only values that there are, if the parameter has such."""
    if "|" in (parameter.metavar or ""):
        return str(parameter.metavar).split("|")
    choices = parameter.type_descriptor.choices
    if choices:  # words, or members of an Enum
        return [str(getattr(choice, "value", choice)) for choice in choices]
    items = parameter.shell_complete(None, "")
    return [str(item.value) for item in items if item.type == "plain"]


def variable_of(parameter: Any) -> str:
    """Return the first variable that stands in for an option, as its help says; "" without one."""
    found = re.search(
        r"(?:\[|, )\$([A-Z][A-Z0-9_]+)[^\[]*\]$", getattr(parameter, "help", "") or ""
    )
    return found[1] if found else ""


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
    if not value or len(f"{written} {value}") > _LONGEST_WRITTEN:
        value = max(flags, key=len).rpartition("-")[2].upper()
    return f"{written} {value}"
