"""Clusters of Container Service without guests: their nodes, certificates and refusals."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import (
    AttachRequest,
    ResetRequest,
    ScaleRequest,
    SwarmRequest,
)
from ecsmachine.aliyun.container_service.kubernetes import (
    KubernetesRequest,
    KubernetesScaleRequest,
    NodeGroup,
)
from ecsmachine.aliyun.errors import ConnectionLostError
from ecsmachine.localcloud.container_service.nodes import GuestlessNodes
from ecsmachine.localcloud.container_service.project_work import ProjectWork
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.state.resources import attached_disks
from tests.api.localcloud.api_client import Api, until
from tests.api.localcloud.container_service.rig import (
    PASSWORD,
    refusal,
    servers_of,
    small_swarm,
)
from tests.unit.localcloud.recording_guests import RecordingGuests


def test_a_cluster_has_nodes_certificates_and_a_load_balancer(
    cloud: EmbeddedCloud, client: ClusterClient, cluster: str
) -> None:
    found = client.cluster(cluster)
    assert len(cluster) == 33 and cluster.startswith("c")
    assert (found.state, found.size, found.network_mode) == ("running", 2, "vpc")
    assert found.master_url.startswith("https://127.0.0.1:")
    assert found.load_balancer_id in {lb.id for lb in cloud.state.load_balancers}
    balancer = cloud.state.load_balancers.get(found.load_balancer_id)
    nodes = client.nodes(cluster)
    assert balancer is not None
    assert {b.server_id for b in balancer.backends} == {node.instance_id for node in nodes}
    (listener,) = balancer.listeners
    assert (listener.port, listener.backend_port, listener.status) == (80, 9080, "running")
    assert [node.role for node in nodes] == ["Master", "Worker"]
    assert found.security_group_id in {group.id for group in cloud.state.security_groups}
    assert client.find(cluster.replace("c", "C", 1)).name == "shared"
    assert [one.name for one in client.clusters("shar")] == ["shared"]
    assert client.clusters("nothing") == []


_SHARED = ("security_group_id", "external_loadbalancer_id")


def groups_of(cloud: EmbeddedCloud, instance_id: str) -> tuple[str, ...]:
    instance = cloud.state.instances.get(instance_id)
    assert instance is not None
    return instance.security_group_ids


def test_the_life_of_nodes(
    cloud: EmbeddedCloud, client: ClusterClient, swarm: SwarmRequest
) -> None:
    task = client.create(replace(swarm, name="life", size=1))
    (image, *_) = [one.id for one in client.images() if one.region == cloud.region]
    assert refusal(lambda: client.delete(task.cluster_id)) == "409 ErrorClusterState"
    client.wait(task.cluster_id)
    scale = ScaleRequest(3, "ecs.g6.large", PASSWORD, "cloud_ssd", 40)
    client.scale(task.cluster_id, scale)
    assert client.wait(task.cluster_id).size == 3
    assert refusal(lambda: client.scale(task.cluster_id, scale)) == "400 InvalidParameter"

    first, second, third = client.nodes(task.cluster_id)
    client.remove_node(task.cluster_id, second.address)
    assert client.wait(task.cluster_id).size == 2
    # it keeps its instance, which has given back the cluster's group and its balancer
    group, balancer = (client.cluster(task.cluster_id).raw[name] for name in _SHARED)
    (own,) = groups_of(cloud, second.instance_id)
    assert own != group
    assert second.instance_id not in servers_of(cloud, balancer)
    client.remove_node(task.cluster_id, third.address, release=True)
    client.wait(task.cluster_id)
    until(lambda: cloud.state.instances.get(third.instance_id) is None)
    assert refusal(lambda: client.remove_node(task.cluster_id, first.address)) == (
        "409 ErrorLastNode"
    )
    assert refusal(lambda: client.remove_node(task.cluster_id, "10.9.9.9")) == (
        "404 ErrorNodeNotFound"
    )

    ids = (second.instance_id, "i-unknown", first.instance_id)
    attached, _ = client.attach(task.cluster_id, AttachRequest(ids, PASSWORD, image))
    assert [one.code for one in attached] == ["200", "404", "409"]
    client.wait(task.cluster_id)
    # the group that it was given meanwhile is gone again
    assert groups_of(cloud, second.instance_id) == (group,)
    assert cloud.state.security_groups.get(own) is None
    assert second.instance_id in servers_of(cloud, balancer)
    client.reset_node(task.cluster_id, first.instance_id, ResetRequest(PASSWORD, image))
    client.wait(task.cluster_id)
    nodes = client.nodes(task.cluster_id)
    assert [node.instance_id for node in nodes] == [second.instance_id, first.instance_id]
    assert {node.state for node in nodes} == {"running"}
    assert client.log(task.cluster_id) == []

    client.delete(task.cluster_id)
    client.wait_gone(task.cluster_id)
    until(lambda: cloud.state.instances.get(first.instance_id) is None)
    # what was there before the cluster stays, and nothing of the cluster
    (own,) = groups_of(cloud, second.instance_id)
    assert own != group
    assert cloud.state.security_groups.get(group) is None
    assert not (cloud.state.root / "clusters" / task.cluster_id).exists()


def test_a_server_that_stops_while_a_disk_is_made_anew_loses_no_instance(tmp_path: Path) -> None:
    guests = RecordingGuests()
    with embedded_cloud(tmp_path, guests=guests) as cloud:
        key = Credentials(cloud.access_key_id, cloud.access_key_secret)
        credentials = FixedCredentials("flags", key)
        client = ClusterClient(cloud.region, credentials, endpoint=cloud.endpoint)
        cluster_id = client.create(small_swarm(cloud)).cluster_id
        client.wait(cluster_id)
        (node,) = client.nodes(cluster_id)
        (image, *_) = [one.id for one in client.images() if one.region == cloud.region]
        guests.gate.clear()
        client.reset_node(cluster_id, node.instance_id, ResetRequest(PASSWORD, image))
        until(lambda: ("delete", node.instance_id) in guests.calls)
        threading.Timer(0.2, guests.gate.set).start()  # the server waits for what blocks
    with embedded_cloud(tmp_path, guests=guests) as cloud:
        Api(cloud).wait(node.instance_id, "Running")
        calls = [what for what, whom in guests.calls if whom == node.instance_id]
        assert calls[-2:] == ["create", "start"]


def test_nodes_are_made_of_the_image_that_is_asked_for(
    cloud: EmbeddedCloud, client: ClusterClient
) -> None:
    """Of the system's, or the account's own: at first, with an attached instance, at a reset."""
    api = Api(cloud)
    group = api.group()
    source = api.run(group)
    api.wait(source, "Running")
    own = str(api.call("CreateImage", InstanceId=source)["ImageId"])
    until(lambda: api.call("DescribeImages", ImageId=own)["TotalCount"] == 1)
    other, arm = (
        next(one.id for one in client.images() if one.id.startswith(start))
        for start in ("debian_13", "debian_12_8_arm64")
    )

    def made_of(instance_id: str) -> tuple[str, str, str]:
        instance = cloud.state.instances.get(instance_id)
        assert instance is not None
        (system, *_) = attached_disks(cloud.state, instance_id)
        assert system.image_id == instance.image_id
        return instance.image_id, instance.base_image_id, instance.root_snapshot_id

    request = replace(small_swarm(cloud), name="own", ecs_image_id=own)
    cluster = client.create(request).cluster_id
    client.wait(cluster)
    (node,) = client.nodes(cluster)
    kept = cloud.state.custom_images.get(own)
    assert kept is not None
    of_own = (own, kept.base_image_id, kept.snapshot_id)
    assert made_of(node.instance_id) == of_own
    former = attached_disks(cloud.state, node.instance_id)

    of_arm = ResetRequest(PASSWORD, arm)
    for wrong in (
        lambda: client.reset_node(cluster, node.instance_id, of_arm),
        lambda: client.create(replace(request, name="arm", ecs_image_id=arm)),
    ):
        assert refusal(wrong) == "403 ImageNotSupportInstanceType"
    client.reset_node(cluster, node.instance_id, ResetRequest(PASSWORD, other))
    client.wait(cluster)
    assert made_of(node.instance_id) == (other, "", "")
    system, *data = attached_disks(cloud.state, node.instance_id)
    assert system.id != former[0].id and data == former[1:]

    ids = (source,)
    refused, _ = client.attach(cluster, AttachRequest(ids, PASSWORD, arm))
    assert [one.code for one in refused] == ["400"]
    client.attach(cluster, AttachRequest(ids, PASSWORD, own))
    client.wait(cluster)
    assert client.log(cluster) == []
    assert made_of(source) == of_own
    client.delete(cluster)
    client.wait_gone(cluster)
    api.call("DeleteInstance", InstanceId=source, Force="true")
    api.call("DeleteImage", ImageId=own)


def test_what_nobody_has_thought_of_leaves_a_cluster_that_can_be_worked_on(
    cloud: EmbeddedCloud, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("disk_ids")

    cluster_id = client.create(replace(small_swarm(cloud), need_slb=False)).cluster_id
    client.wait(cluster_id)
    with monkeypatch.context() as patch:
        patch.setattr(GuestlessNodes, "create", broken)
        patch.setattr(ProjectWork, "settle_all", broken)
        client.scale(cluster_id, ScaleRequest(2, "ecs.g6.large", PASSWORD, "cloud_ssd", 40))
        until(lambda: client.cluster(cluster_id).state == "running")
        (line,) = client.log(cluster_id)
        assert line.endswith("The work failed: see the local cloud's log.")
    client.scale(cluster_id, ScaleRequest(2, "ecs.g6.large", PASSWORD, "cloud_ssd", 40))
    assert client.wait(cluster_id).size == 2
    client.delete(cluster_id)
    client.wait_gone(cluster_id)


def test_kubernetes_clusters_have_the_apis_life(
    cloud: EmbeddedCloud, client: ClusterClient
) -> None:
    vswitch = cloud.state.default_vswitch_id
    group = NodeGroup(("ecs.g6.large",))
    single = KubernetesRequest(
        kind="single-zone",
        name="k8s",
        region_id=cloud.region,
        vpc_id=cloud.state.default_vpc_id,
        vswitch_ids=(vswitch,),
        zone_id="cn-hangzhou-b",
        container_cidr="172.20.0.0/16",
        service_cidr="172.21.0.0/20",
        workers=group,
        worker_numbers=(3,),
        masters=group,
        login_password=PASSWORD,
    )
    several = NodeGroup(("ecs.g6.large",) * 3)
    for number, request in enumerate(
        (
            single,
            replace(
                single,
                kind="multi-zone",
                vswitch_ids=(vswitch,) * 3,
                worker_numbers=(1, 1, 1),
                masters=several,
                workers=several,
            ),
            replace(single, kind="managed", masters=None),
        )
    ):
        task = client.create(replace(request, name=f"k8s-{number}"))
        assert client.cluster(task.cluster_id).state == "launching"
        found = client.wait(task.cluster_id)
        assert not found.is_swarm
        assert found.size == (3 if request.kind == "managed" else 6)
        scaling = KubernetesScaleRequest(5, "ecs.g6.large", PASSWORD)
        client.scale(task.cluster_id, scaling)
        assert client.wait(task.cluster_id).size == found.size + 2
        assert refusal(lambda: client.certificates(task.cluster_id)) == "400 ErrorClusterType"  # noqa: B023
        client.delete(task.cluster_id)
        client.wait_gone(task.cluster_id)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "shared"}, "409 ErrorClusterNameAlreadyExists"),
        ({"instance_type": "ecs.none"}, "400 InvalidParameter"),
        ({"vpc_id": "vpc-none"}, "404 InvalidVpcId.NotFound"),
        ({"vswitch_id": "vsw-none"}, "404 InvalidVSwitchId.NotFound"),
        ({"ecs_image_id": "m-none"}, "404 InvalidImageId.NotFound"),
        ({"subnet_cidr": "8.8.0.0/16"}, "400 InvalidParameter"),
        ({"data_disk_category": "cloud"}, "400 InvalidParameter"),  # not with this type
        ({"region_id": "nowhere"}, "404 InvalidRegionId.NotFound"),
        ({"rds_instances": ("rm-1",)}, "404 InvalidDBInstanceId.NotFound"),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_what_the_service_alone_can_refuse(
    client: ClusterClient, swarm: SwarmRequest, changes: dict[str, Any], expected: str
) -> None:
    request = replace(replace(swarm, name="other"), **changes)
    assert refusal(lambda: client.create(request)) == expected
    assert [one.name for one in client.clusters()] == ["shared"]


def test_the_master_wants_a_certificate_of_its_cluster(
    client: ClusterClient, cluster: str, folder: Path, tmp_path: Path
) -> None:
    from ecsmachine.localcloud.container_service.certificates import make_certificates

    url = client.cluster(cluster).master_url
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"{url}/projects/", verify=str(folder / "ca.pem"), timeout=10)
    make_certificates(tmp_path, "stranger", ["127.0.0.1"])
    stranger = (str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"{url}/projects/", verify=str(folder / "ca.pem"), cert=stranger, timeout=10)
    for name in ("cert", "key"):
        (tmp_path / f"{name}.pem").write_bytes((folder / f"{name}.pem").read_bytes())
    with pytest.raises(ConnectionLostError, match=r"certificate of 127\.0\.0\.1") as caught:
        ApplicationClient(url, tmp_path).projects()
    assert caught.value.hint == f"The certificates in {tmp_path} may belong to another cluster."
    assert ApplicationClient(url, tmp_path, insecure=True).projects() == []
    for name in ("cert", "key"):
        (tmp_path / f"{name}.pem").unlink()
    (tmp_path / "server-key.pem").unlink()
    make_certificates(tmp_path, "stranger", ["127.0.0.1"])
    with pytest.raises(ConnectionLostError, match="does not accept the client certificate"):
        ApplicationClient(url, tmp_path, insecure=True).projects()


def test_the_clients_key_is_in_the_guides_form(client: ClusterClient, cluster: str) -> None:
    found = client.certificates(cluster)
    assert found.key.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert found.cert.startswith("-----BEGIN CERTIFICATE-----\n")
    assert found.ca.startswith("-----BEGIN CERTIFICATE-----\n")
