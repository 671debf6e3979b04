"""A cloud without guests, a Swarm cluster in it, and what calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import SwarmRequest
from ecsmachine.cli.app import run
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.container_service.rig import (
    PASSWORD,
    at_rest,
    small_swarm,
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("container-service") / "cloud") as running:
        yield running


@pytest.fixture(scope="module")
def client(cloud: EmbeddedCloud) -> ClusterClient:
    key = Credentials(cloud.access_key_id, cloud.access_key_secret)
    return ClusterClient(cloud.region, FixedCredentials("flags", key), endpoint=cloud.endpoint)


@pytest.fixture(scope="module")
def swarm(cloud: EmbeddedCloud) -> SwarmRequest:
    return replace(small_swarm(cloud), name="shared", size=2)


@pytest.fixture(scope="module")
def cluster(client: ClusterClient, swarm: SwarmRequest) -> str:
    """A Swarm cluster of two nodes, shared by all tests that leave it running."""
    task = client.create(swarm)
    client.wait(task.cluster_id, timeout_s=60)
    return task.cluster_id


@pytest.fixture(scope="module")
def folder(client: ClusterClient, cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    found = client.certificates(cluster)
    for name in ("ca", "cert", "key"):
        (folder / f"{name}.pem").write_text(getattr(found, name))
    return folder


@pytest.fixture
def applications(client: ClusterClient, cluster: str, folder: Path) -> Iterator[ApplicationClient]:
    """The applications of the shared cluster; those that a test leaves are removed."""
    applications = ApplicationClient(client.cluster(cluster).master_url, folder)
    yield applications
    for project in applications.projects():
        at_rest(applications, project.name)
        applications.delete_project(project.name, force=True)


@pytest.fixture
def program(
    cloud: EmbeddedCloud,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str, stdin: str = "", **more: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(stdin.encode())))
        capfd.readouterr()
        code = run(
            list(arguments),
            {
                "HOME": str(tmp_path),
                "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
                "ECS_ACCESS_KEY_ID": cloud.access_key_id,
                "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
                "ECS_REGION": cloud.region,
                "ECS_API_ENDPOINT": cloud.endpoint,
                "ECS_VPC_ID": cloud.state.default_vpc_id,
                "ECS_VSWITCH_ID": cloud.state.default_vswitch_id,
                "ECS_SSH_PASSWORD": PASSWORD,
                "ECSMACHINE_CLUSTER": "shared",
                "SHELL": "/bin/bash",
                **more,
            },
        )
        out, err = capfd.readouterr()
        return code, out, err

    return call
