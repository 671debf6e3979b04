"""How instances are paid for: by the hour or ahead, and for how long."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_disks import DiskRequest
from ecsmachine.localcloud.catalog import prices
from ecsmachine.localcloud.catalog.instance_types import InstanceType, known_instance_type
from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_order_id
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import ChargeType, Instance, SpotStrategy
from ecsmachine.localcloud.state.resources import attached_disks, check_status
from ecsmachine.localcloud.state.settings import Offer

FOREVER = "2099-12-31T15:59Z"
"""When an instance expires that is paid for by the hour."""
_NO_DISK = Refusal("InvalidDiskIds.NotFound")
MAX_INSTANCES = 20
MAX_DISKS = 16
_WEEKS = (1, 2, 3, 4)
_MONTHS = (*range(1, 10), 12, 24, 36, 48, 60)
_RENEWALS = {
    "Week": (1, 2, 3, 4),
    "Month": (1, 2, 3, 6, 12, 24, 36, 48, 60),
    "Year": (1, 2, 3, 4, 5),
}
"""For how long subscriptions are renewed by themselves, by the unit."""


@dataclass(frozen=True)
class Charge:
    """How an instance is paid for, and for how long it is there, in its own fields."""

    charge_type: ChargeType
    period: int
    period_unit: str
    expires: str
    auto_release: str
    spot_strategy: SpotStrategy
    spot_price_limit: float
    spot_duration: int
    spot_interruption: str
    auto_renew_period: int


def period_of_request(parameters: Parameters) -> tuple[int, str]:
    """Return ``Period`` and ``PeriodUnit``; raises their refusals, or ``MissingParameter``."""
    unit = parameters.choice("PeriodUnit", ("Month", "Week", "Year"), error=refusals.not_supported)
    parameters.require("Period")
    error = ApiError("InvalidPeriod", "The specified period is not valid.")
    period = parameters.integer("Period", error=error)
    if unit == "Year":
        period, unit = period * 12, "Month"
    if period not in (_WEEKS if unit == "Week" else _MONTHS):
        raise error
    return period, unit


def charge_of_request(parameters: Parameters) -> Charge:
    """Return how the instances of a request are paid for; raises its refusals."""
    charge_type: ChargeType = parameters.choice(
        "InstanceChargeType", ("PostPaid", "PrePaid"), error=refusals.INSTANCE_CHARGE_TYPE()
    )
    strategy: SpotStrategy = parameters.choice(
        "SpotStrategy",
        ("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"),
        error=ApiError("InvalidSpotStrategy", "The specified SpotStrategy is not valid."),
    )
    spot_error = ApiError("InvalidSpotDuration", "The specified SpotDuration is not valid.")
    duration = parameters.integer("SpotDuration", 1, least=0, most=6, error=spot_error)
    limit = parameters.number("SpotPriceLimit")
    if strategy == "SpotWithPriceLimit" and not limit:
        raise ApiError("InvalidSpotPriceLimit", "The specified SpotPriceLimitis not valid.")
    interruption = parameters.choice("SpotInterruptionBehavior", ("Terminate", "Stop"))
    period, unit, expires, renewed_for = 0, "", FOREVER, 0
    if charge_type == "PrePaid":
        if strategy != "NoSpot":
            raise refusals.of("InvalidSpotPrepaid")
        period, unit = period_of_request(parameters)
        expires = clock.later(time.time(), period, unit)
        if parameters.boolean("AutoRenew"):
            renewed_for = renewal_period(parameters, "AutoRenewPeriod", unit)
    return Charge(
        charge_type,
        period,
        unit,
        expires,
        auto_release(parameters),
        strategy,
        limit,
        duration if strategy != "NoSpot" else 0,
        interruption if strategy != "NoSpot" else "",
        renewed_for,
    )


def renewal_period(parameters: Parameters, name: str, unit: str) -> int:
    """Return the renewal period of a subscription, in ``unit``; 1 by default."""
    period = parameters.integer(name, 1)
    if period not in _RENEWALS[unit]:
        raise invalid_parameter(name)
    return period


def only_ordered(parameters: Parameters, charge_type: ChargeType) -> bool:
    """Return whether a request makes an order that is not paid for, and so does nothing more.

    There is nobody here to pay for it later. Raises ``InvalidParameter`` where nothing is ordered.
    """
    unpaid = not parameters.boolean("AutoPay", True)
    if unpaid and charge_type == "PostPaid":
        raise invalid_parameter("AutoPay", "A pay-as-you-go instance needs no order.")
    return unpaid


def order_of_request(parameters: Parameters) -> str:
    """Return the number of the order that a request for a subscription makes, else ""."""
    return new_order_id() if parameters.text("InstanceChargeType") == "PrePaid" else ""


def price_of_order(
    offer: Offer, charge: Charge, kind: InstanceType, disks: Iterable[DiskRequest]
) -> float:
    """Return the price of an instance with its disks as a subscription; 0 if pay-as-you-go.

    This is the price of DescribePrice for the same resources.
    """
    if charge.charge_type == "PostPaid":
        return 0.0
    hour = offer.instance_hour(kind)
    for disk in disks:
        hour += prices.disk_hour(disk.category, disk.size_gib, disk.performance_level)
        hour += prices.iops_hour(disk.provisioned_iops)
    hours = prices.HOURS[charge.period_unit] * charge.period
    return round(hour * hours * prices.SUBSCRIPTION_FACTOR, 6)


def auto_release(parameters: Parameters) -> str:
    """Return ``AutoReleaseTime``, or ""; raises ``InvalidAutoReleaseTime.Malformed``.

    It is half an hour from now at the earliest, and three years at the latest.
    """
    at = parameters.time("AutoReleaseTime", error=refusals.malformed)
    if at is None:
        return ""
    if not 30 * 60 <= at - time.time() <= 3 * 366 * 86400:
        raise refusals.malformed("AutoReleaseTime")
    return clock.minutes(at)


def modify_instance_charge_type(call: Call) -> Answer:
    """ModifyInstanceChargeType: from the hour to a subscription, or back."""
    parameters = call.parameters
    ids = parameters.json_list("InstanceIds", most=MAX_INSTANCES) or []
    wanted: ChargeType = parameters.choice(
        "InstanceChargeType", ("PrePaid", "PostPaid"), error=refusals.INSTANCE_CHARGE_TYPE()
    )
    period, unit = period_of_request(parameters) if wanted == "PrePaid" else (0, "")
    # Back to the hour there is nothing to pay.
    unpaid = not parameters.boolean("AutoPay", True) and wanted == "PrePaid"
    data_disks_too = parameters.boolean("IncludeDataDisks") or wanted == "PostPaid"
    told = parameters.boolean("IsDetailFee") or wanted == "PrePaid"
    fees = []
    for instance_id in ids:
        instance = call.find(call.state.instances, instance_id)
        check_status(instance, "Running", "Stopped")
        if instance.charge_type == wanted:
            raise refusals.of("InvalidChargeType.ValueNotSupported")
        if instance.spot_strategy != "NoSpot":
            raise refusals.of("InvalidSpotInstance.NotSupported")
        fees.append(
            {
                "InstanceId": instance.id,
                "Currency": prices.CURRENCY,
                "Fee": f"{_fee(call, instance, period, unit):.2f}",
            }
        )
        if unpaid:
            continue
        call.state.instances.put(
            replace(
                instance,
                charge_type=wanted,
                period=period,
                period_unit=unit,
                auto_renew=instance.auto_renew and wanted == "PrePaid",
                auto_release="" if wanted == "PrePaid" else instance.auto_release,
                expires=clock.later(time.time(), period, unit) if period else FOREVER,
            )
        )
        for disk in attached_disks(call.state, instance.id):
            if disk.kind == "system" or data_disks_too:
                call.state.disks.put(replace(disk, charge_type=wanted))
    return {
        "OrderId": new_order_id() if wanted == "PrePaid" else "",
        "FeeOfInstances": {"FeeOfInstance": fees if told else []},
    }


def modify_disk_charge_type(call: Call) -> Answer:
    """ModifyDiskChargeType: data disks of a subscription are paid for with it, or by the hour."""
    parameters = call.parameters
    ids = parameters.json_list("DiskIds", most=MAX_DISKS)
    if not ids:
        raise missing_parameter("DiskIds")
    instance = call.required(call.state.instances, "InstanceId")
    wanted: ChargeType = parameters.choice("DiskChargeType", ("PrePaid", "PostPaid"))
    unpaid = not parameters.boolean("AutoPay", True) and wanted == "PrePaid"
    check_status(instance, "Running", "Stopped")
    if instance.charge_type != "PrePaid":
        raise refusals.CHARGE_TYPE()
    for disk_id in ids:
        disk = call.find(call.state.disks, disk_id, missing=_NO_DISK)
        if disk.instance_id != instance.id:
            raise _NO_DISK()
        if disk.kind == "system":
            raise refusals.of("InvalidDiskIds.NotPortable")
        if not unpaid:
            call.state.disks.put(replace(disk, charge_type=wanted))
    return {"OrderId": new_order_id()}


def renew_instance(call: Call) -> Answer:
    """RenewInstance: extend a subscription by another period."""
    instance = _subscription(call, call.parameters.require("InstanceId"))
    period, unit = period_of_request(call.parameters)
    ends = clock.later(clock.parse(instance.expires), period, unit)
    call.state.instances.put(replace(instance, period=period, period_unit=unit, expires=ends))
    return {"OrderId": new_order_id()}


def modify_instance_auto_renew_attribute(call: Call) -> None:
    """ModifyInstanceAutoRenewAttribute: whether subscriptions are renewed when they end."""
    parameters = call.parameters
    ids = parameters.separated("InstanceId")
    status = parameters.choice("RenewalStatus", ("", "AutoRenewal", "Normal", "NotRenewal"))
    renew = status == "AutoRenewal" if status else parameters.boolean("AutoRenew")
    unit = parameters.choice("PeriodUnit", ("Month", "Week", "Year"))
    period = renewal_period(parameters, "Duration", unit)
    for instance_id in ids:
        call.state.instances.put(
            replace(
                _subscription(call, instance_id),
                auto_renew=renew,
                never_renewed=status == "NotRenewal",
                auto_renew_period=period if renew else 0,
                auto_renew_unit=unit if renew else "",
            )
        )


def _subscription(call: Call, instance_id: str) -> Instance:
    instance = call.find(call.state.instances, instance_id)
    if instance.charge_type != "PrePaid":
        raise refusals.CHARGE_TYPE()
    return instance


def _fee(call: Call, instance: Instance, period: int, unit: str) -> float:
    hour = call.state.offer.instance_hour(known_instance_type(instance.instance_type))
    return hour * prices.HOURS.get(unit, 0.0) * period * prices.SUBSCRIPTION_FACTOR
