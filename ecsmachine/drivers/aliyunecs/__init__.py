"""The driver for Alibaba Cloud ECS.

``options`` is the table of flags, ``settings`` what they mean; ``checks`` looks before anything
is made; ``create`` and ``remove`` go through the journal, with a module for each kind of
resource; ``record`` is what the store keeps; ``driver`` puts them together.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ecsmachine.drivers.aliyunecs.life.bake import AliyunBakedImages
    from ecsmachine.drivers.aliyunecs.life.looks import AliyunLooks
    from ecsmachine.drivers.aliyunecs.life.sweep import AliyunTaggedResources
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
    from ecsmachine.drivers.base import DriverContext
    from ecsmachine.drivers.options import OptionValue

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


_PARTS = {
    "OPTIONS": "options.settings",
    "new": "life.driver",
    "load": "life.driver",
    "share_lookups": "life.driver",
    "observe_many": "life.driver",
    "suggest_values": "checks.completion",
    "comparable": "options.comparing",
    "looks": "life.looks",
}
"""Where the registry finds what it asks this driver for, but for what is below."""


def __getattr__(name: str) -> Any:
    """Return one of these parts; its module is loaded when it is asked for."""
    if name not in _PARTS:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_PARTS[name]}"), name)


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


def baked_images(context: DriverContext, values: Mapping[str, OptionValue]) -> AliyunBakedImages:
    """Return the images that ``bake`` has made, in the region that ``values`` name, if any."""
    from ecsmachine.drivers.aliyunecs.life.bake import AliyunBakedImages

    return AliyunBakedImages(_cloud(context, values, ""))


def regions(context: DriverContext, values: Mapping[str, OptionValue]) -> list[str]:
    """Return all regions that the account may use (DescribeRegions)."""
    return _cloud(context, values, "").ecs.region_ids()


def _cloud(context: DriverContext, values: Mapping[str, OptionValue], region: str) -> Cloud:
    from ecsmachine.drivers.aliyunecs.options.reading import settings_of
    from ecsmachine.drivers.aliyunecs.resources.cloud import cloud_of

    settings = settings_of(_account(values))
    return cloud_of(settings, context.environment, region, checkpoint=context.checkpoint)


def _account(values: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    return {name: value for name, value in values.items() if name in ACCOUNT_OPTIONS}
