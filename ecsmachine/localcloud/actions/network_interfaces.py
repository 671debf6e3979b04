"""Network interfaces as they are told: the primary ones of instances, and secondary ones."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.elastic_addresses import eips_of
from ecsmachine.localcloud.state.interfaces import find_interface, interfaces_in_region
from ecsmachine.localcloud.state.model import NetworkInterface
from ecsmachine.localcloud.state.records import told
from ecsmachine.localcloud.state.resources import resource_tags
from ecsmachine.localcloud.state.tagging import ecs_tags


def describe_network_interface_attribute(call: Call) -> Answer:
    """DescribeNetworkInterfaceAttribute: one interface."""
    interface = interface_view(call, interface_of_request(call))
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


def interface_of_request(call: Call) -> NetworkInterface:
    """Return what ``NetworkInterfaceId`` names; raises ``InvalidEniId.NotFound``."""
    wanted = call.parameters.require("NetworkInterfaceId")
    return find_interface(call.state, wanted, region=call.region_id)


def interface_view(call: Call, interface: NetworkInterface) -> dict[str, Any]:
    """Return an interface as DescribeNetworkInterfaces tells it."""
    public = _public_address(call, interface)
    nothing = {"PublicIpAddress": "", "AllocationId": ""}
    return {
        **told(interface),
        "NetworkInterfaceTrafficMode": "Standard",
        "PrivateIpSets": {
            "PrivateIpSet": [
                {
                    "PrivateIpAddress": address,
                    "PrivateDnsName": "",
                    "Primary": address == interface.private_ip,
                    "AssociatedPublicIp": public if address == interface.private_ip else nothing,
                }
                for address in interface.addresses
            ]
        },
        "AssociatedPublicIp": public,
        "SecurityGroupIds": {"SecurityGroupId": list(interface.security_group_ids)},
        "OwnerId": call.state.account.id,
        "QueueNumber": 1,
        "QueuePairNumber": 0,
        "ServiceID": 0,
        "ServiceManaged": False,
        "SourceDestCheck": False,
        "Attachment": {
            "DeviceIndex": interface.index,
            "InstanceId": interface.instance_id,
            "NetworkCardIndex": 0,
            "TrunkNetworkInterfaceId": "",
        },
        "Ipv4PrefixSets": {"Ipv4PrefixSet": []},
        "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
        "Ipv6Sets": {"Ipv6Set": []},
        "Tags": ecs_tags(resource_tags(call.state, "eni", interface.id)),
    }


def _public_address(call: Call, interface: NetworkInterface) -> dict[str, str]:
    holder = interface.id if interface.kind == "Secondary" else interface.instance_id
    eip = next(iter(eips_of(call.state, holder)), None)
    instance = call.state.instances.get(interface.instance_id)
    other = instance.public_ip if instance and interface.kind == "Primary" else ""
    return {"PublicIpAddress": eip.address if eip else other, "AllocationId": eip.id if eip else ""}


def _by_address(call: Call) -> Test[NetworkInterface] | None:
    wanted = frozenset(call.parameters.listed("PrivateIpAddress", most=100))
    return (lambda interface: not wanted.isdisjoint(interface.addresses)) if wanted else None


INTERFACES = Listing(
    NetworkInterface,
    "NetworkInterfaceSets.NetworkInterfaceSet",
    lambda call: interfaces_in_region(call.state, call.region_id)[::-1],
    interface_view,
    (
        by.one_of("NetworkInterfaceId", "id", Parameters.listed),
        Filter(("PrivateIpAddress",), _by_address),
        by.never("Ipv6Address"),
        by.equals("InstanceId", "instance_id"),
        by.equals("VpcId", "vpc_id"),
        by.equals("VSwitchId", "vswitch_id"),
        by.equals("PrimaryIpAddress", "private_ip"),
        by.contains("SecurityGroupId", "security_group_ids"),
        by.equals("Type", "kind"),
        by.equals("Status", "status"),
        by.like("NetworkInterfaceName", "name"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.never_true("ServiceManaged"),
        by.tagged_as("eni", "id"),
    ),
    paging=page,
    most=500,
)
