"""From the values of the options to settings: each read by itself, then looked at together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ecsmachine.drivers.aliyunecs.options.declaration import PREFIX
from ecsmachine.drivers.aliyunecs.options.disk_categories import check_disk_size
from ecsmachine.drivers.aliyunecs.options.settings import (
    DECLARATIONS,
    OPTIONS,
    Settings,
)
from ecsmachine.drivers.aliyunecs.options.values import check_password
from ecsmachine.drivers.options import Option, OptionValue, pairs_of
from ecsmachine.errors import UsageError

_PERIODS = {"Week": (1, 2, 3, 4), "Month": (*range(1, 10), 12, 24, 36, 48, 60)}
"""For how long an instance can be paid in advance (Period of RunInstances)."""


def settings_of(values: Mapping[str, OptionValue]) -> Settings:
    """Return what the values of the options mean.

    Raises :class:`UsageError` for the first value that cannot be, naming its flag, and for values
    that cannot be together.
    """
    _check_alternatives(values)
    settings = Settings(
        **{name: each.read(values.get(each.option.name)) for name, each in DECLARATIONS.items()}
    )
    if settings.private_only or settings.bandwidth_mbps == 0:
        settings = replace(settings, private_only=True, bandwidth_mbps=0)
    if settings.auto_release:
        settings = replace(settings, auto_release_time=settings.auto_release)
    _check_together(settings)
    return settings


def _check_alternatives(values: Mapping[str, OptionValue]) -> None:
    """Raise :class:`UsageError` for options that cannot be together, by the table of them."""
    given = {
        option.name: values[option.name]
        for option in OPTIONS
        if values.get(option.name) not in (None, option.default)
    }
    for one, other, how in pairs_of(OPTIONS, given):
        if how.both == "refused":
            raise _refused(
                one, f"it cannot be used with --{other.name}: {how.why}", "Give one of them."
            )


def _check_together(settings: Settings) -> None:
    """Raise :class:`UsageError` for values that cannot be together."""
    if settings.ssh_password:
        check_password(settings.ssh_password)
    if settings.ssh_keypair and settings.ssh_keypath is None:
        raise _refused(
            "ssh-keypair", "a key pair needs its private key", "Give --aliyunecs-ssh-keypath too."
        )
    if settings.spot_strategy == "SpotWithPriceLimit" and not settings.spot_price_limit:
        raise _refused(
            "spot-strategy",
            "SpotWithPriceLimit needs a price",
            "Give --aliyunecs-spot-price-limit.",
        )
    _check_period(settings)
    if settings.spot_price_limit and settings.spot_strategy != "SpotWithPriceLimit":
        raise _refused(
            "spot-price-limit",
            f"it has no effect with {settings.spot_strategy}",
            "Give --aliyunecs-spot-strategy SpotWithPriceLimit, or leave it out.",
        )
    if settings.system_disk_category and settings.system_disk_size_gib:
        check_disk_size(
            "system", settings.system_disk_category, settings.system_disk_size_gib, UsageError
        )
    if settings.disk_category and settings.disk_size_gib:
        check_disk_size("data", settings.disk_category, settings.disk_size_gib, UsageError)


def _check_period(settings: Settings) -> None:
    if settings.charge_type != "PrePaid":
        for name, given in (("auto-renew", settings.auto_renew), ("period", settings.period != 1)):
            if given:
                raise _refused(
                    name,
                    f"it has no effect with {settings.charge_type}",
                    "Give --aliyunecs-charge-type PrePaid, or leave it out.",
                )
        return
    allowed = _PERIODS[settings.period_unit]
    if settings.period not in allowed:
        raise _refused(
            "period",
            f"{settings.period} {settings.period_unit.lower()}s is not a subscription period",
            f"Use one of {', '.join(str(each) for each in allowed)}.",
        )


def _refused(which: Option | str, reason: str, hint: str) -> UsageError:
    """Return the error for the value of an option, or of the one of a name without the prefix."""
    if isinstance(which, str):
        (which,) = (option for option in OPTIONS if option.name == PREFIX + which)
    return UsageError(f"--{which.name} ({which.env}): {reason}", hint=hint)
