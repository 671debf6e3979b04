"""A Swarm cluster of two real guests: its applications are containers, its nodes are hosts."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import ProjectRequest, ProjectUpdate
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import AttachRequest, ResetRequest
from ecsmachine.compose.stack import convert
from ecsmachine.container_registry.client import RegistryClient
from tests.guest.conftest import Cloud, wait_for

pytestmark = pytest.mark.guest

PASSWORD = "TestPwd124"
TEMPLATE = """
web:
  image: busybox
  command: httpd -f -p 80 -h /PATH
  restart: always
  labels: {aliyun.scale: "2", aliyun.routing.port_80: web.local}
client:
  image: busybox
  command: sleep 100000
  environment: {WHO: "${WHO}"}
  volumes: ["data:/data"]
  depends_on: [web]
"""


@dataclass
class Swarm:
    """The cluster, and what speaks to it."""

    cloud: Cloud
    clusters: ClusterClient
    id: str
    environment: dict[str, str]
    folder: Path
    image: str

    @property
    def nodes(self) -> tuple[str, ...]:
        """The options of new nodes, which begin with an engine."""
        return ("--image", self.image, "--data-disk-size", "20", "--wait")

    @property
    def applications(self) -> ApplicationClient:
        return ApplicationClient(self.clusters.cluster(self.id).master_url, self.folder)

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Run ecsmachine with the cluster's environment."""
        program = str(Path(sys.executable).with_name("ecsmachine"))
        done = subprocess.run(
            [program, *arguments],
            env=environment or self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def engine(self, number: int, path: str) -> object:
        """Ask a node's engine, which has certificates of the cluster's authority."""
        return self.get(f"https://{self.engines()[number]}{path}").json()

    def on_node(self, name: str, command: str) -> str:
        """Run a command on a node, which is a machine of the cluster's own store."""
        store = self.cloud.root / "clusters" / self.id / "store"
        environment = {**self.environment, "MACHINE_STORAGE_PATH": str(store)}
        return self.run("ssh", name, command, environment=environment)

    def get(self, url: str) -> requests.Response:
        certificate = (str(self.folder / "cert.pem"), str(self.folder / "key.pem"))
        return requests.get(url, cert=certificate, verify=str(self.folder / "ca.pem"), timeout=30)

    def post(self, url: str, body: object) -> requests.Response:
        certificate = (str(self.folder / "cert.pem"), str(self.folder / "key.pem"))
        return requests.post(
            url, json=body, cert=certificate, verify=str(self.folder / "ca.pem"), timeout=30
        )

    def settled(self, project: str, state: str = "running") -> None:
        wait_for(
            lambda: self.applications.project(project).current_state == state,
            f"{project} is {state}",
            240,
            lambda: self.applications.project(project).raw,
        )

    def shop_is(self, version: str, path: str) -> None:
        """Let the project "shop" be of a version, whose web service has a folder."""
        template = TEMPLATE.replace("PATH", path)
        if "shop" not in {project.name for project in self.applications.projects()}:
            made = ProjectRequest("shop", template, version=version, environment={"WHO": "me"})
            self.applications.create_project(made)
        elif self.applications.project("shop").version != version:
            self.applications.update_project("shop", ProjectUpdate(template, version))
        self.settled("shop")

    def engines(self) -> list[str]:
        """Return the address of each node's engine."""
        nodes = json.loads(self.run("cs", "GET", f"/clusters/{self.id}/nodes"))["nodes"]
        return [str(node["engine"]) for node in nodes]

    def containers(self, engines: list[str]) -> dict[str, list[str]]:
        """Return the names and states of what each of these engines has."""
        found = {}
        for engine in engines:
            try:
                # not those of stacks: swarm mode itself removes what was theirs, in its own time
                own = json.dumps({"label": [f"aliyun.cluster={self.id}"]})
                url = f"https://{engine}/v1.40/containers/json?all=1&filters={own}"
                items = self.get(url).json()
            except requests.RequestException as error:
                found[engine] = [str(error)]
            else:
                found[engine] = sorted(f"{item['Names'][0]} {item['State']}" for item in items)
        return found

    def visit(self, path: str) -> int:
        """Ask the web service through the cluster's routing."""
        url = str(self.clusters.cluster(self.id).raw["routing_url"])
        return requests.get(f"{url}{path}", headers={"Host": "web.local"}, timeout=10).status_code


@pytest.fixture(scope="module")
def swarm(
    local_cloud: Cloud, engine_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Swarm]:
    home = tmp_path_factory.mktemp("home")
    environment = {
        **local_cloud.environment,
        "HOME": str(home),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "MACHINE_STORAGE_PATH": str(home / "store"),
        "ECS_SSH_PASSWORD": PASSWORD,
        "ECSMACHINE_CLUSTER": "shop",
    }
    key = Credentials(environment["ECS_ACCESS_KEY_ID"], environment["ECS_ACCESS_KEY_SECRET"])
    clusters = ClusterClient(
        environment["ECS_REGION"],
        FixedCredentials("test", key),
        endpoint=environment["ECS_API_ENDPOINT"],
    )
    swarm = Swarm(
        local_cloud, clusters, "", environment, home / ".docker/aliyun/shop", engine_image
    )
    swarm.run("cluster", "create", "shop", "--size", "2", *swarm.nodes)
    swarm.id = clusters.find("shop").id
    swarm.run("cluster", "certs", "shop")
    yield swarm
    swarm.run("cluster", "rm", "-y", "--wait", "shop")
    assert clusters.clusters() == []


def test_projects_are_containers_that_reach_each_other_on_two_hosts(swarm: Swarm) -> None:
    applications = swarm.applications
    swarm.shop_is("1.0", "etc")
    web = applications.service("shop_web")
    assert len({container.node for container in web.containers}) == 2
    assert all(re.fullmatch(r"172\.28\.0\.\d+", container.ip) for container in web.containers)

    # Docker's own clients get in by the master's address, and see what all nodes have.
    url = applications.url
    names = {name for c in swarm.get(f"{url}/v1.40/containers/json").json() for name in c["Names"]}
    assert names == {"/shop_web_1", "/shop_web_2", "/shop_client_1"}
    for name in names:
        told = swarm.get(f"{url}/v1.40/containers{name}/json").json()
        assert told["Name"] == name
    nodes = swarm.get(f"{url}/v1.40/nodes").json()
    assert {node["Status"]["State"] for node in nodes} == {"ready"}
    assert len(nodes) == 2

    # Names lead to all containers of a service, whichever node they are on.
    said = _exec(swarm, "shop_client_1", "nslookup web; wget -q -O - http://web/passwd; echo $WHO")
    for container in web.containers:
        assert container.ip in said
    assert "root:x:0:0" in said
    assert said.rstrip().endswith("me")
    assert swarm.visit("/passwd") == 200

    applications.scale_service("shop_web", 4)
    assert len(applications.service("shop_web").containers) == 4
    applications.scale_service("shop_web", 1)
    (left,) = applications.service("shop_web").containers
    applications.kill_service("shop_web")
    assert applications.service("shop_web").current_state in ("stopped", "failed")
    applications.start_service("shop_web")
    assert [c.id for c in applications.service("shop_web").containers] == [left.id]
    swarm.settled("shop")
    applications.redeploy_project("shop")
    swarm.settled("shop")
    assert left.id not in {c.id for c in applications.service("shop_web").containers}


def test_load_balancers_lead_to_services(swarm: Swarm) -> None:
    """The cluster's own leads to its routing, and to a service that asks for it by a label."""
    balancer_id = swarm.clusters.cluster(swarm.id).load_balancer_id
    template = """
web:
  image: busybox
  command: httpd -f -p 80 -h /etc
  ports: ["8080:80"]
  labels:
    aliyun.scale: "2"
    aliyun.routing.port_80: front.local
    aliyun.lb.port_80: tcp://${FRONT}:8000
"""
    swarm.applications.create_project(
        ProjectRequest("front", template, environment={"FRONT": balancer_id})
    )
    swarm.settled("front")
    cloud = swarm.cloud.account
    told = cloud.slb("DescribeLoadBalancerAttribute", LoadBalancerId=balancer_id)
    address, host = told["Address"], {"Host": "front.local"}

    def visit(url: str) -> int:
        try:
            return requests.get(f"{url}/passwd", headers=host, timeout=10).status_code
        except requests.ConnectionError:
            return 0  # no server has been found to be well yet

    assert visit(f"http://{address}") == 200
    wait_for(lambda: visit(f"http://{address}:8000") == 200, "the label's listener leads there")
    swarm.applications.delete_project("front", force=True)
    assert visit(f"http://{address}:8000") == 0
    assert visit(f"http://{address}") == 503


def test_traffic_follows_the_weights_of_two_versions(swarm: Swarm) -> None:
    applications = swarm.applications
    swarm.shop_is("1.0", "etc")
    update = ProjectUpdate(TEMPLATE.replace("PATH", "home"), "2.0", blue_green=True)
    applications.update_project("shop", update)
    swarm.settled("shop")
    # the old version has /passwd, the new one has not
    assert {swarm.visit("/passwd") for _ in range(10)} == {200}
    applications.set_weight("shop_web@2.0", 50)
    wait_for(lambda: swarm.visit("/passwd") == 404, "the new version is visited")
    assert {swarm.visit("/passwd") for _ in range(40)} == {200, 404}
    applications.rollback_update("shop")
    swarm.settled("shop")
    assert {swarm.visit("/passwd") for _ in range(10)} == {200}
    applications.update_project("shop", update)
    swarm.settled("shop")
    applications.confirm_update("shop", force=True)
    swarm.settled("shop")
    assert {swarm.visit("/passwd") for _ in range(10)} == {404}
    assert applications.project("shop").version == "2.0"
    assert {s.id for s in applications.services()} == {"shop_web", "shop_client"}


def test_an_update_that_fails_leaves_the_old_version(swarm: Swarm) -> None:
    applications = swarm.applications
    swarm.shop_is("2.0", "home")
    before = {c.id for c in applications.service("shop_web").containers}
    applications.update_project("shop", ProjectUpdate("web: {image: nothing-here}", "3.0"))
    swarm.settled("shop", "failed")
    project = applications.project("shop")
    assert "nothing-here cannot be pulled" in str(project.raw["message"])
    assert project.version == "2.0"
    assert {c.id for c in applications.service("shop_web").containers} == before
    assert swarm.visit("/passwd") == 404
    swarm.shop_is("4.0", "etc")
    assert swarm.visit("/passwd") == 200


def test_images_that_are_pushed_are_pulled_by_the_nodes(swarm: Swarm, tmp_path: Path) -> None:
    swarm.shop_is("4.0", "etc")  # whose image it is
    mirror = swarm.environment["ENGINE_REGISTRY_MIRROR"]
    saved = tmp_path / "busybox.tar"
    with saved.open("wb") as out:
        url = f"{swarm.applications.url}/v1.40/images/busybox/get"
        certificate = (str(swarm.folder / "cert.pem"), str(swarm.folder / "key.pem"))
        ca = str(swarm.folder / "ca.pem")
        with requests.get(url, cert=certificate, verify=ca, stream=True, timeout=60) as answer:
            shutil.copyfileobj(answer.raw, out)
    swarm.run(
        "local", "registry", "push", str(saved), "mine/web:1", "--root", str(swarm.cloud.root)
    )
    assert RegistryClient(mirror).tags("mine/web") == ["1"]
    swarm.applications.create_project(
        ProjectRequest("own", "a: {image: 'mine/web:1', command: sleep 1000}")
    )
    swarm.settled("own")
    swarm.applications.delete_project("own", force=True, volumes=True)


LABELLED = """
back:
  image: busybox
  container_name: backend
  command: sh -c 'sleep 1; touch /ok; exec sleep 100000'
  environment: ["constraint:aliyun.node_index==2", "reschedule:off"]
  labels: {aliyun.probe.cmd: test -e /ok}
front:
  image: busybox
  command: sh -c 'mkdir -p /www/shop; hostname > /www/shop/index.html; exec httpd -f -p 80 -h /www'
  environment: ["affinity:service!=back"]
  links: ["back:database"]
  labels:
    aliyun.scale: "2"
    aliyun.probe.url: http://container/PAGE
    aliyun.routing.port_80: http://labels.local/shop
    aliyun.routing.session_sticky: "true"
"""


def test_labels_decide_where_containers_are_and_whether_they_are_healthy(swarm: Swarm) -> None:
    applications = swarm.applications
    text = LABELLED.replace("PAGE", "shop/index.html")
    assert applications.create_project(ProjectRequest("labels", text)) == ()
    swarm.settled("labels")
    first, second = swarm.clusters.nodes(swarm.id)
    (back,) = applications.service("labels_back").containers
    front = applications.service("labels_front").containers
    assert (back.name, back.node, back.health) == ("backend", second.address, "success")
    assert {(c.node, c.health) for c in front} == {(first.address, "success")}
    # over both nodes, by the link's name
    assert back.ip in _exec(swarm, "labels_front_1", "nslookup database")

    url = str(swarm.clusters.cluster(swarm.id).raw["routing_url"])
    visit = requests.Session()
    visit.headers["Host"] = "labels.local"
    said = {visit.get(f"{url}/shop/", timeout=10).text for _ in range(10)}
    assert len(said) == 1
    assert visit.get(f"{url}/", timeout=10).status_code == 503

    # the same again, but its probe fails: what there was stays
    _exec(swarm, "labels_front_1", "rm /www/shop/index.html")
    wait_for(
        lambda: (
            {c.health for c in applications.service("labels_front").containers}
            == {"success", "failure"}
        ),
        "one container is unhealthy",
    )
    assert {requests.get(f"{url}/shop/", headers=visit.headers, timeout=10).status_code} == {200}
    applications.update_project("labels", ProjectUpdate(text.replace("touch /ok", "true"), "2.0"))
    swarm.settled("labels", "failed")
    project = applications.project("labels")
    assert "backend is not healthy: its probe test -e /ok fails" in str(project.raw["message"])
    assert project.version == "1.0"
    applications.delete_project("labels", force=True)


SPECIFICATION = """
services:
  web:
    image: busybox
    command: ["sh", "-c", "hostname > /www/index.html; exec httpd -f -p 80 -h /www"]
    restart: always
    stop_grace_period: 1s
    ports: [{target: 80, published: "PORT"}]
    networks: {front: {aliases: [site]}, back: }
    volumes: ["oss:/oss", {type: tmpfs, target: /www}]
    labels: {aliyun.routing.port_80: spec.local, aliyun.probe.url: "http://container/"}
    depends_on: {db: {condition: service_healthy}}
    deploy: {replicas: 2, placement: {max_replicas_per_node: 1}}
  db:
    image: busybox
    command: sh -c 'touch /data/ok; exec sleep 100000'
    restart: always
    stop_grace_period: 1s
    healthcheck: {test: test -e /data/ok, interval: 1s}
    networks: [back]
    volumes: ["data:/data"]
volumes:
  data:
  oss: {driver: ossfs, driver_opts: {bucket: mine}}
networks:
  front:
  back: {internal: true}
"""


def test_a_template_of_todays_specification(swarm: Swarm) -> None:
    """With a port of the node for the port of a container that is routed and probed, too."""
    applications = swarm.applications
    text = SPECIFICATION.replace("PORT", "8081")
    assert applications.create_project(ProjectRequest("spec", text)) == ()
    swarm.settled("spec")
    wait_for(
        lambda: {c.health for c in applications.service("spec_web").containers} == {"success"},
        "all containers pass their probe, which a busy node may fail for a while",
        there=lambda: [project.raw for project in applications.projects()],
    )
    assert len({c.node for c in applications.service("spec_web").containers}) == 2
    url = str(swarm.clusters.cluster(swarm.id).raw["routing_url"])
    asked = requests.get(url, headers={"Host": "spec.local"}, timeout=10)
    assert (asked.status_code, len(asked.text)) == (200, 13)
    # over both nodes, on each of its networks
    (db,) = applications.service("spec_db").containers
    for container in ("spec_web_1", "spec_web_2"):
        assert db.ip in _exec(swarm, container, "nslookup db")
        assert len(_exec(swarm, container, "wget -q -O - http://site/").strip()) == 12

    assert {v.name for v in applications.volumes()} >= {"spec_data", "spec_oss"}
    for node in swarm.clusters.nodes(swarm.id):
        path = applications.volume("spec_oss").mountpoint
        assert swarm.on_node(node.name, f"ls -d {path}").strip() == "/mnt/acs_mnt/ossfs/mine"
    applications.delete_project("spec", force=True, volumes=True)
    for number in range(2):
        told = swarm.engine(number, "/v1.40/volumes")
        assert isinstance(told, dict)
        assert not {v["Name"] for v in told["Volumes"]} & {"spec_data", "spec_oss"}
    told = swarm.engine(0, "/v1.40/networks")
    assert not [n["Name"] for n in told if n["Name"].startswith("spec_")]  # type: ignore[attr-defined]


def test_what_a_template_is_converted_to_runs_in_swarm_mode(swarm: Swarm) -> None:
    made = convert(SPECIFICATION.replace("PORT", "40081"), {})
    first, *_ = swarm.clusters.nodes(swarm.id)
    text = base64.b64encode(made.text.encode()).decode()
    swarm.on_node(first.name, f"echo {text} | base64 -d | docker stack deploy -c - stack")
    wait_for(
        lambda: swarm.on_node(first.name, "docker stack services stack").count("2/2") == 1,
        "two tasks run",
        120,
    )
    assert made.ports == ("40081",)
    for node in swarm.clusters.nodes(swarm.id):
        asked = requests.get(f"http://{node.address}:40081/", timeout=10)
        assert asked.status_code == 200
    # it may remove the network before the tasks, and fail
    swarm.on_node(first.name, "until docker stack rm stack; do sleep 0.5; done")


def test_a_reset_master_is_made_anew_and_a_removed_node_is_gone(swarm: Swarm) -> None:
    applications = swarm.applications
    swarm.shop_is("4.0", "etc")
    first, second = swarm.clusters.nodes(swarm.id)
    host_key = _host_key(first.address)
    reset = ResetRequest(PASSWORD, swarm.image)
    swarm.clusters.reset_node(swarm.id, first.instance_id, reset)
    swarm.clusters.wait(swarm.id, timeout_s=180)
    assert swarm.clusters.log(swarm.id) == []
    assert _host_key(first.address) != host_key
    nodes = swarm.clusters.nodes(swarm.id)
    assert [node.name for node in nodes] == [second.name, first.name]
    swarm.settled("shop")
    assert len(applications.service("shop_web").containers) == 2
    assert swarm.visit("/passwd") == 200

    # now the other one manages again, and what the removed one ran runs there
    swarm.clusters.remove_node(swarm.id, second.address)
    swarm.clusters.wait(swarm.id, timeout_s=180)
    (left,) = swarm.clusters.nodes(swarm.id)
    swarm.settled("shop")
    assert {c.node for c in applications.service("shop_web").containers} == {first.address}
    assert swarm.visit("/passwd") == 200
    # it has given back the cluster's open ports: its engine is closed, SSH is not
    assert not _reaches(second.address, 2376)
    assert _reaches(second.address, 22)

    # its instance is still there, and becomes a node again, for which it is given an engine, and
    # is released with that
    (image, *_) = [
        one.id for one in swarm.clusters.images() if one.region == swarm.clusters.roa.region
    ]
    attached, _ = swarm.clusters.attach(
        swarm.id, AttachRequest((second.instance_id,), PASSWORD, image)
    )
    assert [one.code for one in attached] == ["200"]
    swarm.clusters.wait(swarm.id, timeout_s=180)
    assert swarm.clusters.log(swarm.id) == []
    assert [node.instance_id for node in swarm.clusters.nodes(swarm.id)] == [
        *(first.instance_id, second.instance_id),
    ]
    swarm.clusters.remove_node(swarm.id, second.address, release=True)
    swarm.clusters.wait(swarm.id, timeout_s=180)
    assert swarm.clusters.log(swarm.id) == []
    (left,) = swarm.clusters.nodes(swarm.id)
    assert left.name == first.name
    swarm.settled("shop")
    assert {c.node for c in applications.service("shop_web").containers} == {first.address}
    assert swarm.visit("/passwd") == 200
    told = json.loads(swarm.run("local", "status", "--json", "--root", str(swarm.cloud.root)))
    assert second.instance_id not in {instance["Id"] for instance in told["Instances"]}


def _exec(swarm: Swarm, container: str, script: str) -> str:
    """Run a script in a container, over the Docker API of the node that it is on."""
    for number in range(2):
        listed = swarm.engine(number, "/v1.40/containers/json")
        assert isinstance(listed, list)
        found = [c["Id"] for c in listed if f"/{container}" in c["Names"]]
        if not found:
            continue
        api = f"https://{swarm.engines()[number]}/v1.40"
        wanted = {"Cmd": ["sh", "-c", script], "AttachStdout": True, "AttachStderr": True}
        made = swarm.post(f"{api}/containers/{found[0]}/exec", {**wanted, "Tty": True}).json()
        return swarm.post(f"{api}/exec/{made['Id']}/start", {"Tty": True}).text
    raise AssertionError(f"no node has {container}")


def _reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True


def _host_key(address: str) -> str:
    import paramiko

    transport = paramiko.Transport((address, 22))
    try:
        transport.start_client(timeout=20)
        return transport.get_remote_server_key().get_base64()
    finally:
        transport.close()


def test_containers_move_off_a_node_that_fails(swarm: Swarm) -> None:
    """The one that fails is the first, which manages."""
    swarm.shop_is("4.0", "etc")
    swarm.run("cluster", "scale", "shop", "--size", "3", *swarm.nodes)
    applications = swarm.applications
    applications.create_project(
        ProjectRequest(
            "moving",
            "a: {image: busybox, command: sleep 100000, labels: {aliyun.scale: '3'}}\n"
            "b: {image: busybox, command: sleep 100000, environment: ['reschedule:off'],"
            " labels: {aliyun.global: 'true'}}",
        )
    )
    swarm.settled("moving")
    first, *others = swarm.clusters.nodes(swarm.id)
    assert {c.node for c in applications.service("moving_a").containers} == {
        node.address for node in (first, *others)
    }
    store = {
        **swarm.environment,
        "MACHINE_STORAGE_PATH": str(swarm.cloud.root / "clusters" / swarm.id / "store"),
    }
    swarm.run("kill", first.name, environment=store)

    def moved() -> bool:
        running = [c for c in applications.service("moving_a").containers if c.running]
        return sorted({c.node for c in running}) == sorted(n.address for n in others) and (
            len(running) == 3
        )

    engines = swarm.engines()
    wait_for(
        moved,
        "three containers run on the two other nodes",
        240,
        lambda: swarm.containers(engines),
    )
    assert swarm.clusters.cluster(swarm.id).state == "running"
    applications.delete_project("shop", force=True)
    swarm.run("start", first.name, environment=store)

    wanted = sorted(f"/moving_{service}_{n} running" for service in "ab" for n in (1, 2, 3))
    wait_for(
        lambda: (
            sorted(name for own in swarm.containers(engines).values() for name in own) == wanted
        ),
        "the node that is back has what it is to have, and no more",
        240,
        lambda: (swarm.containers(engines), [project.raw for project in applications.projects()]),
    )
