"""Container Service by hand, as the guide has it, and by Alibaba Cloud's SDK."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import RoaRequest
from aliyunsdkcs.request.v20151215.CreateClusterRequest import CreateClusterRequest
from aliyunsdkcs.request.v20151215.DeleteClusterRequest import DeleteClusterRequest
from aliyunsdkcs.request.v20151215.DescribeClusterDetailRequest import DescribeClusterDetailRequest
from aliyunsdkcs.request.v20151215.DescribeClustersRequest import DescribeClustersRequest
from aliyunsdkcs.request.v20151215.ScaleClusterRequest import ScaleClusterRequest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import ProjectRequest
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import ScaleRequest, SwarmRequest
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from tests.api.localcloud.api_client import until
from tests.api.localcloud.container_service.rig import (
    PASSWORD,
    at_rest,
    refusal,
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", "400 InvalidJson"),
        (b"[]", "400 InvalidJson"),
        (b"{}", "400 MissingParameter"),
        (b'{"name": "a b"}', "400 InvalidParameter"),
        (b'{"name": "a", "cluster_type": "Mesos"}', "400 InvalidParameter"),
        (b'{"name": "a", "size": "many"}', "400 InvalidParameter"),
    ],
)
def test_bodies_that_are_none(client: ClusterClient, body: bytes, expected: str) -> None:
    assert refusal(lambda: client.roa.call("POST", "/clusters", body=body)) == expected


def test_answers_come_in_xml_where_that_is_asked_for(client: ClusterClient, cluster: str) -> None:
    accept = {"Accept": "application/xml"}
    answer = client.roa.call("GET", f"/clusters/{cluster}", headers=accept)
    root = ElementTree.fromstring(answer.text)
    assert root.tag == "GetClusterByIdResponse"
    assert root.findtext("cluster_id") == cluster
    assert root.findtext("RequestId") == answer.request_id
    with pytest.raises(ApiError) as caught:
        client.roa.call("GET", "/clusters/c0", headers=accept)
    assert (caught.value.code, caught.value.status) == ("ErrorClusterNotFound", 404)


def test_paths_and_methods_that_there_are_not(client: ClusterClient) -> None:
    assert refusal(lambda: client.roa.call("GET", "/clusters/a/b/c/d")) == (
        "404 InvalidAction.NotFound"
    )
    assert refusal(lambda: client.roa.call("PUT", "/images")) == "405 UnsupportedHTTPMethod"


def test_a_wrong_secret_is_refused_and_not_told(cloud: EmbeddedCloud) -> None:
    key = FixedCredentials("flags", Credentials(cloud.access_key_id, "wrong"))
    client = ClusterClient(cloud.region, key, endpoint=cloud.endpoint)
    with pytest.raises(ApiError) as caught:
        client.clusters()
    assert (caught.value.status, caught.value.code) == (403, "SignatureDoesNotMatch")
    assert "string to sign" not in caught.value.message


def test_the_guides_requests_by_hand(
    client: ClusterClient, cluster: str, folder: Path, applications: ApplicationClient
) -> None:
    """Status, headers and bodies are the guide's; so are the two names of some parameters."""
    url = client.cluster(cluster).master_url
    session = requests.Session()
    session.trust_env = False
    session.cert = (str(folder / "cert.pem"), str(folder / "key.pem"))
    session.verify = str(folder / "ca.pem")

    def call(method: str, path: str, body: Any = None) -> requests.Response:
        return session.request(method, f"{url}{path}", json=body, timeout=30)

    def status(method: str, path: str, body: Any = None) -> int:
        answer = call(method, path, body)
        assert answer.content == b""
        return answer.status_code

    body = {
        "name": "test",
        "description": "This is a test application",
        "template": "web:\r\n image: nginx",
        "version": "1.0",
        "environment": {"USER": "abc", "PWD": "password"},
    }
    made = call("POST", "/projects", body)
    assert (made.status_code, made.headers["Location"], made.content) == (
        *(201, "/projects/test", b""),
    )
    at_rest(applications, "test")
    listed = call("GET", "/projects/?services=false&q=tes")
    assert listed.headers["Content-Type"] == "application/json;charset=UTF-8"
    (project,) = listed.json()
    assert set(project) == {
        *("name", "description", "template", "version", "created", "updated", "services"),
        *("desired_state", "current_state", "environment"),
    }
    assert project["services"] == []
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", project["created"])
    (service,) = call("GET", "/services").json()
    assert set(service) == {
        *("id", "name", "project", "description", "created", "updated", "desired_state"),
        *("current_state", "definition", "extensions", "containers"),
    }
    ((key, container),) = service["containers"].items()
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert set(container) == {"name", "node", "ip", "running", "status", "health"}
    assert call("GET", "/services/?containers=false").json()[0]["containers"] == {}

    update = {**body, "version": "2.0", "latest_image": True}
    assert call("POST", "/projects/test/update", body).status_code == 409
    for action, name in (("confirm", "confirm-update"), ("rollback", "rollback-update")):
        for parameter in ("force", name):
            version = f"{action}-{parameter}"
            wanted = {**update, "version": version, "update_method": "blue-green"}
            assert status("POST", "/projects/test/update", wanted) == 202
            at_rest(applications, "test")
            assert call("POST", f"/projects/test/{name}").status_code == 400
            assert status("POST", f"/projects/test/{name}?{parameter}=true") == 202
            at_rest(applications, "test")
    for path in ("stop?t=1", "start", "kill?signal=KILL", "redeploy"):
        assert status("POST", f"/projects/test/{path}") == 200
        at_rest(applications, "test")
    for path in ("stop", "start", "kill"):
        assert status("POST", f"/services/test_web/{path}") == 200
    assert status("POST", "/service/test_web/start") == 200
    assert status("POST", "/services/test_web/scale", {"type": "scale_to", "value": 3}) == 200
    assert len(applications.service("test_web").containers) == 3
    assert status("DELETE", "/projects/test?force=1&v=0") == 200

    nas = {"diskid": "1234556", "host": "1234556-gpp53.cn-hangzhou.nas.aliyuncs.com"}
    wanted = {"name": "v1", "driver": "nas", "driverOpts": {**nas, "path": "/abc", "mode": "755"}}
    volume = call("POST", "/volumes/create", wanted)
    assert volume.status_code == 201
    assert volume.json()["Mountpoint"] == "/mnt/acs_mnt/nas/v1"
    assert {"Name", "Driver", "Mountpoint", "Labels", "Scope"} <= set(volume.json())
    assert {"Node", "Refs"} <= set(call("GET", "/volumes/v1").json())
    assert [one["Name"] for one in call("GET", "/volumes").json()["Volumes"]] == ["v1"]
    assert status("DELETE", "/volumes/v1") == 204


