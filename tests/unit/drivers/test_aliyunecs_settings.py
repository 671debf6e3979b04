from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers.aliyunecs.life.record import new_record, record_from_config
from ecsmachine.drivers.aliyunecs.options.reading import settings_of
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS, OPTIONS
from ecsmachine.drivers.aliyunecs.options.values import check_password
from ecsmachine.drivers.base import DriverContext, PortRange
from ecsmachine.errors import UsageError
from ecsmachine.machine.create_request import CreateRequest, recorded

# flag, variable, kind, default: the table of the Go driver
TABLE = """
access-key-id ECS_ACCESS_KEY_ID string
access-key-secret ECS_ACCESS_KEY_SECRET string
region ECS_REGION string cn-hangzhou
zone ECS_ZONE string
vpc-id ECS_VPC_ID string
vswitch-id ECS_VSWITCH_ID string
private-ip ECS_VPC_PRIVATE_IP string
private-address-only ECS_PRIVATE_ADDR_ONLY bool False
security-group ECS_SECURITY_GROUP string docker-machine
instance-type ECS_INSTANCE_TYPE string
image-id ECS_IMAGE_ID string
description ECS_DESCRIPTION string
resource-group-id ECS_RESOURCE_GROUP_ID string
ssh-password ECS_SSH_PASSWORD string
ssh-keypair ECS_SSH_KEYPAIR string
ssh-keypath ECS_SSH_KEYPATH string
internet-max-bandwidth ECS_INTERNET_MAX_BANDWIDTH int 1
internet-charge-type ECS_INTERNET_CHARGE_TYPE string PayByTraffic
route-cidr ECS_ROUTE_CIDR string
slb-id ECS_SLB_ID string
tag ECS_TAGS list
system-disk-size ECS_SYSTEM_DISK_SIZE int 40
system-disk-category ECS_SYSTEM_DISK_CATEGORY string
disk-size ECS_DISK_SIZE int 0
disk-category ECS_DISK_CATEGORY string
disk-fs ECS_DISK_FS string ext4
io-optimized ECS_IO_OPTIMIZED string true
upgrade-kernel ECS_UPGRADE_KERNEL bool False
api-endpoint ECS_API_ENDPOINT string
"""


def of(**values: Any) -> Any:
    return settings_of(
        {f"aliyunecs-{name.replace('_', '-')}": value for name, value in values.items()}
    )


@pytest.mark.parametrize("line", TABLE.strip().splitlines(), ids=lambda line: line.split()[0])
def test_every_flag_of_the_go_driver_is_there(line: str) -> None:
    name, variable, kind, *default = line.split()
    (option,) = [option for option in OPTIONS if option.name == f"aliyunecs-{name}"]
    assert (option.env, option.kind) == (variable, kind)
    assert str(option.default or "" if kind == "string" else option.default) == (
        default[0] if default else ("None" if kind == "list" else "")
    )


def test_secrets_are_marked_and_dead_flags_warn() -> None:
    by_name = {option.name.removeprefix("aliyunecs-"): option for option in OPTIONS}
    assert {name for name, option in by_name.items() if option.secret} == {
        "access-key-secret",
        "security-token",
        "ssh-password",
    }
    assert by_name["upgrade-kernel"].deprecated


def test_who_asks_is_not_written_down() -> None:
    credentials = {
        "aliyunecs-access-key-id": "id",
        "aliyunecs-access-key-secret": "secret",
        "aliyunecs-security-token": "token",
    }
    values = {**credentials, "aliyunecs-region": "cn-beijing"}
    record = recorded(CreateRequest("dev1", "aliyunecs", values))
    assert record["DriverOptions"] == {"aliyunecs-region": "cn-beijing"}


def test_no_variable_is_used_twice() -> None:
    variables = [option.env for option in OPTIONS if option.env]
    assert len(variables) == len(set(variables))


def test_the_defaults_are_valid() -> None:
    settings = of()
    assert settings.region == "cn-hangzhou"
    assert settings.source_cidrs == ("0.0.0.0/0",)
    assert settings.has_fixed_public_address


def test_tags_may_have_equals_signs_and_blanks_in_their_values() -> None:
    settings = of(tag=["env=prod", "query=a=b=c", " who = the team ", "empty="])
    assert settings.tags == {"env": "prod", "query": "a=b=c", "who": "the team", "empty": ""}


@pytest.mark.parametrize("bandwidth", [0, 1, 100])
def test_bandwidth_in_range(bandwidth: int) -> None:
    settings = of(internet_max_bandwidth=bandwidth)
    assert settings.bandwidth_mbps == bandwidth
    assert settings.private_only is (bandwidth == 0)


