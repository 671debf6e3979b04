"""The driver for Alibaba Cloud ECS.

``options`` is the table of flags, ``settings`` what they mean; ``checks`` looks before anything
is made; ``create`` and ``remove`` go through the journal, with a module for each kind of
resource; ``record`` is what the store keeps; ``driver`` puts them together.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ecsmachine.drivers.aliyunecs.life.bake import AliyunBakedImages
    from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
    from ecsmachine.drivers.aliyunecs.life.looks import AliyunLooks
    from ecsmachine.drivers.aliyunecs.life.sweep import AliyunTaggedResources
    from ecsmachine.drivers.aliyunecs.options.settings import OPTIONS
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
    from ecsmachine.drivers.base import DriverContext, OptionValue
    from ecsmachine.drivers.changes import Observed
    from ecsmachine.errors import MachineError

__all__ = [
    "ACCOUNT_OPTIONS",
    "ADOPTION_OPTIONS",
    "OPTIONS",
    "REGION_OPTION",
    "account_looks",
    "baked_images",
    "comparable",
    "load",
    "looks",
    "new",
    "observe_many",
    "regions",
    "share_lookups",
    "suggest_values",
    "tagged_resources",
]

REGION_OPTION = "aliyunecs-region"
"""The option that names the region."""

ACCOUNT_OPTIONS = (
    "aliyunecs-access-key-id",
    "aliyunecs-access-key-secret",
    "aliyunecs-security-token",
    "aliyunecs-profile",
    REGION_OPTION,
    "aliyunecs-api-endpoint",
    "aliyunecs-vpc-endpoint",
)
"""The options that say where machines are, and with whose rights they are looked at."""

ADOPTION_OPTIONS = (
    "aliyunecs-ssh-keypath",
    "aliyunecs-ssh-password",
    "aliyunecs-ssh-user",
    "aliyunecs-ssh-port",
    "aliyunecs-private-address-only",
)
"""The options that say how an instance that is there is logged in to."""


def __getattr__(name: str) -> Any:
    """Return the option table, which is loaded when it is asked for."""
    if name != "OPTIONS":
        raise AttributeError(name)
    from ecsmachine.drivers.aliyunecs.options.settings import OPTIONS

    return OPTIONS


def new(context: DriverContext, values: Mapping[str, OptionValue]) -> AliyunEcsDriver:
    """Return the driver of a new machine.

    Raises :class:`~ecsmachine.errors.UsageError` for values that cannot be, or if there are no
    credentials.
    """
    from ecsmachine.drivers.aliyunecs.life import driver

    return driver.new(context, values)


def load(context: DriverContext, config: Mapping[str, Any]) -> AliyunEcsDriver:
    """Return the driver of a machine in the store, ours or Docker Machine's."""
    from ecsmachine.drivers.aliyunecs.life import driver

    return driver.load(context, config)


def suggest_values(
    option: str, given: Mapping[str, str], environment: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return values for an option, each with a few words about it, for a shell's completion."""
    from ecsmachine.drivers.aliyunecs.checks import completion

    return completion.suggest_values(option, given, environment)


def share_lookups(drivers: Iterable[AliyunEcsDriver]) -> None:
    """Let the machines of an account and region ask for their states together."""
    from ecsmachine.drivers.aliyunecs.life import driver

    driver.share_lookups(drivers)


def observe_many(drivers: Sequence[AliyunEcsDriver]) -> list[Observed | MachineError]:
    """Return what each machine is now, in few requests, or why that is not known."""
    from ecsmachine.drivers.aliyunecs.life import driver

    return driver.observe_many(drivers)


def comparable(option: str, value: OptionValue) -> OptionValue:
    """Return a value of an option in the form in which values are compared."""
    from ecsmachine.drivers.aliyunecs.options import comparing

    return comparing.comparable(option, value)


def looks(driver: AliyunEcsDriver) -> AliyunLooks:
    """Return what can be asked about the way to a machine."""
    from ecsmachine.drivers.aliyunecs.life.looks import of_machine

    return of_machine(driver)


def account_looks(context: DriverContext, values: Mapping[str, OptionValue]) -> AliyunLooks:
    """Return what can be asked about the way to the account that the options name."""
    from ecsmachine.drivers.aliyunecs.life.looks import AliyunLooks
    from ecsmachine.drivers.aliyunecs.options.reading import settings_of
    from ecsmachine.drivers.aliyunecs.resources.cloud import cloud_of

    settings = settings_of(_account(values))
    return AliyunLooks(lambda: cloud_of(settings, context.environment))


def tagged_resources(
    context: DriverContext, values: Mapping[str, OptionValue], region: str
) -> AliyunTaggedResources:
    """Return what carries our tags in a region; "" is the one that the options name.

    ``values`` are those of :data:`ACCOUNT_OPTIONS`. Raises as :func:`new` does.
    """
    from ecsmachine.drivers.aliyunecs.life.sweep import AliyunTaggedResources

    return AliyunTaggedResources(_cloud(context, values, region), context)


def baked_images(
    context: DriverContext, values: Mapping[str, OptionValue], region: str
) -> AliyunBakedImages:
    """Return the images in a region that ``bake`` has made, as :func:`tagged_resources` does."""
    from ecsmachine.drivers.aliyunecs.life.bake import AliyunBakedImages

    return AliyunBakedImages(_cloud(context, values, region))


def regions(context: DriverContext, values: Mapping[str, OptionValue]) -> list[str]:
    """Return all regions that the account may use (DescribeRegions)."""
    from ecsmachine.drivers.aliyunecs.options.reading import settings_of
    from ecsmachine.drivers.aliyunecs.resources.cloud import cloud_of

    return cloud_of(settings_of(_account(values)), context.environment).ecs.region_ids()


def _cloud(context: DriverContext, values: Mapping[str, OptionValue], region: str) -> Cloud:
    from ecsmachine.drivers.aliyunecs.options.reading import settings_of
    from ecsmachine.drivers.aliyunecs.resources.cloud import cloud_of

    settings = settings_of(_account(values))
    return cloud_of(settings, context.environment, region, checkpoint=context.checkpoint)


def _account(values: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    return {name: value for name, value in values.items() if name in ACCOUNT_OPTIONS}
