"""Alibaba Cloud's current Python SDKs (ACS3-HMAC-SHA256) drive a whole life.

Their models say which fields an answer has: those that stay empty are listed here, all of them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("alibabacloud_ecs20140526")

from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_slb20140515 import models as slb_models
from alibabacloud_slb20140515.client import Client as SlbClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models as vpc_models
from alibabacloud_vpc20160428.client import Client as VpcClient

from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from tests.api.localcloud.api_client import DEBIAN, until

# Fields of the models that this cloud leaves out, because ECS fills them for others only.
LEFT_OUT = {
    # System images have no owner's account.
    "DescribeImages.images.image.image_owner_id",
}


class Seen:
    """Takes answers, and collects the fields of their models that had no value."""

    def __init__(self) -> None:
        self.empty: set[str] = set()

    def __call__(self, response: Any) -> Any:
        body = response.body
        self._look(body, type(body).__name__.removesuffix("ResponseBody"))
        return body

    def _look(self, model: Any, path: str) -> None:
        for name, value in vars(model).items():
            if name.startswith("_"):
                continue
            if value is None:
                self.empty.add(f"{path}.{name}")
            for item in value if isinstance(value, list) else [value]:
                if hasattr(item, "to_map"):
                    self._look(item, f"{path}.{name}")


class Clients:
    """The SDK's clients for one cloud."""

    def __init__(self, cloud: EmbeddedCloud, secret: str = "") -> None:
        def config() -> Config:
            return Config(
                access_key_id=cloud.access_key_id,
                access_key_secret=secret or cloud.access_key_secret,
                endpoint=cloud.host,
                protocol="HTTP",
                region_id=cloud.region,
            )

        self.ecs = EcsClient(config())
        self.vpc = VpcClient(config())
        self.slb = SlbClient(config())
        self.sts = StsClient(config())


@pytest.fixture
def clients(cloud: EmbeddedCloud) -> Clients:
    return Clients(cloud)


