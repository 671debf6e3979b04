"""Flags as Docker Machine takes them, by Go's package flag: one dash or two, ``--force=true``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ecsmachine.cli.arguments.parameters import flags_of, takes_value
from ecsmachine.documents import is_true


def accept_flag_forms(command: Any) -> None:
    """Change a command so that it takes flags in these forms as well."""
    parse = command.parse_args

    def parse_args(context: Any, arguments: list[str]) -> list[str]:
        parameters = command.get_params(context)
        interspersed = context.allow_interspersed_args
        parsed: list[str] = parse(
            context, usual_forms(arguments, parameters, interspersed=interspersed)
        )
        return parsed

    command.parse_args = parse_args


def usual_forms(
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
            hint = f"Give {name} alone, or not at all."
            usual += [name] if not equals or is_true(value, name, hint) else []
        elif not equals:
            usual += [name, *rest[:1]]
            rest = rest[1:]
        else:
            usual += [f"{name}={value}"] if name.startswith("--") else [name, value]
    return usual


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word != "-"
