"""The location service: SDKs ask it which endpoint a product has in a region."""

from __future__ import annotations

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.catalog.regions import find_region
from ecsmachine.localcloud.protocol.errors import ApiError

SERVICES = ("ecs", "vpc", "slb", "sts", "location")


def describe_endpoints(call: Call) -> Answer:
    """DescribeEndpoints: this endpoint, for every product that is here."""
    region_id = call.parameters.require("Id")
    service = call.parameters.require("ServiceCode").lower()
    kind = call.parameters.text("Type", "openAPI")
    if find_region(region_id) is None:
        raise ApiError("InvalidRegionId", "The specified region does not exist.")
    endpoints = [
        {
            "Id": region_id,
            "Namespace": "",
            # The API itself spells it so.
            "SerivceCode": service,
            "Type": kind,
            "Endpoint": call.host,
            "Protocols": {"Protocols": ["HTTP"]},
        }
    ]
    return {"Success": True, "Endpoints": {"Endpoint": endpoints if service in SERVICES else []}}
