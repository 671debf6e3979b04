"""A settled cloud answers once what was asked for is there, however long it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aliyunsdkcore.client import AcsClient
from aliyunsdkcs.request.v20151215.CreateClusterRequest import CreateClusterRequest
from aliyunsdkcs.request.v20151215.DescribeClusterDetailRequest import DescribeClusterDetailRequest

from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.host.guests.none import NoGuests
from ecsmachine.localcloud.service import server
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.state.settings import Delays, Settings, StateError, delays_of
from ecsmachine.localcloud.testing import local_cloud
from tests.api.localcloud.api_client import Api
from tests.unit.localcloud.recording_guests import RecordingGuests

_SLOW = (
    *("create", "start", "stop", "delete", "create_disk", "snapshot_disk", "snapshot_root"),
    *("set_interfaces", "copy_snapshot", "restore_root", "delete_disk", "delete_snapshot"),
)


class SlowGuests(NoGuests):
    """Whose every step takes a while."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name not in _SLOW:
            return value
        work: Callable[..., Any] = value

        def slowly(*arguments: Any, **options: Any) -> Any:
            time.sleep(0.05)
            return work(*arguments, **options)

        return slowly


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with embedded_cloud(tmp_path / "cloud", guests=SlowGuests(), settled=True) as cloud:
        yield Api(cloud)


def status(api: Api, instance: str) -> str:
    found = api.call("DescribeInstances", InstanceIds=f'["{instance}"]')["Instances"]["Instance"]
    return str(found[0]["Status"]) if found else ""


def run(api: Api, **more: Any) -> str:
    made = api.call("RunInstances", api.base(api.group()), **more)
    return str(made["InstanceIdSets"]["InstanceIdSet"][0])


def test_the_life_of_an_instance(api: Api) -> None:
    instance = run(api)
    assert status(api, instance) == "Running"
    api.call("RebootInstance", InstanceId=instance)
    assert status(api, instance) == "Running"
    api.call("StopInstance", InstanceId=instance)
    assert status(api, instance) == "Stopped"
    api.call("StartInstance", InstanceId=instance)
    assert status(api, instance) == "Running"
    api.call("StopInstances", {"InstanceId.1": instance})
    assert status(api, instance) == "Stopped"
    api.call("ReplaceSystemDisk", InstanceId=instance, ImageId=api.base("")["ImageId"])
    api.call("StartInstances", {"InstanceId.1": instance})
    assert status(api, instance) == "Running"
    api.call("DeleteInstance", InstanceId=instance, Force=True)
    assert status(api, instance) == ""
    assert len(api.cloud.state.removals) == 0


def test_one_that_is_not_started(api: Api) -> None:
    made = api.call("CreateInstance", api.base(api.group()))
    assert status(api, made["InstanceId"]) == "Stopped"


def test_disks_snapshots_images_and_interfaces(api: Api) -> None:
    instance = run(api)
    zone = api.cloud.state.instances.get(instance).zone  # type: ignore[union-attr]
    disk = api.call("CreateDisk", ZoneId=zone, Size=20, DiskCategory="cloud_essd")["DiskId"]

    def disk_status() -> str:
        (found,) = api.call("DescribeDisks", DiskIds=f'["{disk}"]')["Disks"]["Disk"]
        return str(found["Status"])

    assert disk_status() == "Available"
    api.call("AttachDisk", InstanceId=instance, DiskId=disk)
    assert disk_status() == "In_use"
    api.call("DetachDisk", InstanceId=instance, DiskId=disk)
    assert disk_status() == "Available"
    snapshot = api.call("CreateSnapshot", DiskId=disk)["SnapshotId"]
    (found,) = api.call("DescribeSnapshots", SnapshotIds=f'["{snapshot}"]')["Snapshots"]["Snapshot"]
    assert found["Status"] == "accomplished"
    image = api.call("CreateImage", InstanceId=instance)["ImageId"]
    (found,) = api.call("DescribeImages", ImageId=image)["Images"]["Image"]
    assert found["Status"] == "Available"
    state = api.cloud.state
    interface = api.call(
        "CreateNetworkInterface",
        VSwitchId=state.default_vswitch_id,
        SecurityGroupId=api.group("other"),
    )["NetworkInterfaceId"]
    api.call("AttachNetworkInterface", InstanceId=instance, NetworkInterfaceId=interface)
    assert state.network_interfaces.get(interface).status == "InUse"  # type: ignore[union-attr]
    api.call("DetachNetworkInterface", InstanceId=instance, NetworkInterfaceId=interface)
    assert state.network_interfaces.get(interface).status == "Available"  # type: ignore[union-attr]


def ask(cloud: EmbeddedCloud, request: Any) -> Any:
    """Send a request of the SDK for Container Service; return its answer."""
    request.set_endpoint(cloud.host)
    request.set_protocol_type("http")
    client = AcsClient(cloud.access_key_id, cloud.access_key_secret, cloud.region)
    return json.loads(client.do_action_with_exception(request))


def create_cluster(cloud: EmbeddedCloud) -> str:
    create = CreateClusterRequest()
    body = {
        "name": "shop",
        "size": 2,
        "instance_type": "ecs.g6.large",
        "password": "Secret-1234",
        "subnet_cidr": "10.200.1.0/24",
        "network_mode": "vpc",
        "data_disk_category": "cloud_ssd",
        "data_disk_size": 40,
        "vpc_id": cloud.state.default_vpc_id,
        "vswitch_id": cloud.state.default_vswitch_id,
    }
    create.set_content_type("application/json")
    create.set_content(json.dumps(body).encode())
    return str(ask(cloud, create)["cluster_id"])


def test_a_cluster_of_container_service(tmp_path: Path) -> None:
    with embedded_cloud(tmp_path / "cloud", settled=True) as cloud:
        describe = DescribeClusterDetailRequest()
        describe.set_ClusterId(create_cluster(cloud))
        assert ask(cloud, describe)["state"] == "running"


def test_also_where_the_answer_is_lost(api: Api) -> None:
    api.cloud.faults.add(Fault("cut-after", action="RunInstances", times=1))
    with pytest.raises(OSError):
        run(api)
    (found,) = api.call("DescribeInstances")["Instances"]["Instance"]
    assert found["Status"] == "Running"


def test_an_answer_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SETTLE_TIMEOUT_S", 0.01)
    guests = RecordingGuests()
    guests.gate.clear()
    with embedded_cloud(tmp_path / "cloud", guests=guests, settled=True) as cloud:
        api = Api(cloud)
        assert status(api, run(api)) == "Pending"
        guests.gate.set()


def test_unless_it_is_wanted_an_answer_comes_at_once(tmp_path: Path) -> None:
    settings = Settings(delays=Delays(pending_s=30))
    with embedded_cloud(tmp_path / "cloud", settings) as cloud:
        api = Api(cloud)
        assert status(api, run(api)) == "Pending"


def test_how_delays_are_written() -> None:
    expected = Delays(pending_s=2.5, network_s=1)
    assert delays_of(["pending=2.5", "network_s=1"]) == expected
    assert delays_of({"pending_s": 2.5, "network": "1"}) == expected
    for wrong in (["pending"], ["pending=x"], ["pending=-1"], ["pending=nan"], ["running=1"]):
        with pytest.raises(StateError):
            delays_of(wrong)


def test_delays_and_settled_contradict_each_other() -> None:
    with pytest.raises(StateError, match="leave out one"), local_cloud(settled=True, delays={}):
        pass
    with (
        pytest.raises(StateError, match=r"Did you mean pending\?"),
        local_cloud(delays={"pendings": 1}),
    ):
        pass
