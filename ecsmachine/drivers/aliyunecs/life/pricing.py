"""What a machine that is there costs, as ECS tells it now."""

from __future__ import annotations

from ecsmachine.aliyun.ecs_values import Instance
from ecsmachine.aliyun.errors import ApiError, ConnectionLostError
from ecsmachine.aliyun.rpc import Parameter
from ecsmachine.drivers.aliyunecs.life.observing import is_own_address
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.cost import Cost
from ecsmachine.drivers.aliyunecs.resources.instance import disks_as_parameters


def cost_of(cloud: Cloud, found: Instance, *, io_optimized: bool) -> Cost | None:
    """Return what an instance costs with its disks and address (DescribePrice).

    An elastic address that its user has is not in it. None of an instance that is paid for in
    advance, or if the cloud does not tell it.
    """
    if found.charge_type == "PrePaid":
        return None
    own = bool(found.eip_allocation_id) and is_own_address(cloud, found)
    bandwidth_mbps = found.eip_bandwidth_mbps if own else found.internet_max_bandwidth_mbps
    parameters: dict[str, Parameter] = {
        "ImageId": found.image_id,
        "InstanceType": found.instance_type,
        "IoOptimized": "optimized" if io_optimized else "none",
        "ZoneId": found.zone,
        "InternetChargeType": found.internet_charge_type,
        # that of an elastic address costs what that of a fixed one does
        "InternetMaxBandwidthOut": bandwidth_mbps,
    }
    if found.spot_strategy not in ("", "NoSpot"):
        parameters["SpotStrategy"] = found.spot_strategy
    try:
        disks = disks_as_parameters(cloud.ecs.disks(instance_id=found.id))
        price = cloud.ecs.price("instance", parameters | disks)
    except (ApiError, ConnectionLostError):
        return None
    return Cost(price, elastic=own) if price else None
