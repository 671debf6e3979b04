"""The driver for Alibaba Cloud ECS.

``options`` is the table of flags, ``settings`` what they mean; ``checks`` looks before anything
is made; ``create`` and ``remove`` go through the journal, with a module for each kind of
resource; ``record`` is what the store keeps; ``driver`` puts them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ecsmachine.drivers.aliyunecs.options import OPTIONS
from ecsmachine.drivers.base import DriverContext, OptionValue

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.driver import AliyunEcsDriver

__all__ = ["OPTIONS", "load", "new", "share_lookups", "suggest_values"]


def new(context: DriverContext, values: Mapping[str, OptionValue]) -> AliyunEcsDriver:
    """Return the driver of a new machine.

    Raises :class:`~ecsmachine.errors.UsageError` for values that cannot be, or if there are no
    credentials.
    """
    from ecsmachine.drivers.aliyunecs import driver

    return driver.new(context, values)


def load(context: DriverContext, config: Mapping[str, Any]) -> AliyunEcsDriver:
    """Return the driver of a machine in the store, ours or Docker Machine's."""
    from ecsmachine.drivers.aliyunecs import driver

    return driver.load(context, config)


def suggest_values(
    option: str, given: Mapping[str, str], environment: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return values for an option, each with a few words about it, for a shell's completion."""
    from ecsmachine.drivers.aliyunecs import completion

    return completion.suggest_values(option, given, environment)


def share_lookups(drivers: Iterable[AliyunEcsDriver]) -> None:
    """Let the machines of an account and region ask for their states together."""
    from ecsmachine.drivers.aliyunecs import driver

    driver.share_lookups(drivers)