def test_a_life_with_every_field(clients: Clients, cloud: EmbeddedCloud) -> None:
    see = Seen()
    ecs, vpc, slb, region = clients.ecs, clients.vpc, clients.slb, cloud.region
    assert see(clients.sts.get_caller_identity()).account_id == cloud.state.account.id

    see(ecs.describe_regions(ecs_models.DescribeRegionsRequest()))
    see(ecs.describe_zones(ecs_models.DescribeZonesRequest(region_id=region)))
    see(ecs.describe_instance_types(ecs_models.DescribeInstanceTypesRequest()))
    see(ecs.describe_images(ecs_models.DescribeImagesRequest(region_id=region, page_size=100)))
    stock = ecs_models.DescribeAvailableResourceRequest(
        region_id=region, destination_resource="SystemDisk", instance_type="ecs.g6.large"
    )
    see(ecs.describe_available_resource(stock))

    network = see(
        vpc.create_vpc(
            vpc_models.CreateVpcRequest(
                region_id=region,
                cidr_block="192.168.0.0/16",
                tag=[vpc_models.CreateVpcRequestTag(key="a", value="b")],
            )
        )
    )
    vpc_id = network.vpc_id
    zone = "cn-hangzhou-h"
    vswitch = vpc_models.CreateVSwitchRequest(
        region_id=region, vpc_id=vpc_id, cidr_block="192.168.1.0/24", zone_id=zone
    )
    vswitch_id = see(vpc.create_vswitch(vswitch)).v_switch_id
    see(vpc.describe_vpcs(vpc_models.DescribeVpcsRequest(region_id=region)))
    see(vpc.describe_vswitches(vpc_models.DescribeVSwitchesRequest(region_id=region)))
    see(
        vpc.describe_vpc_attribute(
            vpc_models.DescribeVpcAttributeRequest(region_id=region, vpc_id=vpc_id)
        )
    )

    group = see(
        ecs.create_security_group(
            ecs_models.CreateSecurityGroupRequest(
                region_id=region, vpc_id=vpc_id, security_group_name="sdk"
            )
        )
    ).security_group_id
    ecs.authorize_security_group(
        ecs_models.AuthorizeSecurityGroupRequest(
            region_id=region,
            security_group_id=group,
            permissions=[
                ecs_models.AuthorizeSecurityGroupRequestPermissions(
                    ip_protocol="TCP", port_range="22/22", source_cidr_ip="0.0.0.0/0"
                )
            ],
        )
    )
    see(ecs.describe_security_groups(ecs_models.DescribeSecurityGroupsRequest(region_id=region)))
    see(
        ecs.describe_security_group_attribute(
            ecs_models.DescribeSecurityGroupAttributeRequest(
                region_id=region, security_group_id=group
            )
        )
    )
    see(
        ecs.create_key_pair(
            ecs_models.CreateKeyPairRequest(region_id=region, key_pair_name="sdk-keys")
        )
    )
    see(
        ecs.describe_key_pairs(
            ecs_models.DescribeKeyPairsRequest(region_id=region, include_public_key=True)
        )
    )

    made = see(
        ecs.run_instances(
            ecs_models.RunInstancesRequest(
                region_id=region,
                image_id=DEBIAN,
                instance_type="ecs.g6.large",
                security_group_id=group,
                v_switch_id=vswitch_id,
                key_pair_name="sdk-keys",
                amount=2,
                system_disk=ecs_models.RunInstancesRequestSystemDisk(
                    category="cloud_essd", size="40"
                ),
                data_disk=[ecs_models.RunInstancesRequestDataDisk(size=20)],
                tag=[ecs_models.RunInstancesRequestTag(key="k", value="v")],
            )
        )
    )
    ids = made.instance_id_sets.instance_id_set

    def all_are(status: str) -> bool:
        request = ecs_models.DescribeInstancesRequest(
            region_id=region, instance_ids=json.dumps(ids)
        )
        found = ecs.describe_instances(request).body.instances.instance
        return [instance.status for instance in found] == [status] * len(ids)

    until(lambda: all_are("Running"))
    see(ecs.describe_instances(ecs_models.DescribeInstancesRequest(region_id=region)))
    see(
        ecs.describe_instance_attribute(
            ecs_models.DescribeInstanceAttributeRequest(instance_id=ids[0])
        )
    )
    see(ecs.describe_instance_status(ecs_models.DescribeInstanceStatusRequest(region_id=region)))
    see(ecs.describe_disks(ecs_models.DescribeDisksRequest(region_id=region)))
    see(
        ecs.describe_network_interfaces(
            ecs_models.DescribeNetworkInterfacesRequest(region_id=region)
        )
    )

    eip = see(vpc.allocate_eip_address(vpc_models.AllocateEipAddressRequest(region_id=region)))
    vpc.associate_eip_address(
        vpc_models.AssociateEipAddressRequest(
            region_id=region, allocation_id=eip.allocation_id, instance_id=ids[0]
        )
    )
    see(vpc.describe_eip_addresses(vpc_models.DescribeEipAddressesRequest(region_id=region)))
    entry = see(
        vpc.create_route_entry(
            vpc_models.CreateRouteEntryRequest(
                region_id=region,
                route_table_id=network.route_table_id,
                destination_cidr_block="10.9.0.0/16",
                next_hop_id=ids[0],
            )
        )
    )
    table = {"region_id": region, "route_table_id": network.route_table_id}
    see(vpc.describe_route_tables(vpc_models.DescribeRouteTablesRequest(**table)))
    see(vpc.describe_route_table_list(vpc_models.DescribeRouteTableListRequest(region_id=region)))
    see(vpc.describe_route_entry_list(vpc_models.DescribeRouteEntryListRequest(**table)))
    see(vpc.describe_vrouters(vpc_models.DescribeVRoutersRequest(region_id=region)))

    balancer = see(
        slb.create_load_balancer(slb_models.CreateLoadBalancerRequest(region_id=region))
    ).load_balancer_id
    servers = json.dumps([{"ServerId": ids[0], "Weight": 100}])
    see(
        slb.add_backend_servers(
            slb_models.AddBackendServersRequest(
                region_id=region, load_balancer_id=balancer, backend_servers=servers
            )
        )
    )
    see(slb.describe_load_balancers(slb_models.DescribeLoadBalancersRequest(region_id=region)))
    one = {"region_id": region, "load_balancer_id": balancer}
    see(
        slb.describe_load_balancer_attribute(slb_models.DescribeLoadBalancerAttributeRequest(**one))
    )
    slb.delete_load_balancer(slb_models.DeleteLoadBalancerRequest(**one))

    ecs.tag_resources(
        ecs_models.TagResourcesRequest(
            region_id=region,
            resource_type="instance",
            resource_id=ids,
            tag=[ecs_models.TagResourcesRequestTag(key="x", value="y")],
        )
    )
    see(
        ecs.list_tag_resources(
            ecs_models.ListTagResourcesRequest(
                region_id=region, resource_type="instance", resource_id=ids
            )
        )
    )
    see(ecs.describe_tags(ecs_models.DescribeTagsRequest(region_id=region)))

    several = {"region_id": region, "instance_id": ids}
    see(ecs.stop_instances(ecs_models.StopInstancesRequest(**several)))
    until(lambda: all_are("Stopped"))
    see(ecs.start_instances(ecs_models.StartInstancesRequest(**several)))
    until(lambda: all_are("Running"))
    see(ecs.reboot_instances(ecs_models.RebootInstancesRequest(**several)))
    vpc.delete_route_entry(
        vpc_models.DeleteRouteEntryRequest(region_id=region, route_entry_id=entry.route_entry_id)
    )
    until(lambda: all_are("Running"))
    ecs.delete_instances(ecs_models.DeleteInstancesRequest(**several, force=True))
    vpc.release_eip_address(
        vpc_models.ReleaseEipAddressRequest(region_id=region, allocation_id=eip.allocation_id)
    )
    ecs.delete_security_group(
        ecs_models.DeleteSecurityGroupRequest(region_id=region, security_group_id=group)
    )
    vpc.delete_vswitch(vpc_models.DeleteVSwitchRequest(region_id=region, v_switch_id=vswitch_id))
    vpc.delete_vpc(vpc_models.DeleteVpcRequest(region_id=region, vpc_id=vpc_id))
    assert see.empty == LEFT_OUT


def test_a_wrong_secret(cloud: EmbeddedCloud) -> None:
    wrong = Clients(cloud, secret="wrong")
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        wrong.ecs.describe_regions(ecs_models.DescribeRegionsRequest())


def test_a_refusal_keeps_its_code(clients: Clients) -> None:
    request = ecs_models.DescribeInstanceAttributeRequest(instance_id="i-none")
    with pytest.raises(Exception, match=r"InvalidInstanceId\.NotFound") as caught:
        clients.ecs.describe_instance_attribute(request)
    assert getattr(caught.value, "code", "") == "InvalidInstanceId.NotFound"
