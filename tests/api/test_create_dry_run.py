"""``create --dry-run`` as a user runs it: everything checked and told, nothing made or written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers.host_name import host_name_for
from tests.api.driver_rig import Rig, rig_in

PASSWORD = "Passw0rd-x"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig_in(tmp_path_factory.mktemp("dry-run")) as rig:
        yield rig


def store_of(rig: Rig) -> Path:
    """Return a store that nothing has begun."""
    return rig.store.with_name("untouched")


def dry_run(rig: Rig, *arguments: str, name: str = "dev1") -> int:
    environment = {**rig.program_environment(), "MACHINE_STORAGE_PATH": str(store_of(rig))}
    rig.front.bodies.clear()
    return run(["create", "--dry-run", *arguments, name], environment)


def planned(
    rig: Rig, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[dict[str, Any], str]:
    """Return what a dry run says, as JSON and in words, and that it left nothing behind."""
    capsys.readouterr()
    assert dry_run(rig, "--json", *arguments) == 0
    data = json.loads(capsys.readouterr().out)
    assert dry_run(rig, *arguments) == 0
    words = capsys.readouterr().out
    assert rig.left() == {}
    assert not store_of(rig).exists()
    changing = {
        body["Action"]
        for body in rig.front.bodies
        if not body["Action"].startswith(("Describe", "Get")) and body.get("DryRun") != "true"
    }
    assert changing == set()
    return data, words


def test_the_defaults_in_words_and_as_json(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    data, words = planned(rig, capsys)
    (vswitch,) = rig.cloud.state.vswitches
    assert data["Instance"]["Zone"] == vswitch.zone
    assert data["Vpc"] == {"Action": "use", "Id": vswitch.vpc_id}
    assert data["VSwitch"] == {"Action": "use", "Id": vswitch.id}
    assert data["SecurityGroup"]["Name"] == "docker-machine"
    assert data["SecurityGroup"]["RulesToAdd"] == [
        "tcp 22 from 0.0.0.0/0",
        "tcp 2376 from 0.0.0.0/0",
    ]
    assert data["Address"]["Public"]["Kind"] == "fixed"
    assert (data["KeyPair"], data["DataDisk"], data["Route"]) == ({"Action": "create"}, None, None)
    assert data["Account"] == rig.cloud.state.account.id
    for said in (
        'Machine "dev1" would consist of:',
        f"new, ecs.t6-c1m2.large in zone {vswitch.zone}",
        "tcp 2376 from 0.0.0.0/0",
        "Nothing was made.",
    ):
        assert said in words


def test_every_option_is_told(rig: Rig, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (vswitch,) = rig.cloud.state.vswitches
    cloud = rig.driver()._cloud
    (tmp_path / "data").write_text("#!/bin/sh\n")
    balancer = cloud.slb.rpc.call(
        "CreateLoadBalancer",
        {"RegionId": rig.cloud.region, "AddressType": "intranet", "VSwitchId": vswitch.id},
    ).required("LoadBalancerId")
    private = vswitch.cidr.rsplit(".", 1)[0] + ".77"
    given = {
        "instance-type": "ecs.g6.large",
        "private-ip": private,
        "vswitch-id": vswitch.id,
        "allocate-eip": None,
        "internet-max-bandwidth": "7",
        "route-cidr": "10.9.0.0/24",
        "slb-id": balancer,
        "resource-group-id": "rg-1",
        "description": "A host",
        "disk-size": "100",
        "disk-category": "cloud_efficiency",
        "disk-fs": "xfs",
        "system-disk-size": "50",
        "system-disk-category": "cloud_essd",
        "tag": "query=a=b",
        "host-name": "web",
        "ram-role": "my-role",
        "user-data": str(tmp_path / "data"),
        "spot-strategy": "SpotWithPriceLimit",
        "spot-price-limit": "0.5",
        "auto-release-time": "8h",
        "deletion-protection": None,
        "open-port": "8000-8100",
        "source-cidr": "203.0.113.0/24",
        "ssh-password": PASSWORD,
        "ssh-user": "dev",
        "ssh-port": "2222",
    }
    arguments = [
        word
        for name, value in given.items()
        for word in (f"--aliyunecs-{name}", *([] if value is None else [value]))
    ]
    data, words = planned(rig, capsys, *arguments)
    assert data["Address"] == {
        "Private": private,
        "Public": {
            "Action": "create",
            "Kind": "elastic",
            "BandwidthMbps": 7,
            "InternetChargeType": "PayByTraffic",
        },
    }
    assert data["SystemDisk"]["SizeGiB"] == 50
    assert data["DataDisk"]["FileSystem"] == "xfs"
    assert data["KeyPair"] is None
    for said in (
        *("ecs.g6.large", private, "elastic", "10.9.0.0/24", balancer, "rg-1", "A host"),
        *("100 GiB cloud_efficiency, xfs", "50 GiB cloud_essd", "query=a=b", "web", "my-role"),
        *("10 bytes", "SpotWithPriceLimit up to 0.5 an hour", "protected"),
        *("tcp 8000-8100 from 203.0.113.0/24", "tcp 2222 from 203.0.113.0/24"),
        "dev at port 2222, with password",
    ):
        assert said in words
    assert PASSWORD not in words + json.dumps(data)
    assert all(
        PASSWORD not in repr(body) or body["Action"] == "RunInstances" for body in rig.front.bodies
    )
    cloud.slb.rpc.call("DeleteLoadBalancer", {"LoadBalancerId": balancer})


def test_a_region_without_network_gets_one(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    data, words = planned(rig, capsys, "--aliyunecs-region", "eu-central-1")
    assert (data["Vpc"]["Action"], data["VSwitch"]["Action"]) == ("create", "create")
    assert data["TriedByEcs"] is False
    assert "ECS can check the request only once" in words


def test_the_price_is_told_if_it_is_answered(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(price: float) -> str:
        amounts = {"TradePrice": price, "OriginalPrice": 9.0, "Currency": "CNY"}
        return json.dumps({"RequestId": "R", "PriceInfo": {"Price": amounts}})

    rig.front.answers["DescribePrice"] = answer(0.25)
    try:
        data, words = planned(
            rig, capsys, "--aliyunecs-disk-size", "20", "--aliyunecs-instance-type", "ecs.g6.large"
        )
        (asked,) = [body for body in rig.front.bodies if body["Action"] == "DescribePrice"]
        assert (asked["PriceUnit"], asked["DataDisk.1.Size"]) == ("Hour", "20")
        assert data["Price"] == {
            "Amount": 0.25,
            "Currency": "CNY",
            "Period": 1,
            "Unit": "Hour",
            "Hour": 0.25,
            "Parts": {},
        }
        assert "0.25 CNY an hour" in words
        prepaid = ("--aliyunecs-charge-type", "PrePaid", "--aliyunecs-period", "3")
        data, words = planned(rig, capsys, *prepaid)
        assert data["Price"]["Unit"] == "Month"
        assert "PrePaid for 3 Month" in words
        assert "0.25 CNY in advance, 0.0001157 CNY an hour" in words
    finally:
        del rig.front.answers["DescribePrice"]
    rig.front.faults["DescribePrice"] = ["InvalidParameter"] * 2
    data, words = planned(rig, capsys, "--aliyunecs-instance-type", "ecs.g6.large")
    assert "Price" not in data
    assert "price" not in words


def test_ecs_itself_checks_the_request(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    vpc = next(iter(rig.cloud.state.vpcs))
    ecs = rig.driver()._cloud.ecs
    group = ecs.create_security_group(
        "docker-machine", vpc_id=vpc.id, description="xx", tags={}, token="dry"
    )
    try:
        assert dry_run(rig, "--json") == 0
        data = json.loads(capsys.readouterr().out)
        assert data["TriedByEcs"] is True
        assert data["SecurityGroup"]["Id"] == group
        assert [b["DryRun"] for b in rig.front.bodies if b["Action"] == "RunInstances"] == ["true"]
        rig.front.faults["RunInstances"] = ["QuotaExceed.ElasticQuota"]
        assert dry_run(rig) == 3
        assert "QuotaExceed.ElasticQuota" in capsys.readouterr().err
        assert not len(rig.cloud.state.instances)
    finally:
        ecs.delete_security_group(group)


def test_a_failed_check_is_exit_code_3(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert dry_run(rig, "--aliyunecs-zone", "cn-hangzhou-z") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert 'no zone "cn-hangzhou-z"' in line


def test_a_name_that_is_taken(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store_of(rig) / "machines" / "dev1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    try:
        assert dry_run(rig) == 1
        assert "already exists" in capsys.readouterr().err
    finally:
        shutil.rmtree(store_of(rig))


def test_a_driver_that_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"MACHINE_STORAGE_PATH": str(tmp_path / "store"), "HOME": str(tmp_path)}
    arguments = ["create", "--dry-run", "-d", "none", "--url", "tcp://127.0.0.1:9", "box"]
    assert run(arguments, environment) == 0
    assert "creates no cloud resources" in capsys.readouterr().out
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["runner-" + "x" * 63, "a..b", "x-", "a.", "x" * 200])
def test_a_name_that_no_host_can_bear_is_shown_with_what_the_host_is_called(
    name: str, rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(rig, "--json", name=name) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["Name"] == name
    assert data["Instance"]["HostName"] == host_name_for(name)
    assert dry_run(rig, name=name) == 0
    assert f'The host will be called "{host_name_for(name)}"' in capsys.readouterr().out


def test_only_what_cannot_be_a_folder_is_refused(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(rig, name="x" * 201) == 2
    assert "has 201 characters" in capsys.readouterr().err
