"""What is refused before anything is made: one line, what there is instead, nothing half-made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.errors import MachineError, PreCreateCheckError
from tests.api.driver_rig import Rig, rig_in


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig_in(tmp_path_factory.mktemp("checks")) as rig:
        rig.instance_type = ""
        yield rig


def refusal(rig: Rig, **values: Any) -> PreCreateCheckError:
    rig.front.asked.clear()
    with pytest.raises(PreCreateCheckError) as caught:
        rig.driver(**values).pre_create_check(rig.report)
    assert rig.left() == {}
    assert caught.value.exit_code == 3
    assert "\n" not in f"{caught.value.message}{caught.value.hint}"
    return caught.value


def test_the_defaults_pass_without_making_anything(rig: Rig) -> None:
    rig.driver().pre_create_check(rig.report)
    assert rig.left() == {}
    assert not {"RunInstances", "CreateSecurityGroup", "ImportKeyPair"} & {
        body["Action"] for body in rig.front.bodies if body.get("DryRun") != "true"
    }


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"region": "cn-hangzou"}, 'no region "cn-hangzou"', "cn-hangzhou"),
        ({"region": "moon"}, 'no region "moon"', "us-east-1"),
        ({"zone": "cn-hangzhou-z"}, 'no zone "cn-hangzhou-z"', "cn-hangzhou-h"),
        ({"instance_type": "ecs.g6.lrge"}, 'no instance type "ecs.g6.lrge"', "ecs.g6.large"),
        ({"instance_type": "huge"}, 'no instance type "huge"', "ecs."),
        ({"image_id": "debian_12_9_x64"}, 'no image "debian_12_9_x64"', "debian_12_8_x64"),
        ({"image_family": "acs:debian_12"}, "no image of family", "acs:debian_12_8_x64"),
        ({"image_os": "debian 7"}, 'no system image of "debian 7"', "debian"),
        ({"vpc_id": "vpc-none"}, 'no VPC "vpc-none"', "vpc-"),
        ({"vswitch_id": "vsw-none"}, 'no VSwitch "vsw-none"', "vsw-"),
        ({"eip": "eip-none"}, 'no elastic address "eip-none"', ""),
        ({"ssh_keypath": "/nonexistent/key"}, "no private key", "ssh-keypath"),
        ({"disk_size": 5, "instance_type": "ecs.n4.small"}, "5 GiB is out of range", "32768"),
        (
            {"disk_size": 65536, "disk_category": "cloud_auto", "instance_type": "ecs.n4.small"},
            *("not available", "cloud_ssd"),
        ),
        ({"system_disk_category": "ephemeral_ssd"}, "not available", "cloud_essd"),
        ({"system_disk_size": 10}, "too small for the image", "20"),
        ({"system_disk_size": 4000}, "4000 GiB is out of range", "2048"),
        ({"instance_type": "ecs.g8y.large", "image_os": ""}, "", ""),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    rig: Rig, values: dict[str, Any], message: str, hint: str
) -> None:
    if values.get("instance_type") == "ecs.g8y.large":
        # an ARM type finds an ARM image by itself
        rig.driver(**values).pre_create_check(rig.report)
        return
    error = refusal(rig, **values)
    assert message in error.message
    assert hint in (error.hint or "")


def test_an_image_of_another_architecture(rig: Rig) -> None:
    image = next(
        image
        for image in rig.driver()._cloud.ecs.images(owner="system")
        if image.architecture == "arm64"
    )
    assert "arm64" in refusal(rig, image_id=image.id).message


def test_an_image_without_the_user_that_is_to_log_in(rig: Rig) -> None:
    rig.driver(ssh_user="ecs-user").pre_create_check(rig.report)
    image = next(rig.driver()._cloud.ecs.images(owner="system", architecture="x86_64"))
    item = {"ImageId": image.id, "OSType": "linux", "Architecture": "x86_64", "Size": 20}
    rig.front.answers["DescribeImages"] = json.dumps(
        {"RequestId": "R", "TotalCount": 1, "Images": {"Image": [item]}}
    )
    try:
        error = refusal(rig, ssh_user="ecs-user", image_id=image.id)
        assert "has no user ecs-user" in error.message
    finally:
        del rig.front.answers["DescribeImages"]


def test_a_vswitch_of_another_vpc(rig: Rig) -> None:
    state = rig.cloud.state
    vpc = rig.driver()._cloud.vpc
    other = vpc.create_vpc(name="other", cidr="10.0.0.0/8", description="other", token="t")
    try:
        vswitch = next(iter(state.vswitches))
        with pytest.raises(PreCreateCheckError, match="belongs to VPC"):
            rig.driver(vpc_id=other, vswitch_id=vswitch.id).pre_create_check(rig.report)
        with pytest.raises(PreCreateCheckError, match="no VSwitch in a zone"):
            rig.driver(vpc_id=other).pre_create_check(rig.report)
    finally:
        vpc.delete_vpc(other)


def test_a_vswitch_in_another_zone(rig: Rig) -> None:
    vswitch = next(iter(rig.cloud.state.vswitches))
    other = next(each for each in rig.driver()._cloud.ecs.zone_ids() if each != vswitch.zone)
    error = refusal(rig, vswitch_id=vswitch.id, zone=other)
    assert f"is in zone {vswitch.zone}" in error.message


def test_a_private_address_outside_of_the_vswitch(rig: Rig) -> None:
    vswitch = next(iter(rig.cloud.state.vswitches))
    error = refusal(rig, vswitch_id=vswitch.id, private_ip="203.0.113.9")
    assert vswitch.cidr in error.message


def test_a_key_pair_that_is_not_there(rig: Rig, tmp_path: Path) -> None:
    from ecsmachine.ssh.keys import ensure_key_pair

    ensure_key_pair(tmp_path / "k", "k")
    error = refusal(rig, ssh_keypair="none", ssh_keypath=str(tmp_path / "k"))
    assert 'no key pair "none"' in error.message


def test_wrong_credentials(rig: Rig) -> None:
    error = refusal(rig, access_key_id="LTAInone", access_key_secret="x")
    assert "InvalidAccessKeyId.NotFound" in error.message
    assert "request " in error.message
    error = refusal(rig, access_key_id=rig.cloud.access_key_id, access_key_secret="wrong-secret")
    assert "SignatureDoesNotMatch" in error.message
    assert "wrong-secret" not in f"{error.message}{error.hint}{error.details}"


def test_an_endpoint_that_nobody_serves(rig: Rig) -> None:
    with pytest.raises(MachineError, match="cannot be reached"):
        rig.driver(api_endpoint="http://127.0.0.1:9").pre_create_check(rig.report)


def test_what_ecs_itself_would_refuse_is_found_by_its_dry_run(rig: Rig) -> None:
    # the group exists, so that the request can be tried whole
    vpc = next(iter(rig.cloud.state.vpcs))
    ecs = rig.driver()._cloud.ecs
    group = ecs.create_security_group(
        "docker-machine", vpc_id=vpc.id, description="xx", tags={}, token="dry"
    )
    try:
        rig.front.bodies.clear()
        rig.driver().pre_create_check(rig.report)
        tried = [body for body in rig.front.bodies if body["Action"] == "RunInstances"]
        assert [body["DryRun"] for body in tried] == ["true"]
        rig.front.faults["RunInstances"] = ["QuotaExceed.ElasticQuota"]
        with pytest.raises(PreCreateCheckError, match="QuotaExceed"):
            rig.driver().pre_create_check(rig.report)
        assert not len(rig.cloud.state.instances)
    finally:
        ecs.delete_security_group(group)
