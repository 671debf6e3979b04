"""The keys that a machine may have in a file: the options of ``create``, and a few of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ecsmachine.cli.arguments.create_options import options_of_create
from ecsmachine.drivers.options import Option

OWN: Mapping[str, str] = {
    "count": "Number of machines: NAME-1, NAME-2, …",
    "driver": "The driver",
    "provision": "Whether the engine is installed",
    "copy": "Files and folders to copy to the host, from: to (relative to this file)",
    "run": "Commands to run on the host, after the copies",
}
"""The keys that are no option of a driver or of the engine, with what they mean."""


def key_of(option: Option, driver_name: str) -> str:
    """Return the key of an option: its flag without the driver's prefix, a list in the plural."""
    name = singular_key_of(option, driver_name)
    if option.kind != "list" or name.endswith("env"):
        return name
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def singular_key_of(option: Option, driver_name: str) -> str:
    """Return the flag of an option without the driver's prefix, which is a key as well."""
    return option.name.removeprefix(f"{driver_name}-")


@lru_cache(maxsize=8)
def keys_of(driver_name: str) -> Mapping[str, Option]:
    """Return the options that a machine of the driver takes, by all the keys that they have.

    Secrets and deprecated options are not among them. Raises
    :class:`~ecsmachine.errors.MachineError` if there is no such driver.
    """
    found: dict[str, Option] = {}
    for option in options_of_create(driver_name):
        if not (option.deprecated or option.secret or option.credential):
            found[singular_key_of(option, driver_name)] = option
            found[key_of(option, driver_name)] = option
    return {name: option for name, option in found.items() if name not in OWN}


@lru_cache(maxsize=8)
def secrets_of(driver_name: str) -> Mapping[str, Option]:
    """Return the options that are never in a file, by their keys."""
    return {
        name: option
        for option in options_of_create(driver_name)
        if option.secret or option.credential
        for name in (singular_key_of(option, driver_name), option.name)
    }
