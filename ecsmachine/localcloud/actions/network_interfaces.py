"""Network interfaces: each instance has its primary one, and no other."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import (
    Listing,
    always,
    contains,
    equals,
    like,
    never,
    never_true,
    newest,
    one_of,
    tagged_as,
)
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import bound_eip, resource_tags
from ecsmachine.localcloud.state.tagging import ecs_tags


def describe_network_interfaces(call: Call) -> Answer:
    """DescribeNetworkInterfaces: by id, instance, address, VPC, VSwitch, group."""
    return _INTERFACES.answer(call)


def describe_network_interface_attribute(call: Call) -> Answer:
    """DescribeNetworkInterfaceAttribute: one interface."""
    wanted = call.parameters.require("NetworkInterfaceId")
    for instance in call.state.instances.in_region(call.region_id):
        if instance.network_interface_id == wanted:
            interface = _interface_view(call, instance)
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


def _interface_view(call: Call, instance: Instance) -> dict[str, Any]:
    eip = bound_eip(call.state, instance)
    public = {
        "PublicIpAddress": eip.address if eip else instance.public_ip,
        "AllocationId": eip.id if eip else "",
    }
    return {
        "NetworkInterfaceId": instance.network_interface_id,
        "NetworkInterfaceName": instance.interface_name,
        "NetworkInterfaceTrafficMode": "Standard",
        "Description": instance.interface_description,
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
        "Tags": ecs_tags(resource_tags(call.state, "eni", instance.network_interface_id)),
    }


_INTERFACES = Listing(
    Instance,
    "NetworkInterfaceSets.NetworkInterfaceSet",
    newest(lambda state: state.instances),
    _interface_view,
    (
        one_of("NetworkInterfaceId", "network_interface_id", Parameters.listed),
        one_of("PrivateIpAddress", "private_ip", Parameters.listed),
        equals("InstanceId", "id"),
        equals("VpcId", "vpc_id"),
        equals("VSwitchId", "vswitch_id"),
        equals("PrimaryIpAddress", "private_ip"),
        contains("SecurityGroupId", "security_group_ids"),
        always("Type", "Primary"),
        always("Status", "InUse"),
        like("NetworkInterfaceName", "interface_name"),
        equals("ResourceGroupId", "resource_group_id"),
        never("Ipv6Address"),
        never_true("ServiceManaged"),
        tagged_as("eni", "network_interface_id"),
    ),
    paging=page,
    most=500,
)