def test_a_private_machine_has_no_bandwidth() -> None:
    settings = of(private_address_only=True, internet_max_bandwidth=50)
    assert settings.bandwidth_mbps == 0
    assert settings.private_only


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"tag": ["=x"]}, "tag"),
        ({"tag": ["novalue"]}, "tag"),
        ({"tag": ["acs:x=1"]}, "tag"),
        ({"tag": [f"k{n}=1" for n in range(18)]}, "tag"),
        ({"tag": ["k" * 129 + "=1"]}, "tag"),
        ({"internet_max_bandwidth": 101}, "internet-max-bandwidth"),
        ({"internet_max_bandwidth": -1}, "internet-max-bandwidth"),
        ({"internet_charge_type": "paybytraffic"}, "internet-charge-type"),
        ({"disk_fs": "btrfs"}, "disk-fs"),
        ({"route_cidr": "10.0.0.0/33"}, "route-cidr"),
        ({"route_cidr": "fd00::/8"}, "route-cidr"),
        ({"source_cidr": ["everyone"]}, "source-cidr"),
        ({"private_ip": "1.2.3"}, "private-ip"),
        ({"open_port": ["0"]}, "open-port"),
        ({"open_port": ["90-80"]}, "open-port"),
        ({"open_port": ["80/icmp"]}, "open-port"),
        ({"open_port": ["70000"]}, "open-port"),
        ({"region": "cn hangzhou"}, "region"),
        ({"vpc_id": "../x"}, "vpc-id"),
        ({"io_optimized": "perhaps"}, "io-optimized"),
        ({"ssh_keypair": "k"}, "ssh-keypair"),
        ({"ssh_port": 0}, "ssh-port"),
        ({"ssh_user": "Root User"}, "ssh-user"),
        ({"host_name": "-x"}, "host-name"),
        ({"description": "http://x"}, "description"),
        ({"disk_size": 10, "disk_category": "cloud_ssd"}, "disk-size"),
        ({"disk_size": 3000, "disk_category": "cloud"}, "disk-size"),
        ({"disk_size": 40, "disk_category": "cloud_sdd"}, "disk-category"),
        ({"disk_size": -1}, "disk-size"),
        ({"system_disk_size": 10, "system_disk_category": "cloud_efficiency"}, "system-disk-size"),
        ({"charge_type": "Free"}, "charge-type"),
        ({"spot_strategy": "SpotWithPriceLimit"}, "spot-strategy"),
        ({"spot_price_limit": "cheap"}, "spot-price-limit"),
        ({"auto_release_time": "soon"}, "auto-release-time"),
        ({"auto_release_time": "2001-01-01T00:00:00Z"}, "auto-release-time"),
        ({"user_data": "/nonexistent/file"}, "user-data"),
        ({"eip": "eip-1", "allocate_eip": True}, "eip"),
        ({"eip": "eip-1", "private_address_only": True}, "eip"),
        ({"image_id": "i", "image_os": "debian"}, "image-id"),
        ({"security_group": "x"}, "security-group"),
        ({"image_id": "a\nb"}, "image-id"),
    ],
)
def test_a_value_that_cannot_be_is_one_line_with_its_flag(
    values: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError) as caught:
        of(**values)
    assert f"--aliyunecs-{named}" in caught.value.message
    assert "\n" not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.exit_code == 2


def test_an_endpoint_without_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:7400"):
        of(api_endpoint="127.0.0.1:7400")


@pytest.mark.parametrize(
    "password", ["Passw0rd", "aB3!aB3!", "lower-and-1", "A1!" * 10, "abc;DEF/123"]
)
def test_passwords_that_ecs_takes(password: str) -> None:
    check_password(password)


@pytest.mark.parametrize(
    "password",
    ["", "Ab1!", "A1!" * 11, "lowercase1", "ALLUPPER!", 'Quote"123', "Back\\sl4sh", "Ünder5core"],
)
def test_passwords_that_ecs_refuses_are_not_shown(password: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_password(password)
    assert not password or password not in f"{caught.value.message}{caught.value.hint}"


def test_a_password_keeps_its_blanks_out_of_repr() -> None:
    settings = of(ssh_password="Secr3t!pass", access_key_secret="topsecret")
    assert "Secr3t!pass" not in repr(settings)
    assert "topsecret" not in repr(settings)


def test_open_ports() -> None:
    settings = of(open_port=["80", "8000-8100", "53/udp"])
    assert settings.open_ports == (
        PortRange("tcp", 80, 80),
        PortRange("tcp", 8000, 8100),
        PortRange("udp", 53, 53),
    )
    assert [str(ports) for ports in settings.open_ports] == ["80", "8000-8100", "53/udp"]


def test_an_auto_release_time_may_be_told_as_a_length() -> None:
    told = datetime.strptime(of(auto_release_time="8h").auto_release_time, "%Y-%m-%dT%H:%M:%SZ")
    ahead = told.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)
    assert timedelta(hours=7, minutes=58) < ahead <= timedelta(hours=8)


def test_user_data_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"#!/bin/sh\n")
    assert of(user_data=str(path)).user_data == b"#!/bin/sh\n"
    path.write_bytes(b"x" * (32 * 1024 + 1))
    with pytest.raises(UsageError, match="longer than 32 KiB"):
        of(user_data=str(path))
    with pytest.raises(UsageError, match="is not a plain file"):  # and not read without an end
        of(user_data="/dev/zero")


def test_one_more_option_is_one_more_field(tmp_path: Path) -> None:
    """What is declared of an option reaches the store, RunInstances and the dry run by itself."""
    given = of(description="for tests", ram_role="reader", vpc_id="vpc-1", tag=["a=b"])
    context = DriverContext("dev1", tmp_path, tmp_path / "dev1")
    stored = new_record(context, given, "environment").to_config()
    again = record_from_config(context, stored)
    for name, declared in DECLARATIONS.items():
        if declared.stored:
            assert getattr(again, name) == stored[declared.stored.name]
    assert (stored["Description"], stored["VpcId"], stored["Tags"]) == (
        "for tests",
        "vpc-1",
        {"a": "b"},
    )
    assert DECLARATIONS["ram_role"].parameter == "RamRoleName"
