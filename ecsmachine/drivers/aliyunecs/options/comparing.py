"""The values of options in one form, in which two that mean the same are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ecsmachine.drivers.aliyunecs.options.declaration import PREFIX
from ecsmachine.drivers.aliyunecs.options.disk_categories import FIXED_CATEGORIES
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS
from ecsmachine.drivers.options import ChangeKind, OptionValue

FIELDS_BY_OPTION = {each.option.name: field for field, each in DECLARATIONS.items()}
"""The field of the settings that has the value of an option."""

SIZES = ("disk-size", "system-disk-size")
"""The options of disks that grow and do not shrink."""

CATEGORIES = ("disk-category", "system-disk-category")


def option_of(field: str) -> str:
    """Return the name of the option that a field of the settings is of."""
    return DECLARATIONS[field].option.name


def read_value(option: str, value: OptionValue) -> Any:
    """Return what a value of an option means. Raises :class:`UsageError` for one that cannot be."""
    return DECLARATIONS[FIELDS_BY_OPTION[option]].read(value)


def comparable(option: str, value: OptionValue) -> OptionValue:
    """Return a value of an option in the form in which values are compared.

    Lists are sorted, and each of their items is written in one way; a time from now stays as it
    was given. Raises :class:`UsageError` for a value that cannot be.
    """
    meaning = read_value(option, value)
    if is_from_now(option, value):
        return value
    return as_option(meaning)


def as_option(meaning: Any) -> OptionValue:
    """Return the meaning of an option in that form."""
    if isinstance(meaning, Mapping):
        return sorted(f"{key}={value}" for key, value in meaning.items())
    if isinstance(meaning, bytes):
        import hashlib

        return hashlib.sha256(meaning).hexdigest() if meaning else ""
    if isinstance(meaning, str | bool | int) or meaning is None:
        return meaning if meaning is not None else ""
    if isinstance(meaning, float):
        return f"{meaning:g}" if meaning else ""
    if isinstance(meaning, Path):
        return str(meaning)
    assert isinstance(meaning, Iterable)  # noqa: S101  (readers return nothing else)
    return sorted({str(item) for item in meaning})


def is_from_now(option: str, value: OptionValue) -> bool:
    """Whether a value is a time that is so long from now, and so never the same twice."""
    return option in (f"{PREFIX}auto-release-time", "auto-release") and (
        isinstance(value, str) and value[-1:] in ("h", "d")
    )


def how_to_change(option: str, old: OptionValue, new: OptionValue) -> ChangeKind:
    """Return how a machine comes from one value of an option to another, by the table alone."""
    declared = DECLARATIONS[FIELDS_BY_OPTION[option]].option.changes
    name = option.removeprefix(PREFIX)
    if name in SIZES and declared is ChangeKind.IN_PLACE:
        # a disk that is not there yet is as much another machine as one that shrinks
        grows = isinstance(old, int) and isinstance(new, int) and 0 < old <= new
        return ChangeKind.IN_PLACE if grows else ChangeKind.NEW_MACHINE
    if name in CATEGORIES and not {old, new}.isdisjoint(FIXED_CATEGORIES):
        return ChangeKind.NEW_MACHINE
    if name == "internet-max-bandwidth" and not (old and new):
        return ChangeKind.NEW_MACHINE  # a public address comes, or goes
    if is_from_now(option, new):
        return ChangeKind.AT_CREATE
    return declared
