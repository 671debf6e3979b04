"""How instances are paid for: by the hour or ahead, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.catalog import prices
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import ChargeType, Instance, SpotStrategy
from ecsmachine.localcloud.state.resources import attached_disks, check_status

FOREVER = "2099-12-31T15:59Z"
"""When an instance expires that is paid for by the hour."""
MAX_INSTANCES = 20
_WEEKS = (1, 2, 3, 4)
_MONTHS = (*range(1, 10), 12, 24, 36, 48, 60)


@dataclass(frozen=True)
class Charge:
    """How an instance is paid for, and for how long it is there."""

    charge_type: ChargeType
    period: int
    period_unit: str
    expires: str
    auto_release: str
    spot_strategy: SpotStrategy
    spot_price_limit: float
    spot_duration: int


def period_of_request(parameters: Parameters) -> tuple[int, str]:
    """Return ``Period`` and ``PeriodUnit``; raises their refusals, or ``MissingParameter``."""
    unit = parameters.choice(
        "PeriodUnit",
        ("Month", "Week", "Year"),
        "Month",
        error=refusals.not_supported("PeriodUnit"),
    )
    parameters.require("Period")
    error = ApiError("InvalidPeriod", "The specified period is not valid.")
    period = parameters.integer("Period", error=error)
    if unit == "Year":
        period, unit = period * 12, "Month"
    if period not in (_WEEKS if unit == "Week" else _MONTHS):
        raise error
    return period, unit


def expiry(start: float, period: int, unit: str) -> str:
    """Return when a period ends that begins at ``start`` (seconds since 1970)."""
    return clock.minutes(start + period * (7 if unit == "Week" else 30) * 86400)


def charge_of_request(parameters: Parameters) -> Charge:
    """Return how the instances of a request are paid for; raises its refusals."""
    charge_type: ChargeType = parameters.choice(
        "InstanceChargeType",
        ("PostPaid", "PrePaid"),
        "PostPaid",
        error=refusals.INSTANCE_CHARGE_TYPE(),
    )
    strategy: SpotStrategy = parameters.choice(
        "SpotStrategy",
        ("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"),
        "NoSpot",
        error=ApiError("InvalidSpotStrategy", "The specified SpotStrategy is not valid."),
    )
    spot_error = ApiError("InvalidSpotDuration", "The specified SpotDuration is not valid.")
    duration = parameters.integer("SpotDuration", 1, least=0, most=6, error=spot_error)
    limit = parameters.number("SpotPriceLimit")
    if strategy == "SpotWithPriceLimit" and not limit:
        raise ApiError("InvalidSpotPriceLimit", "The specified SpotPriceLimitis not valid.")
    period, unit, expires = 0, "", FOREVER
    if charge_type == "PrePaid":
        if strategy != "NoSpot":
            raise ApiError(
                "InvalidSpotPrepaid", "The specified Spot type is not support PrePay Instance."
            )
        period, unit = period_of_request(parameters)
        expires = expiry(time.time(), period, unit)
    return Charge(
        charge_type,
        period,
        unit,
        expires,
        _auto_release(parameters),
        strategy,
        limit,
        duration if strategy != "NoSpot" else 0,
    )


def _auto_release(parameters: Parameters) -> str:
    error = refusals.malformed("AutoReleaseTime")
    try:
        at = parameters.time("AutoReleaseTime")
    except ApiError:
        raise error from None
    if at is None:
        return ""
    if not 30 * 60 <= at - time.time() <= 3 * 366 * 86400:
        raise error
    return clock.minutes(at)


def modify_instance_charge_type(call: Call) -> Answer:
    """ModifyInstanceChargeType: from the hour to a subscription, or back."""
    parameters = call.parameters
    ids = parameters.json_list("InstanceIds", most=MAX_INSTANCES)
    if not ids:
        parameters.require("InstanceIds")
    wanted: ChargeType = parameters.choice(
        "InstanceChargeType",
        ("PrePaid", "PostPaid"),
        "PrePaid",
        error=refusals.INSTANCE_CHARGE_TYPE(),
    )
    period, unit = period_of_request(parameters) if wanted == "PrePaid" else (0, "")
    fees = []
    for instance_id in ids or []:
        instance = call.find(call.state.instances, instance_id)
        check_status(instance, "Running", "Stopped")
        if instance.charge_type == wanted:
            raise ApiError(
                "InvalidChargeType.ValueNotSupported",
                "The instance is charged so already.",
            )
        if instance.spot_strategy != "NoSpot":
            raise ApiError(
                "InvalidSpotInstance.NotSupported",
                "The operation is not supported on spot instances.",
                403,
            )
        call.state.instances.put(
            replace(
                instance,
                charge_type=wanted,
                period=period,
                period_unit=unit,
                auto_renew=instance.auto_renew and wanted == "PrePaid",
                auto_release="" if wanted == "PrePaid" else instance.auto_release,
                expires=expiry(time.time(), period, unit) if period else FOREVER,
            )
        )
        for disk in attached_disks(call.state, instance.id):
            call.state.disks.put(replace(disk, charge_type=wanted))
        fees.append(
            {
                "InstanceId": instance.id,
                "Currency": prices.CURRENCY,
                "Fee": f"{_fee(instance, period, unit):.2f}",
            }
        )
    return {"OrderId": "", "FeeOfInstances": {"FeeOfInstance": fees}}


def renew_instance(call: Call) -> Answer:
    """RenewInstance: a subscription goes on for another period."""
    instance = _subscription(call, call.parameters.require("InstanceId"))
    period, unit = period_of_request(call.parameters)
    ends = expiry(clock.parse(instance.expires), period, unit)
    call.state.instances.put(replace(instance, period=period, period_unit=unit, expires=ends))
    return {"OrderId": ""}


def modify_instance_auto_renew_attribute(call: Call) -> Answer:
    """ModifyInstanceAutoRenewAttribute: whether subscriptions are renewed when they end."""
    parameters = call.parameters
    parameters.require("InstanceId")
    ids = parameters.separated("InstanceId")
    status = parameters.choice("RenewalStatus", ("AutoRenewal", "Normal", "NotRenewal"))
    renew = status == "AutoRenewal" if status else parameters.boolean("AutoRenew")
    for instance_id in ids:
        instance = _subscription(call, instance_id)
        call.state.instances.put(replace(instance, auto_renew=renew))
    return {}


def _subscription(call: Call, instance_id: str) -> Instance:
    instance = call.find(call.state.instances, instance_id)
    if instance.charge_type != "PrePaid":
        raise refusals.CHARGE_TYPE()
    return instance


def _fee(instance: Instance, period: int, unit: str) -> float:
    hour = prices.instance_hour(known_instance_type(instance.instance_type))
    return hour * prices.HOURS.get(unit, 0.0) * period * prices.SUBSCRIPTION_FACTOR
