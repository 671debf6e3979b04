"""The JSON schema of a file of machines (draft 7), which editors use; made of the option tables."""

from __future__ import annotations

from typing import Any

from ecsmachine.cli.arguments.driver_options import help_of
from ecsmachine.cli.machines_file.keys import OWN, key_of, keys_of
from ecsmachine.drivers.options import Option

DRIVERS = ("aliyunecs", "generic", "none")
"""The drivers whose options are in it; others may be installed."""

_SCALAR = {"type": ["string", "number", "boolean"]}
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
_TEXTS: dict[str, Any] = {"anyOf": [{"type": "array", "items": _SCALAR}, _SCALAR]}
_MAP = {"type": "object", "additionalProperties": _SCALAR}


def schema() -> dict[str, Any]:
    """Return the schema."""
    options: dict[str, Any] = {
        "count": _number(minimum=0),
        "driver": {"type": "string"},
        "provision": _flag(),
        "copy": {"anyOf": [_MAP, *_TEXTS["anyOf"]]},
        "run": _TEXTS,
    }
    options = {name: {**value, "description": OWN[name]} for name, value in options.items()}
    for driver in DRIVERS:
        for key, option in keys_of(driver).items():
            if key == key_of(option, driver):
                options.setdefault(key, {**_schema_of(option), "description": help_of(option)})
    machine = {"type": "object", "properties": options, "additionalProperties": False}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "ecsmachine.yaml",
        "description": "Machines for ecsmachine plan, apply and destroy",
        "type": "object",
        "properties": {
            "defaults": {
                **machine,
                "description": "Options of every machine, unless the machine sets them",
            },
            "machines": {
                "type": "object",
                "description": "The machines, by name",
                "propertyNames": {"pattern": r"^[a-zA-Z0-9][a-zA-Z0-9.-]*$"},
                "additionalProperties": {"anyOf": [machine, {"type": "null"}]},
            },
        },
        "patternProperties": {"^x-": {}},
        "required": ["machines"],
        "additionalProperties": False,
    }


def _schema_of(option: Option) -> dict[str, Any]:
    if option.kind == "list":
        return {"anyOf": [_MAP, *_TEXTS["anyOf"]]} if option.pairs else dict(_TEXTS)
    if option.kind == "int":
        return _number()
    if option.kind == "bool":
        return _flag()
    if option.choices:
        return {"anyOf": [{"enum": list(option.choices)}, _VARIABLE]}
    return dict(_SCALAR)


def _number(**limits: int) -> dict[str, Any]:
    return {"anyOf": [{"type": "integer", **limits}, _VARIABLE]}


def _flag() -> dict[str, Any]:
    return {"anyOf": [{"type": "boolean"}, _VARIABLE]}
