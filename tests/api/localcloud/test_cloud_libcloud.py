"""Apache Libcloud's driver, which signs by itself and reads XML, drives a whole life."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import DEBIAN, until

libcloud = pytest.importorskip("libcloud.compute.providers")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[EmbeddedCloud]:
    # the driver starts what it has made without waiting for it to be Stopped
    with embedded_cloud(tmp_path / "cloud", settled=True) as running:
        yield running


@pytest.fixture
def driver(cloud: EmbeddedCloud) -> Any:
    host, _, port = cloud.host.partition(":")
    made = libcloud.get_driver("aliyun_ecs")(
        cloud.access_key_id,
        cloud.access_key_secret,
        secure=False,
        host=host,
        port=int(port),
        region=cloud.region,
    )
    assert made.connection.host == "127.0.0.1"
    return made


def test_a_whole_life(driver: Any, cloud: EmbeddedCloud) -> None:
    assert cloud.region in [location.id for location in driver.list_locations()]
    zone = driver.ex_list_zones()[0].id
    size = next(size for size in driver.list_sizes() if size.id == "ecs.g6.large")
    image = next(image for image in driver.list_images() if image.id == DEBIAN)
    group = driver.ex_create_security_group(description="of the test")
    node = driver.create_node(
        name="node1",
        size=size,
        image=image,
        ex_security_group_id=group,
        ex_internet_charge_type="PayByTraffic",
        ex_internet_max_bandwidth_out=1,
        ex_io_optimized=True,
        ex_data_disks=[{"size": 40, "category": "cloud_ssd", "disk_name": "data"}],
        ex_vswitch_id=cloud.state.default_vswitch_id,
    )

    def state() -> str:
        (found,) = driver.list_nodes(ex_node_ids=[node.id])
        return str(found.state)

    until(lambda: state() == "running")
    (found,) = driver.list_nodes()
    assert (found.name, len(found.private_ips)) == ("node1", 1)
    assert found.extra["io_optimized"] == "true"
    address = driver.create_public_ip(node.id)
    assert driver.list_nodes()[0].public_ips == [address]
    volume = driver.create_volume(
        size=40, name="more", ex_zone_id=zone, ex_disk_category="cloud_ssd"
    )
    assert driver.attach_volume(node, volume)
    assert len(driver.list_volumes(ex_filters={"InstanceId": node.id})) == 3
    assert driver.list_volume_snapshots(volume) == []
    assert driver.detach_volume(volume, ex_instance_id=node.id)
    assert driver.destroy_volume(volume)
    assert driver.ex_stop_node(node, ex_force_stop=True)
    assert driver.destroy_node(node)
    assert driver.ex_delete_security_group_by_id(group)


def test_refusals_reach_it(driver: Any) -> None:
    with pytest.raises(Exception, match=r"InvalidInstanceId\.NotFound"):
        driver.ex_start_node(type("Node", (), {"id": "i-none"})())
