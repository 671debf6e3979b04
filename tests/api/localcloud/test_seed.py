"""What a new cloud begins with: from a dictionary, or from a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from ecsmachine.cli.app import run
from ecsmachine.localcloud.protocol.refusals import QUOTA_OF_INSTANCES
from ecsmachine.localcloud.service import daemon
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.service.seed import SeedError, read_seed
from ecsmachine.localcloud.state.settings import QUOTAS
from ecsmachine.localcloud.testing import Cloud, local_cloud, running_cloud
from tests.api.localcloud.api_client import SLB, Api


def api_of(cloud: Cloud) -> Api:
    return Api(cast(EmbeddedCloud, cloud))


def instances(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.call("DescribeInstances")["Instances"]["Instance"]
    return sorted(found, key=lambda one: str(one["InstanceName"]))


def run_instances(
    api: Api, cloud: Cloud, kind: str = "ecs.g6.large", amount: int = 1, **more: int
) -> str:
    group = api.call("CreateSecurityGroup", VpcId=cloud.vpc_id)["SecurityGroupId"]
    values = {
        "ImageId": cloud.image_id,
        "InstanceType": kind,
        "VSwitchId": cloud.vswitch_id,
        "SecurityGroupId": group,
        "Amount": amount,
        **more,
    }
    try:
        made = api.call("RunInstances", values)
    except Exception as error:
        return str(getattr(error, "code", error))
    return f"{len(made['InstanceIdSets']['InstanceIdSet'])} made"


def test_instances() -> None:
    seed = {
        "instances": [
            {"InstanceName": "web-[1,2]", "Amount": 2, "Tag": {"role": "web", "team": "a"}},
            {
                "InstanceName": "old",
                "InstanceType": "ecs.n4.small",
                "Status": "Stopped",
                "Tag": [{"Key": "role", "Value": "old"}],
                "DataDisk": [{"Size": 40, "Category": "cloud_efficiency"}],
                "DeletionProtection": True,
            },
        ]
    }
    with local_cloud(seed=seed) as cloud:
        assert cloud.requests == []  # they were not asked for
        api = api_of(cloud)
        old, *web = instances(api)
        assert [(one["InstanceName"], one["Status"]) for one in web] == [
            ("web-01", "Running"),
            ("web-02", "Running"),
        ]
        assert {one["TagKey"]: one["TagValue"] for one in web[0]["Tags"]["Tag"]} == {
            "role": "web",
            "team": "a",
        }
        assert (old["Status"], old["InstanceType"]) == ("Stopped", "ecs.n4.small")
        assert old["DeletionProtection"] is True
        disks = api.call("DescribeDisks", InstanceId=old["InstanceId"], DiskType="data")
        assert [disk["Size"] for disk in disks["Disks"]["Disk"]] == [40]


def test_images_and_instances_of_them() -> None:
    seed = {
        "images": [{"ImageName": "golden", "ImageId": "ubuntu_22_04", "ImageFamily": "acme"}],
        "instances": [{"ImageId": "golden"}, {"ImageId": "debian_12"}],
    }
    with local_cloud(seed=seed) as cloud:
        api = api_of(cloud)
        (image,) = api.call("DescribeImages", ImageOwnerAlias="self")["Images"]["Image"]
        assert (image["ImageName"], image["Status"]) == ("golden", "Available")
        assert image["Platform"] == "Ubuntu"
        assert (
            api.call("DescribeImageFromFamily", ImageFamily="acme")["Image"]["ImageId"]
            == (image["ImageId"])
        )
        found = [one["ImageId"] for one in instances(api)]
        assert len(found) == 2  # what the image was made of is gone
        assert image["ImageId"] in found
        assert any(one.startswith("debian_12") for one in found)


def test_stock() -> None:
    stock = [
        {"InstanceType": "ecs.g6.*", "Amount": 2},
        {"InstanceType": "ecs.n4.*", "ZoneId": "cn-hangzhou-h"},
    ]
    with local_cloud(seed={"stock": stock, "instances": [{}]}) as cloud:
        api = api_of(cloud)
        assert run_instances(api, cloud, amount=3) == "OperationDenied.NoStock"
        assert run_instances(api, cloud, amount=4, MinAmount=3) == "OperationDenied.NoStock"
        assert run_instances(api, cloud, amount=4, MinAmount=1) == "2 made"
        assert run_instances(api, cloud) == "OperationDenied.NoStock"
        assert run_instances(api, cloud, "ecs.n4.small") == "OperationDenied.NoStock"
        assert run_instances(api, cloud, "ecs.c6.large") == "1 made"

        def status(kind: str, zone: str) -> str:
            answer = api.call(
                "DescribeAvailableResource",
                DestinationResource="InstanceType",
                InstanceType=kind,
                ZoneId=zone,
            )
            return str(answer["AvailableZones"]["AvailableZone"][0]["Status"])

        assert status("ecs.g6.large", "cn-hangzhou-i") == "SoldOut"
        assert status("ecs.n4.small", "cn-hangzhou-h") == "SoldOut"
        assert status("ecs.n4.small", "cn-hangzhou-i") == "Available"
        first = next(one for one in instances(api) if one["InstanceType"] == "ecs.g6.large")
        api.call("DeleteInstance", InstanceId=first["InstanceId"], Force=True)
        assert run_instances(api, cloud) == "1 made"


def test_prices() -> None:
    with local_cloud(seed={"prices": {"ecs.g6.large": 9.5, "ecs.c6.large": 0}}) as cloud:
        for kind, price in (("ecs.g6.large", 19.0), ("ecs.c6.large", 0.0)):
            answer = api_of(cloud).call("DescribePrice", InstanceType=kind, Amount=2)
            assert answer["PriceInfo"]["Price"]["TradePrice"] == price
        api = api_of(cloud)
        disk = {"SystemDisk.Category": "cloud_essd", "SystemDisk.Size": 40}
        month = {"PriceUnit": "Month", "Period": 1, "InstanceType": "ecs.g6.large", **disk}
        told = api.call("DescribePrice", month)["PriceInfo"]["Price"]["TradePrice"]
        group = api.call("CreateSecurityGroup", SecurityGroupName="group", VpcId=cloud.vpc_id)
        place = {"SecurityGroupId": group["SecurityGroupId"], "VSwitchId": cloud.vswitch_id}
        ahead = {"InstanceChargeType": "PrePaid", "Period": 1, "ImageId": cloud.image_id, **place}
        ahead |= {"InstanceType": "ecs.g6.large", **disk}
        assert api.call("RunInstances", ahead)["TradePrice"] == pytest.approx(told)


_OVER: dict[str, tuple[str, dict[str, Any]]] = {
    "instances": ("RunInstances", {}),
    "disks": (
        "CreateDisk",
        {"ZoneId": "cn-hangzhou-h", "Size": 20, "DiskCategory": "cloud_efficiency"},
    ),
    "images": ("CreateImage", {}),
    "key-pairs": ("CreateKeyPair", {"KeyPairName": "keys"}),
    "security-groups": ("CreateSecurityGroup", {}),
    "vpcs": ("CreateVpc", {}),
    "vswitches": ("CreateVSwitch", {"ZoneId": "cn-hangzhou-h", "CidrBlock": "172.31.0.0/24"}),
    "eips": ("AllocateEipAddress", {}),
    "load-balancers": ("CreateLoadBalancer", {}),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_quotas(name: str) -> None:
    action, values = _OVER[name]
    with local_cloud(seed={"instances": [{}], "quotas": {name: 0}}) as cloud:
        api = api_of(cloud)
        (instance,) = instances(api)
        more = {
            "RunInstances": {
                "ImageId": cloud.image_id,
                "InstanceType": "ecs.g6.large",
                "VSwitchId": cloud.vswitch_id,
                "SecurityGroupId": instance["SecurityGroupIds"]["SecurityGroupId"][0],
            },
            "CreateImage": {"InstanceId": instance["InstanceId"]},
            "CreateSecurityGroup": {"VpcId": cloud.vpc_id},
            "CreateVSwitch": {"VpcId": cloud.vpc_id},
        }.get(action, {})
        version = {"version": SLB} if name == "load-balancers" else {}
        refused = api.refusal(action, {**values, **more}, **version)
        assert re.search("(?i)quota|limit", refused), refused


@pytest.mark.parametrize(
    ("seed", "said"),
    [
        ({"instance": []}, "no section instance. Did you mean instances?"),
        ({"instances": {}, "stock": "x"}, "stock must be a list"),
        ({"instances": [{"InstanceNam": "x"}]}, "instances[0]: RunInstances has no parameter"),
        ({"instances": [{"Tags": {}, "Tag": {"a": 1}, "x": {"y": 1}}]}, "has no parameter x.y"),
        ({"instances": [{"Status": "Starting"}]}, "Status must be Running or Stopped"),
        ({"instances": [{}, {"InstanceType": "ecs.none"}]}, "instances[1]: InvalidInstanceType"),
        ({"instances": [{"ImageId": "beos"}]}, "there is no image beos"),
        ({"instances": [{"Amount": 101}]}, "InvalidParameter.Amount"),
        ({"images": [{"ImageName": "a", "Stat": 1}]}, "CreateImage has no parameter Stat"),
        ({"stock": [{"InstanceType": "ecs.g6.larg"}]}, "Did you mean ecs.g6.large"),
        ({"stock": [{"ZoneId": "cn-hangzhou"}]}, "there is no zone cn-hangzhou"),
        ({"stock": [{"Amount": -1}]}, "stock[0].Amount must be a whole number"),
        ({"stock": [{"Amont": 1}]}, "Did you mean Amount?"),
        ({"prices": {"ecs.g6.large": "1"}}, "must be a number"),
        ({"prices": {"ecs.g6.large": float("nan")}}, "must be a number"),
        ({"prices": {"ecs.g6": 1}}, "no name ecs.g6"),
        ({"quotas": {"instance": 1}}, "Did you mean instances"),
        ({"quotas": {"instances": True}}, "must be a whole number"),
        ({"quotas": [1]}, "quotas must be a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    seed: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SeedError) as caught, local_cloud(seed=seed):
        pass
    assert said in str(caught.value)
    assert caplog.text == ""  # the web server logs a traceback of what ends its start


@pytest.mark.parametrize("text", ["instances: [{", "- 1", "a: !!python/object:x {}", "\x00", ""])
def test_a_file_that_is_no_seed(tmp_path: Path, text: str) -> None:
    (tmp_path / "seed.yaml").write_text(text)
    with pytest.raises(SeedError, match=re.escape(str(tmp_path / "seed.yaml"))):
        read_seed(tmp_path / "seed.yaml")
    with pytest.raises(SeedError, match=r"the name of a file, not \[\]"):
        read_seed([])  # type: ignore[arg-type]
    with pytest.raises(SeedError, match="cannot be read"):
        read_seed(tmp_path / "none.yaml")


def test_a_cloud_that_is_there_has_its_own(tmp_path: Path) -> None:
    seed = {"instances": [{}], "quotas": {"instances": 2}}
    root = tmp_path / "cloud"
    for _ in range(2):
        with local_cloud(root, seed=seed) as cloud:
            assert len(instances(api_of(cloud))) == 1
    with local_cloud(str(root)) as cloud:  # what it said holds on
        assert run_instances(api_of(cloud), cloud) == "1 made"
        assert run_instances(api_of(cloud), cloud) == QUOTA_OF_INSTANCES.code
    with pytest.raises(SeedError, match="Only a new cloud"), local_cloud(root, seed={}):
        pass
    with embedded_cloud(tmp_path / "other") as plain:
        Api(plain).group()
    with pytest.raises(SeedError, match="reset"), local_cloud(tmp_path / "other", seed=seed):
        pass


def test_by_local_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = tmp_path / "cloud", tmp_path / "seed.json"
    environment = {"ECSMACHINE_LOCAL_ROOT": str(root)}
    up = ["local", "up", "--guests", "none", "--seed", str(file)]
    try:
        file.write_text(json.dumps({"instances": [{}, {"InstanceType": "ecs.none"}]}))
        assert run(up, environment) == 1
        assert "instances[1]: InvalidInstanceType" in capsys.readouterr().err
        assert not root.exists()  # not half of it
        file.write_text(json.dumps({"instances": [{"InstanceName": "web"}]}))
        assert run(up, environment) == 0
        with running_cloud(root) as cloud:
            (found,) = instances(api_of(cloud))
            assert (found["InstanceName"], found["Status"]) == ("web", "Running")
        assert run(up, environment) == 0  # it is up already
        daemon.down(root)
        assert run(up, environment) == 0  # and again
        with running_cloud(root) as cloud:
            assert len(instances(api_of(cloud))) == 1
        file.write_text(json.dumps({"instances": []}))
        assert run(up, environment) == 1
        assert "without this seed" in capsys.readouterr().err
        daemon.down(root)
        assert run(up, environment) == 1
        assert "Only a new cloud" in capsys.readouterr().err
        assert (root / "cloud.sqlite").is_file()
    finally:
        daemon.reset(root)
