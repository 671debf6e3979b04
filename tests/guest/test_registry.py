"""The local cloud's registry: the real server, filled and read over its API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.container_registry.client import RegistryClient, RegistryError
from ecsmachine.container_registry.reference import Reference
from ecsmachine.localcloud.host.paths import default_cache
from ecsmachine.localcloud.registry.busybox import busybox_image
from ecsmachine.localcloud.registry.push import answers, push
from ecsmachine.localcloud.registry.server import BUSYBOX, Registry, fetch_programs
from tests.ports import free_port

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def programs(base_image: Path) -> Path:
    return fetch_programs(default_cache(), base_image, print)


@pytest.fixture
def registry(programs: Path, tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(programs, tmp_path / "registry", address=f"127.0.0.1:{free_port()}")
    registry.start()
    yield registry
    registry.stop()


def test_busybox_is_there_and_images_come_and_go(
    registry: Registry, programs: Path, tmp_path: Path
) -> None:
    client = RegistryClient(registry.url)
    assert client.repositories() == ["library/busybox"]
    busybox = client.image(Reference("library/busybox", "latest"))
    assert busybox.size is not None and busybox.size > 500_000

    image = busybox_image(programs / BUSYBOX, tmp_path)
    for tag in ("1.0", "2.0"):
        digest = push(registry.address, "demo/web", tag, image)
        assert digest == busybox.digest
    assert client.tags("demo/web") == ["1.0", "2.0"]
    client.remove("demo/web", digest)
    assert client.tags("demo/web") == []
    with pytest.raises(RegistryError) as caught:
        client.image(Reference("demo/web", "1.0"))
    assert caught.value.code == "MANIFEST_UNKNOWN"

    # what it holds outlives it
    push(registry.address, "demo/web", "3.0", image)
    registry.stop()
    assert not answers(registry.address)
    registry.start()
    assert client.tags("demo/web") == ["3.0"]
    assert json.loads((tmp_path / "registry/config.yml").read_text())["http"]
