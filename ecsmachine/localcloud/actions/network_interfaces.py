"""Network interfaces: each instance has its primary one, and no other."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.state.filters import has_tags, tag_filter
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import bound_eip, resource_tags, visible_instances


def describe_network_interfaces(call: Call) -> Answer:
    """DescribeNetworkInterfaces: by id, instance, address, VPC, VSwitch, group."""
    parameters = call.parameters
    region = call.region
    ids = parameters.listed("NetworkInterfaceId", most=100)
    addresses = parameters.listed("PrivateIpAddress", most=100)
    group_id = parameters.text("SecurityGroupId")
    wanted = tag_filter(parameters)
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
        and has_tags(_tags(call, instance), wanted)
    ]
    part, fields = page(parameters, found, most=500)
    return {
        **fields,
        "NetworkInterfaceSets": {
            "NetworkInterfaceSet": [_interface(call, instance) for instance in part]
        },
    }


def describe_network_interface_attribute(call: Call) -> Answer:
    """DescribeNetworkInterfaceAttribute: one interface."""
    wanted = call.parameters.require("NetworkInterfaceId")
    for instance in visible_instances(call.state):
        if instance.network_interface_id == wanted and call.in_region(instance.region):
            interface = _interface(call, instance)
            return {
                **interface,
                "Attachment": {
                    **interface["Attachment"],
                    "MemberNetworkInterfaceIds": {"MemberNetworkInterfaceId": []},
                },
                "ConnectionTrackingConfiguration": {
                    "TcpClosedAndTimeWaitTimeout": 3,
                    "TcpEstablishedTimeout": 910,
                    "UdpTimeout": 30,
                },
                "EnhancedNetwork": {
                    "EnableExpress": False,
                    "EnableRss": False,
                    "EnableSriov": False,
                    "VirtualFunctionQuantity": 0,
                    "VirtualFunctionTotalQueueNumber": 0,
                },
                "QoSConfig": {
                    "EnableQoS": False,
                    "QoS": {
                        "BandwidthRx": 0,
                        "BandwidthTx": 0,
                        "ConcurrentConnections": 0,
                        "PpsRx": 0,
                        "PpsTx": 0,
                    },
                },
                "TcpOptionAddressEnabled": "false",
                "NetworkInterfaceTrafficConfig": {
                    "NetworkInterfaceTrafficMode": interface["NetworkInterfaceTrafficMode"],
                    "QueueNumber": interface["QueueNumber"],
                    "QueuePairNumber": interface["QueuePairNumber"],
                },
            }
    raise ApiError("InvalidEniId.NotFound", "The specified NetworkInterfaceId is not found.", 404)


def _tags(call: Call, instance: Instance) -> dict[str, str]:
    return resource_tags(call.state, "eni", instance.network_interface_id)


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
        "Tags": {
            "Tag": [
                {"TagKey": key, "TagValue": value} for key, value in _tags(call, instance).items()
            ]
        },
    }
