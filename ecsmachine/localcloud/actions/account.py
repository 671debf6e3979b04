"""The quotas and rights of the account."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.catalog.disk_categories import CATEGORIES
from ecsmachine.localcloud.catalog.instance_types import instance_types
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed


def describe_account_attributes(call: Call) -> Answer:
    """DescribeAccountAttributes: the quotas that the local cloud holds, by name."""
    region = call.region
    zone = call.parameters.text("ZoneId")
    if zone and all(item.id != zone for item in region.zones):
        raise invalid_parameter("ZoneId")
    quota = call.state.offer.quota
    types = instance_types()
    secondary = max(kind.interfaces for kind in types) - 1
    values: dict[str, list[dict[str, Any]]] = {
        "instance-network-type": [_value("vpc")],
        "max-security-groups": [_value(str(quota("security-groups")))],
        # As many as all instances together can have beside their first.
        "max-elastic-network-interfaces": [_value(str(quota("instances") * secondary))],
        "max-dedicated-hosts": [_value("0")],
        "max-postpaid-instance-vcpu-count": [_value(str(quota("instances") * 32))],
        "max-postpaid-yundisk-capacity": [
            {**_value(str(quota("disks") * item.data_max)), "DiskCategory": item.name}
            for item in CATEGORIES.values()
        ],
        "supported-postpay-instance-types": [
            {
                **_value(kind.id),
                "InstanceType": kind.id,
                "InstanceChargeType": "PostPaid",
                "ZoneId": item.id,
            }
            for item in region.zones
            if zone in ("", item.id)
            for kind in types
        ],
    }
    names = call.parameters.listed("AttributeName", most=100)
    for name in names:
        if name not in values:
            raise invalid_parameter("AttributeName", f"There is no attribute {name}.")
    return {
        "AccountAttributeItems": {
            "AccountAttributeItem": [
                {"AttributeName": name, "AttributeValues": {"ValueItem": items}}
                for name, items in values.items()
                if not names or name in names
            ]
        }
    }


def _value(text: str) -> dict[str, Any]:
    return {
        **fixed("AttributeValue"),
        "Value": text,
    }
