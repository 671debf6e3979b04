"""Keeping the command line quick: what needs no conversion is not converted.

Since 0.27 typer converts with pydantic, which takes longer to import than all the rest of a short
command. But a default has its type already, and a word for a string parameter is one.
"""

from __future__ import annotations

from typing import Any


def convert_only_if_needed(command: Any) -> None:
    """Change a command so that only values that need it are converted."""
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
    # typer before 0.27 has no such attribute, and converts quickly
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)

    def process_value(context: Any, value: Any) -> Any:
        source = context.get_parameter_source(parameter.name)
        if parameter.required:
            return convert(context, value)
        if several and not value:
            value = ()
        elif annotation is str and isinstance(value, str):
            pass
        elif annotation == list[str] and isinstance(value, (list, tuple)):
            value = list(value)
        elif value is not None and (source is None or source.name != "DEFAULT"):
            return convert(context, value)
        return parameter.callback(context, parameter, value) if parameter.callback else value

    return process_value