def test_requests_to_the_master_are_in_the_log_without_what_they_hold(
    applications: ApplicationClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", "ecsmachine.aliyun"):
        applications.create_project(
            ProjectRequest("shop", "web: {image: busybox}", environment={"PWD": "s3cret"})
        )
        at_rest(applications, "shop")
    assert "POST /projects/: 201" in caplog.text
    assert "GET /projects/shop: 200" in caplog.text
    assert "s3cret" not in caplog.text


def test_alibabas_sdk_drives_it(cloud: EmbeddedCloud, cluster: str) -> None:
    sdk = AcsClient(cloud.access_key_id, cloud.access_key_secret, cloud.region, auto_retry=False)

    def do(request: Any) -> Any:
        request.set_endpoint(cloud.host)
        request.set_protocol_type("http")
        answer = sdk.do_action_with_exception(request)
        return json.loads(answer) if answer.strip() else None

    # the guide's own example; today's SDK has no class for it any more
    version = RoaRequest("CS", "2015-12-15", "DescribeApiVersion")
    version.set_uri_pattern("/version")
    version.set_method("GET")
    assert do(version)["version"] == "2015-12-15"
    assert [one["cluster_id"] for one in do(DescribeClustersRequest())] == [cluster]
    named = DescribeClustersRequest()
    named.set_name("no such")
    assert do(named) == []
    wanted = DescribeClusterDetailRequest()
    wanted.set_ClusterId(cluster)
    assert do(wanted)["name"] == "shared"

    create = CreateClusterRequest()
    create.set_cluster_type("ManagedKubernetes")
    create.set_name("by-sdk")
    for name, value in {
        "region_id": cloud.region,
        "vpcid": cloud.state.default_vpc_id,
        "vswitchid": cloud.state.default_vswitch_id,
        "zoneid": "cn-hangzhou-b",
        "container_cidr": "172.20.0.0/16",
        "service_cidr": "172.21.0.0/20",
        "num_of_nodes": 2,
        "worker_instance_type": "ecs.g6.large",
        "login_password": PASSWORD,
    }.items():
        create.add_body_params(name, value)
    cluster_id = do(create)["cluster_id"]
    wanted.set_ClusterId(cluster_id)
    until(lambda: do(wanted)["state"] == "running")

    scale = ScaleClusterRequest()
    scale.set_ClusterId(cluster_id)
    scale.set_content_type("application/json")
    body = {"num_of_nodes": 4, "worker_instance_type": "ecs.g6.large", "login_password": PASSWORD}
    scale.set_content(json.dumps(body))
    assert do(scale)["task_id"].startswith("T-")
    until(lambda: do(wanted)["state"] == "running")
    assert do(wanted)["size"] == 4
    delete = DeleteClusterRequest()
    delete.set_ClusterId(cluster_id)
    assert do(delete) is None

    def gone() -> bool:
        try:
            do(wanted)
        except ServerException as error:
            assert error.get_http_status() == 404
            assert error.get_error_code() == "ErrorClusterNotFound"
            return True
        return False

    until(gone)


def test_every_row_of_the_guides_table(
    cloud: EmbeddedCloud, client: ClusterClient, swarm: SwarmRequest, program: Any, tmp_path: Path
) -> None:
    kind = ("--header", "Content-Type=application/json")
    body = replace(swarm, name="raw", size=1, need_slb=False).body()
    (tmp_path / "create.json").write_text(json.dumps(body))
    code, out, err = program("cs", "POST", "/clusters", *kind, "--body", f"@{tmp_path}/create.json")
    assert code == 0, err
    cluster = json.loads(out)["cluster_id"]
    client.wait(cluster)

    def call(*arguments: str) -> str:
        code, out, err = program("cs", *arguments)
        assert code == 0, err
        client.wait(cluster)
        return str(out)

    assert json.loads(call("GET", f"/clusters/{cluster}"))["name"] == "raw"
    assert len(json.loads(call("GET", "/clusters"))) == len(client.clusters())
    assert json.loads(call("GET", "/clusters", "--json")) == json.loads(call("GET", "/clusters"))
    image = json.loads(call("GET", "/images"))[cloud.region]["items"][0]["value"]
    assert set(json.loads(call("GET", f"/clusters/{cluster}/certs"))) == {"ca", "cert", "key"}
    scale = ScaleRequest(3, "ecs.g6.large", PASSWORD, "cloud_ssd", 40).body()
    call("PUT", f"/clusters/{cluster}", *kind, "--body", json.dumps(scale))
    first, second, third = client.nodes(cluster)
    reset = json.dumps({"password": PASSWORD, "ecs_image_id": image})
    call("POST", f"/clusters/{cluster}/instances/{third.instance_id}/reset", *kind, "--body", reset)
    assert call("DELETE", f"/clusters/{cluster}/ip/{second.address}?releaseInstance=false") == ""
    attach = json.dumps(
        {"password": PASSWORD, "ecs_image_id": image, "instances": [second.instance_id]}
    )
    made = json.loads(call("POST", f"/clusters/{cluster}/attach", *kind, "--body", attach))
    assert made["list"][0]["code"] == "200"
    assert {node.instance_id for node in client.nodes(cluster)} == {
        *(first.instance_id, second.instance_id, third.instance_id)
    }
    assert program("cs", "DELETE", f"/clusters/{cluster}") == (0, "", "")
    client.wait_gone(cluster)


def test_the_guides_own_create_json_makes_a_cluster(
    cloud: EmbeddedCloud, client: ClusterClient, program: Any
) -> None:
    """As it is printed, with the ids of this cloud; here the body comes from standard input."""
    (image, *_) = [one.id for one in client.images() if one.region == cloud.region]
    body = {
        "password": "TestPwd124",
        "region_id": cloud.region,
        "instance_type": "ecs.n1.small",
        "name": "my-test-cluster",
        "size": 1,
        "network_mode": "vpc",
        "vpc_id": cloud.state.default_vpc_id,
        "vswitch_id": cloud.state.default_vswitch_id,
        "subnet_cidr": "10.200.1.0/24",  # the guide's is part of this cloud's VPC
        "data_disk_category": "cloud_ssd",
        "data_disk_size": 40,
        "need_slb": True,
        "ecs_image_id": image.removesuffix(".vhd"),
        "io_optimized": "true",
        "release_eip_flag": False,
    }
    arguments = ("--header", "Content-Type=application/json", "--body", "-")
    code, out, err = program("cs", "POST", "/clusters", *arguments, stdin=json.dumps(body))
    assert code == 0, err
    begun = json.loads(out)
    assert set(begun) == {"cluster_id", "request_id", "task_id"}
    assert re.fullmatch(r"T-[0-9a-f]{24}", begun["task_id"])
    assert client.wait(begun["cluster_id"]).state == "running"
    # its range is small: projects share it, and one that needs more of it gets more
    assert program("cluster", "certs", body["name"])[0] == 0
    for number, scale in enumerate((1, 1, 60, 1)):
        template = f"web: {{image: busybox, labels: {{aliyun.scale: '{scale}'}}}}"
        code, _, err = program(
            *("project", "create", f"p{number}", "-f", "-", "--wait"),
            ECSMACHINE_CLUSTER=body["name"],
            stdin=template,
        )
        assert code == 0, err
    own = [p for p in cloud.state.projects if p.cluster_id == begun["cluster_id"]]
    assert [subnet for project in own for subnet in project.subnets.values()] == [
        "10.200.1.0/28",
        "10.200.1.16/28",
        "10.200.1.128/25",
        "10.200.1.32/28",
    ]
    code, _, err = program(*("service", "scale", "p0_web", "40"), ECSMACHINE_CLUSTER=body["name"])
    assert code == 1
    assert "p0_default (10.200.1.0/28) has room for 12 containers, not for 40" in err
    client.delete(begun["cluster_id"])
    client.wait_gone(begun["cluster_id"])
