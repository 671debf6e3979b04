"""Labels that let load balancers lead to services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import ProjectRequest, ProjectUpdate
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from ecsmachine.localcloud.state.balancers import LoadBalancer
from tests.api.localcloud.api_client import SLB, Api, until
from tests.api.localcloud.container_service.rig import (
    at_rest,
    servers_of,
    small_swarm,
)


@pytest.fixture
def front(cloud: EmbeddedCloud) -> Iterator[LoadBalancer]:
    """A load balancer with a listener that somebody made."""
    api = Api(cloud)
    made = api.call("CreateLoadBalancer", {"LoadBalancerName": "front"}, version=SLB)
    whole = {"LoadBalancerId": made["LoadBalancerId"]}
    own = {"ListenerPort": 443, "BackendServerPort": 4430, "Bandwidth": -1}
    api.call("CreateLoadBalancerTCPListener", {**whole, **own}, version=SLB)
    (balancer,) = (one for one in cloud.state.load_balancers if one.id == made["LoadBalancerId"])
    yield balancer
    api.call("DeleteLoadBalancer", whole, version=SLB)


def test_labels_let_load_balancers_lead_to_services(
    cloud: EmbeddedCloud, applications: ApplicationClient, front: LoadBalancer
) -> None:
    def told() -> tuple[int, list[tuple[int, str, int, str]]]:
        (now,) = (one for one in cloud.state.load_balancers if one.id == front.id)
        listeners = [
            (one.port, one.protocol, one.backend_port, one.status) for one in now.listeners
        ]
        return len(now.backends), sorted(listeners)

    own = (443, "tcp", 4430, "stopped")
    text = f"""
web:
  image: busybox
  ports: ["8080:80", "8443:443"]
  labels:
    aliyun.scale: "2"
    aliyun.lb.port_80: http://front:80
    aliyun.lb.port_443: tcp://{front.id}:443
"""
    applications.create_project(ProjectRequest("shop", text))
    assert at_rest(applications, "shop") == "running"
    assert told() == (2, [(80, "http", 8080, "running"), own])
    applications.update_project("shop", ProjectUpdate(text.replace("http:", "tcp:"), "2.0"))
    at_rest(applications, "shop")
    assert told() == (2, [(80, "tcp", 8080, "running"), own])
    service = applications.project("shop").services[0]
    applications.scale_service(service.id, 1)
    at_rest(applications, "shop")
    assert told() == (1, [(80, "tcp", 8080, "running"), own])
    applications.stop_project("shop")
    assert told()[0] == 0
    applications.delete_project("shop", force=True)
    assert told() == (0, [own])


def test_a_cluster_that_goes_takes_its_listeners_along(
    cloud: EmbeddedCloud, client: ClusterClient, front: LoadBalancer, tmp_path: Path
) -> None:
    cluster_id = client.create(replace(small_swarm(cloud), name="gone")).cluster_id
    client.wait(cluster_id)
    found = client.certificates(cluster_id)
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_text(getattr(found, name))
    applications = ApplicationClient(client.cluster(cluster_id).master_url, tmp_path)
    text = "web: {image: busybox, ports: ['80:80'], labels: {aliyun.lb.port_80: 'tcp://front:80'}}"
    applications.create_project(ProjectRequest("shop", text))
    assert at_rest(applications, "shop") == "running"
    assert len(servers_of(cloud, front.id)) == 1
    client.delete(cluster_id)
    until(lambda: cluster_id not in {one.id for one in client.clusters()})
    now = cloud.state.load_balancers.get(front.id)
    assert now is not None and now.backends == () and now.listeners == front.listeners


def test_a_label_without_its_load_balancer_is_a_failure(applications: ApplicationClient) -> None:
    text = "web: {image: busybox, ports: ['80:80'], labels: {aliyun.lb.port_80: 'tcp://none:80'}}"
    applications.create_project(ProjectRequest("shop", text))
    assert at_rest(applications, "shop") == "failed"
    reason = str(applications.project("shop").raw)
    assert "aliyun.lb.port_80: there is no load balancer none in cn-hangzhou" in reason
