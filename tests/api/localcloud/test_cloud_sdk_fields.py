"""Every field that the SDK's models have is filled where ECS fills it.

One of everything is made with all that it can be given; a field counts as filled if it has a
value in one of the answers. Those that stay blank are listed here, all of them, each with why.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("alibabacloud_ecs20140526")

from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_slb20140515 import models as slb_models
from alibabacloud_sts20150401 import models as sts_models
from alibabacloud_vpc20160428 import models as vpc_models

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import DEBIAN, VPC, Api
from tests.api.localcloud.test_cloud_sdk_current import Clients

# Why ECS leaves fields blank for such resources, and the ends of their paths.
BLANK = {
    "of the classic network, which accounts of today do not have": {
        "inner_ip_address.ip_address",
        "vlan_id",
        "cluster_id",
        "nat_ip_address",
        "instance.isp",
    },
    "of dedicated hosts, reserved capacity, RDMA and GPUs": {
        "dedicated_host_id",
        "dedicated_host_name",
        "dedicated_host_cluster_id",
        "dedicated_instance_attribute.affinity",
        "dedicated_instance_attribute.tenancy",
        "capacity_reservation_id",
        "capacity_reservation_preference",
        "managed_host_id",
        "node_serial_number",
        "hpc_cluster_id",
        "rdma_ip_address.ip_address",
        "gpuspec",
        "local_storage_category",
        "available_dedicated_host_types.dedicated_host_type",
        "dedicated_host_generations.dedicated_host_generation",
        "available_volume_categories.volume_categories",
    },
    "of types with particular features": {
        "attributes.attribute",
        "supported_topology_types.supported_topology_type",
        "weighting_infos.weighting_info",
    },
    "told of what is not one's own instance, group or server group": {
        "server_ip",
        "source_group_owner_account",
        "dest_group_owner_account",
    },
    "on the last page, and a page has ten at least": {
        "DescribeInstances.next_token",
        "DescribeDisks.next_token",
        "DescribeNetworkInterfaces.next_token",
    },
    "nothing is locked, and no event is planned": {
        "operation_locks.lock_reason",
        "operation_locks.operation_lock",
        "scheduled_system_event_set.scheduled_system_event_type",
        "maintenance_windows.maintenance_window",
    },
    "of IPv6, and of prefixes of addresses": {
        "ipv_6cidr_block",
        "ipv_6cidr_blocks.ipv_6cidr_block",
        "ipv_4prefix_sets.ipv_4prefix_set",
        "ipv_6prefix_sets.ipv_6prefix_set",
        "ipv_6sets.ipv_6set",
        "private_ip_set.private_dns_name",
    },
    "of interfaces that are bonded, trunks, or made by themselves": {
        "bond_interface_specification",
        "slave_interface_specification",
        "member_network_interface_id",
        "trunk_network_interface_id",
        "network_interface_name",
        "network_interface_set.description",
        "DescribeNetworkInterfaceAttribute.description",
    },
    "of disks from snapshots, of the marketplace, in storage sets, regional or with NVMe": {
        "auto_snapshot_policy_id",
        "bdf_id",
        "data_source.id",
        "data_source.type",
        "placement.zone_ids",
        "disk.product_code",
        "source_disk_id",
        "source_snapshot_id",
        "storage_cluster_id",
        "storage_set_id",
    },
    "of images that are not the system's": {
        "image_owner_id",
        "is_self_shared",
        "image.product_code",
        "image.resource_group_id",
        "supplier_name",
        "image.tags.tag",
        "disk_device_mappings.disk_device_mapping",
        "detection_options.items.item",
        "detection_options.status",
    },
    "of EIPs in bandwidth packages, of pools, with orders, protection or a service's own": {
        "bandwidth_package_bandwidth",
        "bandwidth_package_id",
        "bandwidth_package_type",
        "biz_type",
        "eip_address.expired_time",
        "public_ip_address_pool_id",
        "reservation_active_time",
        "reservation_bandwidth",
        "reservation_internet_charge_type",
        "reservation_order_type",
        "security_protection_types.security_protection_type",
        "segment_instance_id",
        "eip_address.vpc_id",
        "eip_address.zone",
    },
    "of VPCs with other gateways, CEN, DHCP options, more networks, ACLs; of shared ones": {
        "associated_cens.associated_cen",
        "associated_propagation_sources.associated_propagation_sources",
        "dhcp_options_set_id",
        "dhcp_options_set_status",
        "ipv_4gateway_id",
        "nat_gateway_ids.nat_gateway_ids",
        "secondary_cidr_blocks.secondary_cidr_block",
        "user_cidrs.user_cidr",
        "network_acl_id",
        "share_type",
    },
    "of routers and tables that were given names; of routes to other things than instances": {
        "vrouter.description",
        "vrouter_name",
        "router_table_list_type.description",
        "router_table_list_type.route_table_name",
        "gateway_ids.gateway_ids",
        "route_entry.next_hops.next_hop",
        "next_hop_related_info.instance_id",
        "next_hop_related_info.instance_type",
        "next_hop_related_info.region_id",
        "service_type",
    },
    "of prefix lists, port lists and snapshots of security groups": {
        "dest_prefix_list_id",
        "dest_prefix_list_name",
        "source_prefix_list_id",
        "source_prefix_list_name",
        "port_range_list_id",
        "port_range_list_name",
        "snapshot_policy_ids.snapshot_policy_id",
    },
    "of balancers with listeners, or paid for ahead; nobody said why one is protected": {
        "listener_ports.listener_port",
        "listener_port_and_protocal",
        "listener_port_and_protocol",
        "modification_protection_reason",
        "renewal_cyc_unit",
        "renewal_status",
    },
    "of discounts": {"sub_rules.rule", "rules.rule"},
    "of quotas that expire": {"value_item.expired_time"},
    "of callers with a role": {"GetCallerIdentity.role_id"},
}


class Fields:
    """The fields of the answers that were seen, and whether they ever had a value."""

    def __init__(self) -> None:
        self.filled: dict[str, bool] = {}

    def __call__(self, response: Any) -> Any:
        self._look(response.body, type(response.body).__name__.removesuffix("ResponseBody"))
        return response.body

    def blank(self) -> set[str]:
        """Return the fields that never had a value."""
        return {path for path, filled in self.filled.items() if not filled}

    def _look(self, model: Any, path: str) -> None:
        for name, value in vars(model).items():
            if name.startswith("_"):
                continue
            filled = value is not None and value not in ("", [])
            here = f"{path}.{name}"
            self.filled[here] = self.filled.get(here, False) or filled
            for item in value if isinstance(value, list) else [value]:
                if hasattr(item, "to_map"):
                    self._look(item, here)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def furnish(api: Api) -> dict[str, str]:
    """Make one of everything with all that it can be given; return the ids."""
    tag: dict[str, Any] = {"Tag.1.Key": "team", "Tag.1.Value": "a"}
    common = {"Description": "of the test", "ResourceGroupId": "rg-test", **tag}
    vpc = api.call("CreateVpc", common, version=VPC, VpcName="vpc", CidrBlock="10.0.0.0/8")
    vswitch = api.call(
        "CreateVSwitch",
        {"VpcId": vpc["VpcId"], "ZoneId": "cn-hangzhou-h", "CidrBlock": "10.1.0.0/16"},
        version=VPC,
        VSwitchName="vswitch",
        Description="of the test",
        **tag,
    )["VSwitchId"]
    groups = [
        api.call("CreateSecurityGroup", common, SecurityGroupName=name, VpcId=vpc["VpcId"])[
            "SecurityGroupId"
        ]
        for name in ("first", "second")
    ]
    rules: list[tuple[str, dict[str, str]]] = [
        ("", {"SourceCidrIp": "0.0.0.0/0", "DestCidrIp": "10.0.0.0/8", "SourcePortRange": "1/9"}),
        ("", {"Ipv6SourceCidrIp": "::/0", "Ipv6DestCidrIp": "fd00::/8"}),
        ("", {"SourceGroupId": groups[1]}),
        ("Egress", {"DestGroupId": groups[1]}),
    ]
    for direction, sides in rules:
        rule = {"IpProtocol": "tcp", "PortRange": "22/22", "Description": "ssh", **sides}
        api.call(f"AuthorizeSecurityGroup{direction}", rule, SecurityGroupId=groups[0])
    api.call("CreateKeyPair", KeyPairName="keys", ResourceGroupId="rg-test", **tag)
    base = {
        **common,
        "ImageId": DEBIAN,
        "SecurityGroupId": groups[0],
        "VSwitchId": vswitch,
        "KeyPairName": "keys",
        "UserData": "IyEvYmluL3NoCg==",
        "DeploymentSetId": "ds-test",
        "SystemDisk.DiskName": "system",
        "SystemDisk.Description": "system",
        "DataDisk.1.Size": 40,
        "DataDisk.1.Category": "cloud_efficiency",
        "DataDisk.1.DiskName": "data",
        "AutoReleaseTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400)),
    }
    spot = api.call(
        "RunInstances", base, InstanceType="ecs.g6.large", SpotStrategy="SpotAsPriceGo"
    )["InstanceIdSets"]["InstanceIdSet"][0]
    public = api.call(
        "RunInstances",
        {key: value for key, value in base.items() if key != "AutoReleaseTime"},
        InstanceType="ecs.t6-c1m1.large",
        InternetMaxBandwidthOut=1,
        RamRoleName="role",
        InstanceChargeType="PrePaid",
        Period=1,
        AutoRenew=True,
        **{"SystemDisk.Category": "cloud_essd"},
    )["InstanceIdSets"]["InstanceIdSet"][0]
    for instance_id in (spot, public):
        api.wait(instance_id, "Running")
    eip = api.call("AllocateEipAddress", common, version=VPC, Name="address")["AllocationId"]
    api.call("AssociateEipAddress", AllocationId=eip, InstanceId=spot)
    api.call("AllocateEipAddress")
    api.call(
        "CreateRouteEntry",
        version=VPC,
        RouteTableId=vpc["RouteTableId"],
        DestinationCidrBlock="192.168.9.0/24",
        NextHopId=spot,
        RouteEntryName="route",
        Description="of the test",
    )
    disk = api.call(
        "CreateDisk",
        common,
        ZoneId="cn-hangzhou-h",
        Size=40,
        DiskCategory="cloud_efficiency",
        DiskName="disk",
        Encrypted=True,
        KMSKeyId="key-test",
    )["DiskId"]
    api.call("AttachDisk", InstanceId=spot, DiskId=disk)
    api.call("DetachDisk", InstanceId=spot, DiskId=disk)
    balancer = api.call(
        "CreateLoadBalancer",
        version="2014-05-15",
        LoadBalancerName="balancer",
        AddressType="intranet",
        VSwitchId=vswitch,
        **tag,
    )["LoadBalancerId"]
    servers = json.dumps([{"ServerId": spot, "Weight": 100, "Description": "web"}])
    api.call(
        "AddBackendServers", version="2014-05-15", LoadBalancerId=balancer, BackendServers=servers
    )
    table: dict[str, Any] = {
        "ResourceType": "routetable",
        "ResourceId.1": vpc["RouteTableId"],
        **tag,
    }
    api.call("TagResources", table, version="2016-04-28")
    return {
        "vpc": vpc["VpcId"],
        "table": vpc["RouteTableId"],
        "vswitch": vswitch,
        "group": groups[0],
        "other_group": groups[1],
        "spot": spot,
        "public": public,
        "balancer": balancer,
    }


def look_at_everything(clients: Clients, ids: dict[str, str], see: Fields, account: str) -> None:
    region = "cn-hangzhou"
    here: dict[str, Any] = {"region_id": region}
    ecs, vpc, slb, sts = clients.ecs, clients.vpc, clients.slb, clients.sts
    see(sts.get_caller_identity())
    see(
        sts.assume_role(
            sts_models.AssumeRoleRequest(
                role_arn=f"acs:ram::{account}:role/ci",
                role_session_name="tests",
                source_identity="somebody",
            )
        )
    )
    see(ecs.describe_regions(ecs_models.DescribeRegionsRequest()))
    see(ecs.describe_zones(ecs_models.DescribeZonesRequest(**here)))
    see(ecs.describe_instance_types(ecs_models.DescribeInstanceTypesRequest(max_results=100)))
    see(ecs.describe_instance_type_families(ecs_models.DescribeInstanceTypeFamiliesRequest(**here)))
    see(ecs.describe_images(ecs_models.DescribeImagesRequest(**here)))
    see(
        ecs.describe_image_support_instance_types(
            ecs_models.DescribeImageSupportInstanceTypesRequest(**here, image_id=DEBIAN)
        )
    )
    see(ecs.describe_account_attributes(ecs_models.DescribeAccountAttributesRequest(**here)))
    see(
        ecs.describe_price(
            ecs_models.DescribePriceRequest(
                **here,
                instance_type="ecs.g6.large",
                system_disk=ecs_models.DescribePriceRequestSystemDisk(
                    category="cloud_essd", size=40
                ),
            )
        )
    )
    # Two pages where the first can be that small, so that one has a token.
    for size in (1, 10):
        more = {**here, "max_results": size}
        see(ecs.describe_instances(ecs_models.DescribeInstancesRequest(**more)))
        see(ecs.describe_disks(ecs_models.DescribeDisksRequest(**more)))
        see(ecs.describe_network_interfaces(ecs_models.DescribeNetworkInterfacesRequest(**more)))
        see(ecs.describe_security_groups(ecs_models.DescribeSecurityGroupsRequest(**more)))
        see(
            ecs.describe_security_group_attribute(
                ecs_models.DescribeSecurityGroupAttributeRequest(
                    **more, security_group_id=ids["group"]
                )
            )
        )
    for name in ("spot", "public"):
        one = {"instance_id": ids[name]}
        see(ecs.describe_instance_attribute(ecs_models.DescribeInstanceAttributeRequest(**one)))
        see(ecs.describe_user_data(ecs_models.DescribeUserDataRequest(**one, **here)))
    see(ecs.describe_instance_status(ecs_models.DescribeInstanceStatusRequest(**here)))
    see(ecs.describe_instances_full_status(ecs_models.DescribeInstancesFullStatusRequest(**here)))
    see(
        ecs.describe_instance_maintenance_attributes(
            ecs_models.DescribeInstanceMaintenanceAttributesRequest(**here)
        )
    )
    see(
        ecs.describe_instance_auto_renew_attribute(
            ecs_models.DescribeInstanceAutoRenewAttributeRequest(**here, instance_id=ids["public"])
        )
    )
    see(
        ecs.describe_instance_ram_role(
            ecs_models.DescribeInstanceRamRoleRequest(**here, ram_role_name="role")
        )
    )
    see(
        ecs.describe_security_group_references(
            ecs_models.DescribeSecurityGroupReferencesRequest(
                **here, security_group_id=[ids["other_group"]]
            )
        )
    )
    see(ecs.describe_key_pairs(ecs_models.DescribeKeyPairsRequest(**here, include_public_key=True)))
    interfaces = ecs.describe_network_interfaces(
        ecs_models.DescribeNetworkInterfacesRequest(**here, instance_id=ids["spot"])
    ).body.network_interface_sets.network_interface_set
    see(
        ecs.describe_network_interface_attribute(
            ecs_models.DescribeNetworkInterfaceAttributeRequest(
                **here, network_interface_id=interfaces[0].network_interface_id
            )
        )
    )
    see(ecs.describe_tags(ecs_models.DescribeTagsRequest(**here)))
    see(vpc.describe_vpcs(vpc_models.DescribeVpcsRequest(**here)))
    see(vpc.describe_vswitches(vpc_models.DescribeVSwitchesRequest(**here)))
    see(
        vpc.describe_vpc_attribute(
            vpc_models.DescribeVpcAttributeRequest(**here, vpc_id=ids["vpc"])
        )
    )
    see(
        vpc.describe_vswitch_attributes(
            vpc_models.DescribeVSwitchAttributesRequest(**here, v_switch_id=ids["vswitch"])
        )
    )
    see(vpc.describe_eip_addresses(vpc_models.DescribeEipAddressesRequest(**here)))
    see(vpc.describe_vrouters(vpc_models.DescribeVRoutersRequest(**here)))
    table = {**here, "route_table_id": ids["table"]}
    see(vpc.describe_route_tables(vpc_models.DescribeRouteTablesRequest(**table)))
    see(vpc.describe_route_table_list(vpc_models.DescribeRouteTableListRequest(**here)))
    for size in (1, 50):
        see(
            vpc.describe_route_entry_list(
                vpc_models.DescribeRouteEntryListRequest(**table, max_result=size)
            )
        )
    see(vpc.describe_zones(vpc_models.DescribeZonesRequest(**here)))
    see(slb.describe_zones(slb_models.DescribeZonesRequest(**here)))
    see(slb.describe_load_balancers(slb_models.DescribeLoadBalancersRequest(**here)))
    see(
        slb.describe_load_balancer_attribute(
            slb_models.DescribeLoadBalancerAttributeRequest(
                **here, load_balancer_id=ids["balancer"]
            )
        )
    )


def test_every_field_that_ecs_fills(cloud: EmbeddedCloud) -> None:
    see = Fields()
    ids = furnish(Api(cloud))
    look_at_everything(Clients(cloud), ids, see, cloud.state.account.id)
    ends = set().union(*BLANK.values())
    blank = see.blank()
    unexplained = {path for path in blank if not any(path.endswith(f".{end}") for end in ends)}
    assert unexplained - ends == set(), "blank, and no reason is given"
    unused = {end for end in ends if not any(f".{path}".endswith(f".{end}") for path in blank)}
    assert unused == set(), "filled now, or gone from the models"
