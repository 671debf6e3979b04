"""Virtual Private Cloud (version 2016-04-28): networks, elastic addresses and routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from ecsmachine.aliyun.regional import RegionalClient, Tagged
from ecsmachine.aliyun.rpc import tag_parameters
from ecsmachine.documents.reading import At, read
from ecsmachine.documents.rules import ADDRESS, CIDR, ID, REGION

AVAILABLE = "Available"
"""The status of a VPC, VSwitch or route that can be used, and of an EIP that is free."""
IN_USE = "InUse"
"""The status of an EIP that is bound."""


@dataclass(frozen=True)
class Vpc(Tagged):
    """A virtual private cloud."""

    id: Annotated[str, At("VpcId", ID, required=True)]
    name: Annotated[str, At("VpcName")]
    cidr: Annotated[str, At("CidrBlock", CIDR)]
    status: Annotated[str, At("Status", ID)]
    is_default: Annotated[bool, At("IsDefault")]
    router_id: Annotated[str, At("VRouterId", ID)]


@dataclass(frozen=True)
class VSwitch(Tagged):
    """A subnet of a VPC, in one zone."""

    id: Annotated[str, At("VSwitchId", ID, required=True)]
    name: Annotated[str, At("VSwitchName")]
    vpc_id: Annotated[str, At("VpcId", ID)]
    zone: Annotated[str, At("ZoneId", REGION)]
    cidr: Annotated[str, At("CidrBlock", CIDR)]
    status: Annotated[str, At("Status", ID)]
    free_addresses: Annotated[int, At("AvailableIpAddressCount")]
    is_default: Annotated[bool, At("IsDefault")]


@dataclass(frozen=True)
class Eip(Tagged):
    """An elastic public address; ``instance_id`` is what it is bound to, or ""."""

    id: Annotated[str, At("AllocationId", ID, required=True)]
    address: Annotated[str, At("IpAddress", ADDRESS)]
    status: Annotated[str, At("Status", ID)]
    instance_id: Annotated[str, At("InstanceId", ID)]
    name: Annotated[str, At("Name")] = ""
    created: Annotated[str, At("AllocationTime")] = field(default="", kw_only=True)


@dataclass(frozen=True)
class RouteEntry:
    """A route of a VPC."""

    table_id: str
    cidr: Annotated[str, At("DestinationCidrBlock", CIDR)]
    next_hop_id: str
    status: Annotated[str, At("Status", ID)]


class VpcClient(RegionalClient):
    """VPC in a region."""

    PRODUCT = "vpc"
    VERSION = "2016-04-28"

    def vpcs(self, *, vpc_id: str = "") -> Iterator[Vpc]:
        """Yield VPCs (DescribeVpcs)."""
        return self._list(Vpc, "DescribeVpcs", "Vpcs.Vpc", VpcId=vpc_id)

    def create_vpc(self, *, name: str, cidr: str, description: str, token: str) -> str:
        """Make a VPC and return its id (CreateVpc)."""
        answer = self.call(
            "CreateVpc", VpcName=name, CidrBlock=cidr, Description=description, ClientToken=token
        )
        return answer.required("VpcId", ID)

    def delete_vpc(self, vpc_id: str) -> None:
        """Remove a VPC that holds nothing (DeleteVpc)."""
        self.call("DeleteVpc", VpcId=vpc_id)

    def vswitches(
        self, *, vswitch_id: str = "", vpc_id: str = "", zone: str = ""
    ) -> Iterator[VSwitch]:
        """Yield VSwitches (DescribeVSwitches)."""
        return self._list(
            VSwitch,
            "DescribeVSwitches",
            "VSwitches.VSwitch",
            VSwitchId=vswitch_id,
            VpcId=vpc_id,
            ZoneId=zone,
        )

    def create_vswitch(
        self, *, vpc_id: str, zone: str, cidr: str, name: str, description: str, token: str
    ) -> str:
        """Make a VSwitch and return its id (CreateVSwitch)."""
        answer = self.call(
            "CreateVSwitch",
            VpcId=vpc_id,
            ZoneId=zone,
            CidrBlock=cidr,
            VSwitchName=name,
            Description=description,
            ClientToken=token,
        )
        return answer.required("VSwitchId", ID)

    def delete_vswitch(self, vswitch_id: str) -> None:
        """Remove a VSwitch that holds nothing (DeleteVSwitch)."""
        self.call("DeleteVSwitch", VSwitchId=vswitch_id)

    def tag(self, resource_type: str, resource_id: str, tags: Mapping[str, str]) -> None:
        """Tag a VPC, VSwitch or EIP (TagResources); types are VPC, VSWITCH and EIP."""
        self.call(
            "TagResources",
            ResourceType=resource_type,
            **tag_parameters(tags),
            **{"ResourceId.1": resource_id},
        )

    def eips(self, *, allocation_id: str = "", address: str = "") -> Iterator[Eip]:
        """Yield elastic addresses (DescribeEipAddresses)."""
        return self._list(
            Eip,
            "DescribeEipAddresses",
            "EipAddresses.EipAddress",
            AllocationId=allocation_id,
            EipAddress=address,
        )

    def allocate_eip(
        self,
        *,
        bandwidth_mbps: int,
        charge_type: str,
        name: str,
        token: str,
        resource_group_id: str = "",
    ) -> Eip:
        """Take an elastic address (AllocateEipAddress)."""
        answer = self.call(
            "AllocateEipAddress",
            Bandwidth=str(bandwidth_mbps),
            InternetChargeType=charge_type,
            InstanceChargeType="PostPaid",
            Name=name,
            ResourceGroupId=resource_group_id,
            ClientToken=token,
        )
        return Eip(answer.required("AllocationId", ID), answer.text("EipAddress", ADDRESS), "", "")

    def set_eip_bandwidth(self, allocation_id: str, mbps: int) -> None:
        """Set the bandwidth of an elastic address (ModifyEipAddressAttribute)."""
        self.call("ModifyEipAddressAttribute", AllocationId=allocation_id, Bandwidth=str(mbps))

    def associate_eip(self, allocation_id: str, instance_id: str) -> None:
        """Bind an elastic address to an instance (AssociateEipAddress)."""
        self.call(
            "AssociateEipAddress",
            AllocationId=allocation_id,
            InstanceId=instance_id,
            InstanceType="EcsInstance",
        )

    def unassociate_eip(self, allocation_id: str, instance_id: str) -> None:
        """Take an elastic address from an instance (UnassociateEipAddress)."""
        self.call(
            "UnassociateEipAddress",
            AllocationId=allocation_id,
            InstanceId=instance_id,
            InstanceType="EcsInstance",
        )

    def release_eip(self, allocation_id: str) -> None:
        """Give an elastic address back (ReleaseEipAddress)."""
        self.call("ReleaseEipAddress", AllocationId=allocation_id)

    def route_tables(self, router_id: str) -> list[str]:
        """Return the ids of a router's tables, the system one first (DescribeRouteTables)."""
        tables = list(
            self._pages("DescribeRouteTables", "RouteTables.RouteTable", VRouterId=router_id)
        )
        tables.sort(key=lambda table: table.text("RouteTableType", ID) != "System")
        return [table.required("RouteTableId", ID) for table in tables]

    def route_entries(self, router_id: str) -> Iterator[RouteEntry]:
        """Yield the routes of every table of a router (DescribeRouteTables)."""
        for table in self._pages(
            "DescribeRouteTables", "RouteTables.RouteTable", VRouterId=router_id
        ):
            for item in table.objects("RouteEntrys", "RouteEntry"):
                hops = item.objects("NextHops", "NextHop")
                hop = item.text("InstanceId", ID) or item.text("NextHopId", ID)
                if hops and not hop:
                    hop = hops[0].text("NextHopId", ID)
                table_id = table.required("RouteTableId", ID)
                yield read(RouteEntry, item, table_id=table_id, next_hop_id=hop)

    def create_route_entry(self, table_id: str, *, cidr: str, instance_id: str, token: str) -> None:
        """Send a network's traffic to an instance (CreateRouteEntry)."""
        self.call(
            "CreateRouteEntry",
            RouteTableId=table_id,
            DestinationCidrBlock=cidr,
            NextHopType="Instance",
            NextHopId=instance_id,
            ClientToken=token,
        )

    def delete_route_entry(self, table_id: str, *, cidr: str, instance_id: str) -> None:
        """Remove a route to an instance (DeleteRouteEntry)."""
        self.call(
            "DeleteRouteEntry",
            RouteTableId=table_id,
            DestinationCidrBlock=cidr,
            NextHopId=instance_id,
        )
