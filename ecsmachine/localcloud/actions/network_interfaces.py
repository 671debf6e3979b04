"""Network interfaces: each instance has its primary one, and no other."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.call import Answer, Call
from ecsmachine.localcloud.filters import tag_filter
from ecsmachine.localcloud.model import Instance
from ecsmachine.localcloud.paging import page
from ecsmachine.localcloud.resources import bound_eip, visible_instances


def describe_network_interfaces(call: Call) -> Answer:
    """DescribeNetworkInterfaces: by id, instance, address, VPC, VSwitch, group."""
    parameters = call.parameters
    region = call.region
    ids = parameters.listed("NetworkInterfaceId", most=100)
    addresses = parameters.listed("PrivateIpAddress", most=100)
    group_id = parameters.text("SecurityGroupId")
    found = [
        instance
        for instance in reversed(visible_instances(call.state))
        if instance.region == region.id
        and (not ids or instance.network_interface_id in ids)
        and (not addresses or instance.private_ip in addresses)
        and parameters.text("InstanceId") in ("", instance.id)
        and parameters.text("VpcId") in ("", instance.vpc_id)
        and parameters.text("VSwitchId") in ("", instance.vswitch_id)
        and parameters.text("PrimaryIpAddress") in ("", instance.private_ip)
        and (not group_id or group_id in instance.security_group_ids)
        and parameters.text("Type") in ("", "Primary")
        and parameters.text("Status") in ("", "InUse")
        and not parameters.given("NetworkInterfaceName")
        and not tag_filter(parameters)
    ]
    part, fields = page(parameters, found, most=500)
    return {
        **fields,
        "NetworkInterfaceSets": {
            "NetworkInterfaceSet": [_interface(call, instance) for instance in part]
        },
    }


def _interface(call: Call, instance: Instance) -> dict[str, Any]:
    eip = bound_eip(call.state, instance)
    public = {
        "PublicIpAddress": eip.address if eip else instance.public_ip,
        "AllocationId": eip.id if eip else "",
    }
    return {
        "NetworkInterfaceId": instance.network_interface_id,
        "NetworkInterfaceName": "",
        "NetworkInterfaceTrafficMode": "Standard",
        "Description": "",
        "Type": "Primary",
        "Status": "InUse",
        "InstanceId": instance.id,
        "VpcId": instance.vpc_id,
        "VSwitchId": instance.vswitch_id,
        "ZoneId": instance.zone,
        "MacAddress": instance.mac,
        "PrivateIpAddress": instance.private_ip,
        "PrivateIpSets": {
            "PrivateIpSet": [
                {
                    "PrivateIpAddress": instance.private_ip,
                    "PrivateDnsName": "",
                    "Primary": True,
                    "AssociatedPublicIp": public,
                }
            ]
        },
        "AssociatedPublicIp": public,
        "SecurityGroupIds": {"SecurityGroupId": list(instance.security_group_ids)},
        "CreationTime": instance.created,
        "DeleteOnRelease": True,
        "OwnerId": call.state.account.id,
        "QueueNumber": 1,
        "QueuePairNumber": 0,
        "ResourceGroupId": instance.resource_group_id,
        "ServiceID": 0,
        "ServiceManaged": False,
        "SourceDestCheck": False,
        "Attachment": {
            "DeviceIndex": 0,
            "InstanceId": instance.id,
            "NetworkCardIndex": 0,
            "TrunkNetworkInterfaceId": "",
        },
        "Ipv4PrefixSets": {"Ipv4PrefixSet": []},
        "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
        "Ipv6Sets": {"Ipv6Set": []},
        "Tags": {"Tag": []},
    }
