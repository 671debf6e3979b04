"""The Container Service client: each call on the wire, checked requests, typed answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.application_client import ApplicationClient, https_of
from ecsmachine.aliyun.container_service.applications import (
    Project,
    ProjectRequest,
    ProjectUpdate,
    Volume,
    VolumeRequest,
    fire,
)
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
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.cli.commands.container_service.hints import for_commands
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.reading import read
from ecsmachine.errors import MachineError, UsageError

ID = "c978ca3eaacd3409a9437db07598f1f69"
PASSWORD = "TestPwd124"
CLUSTER = {
    "agent_version": "0.5-e56dab3",
    "cluster_id": ID,
    "created": "2015-12-11T03:52:40Z",
    "external_loadbalancer_id": "1518f2b7e4c-cn-beijing-btc-a01",
    "master_url": "https://182.92.245.56:17589",
    "name": "my-python-cluster-039de960",
    "network_mode": "vpc",
    "region_id": "cn-beijing",
    "security_group_id": "sg-25yqjuxhz",
    "size": 5,
    "state": "running",
    "updated": "2015-12-15T15:01:58Z",
    "vpc_id": "",
    "vswitch_id": "",
    "node_status": "{}",
}
TASK = {"cluster_id": ID, "request_id": "R-1", "task_id": "T-5a54309c80282e39ea00002f"}
SWARM = SwarmRequest(
    name="my-test-cluster",
    size=1,
    instance_type="ecs.n1.small",
    password=PASSWORD,
    data_disk_category="cloud_ssd",
    data_disk_size=40,
    vpc_id="vpc-1",
    vswitch_id="vsw-1",
    subnet_cidr="172.28.1.0/24",
)
GROUP = NodeGroup(("ecs.g6.large",))
KUBERNETES = KubernetesRequest(
    kind="single-zone",
    name="k8s",
    region_id="cn-beijing",
    vpc_id="vpc-1",
    vswitch_ids=("vsw-1",),
    zone_id="cn-beijing-a",
    container_cidr="172.20.0.0/16",
    service_cidr="172.21.0.0/20",
    workers=GROUP,
    worker_numbers=(3,),
    masters=GROUP,
    login_password=PASSWORD,
)


@pytest.fixture
def client(peer: Any) -> ClusterClient:
    credentials = FixedCredentials("flags", Credentials("id", "secret"))
    return ClusterClient("cn-beijing", credentials, endpoint=peer.address)


@pytest.mark.parametrize(
    ("call", "method", "path", "body"),
    [
        (lambda c: c.create(SWARM), "POST", "/clusters", SWARM.body()),
        (lambda c: c.create(KUBERNETES), "POST", "/clusters", KUBERNETES.body()),
        (
            lambda c: c.scale(ID, ScaleRequest(2, "ecs.n1.small", PASSWORD, "cloud", 40, "m-1")),
            "PUT",
            f"/clusters/{ID}",
            {
                "size": 2,
                "instance_type": "ecs.n1.small",
                "password": PASSWORD,
                "data_disk_category": "cloud",
                "data_disk_size": 40,
                "ecs_image_id": "m-1",
                "io_optimized": "optimized",
                "release_eip_flag": False,
            },
        ),
        (
            lambda c: c.scale(ID, KubernetesScaleRequest(4, "ecs.g6.large", PASSWORD)),
            "PUT",
            f"/clusters/{ID}",
            {
                "num_of_nodes": 4,
                "worker_instance_type": "ecs.g6.large",
                "login_password": PASSWORD,
                "disable_rollback": True,
                "timeout_mins": 60,
            },
        ),
        (
            lambda c: c.reset_node(ID, "i-1", ResetRequest(PASSWORD, "m-1")),
            "POST",
            f"/clusters/{ID}/instances/i-1/reset",
            {"password": PASSWORD, "ecs_image_id": "m-1", "release_eip_flag": False},
        ),
        (
            lambda c: c.remove_node(ID, "10.1.0.123", release=True),
            "DELETE",
            f"/clusters/{ID}/ip/10.1.0.123?releaseInstance=true",
            None,
        ),
        (lambda c: c.delete(ID), "DELETE", f"/clusters/{ID}", None),
    ],
    ids=["create", "create k8s", "scale", "scale k8s", "reset", "remove node", "delete"],
)
def test_calls(
    client: ClusterClient,
    peer: Any,
    make_answer: Callable[..., Any],
    call: Callable[[ClusterClient], Any],
    method: str,
    path: str,
    body: Any,
) -> None:
    peer.answers[:] = [make_answer(202, TASK)]
    answer = call(client)
    (asked,) = peer.asked
    assert (asked.method, asked.path) == (method, path)
    assert (json.loads(asked.raw) if asked.raw else None) == body
    if answer is not None:
        assert (answer.cluster_id, answer.request_id) == (ID, "R-1")
        assert answer.task_id == TASK["task_id"]


def test_clusters_are_typed_and_unknown_fields_and_states_are_kept(
    client: ClusterClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    unknown = {**CLUSTER, "size": "5", "state": "hibernating", "cluster_type": "Kubernetes"}
    peer.answers[:] = [make_answer(200, [CLUSTER, unknown])]
    swarm, other = client.clusters()
    assert (swarm.size, swarm.state, swarm.is_swarm) == (5, "running", True)
    assert swarm.load_balancer_id == "1518f2b7e4c-cn-beijing-btc-a01"
    assert swarm.raw["node_status"] == "{}"
    assert (other.size, other.state, other.is_swarm) == (5, "hibernating", False)


@pytest.mark.parametrize("content", [{"RequestId": "R"}, [{"name": "x"}], b"<html>", ["x"]])
def test_an_answer_of_something_else_is_one_line(
    client: ClusterClient, peer: Any, make_answer: Callable[..., Any], content: Any
) -> None:
    peer.answers[:] = [make_answer(200, content)]
    with pytest.raises(
        MachineError, match=r"^GET /clusters failed: the answer of http://.* cannot be used: "
    ):
        client.clusters()


def test_attach_tells_how_it_went_with_each_instance(
    client: ClusterClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    items = [{"code": "200", "instanceId": "i-1", "message": "successful"}]
    peer.answers[:] = [make_answer(202, {"list": items, "task_id": "T-1"})]
    attached, task = client.attach(ID, AttachRequest(("i-1",), PASSWORD, "m-1"))
    assert [(one.instance_id, one.code) for one in attached] == [("i-1", "200")]
    assert (task.cluster_id, task.task_id) == (ID, "T-1")


def test_certificates_and_images(
    client: ClusterClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    peer.answers[:] = [make_answer(200, {"ca": "A", "cert": "B", "key": "top-secret"})]
    found = client.certificates(ID)
    assert (found.ca, found.cert, found.key) == ("A", "B", "top-secret")
    assert "top-secret" not in repr(found)
    peer.answers[:] = [
        make_answer(200, {"cn-beijing": {"items": [{"text": "CentOS", "value": "centos.vhd"}]}})
    ]
    (image,) = client.images()
    assert (image.region, image.id, image.name) == ("cn-beijing", "centos.vhd", "CentOS")


def test_a_cluster_is_found_by_name_or_id(
    client: ClusterClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    peer.answers[:] = [make_answer(200, [CLUSTER])]
    assert client.find("my-python-cluster-039de960").id == ID
    with pytest.raises(MachineError, match='no cluster "other" in cn-beijing'):
        client.find("other")
    peer.answers[:] = [make_answer(200, CLUSTER)]
    assert client.find(f"C{ID[1:]}").id == ID
    assert peer.asked[-1].path == f"/clusters/C{ID[1:]}"


def test_waiting_follows_the_states(
    client: ClusterClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    states = ["launching", "launching", "scaling", "running"]
    peer.answers[:] = [make_answer(200, {**CLUSTER, "state": state}) for state in states]
    told: list[str] = []
    found = client.wait(ID, report=lambda cluster: told.append(cluster.state))
    assert found.state == "running"
    assert told == ["launching", "scaling", "running"]
    peer.answers[:] = [make_answer(200, {**CLUSTER, "state": "failed"})]
    with pytest.raises(MachineError, match="in state failed"):
        client.wait(ID)
    peer.answers[:] = [make_answer(200, {**CLUSTER, "state": "scaling"})]
    with pytest.raises(MachineError, match="still scaling"):
        client.wait(ID, timeout_s=0.5)


def test_waiting_for_the_end(
    client: ClusterClient, peer: Any, make_answer: Callable[..., Any], refusal: Any
) -> None:
    peer.answers[:] = [
        make_answer(200, {**CLUSTER, "state": "deleting"}),
        refusal("ErrorClusterNotFound", 404),
    ]
    client.wait_gone(ID)
    peer.answers[:] = [refusal("Forbidden", 403)]
    with pytest.raises(ApiError, match="Forbidden"):
        client.wait_gone(ID)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "a b"}, 'name: "a b"'),
        ({"name": ""}, "name is required"),
        ({"size": 0}, "size: 0 is out of range"),
        ({"password": "short"}, "password: this password"),
        ({"password": "nodigitsatall"}, "password: this password"),
        ({"password": 'Quote"12345'}, "password: this password"),
        ({"network_mode": "flat"}, 'network_mode: "flat"'),
        ({"vpc_id": ""}, "vpc_id is required"),
        ({"subnet_cidr": "172.28.1.1/24"}, "subnet_cidr: "),
        ({"subnet_cidr": "everything"}, "subnet_cidr: "),
        ({"data_disk_category": "tape"}, 'data_disk_category: "tape"'),
        ({"data_disk_size": 5}, "data_disk_size: 5"),
        ({"io_optimized": "maybe"}, 'io_optimized: "maybe"'),
    ],
)
def test_a_swarm_request_is_checked(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(SWARM, **changes).body()
    assert caught.value.message.startswith(said)
    assert caught.value.hint
    assert "nodigitsatall" not in caught.value.message


def test_classic_networks_need_no_vpc_and_chinese_names_are_names() -> None:
    request = replace(SWARM, name="集群-1", network_mode="classic", vpc_id="", vswitch_id="")
    body = replace(request, subnet_cidr="").body()
    assert body["name"] == "集群-1"
    assert not {"vpc_id", "vswitch_id", "subnet_cidr", "ecs_image_id"} & body.keys()


def test_the_bodies_of_the_three_kubernetes_kinds() -> None:
    single = KUBERNETES.body()
    assert single["cluster_type"] == "Kubernetes"
    assert (single["zoneid"], single["vswitchid"], single["num_of_nodes"]) == (
        *("cn-beijing-a", "vsw-1"),
        3,
    )
    assert single["master_instance_type"] == "ecs.g6.large"
    assert "multi_az" not in single
    assert not any(name.startswith("master_period") for name in single)

    three = NodeGroup(("t1", "t2", "t3"), "PrePaid", "Month", 6, auto_renew=True)
    multi = replace(
        KUBERNETES,
        kind="multi-zone",
        vswitch_ids=("v1", "v2", "v3"),
        worker_numbers=(1, 2, 3),
        masters=three,
        workers=three,
    ).body()
    assert multi["multi_az"] is True
    assert (multi["vswitch_id_b"], multi["num_of_nodes_c"]) == ("v2", 3)
    assert (multi["worker_instance_type_a"], multi["master_instance_type_c"]) == ("t1", "t3")
    assert (multi["master_period"], multi["worker_auto_renew_period"]) == (6, 1)
    assert not {"zoneid", "vswitchid", "num_of_nodes", "snat_entry"} & multi.keys()

    managed = replace(KUBERNETES, kind="managed", masters=None).body()
    assert managed["cluster_type"] == "ManagedKubernetes"
    assert not any(name.startswith("master_") for name in managed)
    assert not {"ssh_flags", "public_slb"} & managed.keys()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"service_cidr": "172.20.8.0/24"}, "service_cidr: 172.20.8.0/24 overlaps"),
        ({"key_pair": "k"}, "login_password: either"),
        ({"login_password": ""}, "login_password: either"),
        ({"vswitch_ids": ("a", "b")}, "vswitchid: give 1 of them"),
        ({"zone_id": ""}, "zoneid is required"),
        ({"masters": None}, "master_instance_type is required"),
        ({"kind": "managed"}, "master_instance_type: a managed cluster"),
        ({"kind": "multi-zone"}, "vswitchid: give 3 of them"),
        ({"workers": NodeGroup(("t",), "PrePaid")}, "worker_period_unit"),
        ({"workers": NodeGroup(("t",), period=1)}, "worker_period: only subscriptions"),
        ({"workers": NodeGroup(())}, "worker_instance_type: give 1 of them"),
    ],
)
def test_a_kubernetes_request_is_checked(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(KUBERNETES, **changes).body()
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (AttachRequest((), PASSWORD, "m-1"), "instances is required"),
        (AttachRequest(("vm-1",), PASSWORD, "m-1"), 'instances: "vm-1"'),
        (ResetRequest(PASSWORD, ""), "ecs_image_id is required"),
        (ResetRequest("x", "m-1"), "password: this password"),
        (ProjectRequest("-a", "web: {}"), 'name: "-a"'),
        (ProjectRequest("a" * 65, "web: {}"), "name: "),
        (ProjectRequest("a", " \n"), "template is required"),
        (ProjectUpdate("web: {}", ""), "version is required"),
        (VolumeRequest("a_b", "nas"), 'name: "a_b"'),
        (VolumeRequest("v", "nas", {"diskid": "1", "host": "h"}), "driverOpts: nas needs path"),
        (
            VolumeRequest("v", "nas", {"diskid": "1", "host": "h", "path": "/", "x": "1"}),
            "driverOpts: nas has no option x",
        ),
    ],
    ids=str,
)
def test_further_requests_are_checked(request_: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_.body()
    assert caught.value.message.startswith(said)


def test_a_removed_node_is_named_by_its_address(client: ClusterClient, peer: Any) -> None:
    with pytest.raises(UsageError, match='"node1" is not an address'):
        client.remove_node(ID, "node1")
    assert not peer.asked


def test_an_update_says_blue_green_only_if_it_is() -> None:
    update = ProjectUpdate("web: {}", "2.0", blue_green=True)
    assert update.body()["update_method"] == "blue-green"
    assert "update_method" not in replace(update, blue_green=False).body()


def of_an_answer(values: dict[str, Any]) -> Fields:
    return Fields(values, MachineError, loose=True)


def test_projects_services_and_containers_are_typed() -> None:
    project = read(
        Project,
        of_an_answer(
            {
                "name": "wordpress",
                "environment": {"COMPOSE_PROJECT_NAME": "wordpress"},
                "current_state": "running",
                "services": [
                    {
                        "id": "wordpress_db",
                        "name": "db",
                        "extensions": {"scale": 1},
                        "containers": {
                            "5616f05d": {
                                "name": "/wordpress_db_1",
                                "node": "10.246.2.3",
                                "ip": "10.0.0.2",
                                "running": True,
                                "status": "running",
                                "health": "success",
                            }
                        },
                    }
                ],
            }
        ),
    )
    (service,) = project.services
    (container,) = service.containers
    assert (service.id, service.extensions["scale"]) == ("wordpress_db", 1)
    assert (container.id, container.name, container.running) == (
        *("5616f05d", "wordpress_db_1"),
        True,
    )


def test_volumes_are_typed() -> None:
    volume = read(
        Volume,
        of_an_answer(
            {"Name": "docker2", "Driver": "ossfs", "Labels": None, "Refs": [{"Name": "/a"}]}
        ),
    )
    assert (volume.name, volume.driver, volume.refs) == ("docker2", "ossfs", ("a",))


def test_the_masters_address_is_https() -> None:
    assert https_of("tcp://1.2.3.4:17589") == "https://1.2.3.4:17589"
    assert https_of("https://1.2.3.4:17589/") == "https://1.2.3.4:17589"
    with pytest.raises(MachineError, match="begins with neither"):
        https_of("http://1.2.3.4")


def test_a_trigger_is_fired_with_its_pairs(peer: Any, make_answer: Callable[..., Any]) -> None:
    peer.answers[:] = [make_answer(200, b"ok")]
    url = f"{peer.address}/hook/trigger?triggerUrl=abc%3D&secret=s3cret"
    assert fire(url + "&&type=scale_in&step=9", kind="scale_out", step=5) == "ok"
    path, _, query = peer.asked[0].path.partition("?")
    assert path == "/hook/trigger"
    assert query == "triggerUrl=abc%3D&secret=s3cret&type=scale_out&step=5"


def test_a_triggers_refusal_does_not_show_its_secret(
    peer: Any, make_answer: Callable[..., Any]
) -> None:
    peer.answers[:] = [make_answer(403, {"Code": "InvalidSecret", "Message": "no"})]
    with pytest.raises(ApiError) as caught:
        fire(f"{peer.address}/hook/trigger?triggerUrl=abc&secret=s3cret")
    assert "s3cret" not in caught.value.message
    peer.answers[:] = [make_answer(404, b"<html>")]
    with pytest.raises(ApiError) as caught, for_commands():
        fire(f"{peer.address}/hook/trigger?triggerUrl=abc&secret=s3cret")
    assert caught.value.hint == "Check the address of the trigger."
    with pytest.raises(UsageError, match="needs triggerUrl= and secret="):
        fire("https://example.invalid/")
    with pytest.raises(UsageError, match="step: 101"):
        fire(f"{peer.address}/?triggerUrl=a&secret=b", kind="scale_in", step=101)


def test_a_cluster_without_a_master_needs_no_certificates(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no master_url"):
        ApplicationClient("", tmp_path)
