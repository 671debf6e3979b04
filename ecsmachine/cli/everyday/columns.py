"""The columns of ``ls -o``, and the order of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecsmachine.errors import UsageError
from ecsmachine.suggestions import instead_of

COLUMNS = {
    "NAME": "Name",
    "ACTIVE": "Active",
    "DRIVER": "DriverName",
    "STATE": "State",
    "URL": "URL",
    "DOCKER": "DockerVersion",
    "ADDRESS": "Address",
    "PRIVATE": "PrivateAddress",
    "INSTANCE": "InstanceId",
    "REGION": "Region",
    "ZONE": "Zone",
    "TYPE": "Type",
    "IMAGE": "Image",
    "PRICE": "Price",
    "COST": "Cost",
    "EXPIRES": "Expires",
    "CREATED": "Created",
    "TAGS": "Tags",
    "ERRORS": "Error",
}
"""The heading of each column, and the field of JSON that it shows."""

_NOT_WIDE = ("TAGS", "IMAGE", "PRICE", "COST", "EXPIRES", "CREATED")
"""What ``-o wide`` leaves out."""


def columns_of(text: str) -> list[str]:
    """Return the headings that ``-o`` names: ``wide``, or some with commas between them.

    Raises :class:`UsageError` for one that there is not.
    """
    if text.lower() == "wide":
        return [heading for heading in COLUMNS if heading not in _NOT_WIDE]
    return [_heading(word, "--output") for word in text.split(",")]


def in_order(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Return rows in the order of a column; those that have nothing there come last.

    Raises :class:`UsageError` for a column that there is not.
    """
    field = COLUMNS[_heading(by, "--sort")]

    def key(row: Mapping[str, Any]) -> tuple[bool, float, str]:
        value = row[field]
        number = float(value) if isinstance(value, (int, float)) else 0.0
        return value in (None, "", {}), number, "" if number else str(value).lower()

    return sorted(rows, key=key)


def cells(row: Mapping[str, Any], headings: Sequence[str]) -> list[str]:
    """Return what a row shows in columns: "-" where nothing is known."""
    return [_cell(row[COLUMNS[heading]]) for heading in headings]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "*" if value else "-"
    if isinstance(value, dict):
        value = ",".join(f"{name}={text}" for name, text in value.items())
    return "-" if value in (None, "") else str(value)


def _heading(word: str, option: str) -> str:
    upper = word.strip().upper()
    for heading, field in COLUMNS.items():
        if upper in (heading, field.upper()):
            return heading
    raise UsageError(
        f'{option}: there is no column "{word.strip()}"', hint=instead_of(word, COLUMNS)
    )
