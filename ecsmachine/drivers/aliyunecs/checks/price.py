"""What a machine would cost, and whether that is not too much."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ecsmachine.aliyun.errors import ApiError, ConnectionLostError
from ecsmachine.drivers.aliyunecs.checks.instance_type import Ask
from ecsmachine.drivers.aliyunecs.options.settings import Settings
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.cost import Cost
from ecsmachine.drivers.aliyunecs.resources.instance import priced_parameters
from ecsmachine.drivers.aliyunecs.resources.placement import Place, Plan
from ecsmachine.errors import PreCreateCheckError

_HOURS = {"Week": 168.0, "Month": 720.0}
"""How many hours a subscription is counted as, by its unit."""


def priced(cloud: Cloud, settings: Settings, plan: Plan, ask: Ask) -> Plan:
    """Return the plan with what each place costs, and without those that cost too much.

    Raises :class:`PreCreateCheckError` if that leaves none.
    """
    firsts = {place.instance_type: place for place in reversed(plan.places)}
    asked = {
        kind: ask(partial(_ask_cost, cloud, settings, plan, place))
        for kind, place in firsts.items()
    }
    places = [replace(place, cost=asked[place.instance_type].result()) for place in plan.places]
    most = settings.max_price
    affordable = [each for each in places if not most or (each.cost and each.cost.hour <= most)]
    if affordable:
        return replace(plan, places=tuple(affordable))
    told = [each.cost for each in places if each.cost]
    if not told:
        raise PreCreateCheckError(
            "--max-price cannot be checked: ECS does not return the price",
            hint="Give the account the permission ecs:DescribePrice, or leave --max-price out.",
        )
    cheapest = min(told, key=lambda cost: cost.hour)
    raise PreCreateCheckError(
        f"It would cost {cheapest.words()}: more than --max-price {most:g}",
        hint="Ask for fewer vCPUs, less memory or smaller disks, or raise --max-price.",
    )


def _ask_cost(cloud: Cloud, settings: Settings, plan: Plan, place: Place) -> Cost | None:
    """Return what a machine in a place costs with its disks and address; None if it is not told.

    Source: DescribePrice, whose parameters are those of RunInstances.
    """
    parameters = priced_parameters(settings, plan, place)
    if settings.allocate_eip:
        # its bandwidth costs what that of a fixed address does
        parameters["InternetMaxBandwidthOut"] = settings.bandwidth_mbps
    subscription = settings.charge_type == "PrePaid"
    unit = settings.period_unit if subscription else "Hour"
    period = settings.period if subscription else 1
    try:
        price = cloud.ecs.price("instance", parameters, unit=unit, period=period)
    except (ApiError, ConnectionLostError):
        return None
    hours = _HOURS[unit] * period if subscription else 1.0
    return Cost(price, hours, settings.allocate_eip) if price else None
