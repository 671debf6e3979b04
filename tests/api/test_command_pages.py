"""The examples in pages that need a cloud without guests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecsmachine.localcloud.service import daemon
from ecsmachine.localcloud.service.embedded import embedded_cloud
from tests import command_pages


@contextmanager
def a_cloud(folder: Path) -> Iterator[dict[str, str]]:
    """Give the variables that lead to a new cloud, with a home folder of its own."""
    home = folder / "home"
    home.mkdir()
    with embedded_cloud(folder / "cloud") as cloud:
        yield {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ECS_API_ENDPOINT": cloud.endpoint,
            "ECS_ACCESS_KEY_ID": cloud.access_key_id,
            "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
            "ECS_REGION": cloud.region,
            "ECS_VPC_ID": cloud.state.default_vpc_id,
            "ECS_VSWITCH_ID": cloud.state.default_vswitch_id,
            "ECS_SSH_PASSWORD": "TestPwd124",
        }


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that lead to the cloud of the pages of what runs on a cluster."""
    with a_cloud(tmp_path_factory.mktemp("pages")) as environment:
        yield environment


@pytest.fixture(scope="module")
def shop(environment: dict[str, str]) -> None:
    """A cluster ``shop`` of two nodes, with a project ``website`` of a service ``web``."""
    home = Path(environment["HOME"])
    (home / "website.yml").write_text(
        'web:\n  image: busybox\n  command: httpd -f -p 80\n  labels: {aliyun.scale: "2"}\n'
    )
    for words in (
        ("cluster", "create", "shop", "--size", "2", "--subnet-cidr", "192.168.0.0/16", "--wait"),
        ("cluster", "certs", "shop"),
        ("project", "create", "website", "-c", "shop", "-f", "website.yml", "--wait"),
    ):
        subprocess.run(
            [sys.executable, "-m", "ecsmachine", *words],
            env=environment,
            cwd=home,
            check=True,
            timeout=120,
        )


def test_the_page_of_local(tmp_path: Path) -> None:
    root = tmp_path / "cloud"  # a new one, which counts its faults from 1
    passed = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    daemon.up(root, guests="none")
    try:
        command_pages.check("local", {**passed, "ECSMACHINE_LOCAL_ROOT": str(root)}, tmp_path)
    finally:
        daemon.reset(root)


def test_the_page_of_cluster(tmp_path: Path) -> None:
    with a_cloud(tmp_path) as environment:
        command_pages.check("cluster", environment, Path(environment["HOME"]))


@pytest.mark.parametrize("page", command_pages.WITHOUT_GUESTS[1:])
def test_the_pages_of_what_runs_on_a_cluster(
    page: str, environment: dict[str, str], shop: None
) -> None:
    command_pages.check(page, environment, Path(environment["HOME"]))


@pytest.mark.parametrize("page", command_pages.OF_FILES)
def test_the_pages_of_machines_in_a_file(page: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with embedded_cloud(tmp_path / "cloud") as cloud:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "ECS_API_ENDPOINT": cloud.endpoint,
            "ECS_ACCESS_KEY_ID": cloud.access_key_id,
            "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
        }
        command_pages.check(page, environment, home)
