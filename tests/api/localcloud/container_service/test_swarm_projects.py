"""Projects, services, volumes and triggers on a cluster without guests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import (
    ProjectRequest,
    ProjectUpdate,
    VolumeRequest,
    fire,
)
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import ScaleRequest, SwarmRequest
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.container_service.rig import (
    PASSWORD,
    TEMPLATE,
    at_rest,
    refusal,
)


def test_the_life_of_a_project(applications: ApplicationClient) -> None:
    applications.create_project(
        ProjectRequest("shop", TEMPLATE, "It sells.", environment={"USER": "me"})
    )
    assert applications.project("shop").desired_state == "running"
    assert at_rest(applications, "shop") == "running"
    project = applications.project("shop")
    assert (project.version, project.description) == ("1.0", "It sells.")
    assert project.environment == {"USER": "me", "COMPOSE_PROJECT_NAME": "shop"}
    db, web = sorted(project.services, key=lambda service: service.id)
    assert (db.id, web.id) == ("shop_db", "shop_web")
    assert db.definition["environment"] == {"USER": "me"}
    assert web.extensions["scale"] == 2
    assert [c.name for c in web.containers] == ["shop_web_1", "shop_web_2"]
    # spread over the nodes
    assert len({c.node for c in web.containers}) == 2

    applications.stop_project("shop", wait_s=1)
    stopped = applications.project("shop")
    assert (stopped.desired_state, stopped.current_state) == ("stopped", "stopped")
    assert refusal(lambda: applications.delete_project("none")) == "404 ProjectNotFound"
    applications.start_project("shop")
    assert at_rest(applications, "shop") == "running"
    assert refusal(lambda: applications.delete_project("shop")) == "409 ProjectRunning"

    before = {c.id for c in web.containers}
    applications.redeploy_project("shop")
    assert at_rest(applications, "shop") == "running"
    assert not before & {c.id for c in applications.service("shop_web").containers}
    applications.kill_project("shop")
    assert applications.project("shop").current_state in ("stopped", "failed")
    applications.delete_project("shop")
    assert applications.projects() == []


def test_services_are_scaled_stopped_killed_and_started(applications: ApplicationClient) -> None:
    applications.create_project(ProjectRequest("shop", TEMPLATE))
    at_rest(applications, "shop")
    applications.scale_service("shop_web", 5)
    assert len(applications.service("shop_web").containers) == 5
    applications.scale_service("shop_web", 1)
    (left,) = applications.service("shop_web").containers
    assert left.name == "shop_web_1"
    applications.stop_service("shop_web")
    assert applications.service("shop_web").current_state == "stopped"
    assert applications.service("shop_db").current_state == "running"
    applications.start_service("shop_web")
    assert applications.service("shop_web").current_state == "running"
    applications.kill_service("shop_web", signal="SIGKILL")
    assert applications.service("shop_web").desired_state == "stopped"
    assert applications.scale_service("shop_web", 3) == (
        "shop_web is stopped: its next start creates 3 containers",
    )
    assert applications.service("shop_web").wanted == 3
    applications.start_service("shop_web")
    assert len(applications.service("shop_web").containers) == 3
    assert [s.id for s in applications.services("db")] == ["shop_db"]
    assert applications.services(containers=False)[0].containers == ()
    for name in ("a b", "FOO", "65"):
        assert refusal(lambda: applications.kill_service("shop_web", signal=name)) == (  # noqa: B023
            "400 InvalidParameter"
        )
    assert applications.project("shop").current_state != "failed"
    assert refusal(lambda: applications.service("shop_no")) == "404 ServiceNotFound"


def test_an_update_replaces_containers(applications: ApplicationClient) -> None:
    applications.create_project(ProjectRequest("shop", TEMPLATE))
    at_rest(applications, "shop")
    old = {c.id for c in applications.service("shop_web").containers}
    update = ProjectUpdate("web: {image: nginx}", "2.0", latest_image=True)
    same = replace(update, version="1.0")
    assert refusal(lambda: applications.update_project("shop", same)) == (
        "409 ProjectVersionConflict"
    )
    applications.update_project("shop", update)
    assert at_rest(applications, "shop") == "running"
    project = applications.project("shop")
    assert (project.version, [s.id for s in project.services]) == ("2.0", ["shop_web"])
    (container,) = project.services[0].containers
    assert container.id not in old


@pytest.mark.parametrize("confirmed", [True, False])
def test_blue_green(applications: ApplicationClient, confirmed: bool) -> None:
    applications.create_project(ProjectRequest("shop", TEMPLATE))
    at_rest(applications, "shop")
    assert refusal(lambda: applications.rollback_update("shop")) == "409 ProjectNotUpdating"
    old = {c.id for c in applications.service("shop_web").containers}
    applications.update_project("shop", ProjectUpdate(TEMPLATE, "2.0", blue_green=True))
    assert at_rest(applications, "shop") == "running"
    services = {service.id: service for service in applications.services()}
    assert sorted(services) == ["shop_db", "shop_db@2.0", "shop_web", "shop_web@2.0"]
    assert {c.id for c in services["shop_web"].containers} == old
    new = {c.id for c in services["shop_web@2.0"].containers}
    assert len(new) == 2
    assert services["shop_web"].extensions["weight"] == 100
    assert services["shop_web@2.0"].extensions["weight"] == 0
    assert refusal(lambda: applications.confirm_update("shop", force=False)) == (
        "409 ProjectWeightConflict"
    )
    third = ProjectUpdate(TEMPLATE, "3.0")
    assert refusal(lambda: applications.update_project("shop", third)) == "409 ProjectUpdating"
    applications.set_weight("shop_web@2.0", 100)
    assert applications.service("shop_web").extensions["weight"] == 0
    if confirmed:
        applications.confirm_update("shop", force=False)
    else:
        applications.rollback_update("shop")
    at_rest(applications, "shop")
    project = applications.project("shop")
    assert project.version == ("2.0" if confirmed else "1.0")
    left = {c.id for c in applications.service("shop_web").containers}
    assert left == (new if confirmed else old)


def test_blue_green_cannot_share_a_port_of_the_node(applications: ApplicationClient) -> None:
    text = "web: {image: busybox, ports: ['8080:80']}"
    applications.create_project(ProjectRequest("shop", text))
    at_rest(applications, "shop")
    update = ProjectUpdate(text, "2.0", blue_green=True)
    with pytest.raises(ApiError, match="two versions cannot share a port"):
        applications.update_project("shop", update)
    assert applications.project("shop").version == "1.0"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("web: {build: .}", "web.build"),
        ("a: [", "not YAML"),
        ("web: {image: i, links: [x]}", "x"),
        ("web: {image: i, labels: {aliyun.lb.port_80: 'tcp://lb:80'}}", "needs a port of the node"),
        ("web: {image: i, labels: {aliyun.lb.port_0: 'tcp://lb:80'}}", "0 is not a port"),
        ("web: {image: i, labels: {aliyun.lb.port_80: 'lb:80'}}", "is not SCHEME://BALANCER:PORT"),
    ],
)
def test_templates_are_refused(applications: ApplicationClient, template: str, said: str) -> None:
    with pytest.raises(ApiError, match=said) as caught:
        applications.create_project(ProjectRequest("shop", template))
    assert (caught.value.status, caught.value.code) == (400, "InvalidParameter")
    assert applications.projects() == []


def test_what_is_settled_is_left_alone(
    cloud: EmbeddedCloud, client: ClusterClient, cluster: str, applications: ApplicationClient
) -> None:
    """Nodes are watched: what they are to have is not made anew each time."""
    for name in ("shop", "other"):
        applications.create_project(ProjectRequest(name, "web: {image: busybox}"))
        at_rest(applications, name)
    before = {project.name: project.updated for project in applications.projects()}
    with cloud.state.transaction():
        project = cloud.state.projects.get(f"{cluster}/other")
        assert project is not None
        cloud.state.projects.put(replace(project, failure="no node answered"))
    scale = ScaleRequest(3, "ecs.g6.large", PASSWORD, "cloud_ssd", 40)
    client.scale(cluster, scale)
    client.wait(cluster)
    assert at_rest(applications, "other") == "running"
    after = {project.name: project.updated for project in applications.projects()}
    assert after["shop"] == before["shop"]
    assert after["other"] != before["other"]
    added = client.nodes(cluster)[-1]
    client.remove_node(cluster, added.address, release=True)
    client.wait(cluster)


def test_labels_without_effect_are_warnings(applications: ApplicationClient) -> None:
    label = "aliyun.lb.port_80: 'https://front:80'"
    text = f"web: {{image: busybox, labels: {{{label}, aliyun.probe.url: 'http://container/'}}}}"
    (warning,) = applications.create_project(ProjectRequest("shop", text))
    assert warning.startswith("web: aliyun.lb.port_80 has no effect: it names no certificate")
    assert at_rest(applications, "shop") == "running"
    project = applications.project("shop")
    assert project.raw["warnings"] == [warning]
    assert project.services[0].containers[0].health == "success"
    quiet = ProjectUpdate("web: {image: busybox}", "2.0")
    assert applications.update_project("shop", quiet) == ()
    at_rest(applications, "shop")
    assert "warnings" not in applications.project("shop").raw
    unknown = ProjectUpdate('web: {image: busybox, labels: {aliyun."a\\": "\u00e9"}}', "3.0")
    (warning,) = applications.update_project("shop", unknown)
    assert warning == 'web: aliyun."a\\" has no effect: it is not known'


def test_a_container_name_is_for_one_container(applications: ApplicationClient) -> None:
    text = "db: {image: busybox, container_name: influxdb}"
    applications.create_project(ProjectRequest("shop", text))
    at_rest(applications, "shop")
    assert [c.name for c in applications.service("shop_db").containers] == ["influxdb"]
    assert refusal(lambda: applications.scale_service("shop_db", 2)) == "400 InvalidParameter"
    update = ProjectUpdate(text, "2.0", blue_green=True)
    with pytest.raises(ApiError, match="two versions cannot share a name"):
        applications.update_project("shop", update)


def test_volumes_are_used_and_then_not_removed(applications: ApplicationClient) -> None:
    options = {"bucket": "b", "ak_id": "id", "ak_secret": "s3cret", "url": "u"}
    made = applications.create_volume(VolumeRequest("oss", "ossfs", options))
    assert (made.driver, made.mountpoint) == ("ossfs", "/mnt/acs_mnt/ossfs/b")
    applications.create_volume(VolumeRequest("data", "local"))
    assert refusal(lambda: applications.create_volume(VolumeRequest("data", "local"))) == (
        "409 VolumeAlreadyExists"
    )
    applications.create_project(ProjectRequest("shop", TEMPLATE))
    at_rest(applications, "shop")
    assert applications.volume("data").refs == ("shop_db_1",)
    assert refusal(lambda: applications.delete_volume("data")) == "409 VolumeInUse"
    assert "s3cret" not in json.dumps([dict(volume.raw) for volume in applications.volumes()])
    applications.delete_project("shop", force=True)
    for name in ("data", "oss"):
        applications.delete_volume(name)
    assert applications.volumes() == []
    assert refusal(lambda: applications.volume("data")) == "404 VolumeNotFound"


def test_projects_have_volumes_and_networks_of_their_own(
    cloud: EmbeddedCloud, applications: ApplicationClient
) -> None:
    template = (
        "services: {web: {image: i, volumes: ['data:/d', 'all:/a'], networks: [front, back]}}\n"
        "volumes: {data: {labels: {a: b}}, all: {external: true}}\n"
        "networks: {front: {}, back: {}}"
    )
    applications.create_volume(VolumeRequest("all", "local"))
    for name in ("one", "two"):
        applications.create_project(ProjectRequest(name, template))
        at_rest(applications, name)
    assert {v.name: v.refs for v in applications.volumes()} == {
        "all": ("one_web_1", "two_web_1"),
        "one_data": ("one_web_1",),
        "two_data": ("two_web_1",),
    }
    assert applications.volume("one_data").raw["Labels"] == {"a": "b"}
    update = template.replace("front", "other")
    applications.update_project("one", ProjectUpdate(update, "2.0"))
    at_rest(applications, "one")
    subnets = [s for p in cloud.state.projects for s in p.subnets.items()]
    assert [name for name, _ in subnets] == [
        *("one_front", "one_back", "one_other", "two_front", "two_back"),
    ]
    assert len({subnet for _, subnet in subnets}) == 5
    applications.delete_project("one", force=True)
    applications.delete_project("two", force=True, volumes=True)
    assert {v.name for v in applications.volumes()} == {"all", "one_data"}
    for name in ("all", "one_data"):
        applications.delete_volume(name)


def test_triggers(cloud: EmbeddedCloud, client: ClusterClient, applications: Any) -> None:
    cluster = client.clusters("shared")[0].id
    applications.create_project(ProjectRequest("shop", TEMPLATE))
    at_rest(applications, "shop")

    def create(**body: str) -> dict[str, str]:
        path = f"/clusters/{cluster}/triggers"
        made = client.roa.call("POST", path, body=json.dumps(body).encode()).object()
        return dict(made.values)

    scaling = create(project_id="shop", action="scaling", service="web")
    url = scaling["url"]
    assert json.loads(fire(url, kind="scale_out", step=3))["containers"] == 5
    assert len(applications.service("shop_web").containers) == 5
    assert json.loads(fire(url, kind="scale_in", step=100))["containers"] == 0
    assert applications.service("shop_web").containers == ()
    # without &&: the guide's samples have an empty pair
    assert requests.get(f"{url}&&type=scale_out&step=2", timeout=10).status_code == 200
    before = {c.id for c in applications.service("shop_web").containers}
    fire(create(project_id="shop", action="redeploy")["url"])
    at_rest(applications, "shop")
    assert not before & {c.id for c in applications.service("shop_web").containers}

    for wrong in (
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace("triggerUrl=", "triggerUrl=A"),
    ):
        assert requests.post(wrong, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 400  # it says neither type nor step
    listed = client.roa.call("GET", f"/clusters/{cluster}/triggers").text
    assert scaling["id"] in listed
    assert "secret" not in listed
    secret = url.partition("secret=")[2]
    assert secret not in (cloud.state.root / "cloud.sqlite").read_bytes().decode("latin-1")
    client.roa.call("DELETE", f"/clusters/{cluster}/triggers/{scaling['id']}")
    assert requests.post(url, timeout=10).status_code == 403


def test_another_server_goes_on_with_what_there_is(tmp_path: Path, swarm: SwarmRequest) -> None:
    root = tmp_path / "cloud"

    def client_of(cloud: EmbeddedCloud) -> ClusterClient:
        key = Credentials(cloud.access_key_id, cloud.access_key_secret)
        return ClusterClient(cloud.region, FixedCredentials("flags", key), endpoint=cloud.endpoint)

    with embedded_cloud(root) as cloud:
        client = client_of(cloud)
        request = replace(
            swarm,
            vpc_id=cloud.state.default_vpc_id,
            vswitch_id=cloud.state.default_vswitch_id,
        )
        task = client.create(request)
        client.wait(task.cluster_id)
        found = client.certificates(task.cluster_id)
        for name in ("ca", "cert", "key"):
            (tmp_path / f"{name}.pem").write_text(getattr(found, name))
        applications = ApplicationClient(client.cluster(task.cluster_id).master_url, tmp_path)
        applications.create_project(ProjectRequest("shop", TEMPLATE))
        at_rest(applications, "shop")
        unfinished = client.create(replace(request, name="unfinished", size=3))
        with cloud.state.transaction():
            half = cloud.state.clusters.get(unfinished.cluster_id)
            assert half is not None
            assert half.state == "launching"
    with embedded_cloud(root) as cloud:
        client = client_of(cloud)
        url = client.cluster(task.cluster_id).master_url
        again = ApplicationClient(url, tmp_path)
        assert at_rest(again, "shop") == "running"
        assert len(again.service("shop_web").containers) == 2
        assert client.cluster(unfinished.cluster_id).state in ("failed", "running")
        client.delete(unfinished.cluster_id)
        client.wait_gone(unfinished.cluster_id)
