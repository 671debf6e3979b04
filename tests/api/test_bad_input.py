"""Values that cannot be: one clear line each, with what to do, and nothing made or written."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.cli.app import run
from tests.api.driver_rig import Rig, rig_in

WRONG = "not-the-secret-of-anybody"

# what is given, the exit code, and what the line has in it
WALK: list[tuple[str, int, tuple[str, ...]]] = [
    ("region cn-hangzou", 3, ('no region "cn-hangzou"', "Did you mean cn-hangzhou")),
    ("region CN-Hangzhou", 2, ("ECS_REGION", "not a region such as cn-hangzhou")),
    ("zone cn-beijing-h", 3, ('no zone "cn-beijing-h"', "cn-hangzhou-h")),
    ("vpc-id vpc-none", 3, ('no VPC "vpc-none"', "Use vpc-")),
    ("vswitch-id vsw-none", 3, ('no VSwitch "vsw-none"', "Use vsw-")),
    ("vswitch-id 'vsw none'", 2, ("characters that ids cannot have",)),
    ("instance-type ecs.g6.lrge", 3, ("no instance type", "Did you mean ecs.g6.large")),
    ("instance-type t1.micro", 3, ("no instance type", "smallest available: ecs.", "vCPU")),
    ("instance-type ECS.G6.LARGE", 2, ("such as ecs.g6.large",)),
    ("image-id ubuntu_16_0402_64_20G_alibase_20171227.vhd", 3, ("no image", "Did you mean")),
    ("image-os windows", 3, ('no system image of "windows"', "ubuntu 22.04")),
    ("image-os windows --aliyunecs-instance-type ''", 3, ('"windows" for x86_64. Use one',)),
    ("image-family acs:debian_12", 3, ("no image of family", "acs:debian_12_8_x64")),
    ("image-id x --aliyunecs-image-os debian", 2, ("Give one of them",)),
    ("private-ip 10.0.0.999", 2, ("ECS_VPC_PRIVATE_IP", "not an IPv4 address")),
    ("private-ip 203.0.113.9", 3, ("is not in VSwitch vsw-",)),
    ("internet-max-bandwidth 101", 2, ("101 is out of range", "0 to 100")),
    ("internet-max-bandwidth ten", 2, ("whole number",)),
    ("internet-charge-type paybytraffic", 2, ("PayByTraffic, PayByBandwidth",)),
    ("route-cidr 10.9.0.0", 2, ("is not a network", "10.9.0.0/24")),
    ("route-cidr fd00::/8", 2, ("not an IPv4 network",)),
    ("slb-id lb-none", 3, ('no load balancer "lb-none"', "ECS_SLB_ID")),
    ("eip eip-none", 3, ('no elastic address "eip-none"', "ECS_EIP")),
    ("eip eip-1 --aliyunecs-allocate-eip", 2, ("Give one of them",)),
    ("eip eip-1 --aliyunecs-private-address-only", 2, ("has no elastic address",)),
    ("tag novalue", 2, ("key=value", "ECS_TAGS")),
    ("tag =x", 2, ("has no key",)),
    ("tag acs:x=y", 2, ("is not allowed",)),
    (
        "disk-size 5 --aliyunecs-instance-type ecs.n4.small",
        3,
        ("5 GiB is out of range", "20 to 32768 GiB"),
    ),
    ("disk-size 5 --aliyunecs-disk-category cloud_essd", 2, ("20 to 65536 GiB",)),
    ("disk-size 20 --aliyunecs-disk-category cloud_sdd", 2, ("Did you mean cloud_ssd",)),
    ("disk-fs zfs", 2, ("ext4, xfs",)),
    ("system-disk-size 10", 3, ("too small for the image", "at least 20")),
    ("system-disk-category ephemeral_ssd", 3, ("not available", "there is cloud_auto,")),
    ("io-optimized maybe", 2, ("true or false",)),
    ("ssh-password short", 2, ("it has 5 characters", "at least three kinds")),
    ("ssh-keypair mine", 2, ("Give --aliyunecs-ssh-keypath too",)),
    ("ssh-keypath /nonexistent/key", 3, ("no private key at /nonexistent/key",)),
    ("ssh-keypath /etc/passwd", 3, ("/etc/passwd holds no private key",)),
    ("ssh-user 'Bad User'", 2, ("not a user's name",)),
    ("ssh-port 70000", 2, ("1 to 65535",)),
    ("host-name a..b", 2, ("not a host name",)),
    ("user-data /nonexistent", 2, ("cannot be read: No such file",)),
    ("security-group x", 2, ("2 to 128 letters",)),
    ("security-group 'a b'", 2, ("ECS_SECURITY_GROUP", "with a letter first")),
    ("security-group sg-none", 3, ('no security group "sg-none"', "begin with sg-")),
    ("open-port 90-80", 2, ("8000-8100 or 53/udp",)),
    ("source-cidr everyone", 2, ("203.0.113.0/24",)),
    ("charge-type Prepaid", 2, ("PostPaid, PrePaid",)),
    ("charge-type PrePaid --aliyunecs-period 11", 2, ("11 months", "9, 12, 24")),
    (
        "charge-type PrePaid --aliyunecs-period 5 --aliyunecs-period-unit Week",
        *(2, ("5 weeks", "1, 2, 3, 4")),
    ),
    ("charge-type PrePaid --aliyunecs-auto-release-time 8h", 2, ("cannot be released early",)),
    ("auto-renew", 2, ("has no effect with PostPaid", "--aliyunecs-charge-type PrePaid")),
    ("period 3", 2, ("has no effect with PostPaid",)),
    ("spot-strategy SpotWithPriceLimit", 2, ("--aliyunecs-spot-price-limit",)),
    ("spot-price-limit 0.5", 2, ("has no effect with NoSpot",)),
    ("spot-price-limit 0.2108", 2, ("more than three decimals", "Use 0.211")),
    ("auto-release-time yesterday", 2, ("8h or 3d from now",)),
    ("description x", 2, ("2 to 256 characters",)),
    ("api-endpoint ecs.aliyuncs.com", 2, ("Did you mean https://ecs.aliyuncs.com",)),
    ("api-endpoint http://127.0.0.1:9", 3, ("127.0.0.1:9 cannot be reached", "ECS_API_ENDPOINT")),
    (
        f"access-key-id LTAInone --aliyunecs-access-key-secret {WRONG}",
        *(3, ("InvalidAccessKeyId.NotFound", "(request ", "ECS_ACCESS_KEY_ID")),
    ),
    (
        f"access-key-secret {WRONG}",
        *(3, ("SignatureDoesNotMatch", "(request ", "ECS_ACCESS_KEY_SECRET")),
    ),
    ("security-token tok", 3, ("InvalidSecurityToken", "(request ", "get a new one")),
    ("profile none", 2, ("aliyun configure",)),
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig_in(tmp_path_factory.mktemp("walk")) as rig:
        yield rig


@pytest.mark.parametrize(("given", "code", "said"), WALK, ids=[given for given, _, _ in WALK])
def test_one_clear_line(
    rig: Rig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: str,
    code: int,
    said: tuple[str, ...],
) -> None:
    environment = {
        **rig.program_environment(),
        "HOME": str(tmp_path),
        "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
    }
    capsys.readouterr()
    words = shlex.split(f"--aliyunecs-{given}")
    assert run(["create", "--dry-run", *words, "dev1"], environment) == code
    *warnings, line = capsys.readouterr().err.splitlines()
    assert all(" not used" in warning for warning in warnings)  # a variable of the rig's
    assert line.startswith("Error: ")
    for part in said:
        assert part in line
    assert WRONG not in line
    assert rig.left() == {}
    assert not (tmp_path / "store").exists()
