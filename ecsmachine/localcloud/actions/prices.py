"""Prices: the local cloud's own (see :mod:`ecsmachine.localcloud.catalog.prices`)."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.images import find_image
from ecsmachine.localcloud.actions.instance_disks import provisioned_iops
from ecsmachine.localcloud.catalog import prices
from ecsmachine.localcloud.catalog.disk_categories import CATEGORIES, PERFORMANCE_LEVELS
from ecsmachine.localcloud.catalog.instance_types import InstanceType, find_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.settings import Offer

MAX_AMOUNT = 1000
_PERIODS = {"Hour": 1, "Day": 30, "Week": 4, "Month": 9, "Year": 5}
_LONG_MONTHS = (12, 24, 36, 48, 60)


def describe_price(call: Call) -> Answer:
    """DescribePrice: of instances with their disks and bandwidth, of disks, of bandwidth."""
    parameters = call.parameters
    what = parameters.choice("ResourceType", ("instance", "disk", "bandwidth"))
    unit = parameters.choice("PriceUnit", tuple(prices.HOURS), "Hour")
    period = parameters.integer("Period", 1, least=1, error=refusals.not_supported)
    if period > _PERIODS[unit] and not (unit == "Month" and period in _LONG_MONTHS):
        raise refusals.not_supported("Period")
    strategy = parameters.choice("SpotStrategy", ("NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"))
    _check_place(call)
    amount = parameters.integer("Amount", 1, least=1, most=MAX_AMOUNT)
    offer = call.state.offer
    if what == "instance":
        hours = _instance_hours(parameters, offer)
    else:
        hours = _data_disk_hours(parameters) if what == "disk" else _bandwidth_hours(parameters)
    times = prices.HOURS[unit] * period * amount
    if unit not in ("Hour", "Day"):
        times *= prices.SUBSCRIPTION_FACTOR
    details = []
    for resource, hour in hours:
        original = hour * times
        spot = strategy != "NoSpot" and resource == "instanceType"
        trade = original * prices.SPOT_FACTOR if spot else original
        details.append(
            {"Resource": resource, **_amounts(original, trade), "SubRules": {"Rule": []}}
        )
    original = sum(detail["OriginalPrice"] for detail in details)
    trade = sum(detail["TradePrice"] for detail in details)
    return {
        "PriceInfo": {
            "Price": {
                "Currency": prices.CURRENCY,
                **_amounts(original, trade),
                "ReservedInstanceHourPrice": 0.0,
                "DetailInfos": {"DetailInfo": details},
            },
            "Rules": {"Rule": []},
            "RelatedPrice": {
                "MarketplaceImagePrice": {"Currency": prices.CURRENCY, **_amounts(0.0, 0.0)}
            },
        }
    }


def _check_place(call: Call) -> None:
    """Refuse a place that is not there; the price is the same in all that are."""
    parameters = call.parameters
    zone_id = parameters.text("ZoneId")
    if zone_id and all(zone.id != zone_id for zone in call.region.zones):
        raise refusals.ZONE_NOT_FOUND()
    if parameters.given("ImageId"):
        find_image(call, parameters.text("ImageId"))
    parameters.choice("IoOptimized", ("none", "optimized"))
    parameters.choice("InstanceNetworkType", ("vpc",))
    parameters.choice("Platform", ("Linux", "Windows"))
    parameters.integer("SpotDuration", least=0, most=6)
    _bandwidth_hours(parameters)


def _amounts(original: float, trade: float) -> dict[str, Any]:
    original, trade = round(original, 6), round(trade, 6)
    return {
        "OriginalPrice": original,
        "TradePrice": trade,
        "DiscountPrice": round(original - trade, 6),
    }


def _instance_hours(parameters: Parameters, offer: Offer) -> list[tuple[str, float]]:
    kind: InstanceType | None = find_instance_type(parameters.require("InstanceType"))
    if kind is None:
        raise refusals.INSTANCE_TYPE()
    hours = [("instanceType", offer.instance_hour(kind))]
    system = parameters.struct("SystemDisk")
    if system.any_given():
        hours.append(("systemDisk", _disk_hour(system, 40)))
    hours += _data_disk_hours(parameters, needed=False)
    charge = parameters.choice("InternetChargeType", ("PayByTraffic", "PayByBandwidth"))
    # By traffic, bandwidth itself costs nothing.
    return hours + (_bandwidth_hours(parameters) if charge == "PayByBandwidth" else [])


def _data_disk_hours(parameters: Parameters, *, needed: bool = True) -> list[tuple[str, float]]:
    disks = parameters.structs("DataDisk")
    if needed and not disks:
        parameters.require("DataDisk.1.Size")
    return [("dataDisk", _disk_hour(disk, 0)) for disk in disks]


def _disk_hour(request: Parameters, default_gib: int) -> float:
    category = request.text("Category", "cloud_efficiency")
    if category not in CATEGORIES:
        raise invalid_parameter(request.name("Category"))
    level = request.text("PerformanceLevel")
    if level and level not in PERFORMANCE_LEVELS:
        raise invalid_parameter(request.name("PerformanceLevel"))
    if not default_gib:
        request.require("Size")
    size = request.integer("Size", default_gib, least=1, most=CATEGORIES[category].data_max)
    iops = provisioned_iops(request, category, size)
    return prices.disk_hour(category, size, level) + prices.iops_hour(iops)


def _bandwidth_hours(parameters: Parameters) -> list[tuple[str, float]]:
    mbps = parameters.integer("InternetMaxBandwidthOut", least=0, most=100)
    return [("bandwidth", prices.bandwidth_hour(mbps))]
