"""The current SDK on snapshots, images, launch templates and listeners: every field is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("alibabacloud_ecs20140526")

from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_slb20140515 import models as slb_models

from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from tests.api.localcloud.api_client import DEBIAN, Api, until
from tests.api.localcloud.test_cloud_sdk_current import Clients, Seen


@pytest.fixture
def clients(cloud: EmbeddedCloud) -> Clients:
    return Clients(cloud)


def template(clients: Clients, api: Api, see: Seen) -> str:
    """Make a launch template and look at it; return its id."""
    here = {"region_id": api.region}
    disk = {"category": "cloud_essd", "disk_name": "disk", "description": "of a template"}
    made = see(
        clients.ecs.create_launch_template(
            ecs_models.CreateLaunchTemplateRequest(
                **here,
                launch_template_name="web",
                image_id=DEBIAN,
                instance_type="ecs.g6.large",
                security_group_ids=[api.group()],
                v_switch_id=api.cloud.state.default_vswitch_id,
                system_disk=ecs_models.CreateLaunchTemplateRequestSystemDisk(size=50, **disk),
                data_disk=[
                    ecs_models.CreateLaunchTemplateRequestDataDisk(
                        size=20, delete_with_instance=True, **disk
                    )
                ],
                tag=[ecs_models.CreateLaunchTemplateRequestTag(key="a", value="б")],
            )
        )
    )
    template_id: str = made.launch_template_id
    see(
        clients.ecs.describe_launch_templates(
            ecs_models.DescribeLaunchTemplatesRequest(**here, launch_template_id=[template_id])
        )
    )
    told = clients.ecs.describe_launch_template_versions(
        ecs_models.DescribeLaunchTemplateVersionsRequest(**here, launch_template_id=template_id)
    )
    (version,) = told.body.launch_template_version_sets.launch_template_version_set
    data = version.launch_template_data
    assert (data.system_disk.size, data.system_disk.disk_name) == (50, "disk")
    assert data.data_disks.data_disk[0].delete_with_instance is True
    assert [(tag.key, tag.value) for tag in data.tags.instance_tag] == [("a", "б")]
    assert len(data.security_group_ids.security_group_id) == 1
    return template_id


def test_snapshots_images_and_templates(clients: Clients, api: Api) -> None:
    see = Seen()
    here = {"region_id": api.region}
    run = ecs_models.RunInstancesRequest(
        **here, launch_template_id=template(clients, api, see), amount=1
    )
    (instance_id,) = see(clients.ecs.run_instances(run)).instance_id_sets.instance_id_set
    instance = api.wait(instance_id, "Running")
    assert instance["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "б"}]
    disks = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    for disk in disks:
        see(
            clients.ecs.create_snapshot(
                ecs_models.CreateSnapshotRequest(disk_id=disk["DiskId"], retention_days=3)
            )
        )

    def snapshots() -> Any:
        request = ecs_models.DescribeSnapshotsRequest(**here, status="accomplished")
        return see(clients.ecs.describe_snapshots(request))

    assert until(lambda: snapshots().total_count == 2)
    found = snapshots().snapshots.snapshot
    assert {item.source_disk_type for item in found} == {"system", "data"}
    create = ecs_models.CreateImageRequest(**here, instance_id=instance_id, image_name="mine")
    image_id = see(clients.ecs.create_image(create)).image_id

    def images() -> Any:
        request = ecs_models.DescribeImagesRequest(**here, image_owner_alias="self")
        return see(clients.ecs.describe_images(request))

    assert until(lambda: images().total_count == 1)
    (image,) = images().images.image
    assert (image.image_id, image.image_name, image.is_public) == (image_id, "mine", False)
    output = ecs_models.GetInstanceConsoleOutputRequest(**here, instance_id=instance_id)
    assert see(clients.ecs.get_instance_console_output(output)).console_output == ""
    assert see.empty == {"DescribeSnapshots.snapshots.snapshot.full_snapshot_size_in_bytes"}


def test_listeners_and_server_groups(clients: Clients, api: Api) -> None:
    see = Seen()
    slb = clients.slb
    server = api.run(api.group())
    balancer = slb.create_load_balancer(
        slb_models.CreateLoadBalancerRequest(
            region_id=api.region,
            address_type="intranet",
            v_switch_id=api.cloud.state.default_vswitch_id,
        )
    ).body.load_balancer_id
    base = {"region_id": api.region, "load_balancer_id": balancer}
    servers = json.dumps([{"ServerId": server, "Port": 80, "Weight": 100}])
    group = see(
        slb.create_vserver_group(
            slb_models.CreateVServerGroupRequest(**base, backend_servers=servers)
        )
    ).vserver_group_id
    sticky = {"sticky_session": "on", "sticky_session_type": "insert", "cookie_timeout": 60}
    common: dict[str, Any] = {
        **base,
        "vserver_group_id": group,
        "health_check_connect_port": 80,
        "bandwidth": -1,
    }
    of_http: dict[str, Any] = {**common, **sticky, "health_check": "on"}
    slb.create_load_balancer_tcplistener(
        slb_models.CreateLoadBalancerTCPListenerRequest(
            **common,
            listener_port=1,
            health_check_interval=9,
            connection_drain="on",
            connection_drain_timeout=10,
        )
    )
    slb.create_load_balancer_udplistener(
        slb_models.CreateLoadBalancerUDPListenerRequest(
            **common, listener_port=2, health_check_req="ping"
        )
    )
    slb.create_load_balancer_httplistener(
        slb_models.CreateLoadBalancerHTTPListenerRequest(
            **of_http, listener_port=3, listener_forward="on", forward_port=4
        )
    )
    slb.create_load_balancer_httpslistener(
        slb_models.CreateLoadBalancerHTTPSListenerRequest(
            **of_http, listener_port=4, server_certificate_id="cert"
        )
    )
    told: dict[str, Any] = {}
    for port, protocol in enumerate(("tcp", "udp", "http", "https"), 1):
        describe = getattr(slb, f"describe_load_balancer_{protocol}listener_attribute")
        name = f"DescribeLoadBalancer{protocol.upper()}ListenerAttributeRequest"
        told[protocol] = see(describe(getattr(slb_models, name)(**base, listener_port=port)))
        start = slb_models.StartLoadBalancerListenerRequest(**base, listener_port=port)
        slb.start_load_balancer_listener(start)
    # The SDK sends this one in small letters.
    assert told["tcp"].health_check_interval == 9
    assert told["udp"].health_check_req == "ping"
    assert (told["http"].cookie_timeout, told["http"].forward_port) == (60, 4)
    assert told["https"].server_certificate_id == "cert"
    listing = slb_models.DescribeLoadBalancerListenersRequest(
        region_id=api.region, load_balancer_id=[balancer]
    )
    listed = slb.describe_load_balancer_listeners(listing).body.listeners
    assert [(item.listener_protocol, item.status) for item in listed] == [
        (protocol, "running") for protocol in ("tcp", "udp", "http", "https")
    ]
    assert listed[0].tcplistener_config.connection_drain_timeout == 10
    see(
        slb.describe_vserver_groups(
            slb_models.DescribeVServerGroupsRequest(**base, include_listener=True)
        )
    )
    see(
        slb.describe_vserver_group_attribute(
            slb_models.DescribeVServerGroupAttributeRequest(
                region_id=api.region, vserver_group_id=group
            )
        )
    )
    health = see(slb.describe_health_status(slb_models.DescribeHealthStatusRequest(**base)))
    states = [item.server_health_status for item in health.backend_servers.backend_server]
    assert states == ["normal"] * 4
    see(
        slb.describe_load_balancer_attribute(
            slb_models.DescribeLoadBalancerAttributeRequest(**base)
        )
    )
    # with a server group each server has its own port
    assert {path.rpartition(".")[2] for path in see.empty} == {"backend_server_port"}
