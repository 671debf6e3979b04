"""The driver's options, many on each of three machines, and what the real hosts have of them."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.rpc import RpcClient
from ecsmachine.localcloud.host.address_plan import plan_of
from ecsmachine.localcloud.host.settings import read_settings
from tests.answers import items_at
from tests.guest.conftest import Cloud
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

PASSWORD = "Opt-ions-2468"
USER_DATA = """#!/bin/sh
useradd -m -s /bin/bash dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev
install -d -o dev -m 0700 /home/dev/.ssh
install -o dev -m 0600 /root/.ssh/authorized_keys /home/dev/.ssh/authorized_keys
echo 'Port 2222' > /etc/ssh/sshd_config.d/20-port.conf
systemctl restart ssh
"""
KINDS = ("instance", "key pair", "security group", "disk")


@dataclass(frozen=True)
class Ground:
    """The program, what the user has beside it, and what the three creates printed."""

    machines: Machines
    keys: Path
    vswitch: dict[str, Any]
    private_ip: str
    host: str
    balancer: str
    eip: dict[str, str]
    said: dict[str, tuple[str, str]]
    before: set[str]

    def vpc(self, action: str, **parameters: Any) -> dict[str, Any]:
        return of_product(self.machines, "2016-04-28", action, **parameters)

    def slb(self, action: str, **parameters: Any) -> dict[str, Any]:
        return of_product(self.machines, "2014-05-15", action, **parameters)

    def instance(self, name: str) -> dict[str, Any]:
        (found,) = self.machines.ecs("DescribeInstances", InstanceName=name)["Instances"][
            "Instance"
        ]
        return dict(found)

    def on(self, name: str, command: str) -> str:
        return self.machines.run("ssh", name, command).stdout.strip()

    def config(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.machines.run("inspect", name).stdout)["Driver"])


def of_product(machines: Machines, version: str, action: str, **parameters: Any) -> dict[str, Any]:
    environment = machines.environment
    key = Credentials(environment["ECS_ACCESS_KEY_ID"], environment["ECS_ACCESS_KEY_SECRET"])
    client = RpcClient(environment["ECS_API_ENDPOINT"], version, FixedCredentials("test", key))
    return dict(client.call(action, {"RegionId": environment["ECS_REGION"], **parameters}).values)


def flags(**options: str | None) -> list[str]:
    """Return options as flags; None is for those without a value, a list repeats."""
    words: list[str] = []
    for name, value in options.items():
        words.append(f"--aliyunecs-{name.replace('_', '-')}")
        words += [] if value is None else [value]
    return words


@pytest.fixture(scope="module")
def ground(
    machines: Machines, local_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """Make three machines at once; afterwards nothing but the user's own may be there."""
    before = set(machines.left_in_the_cloud(KINDS))
    keys = tmp_path_factory.mktemp("keys")
    for name in ("alone", "named"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(argv, check=True)
    (keys / "user-data").write_text(USER_DATA)
    public = (keys / "named.pub").read_text()
    machines.ecs("ImportKeyPair", KeyPairName="users-own", PublicKeyBody=public)
    environment = machines.environment

    def product(version: str, action: str, **parameters: Any) -> dict[str, Any]:
        return of_product(machines, version, action, **parameters)

    (vswitch,) = product("2016-04-28", "DescribeVSwitches")["VSwitches"]["VSwitch"]
    private_ip = str(ipaddress.IPv4Network(vswitch["CidrBlock"])[77])
    balancer = product(
        *("2014-05-15", "CreateLoadBalancer"),
        AddressType="intranet",
        VSwitchId=vswitch["VSwitchId"],
    )["LoadBalancerId"]
    eip = product("2016-04-28", "AllocateEipAddress", Bandwidth="5", ClientToken="users-own")
    settings = read_settings(local_cloud.root / "settings.json")
    assert settings is not None
    host = str(plan_of(settings.public).host)
    creates = {
        "whole": flags(
            private_ip=private_ip,
            vswitch_id=vswitch["VSwitchId"],
            zone=vswitch["ZoneId"],
            allocate_eip=None,
            internet_max_bandwidth="7",
            internet_charge_type="PayByBandwidth",
            route_cidr="10.9.0.0/24",
            slb_id=balancer,
            resource_group_id="rg-of-options",
            description="A machine with all options",
            disk_size="20",
            disk_fs="xfs",
            disk_category="cloud_efficiency",
            system_disk_size="50",
            system_disk_category="cloud_essd",
            ssh_keypath=str(keys / "alone"),
            ssh_user="dev",
            ssh_port="2222",
            user_data=str(keys / "user-data"),
            host_name="all-options",
            ram_role="role-of-options",
            tag="query=a=b",
            security_group="options",
            open_port="8080",
            source_cidr=f"{host}/32",
            upgrade_kernel=None,
            instance_type="ecs.g6.large",
        )
        + flags(tag="team=blue ops")
        + ["--swarm"],
        "inside": flags(
            private_address_only=None,
            ssh_keypair="users-own",
            ssh_keypath=str(keys / "named"),
            disk_size="20",
            deletion_protection=None,
            image_os="debian 12",
            auto_release_time="8h",
        ),
        "secret": flags(
            ssh_user="ecs-user",
            eip=eip["EipAddress"],
            spot_strategy="SpotWithPriceLimit",
            spot_price_limit="0.5",
        ),
    }
    variables = {
        "whole": {"ECS_VPC_ID": ""},  # its VSwitch says which
        "inside": {"ECS_IMAGE_ID": ""},  # its image is chosen by its system
        "secret": {"ECS_SSH_PASSWORD": PASSWORD},
    }
    started = {
        name: subprocess.Popen(
            [machines.program, "create", *words, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, **variables.get(name, {})},
        )
        for name, words in creates.items()
    }
    said = {name: create.communicate(timeout=280) for name, create in started.items()}
    for name, create in started.items():
        assert create.returncode == 0, (name, *said[name])
    address = {k: str(eip[k]) for k in eip}
    yield Ground(machines, keys, vswitch, private_ip, host, balancer, address, said, before)
    for name in machines.run("ls", "-q").stdout.split():
        machines.run("rm", "-f", name)
    machines.ecs("DeleteKeyPairs", KeyPairNames='["users-own"]')
    product("2016-04-28", "ReleaseEipAddress", AllocationId=eip["AllocationId"])
    product("2014-05-15", "DeleteLoadBalancer", LoadBalancerId=balancer)


def test_all_of_them_are_docker_hosts(ground: Ground) -> None:
    rows = json.loads(ground.machines.run("ls", "--json").stdout)
    assert {row["Name"]: row["State"] for row in rows} == dict.fromkeys(
        ("inside", "secret", "whole"), "Running"
    )
    assert all(row["DockerVersion"].startswith("v") for row in rows), rows


def test_dead_options_give_a_warning(ground: Ground) -> None:
    warnings = [line for line in ground.said["whole"][1].splitlines() if "Warning" in line]
    assert [line.split(":")[1].strip() for line in warnings] == [
        "--swarm",
        "--aliyunecs-upgrade-kernel",
    ]


def test_addresses(ground: Ground) -> None:
    config = ground.config("whole")
    assert config["PrivateIPAddress"] == ground.private_ip
    assert f" {ground.private_ip}/" in ground.on("whole", "ip -o -4 address")
    (eip,) = [
        each
        for each in ground.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
        if each["InstanceId"] == config["InstanceId"]
    ]
    assert (eip["IpAddress"], eip["Bandwidth"]) == (config["IPAddress"], "7")
    assert eip["InternetChargeType"] == "PayByBandwidth"
    inside = ground.config("inside")
    assert inside["IPAddress"] == inside["PrivateIPAddress"]
    assert ground.instance("inside")["PublicIpAddress"]["IpAddress"] == []
    assert ground.config("secret")["IPAddress"] == ground.eip["EipAddress"]


def test_logins(ground: Ground) -> None:
    assert ground.on("whole", "id -un; sudo -n id -un").split() == ["dev", "root"]
    # the key that was given alone has reached the host, and no password is taken there
    public = (ground.keys / "alone.pub").read_text().split()[1]
    assert public in ground.on("whole", "cat ~/.ssh/authorized_keys")
    target = f"dev@{ground.config('whole')['IPAddress']}"
    own = ["-i", str(ground.keys / "alone"), "-p", "2222", "-o", "StrictHostKeyChecking=no"]
    argv = ["ssh", *own, "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", target]
    done = subprocess.run([*argv, "hostname"], capture_output=True, text=True, timeout=30)
    assert done.stdout == "all-options\n", done.stderr
    # a key pair by name
    assert ground.instance("inside")["KeyPairName"] == "users-own"
    public = (ground.keys / "named.pub").read_text().split()[1]
    assert public in ground.on("inside", "cat /root/.ssh/authorized_keys")
    # a password is for the first login; a key of the machine's own is there afterwards
    own_key = ground.machines.environment["MACHINE_STORAGE_PATH"] + "/machines/secret/id_rsa.pub"
    public = Path(own_key).read_text().split()[1]
    assert public in ground.on("secret", "cat ~/.ssh/authorized_keys")
    assert ground.on("secret", "id -un; sudo -n id -un").split() == ["ecs-user", "root"]
    stored = Path(own_key).with_name("config.json").read_text()
    assert PASSWORD not in stored + "".join(ground.said["secret"])


def test_disks(ground: Ground) -> None:
    # the uppermost of what is mounted there
    look = "findmnt -no FSTYPE,SOURCE /var/lib/docker | tail -1"
    assert ground.on("whole", look).split()[0] == "xfs"
    assert ground.on("inside", look).split()[0] == "ext4"
    instance_id = ground.config("whole")["InstanceId"]
    disks = ground.machines.ecs("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    assert {disk["Type"]: (disk["Size"], disk["Category"]) for disk in disks} == {
        "system": (50, "cloud_essd"),
        "data": (20, "cloud_efficiency"),
    }


def test_names_tags_and_the_rest(ground: Ground) -> None:
    assert ground.on("whole", "hostname") == "all-options"
    assert "Port 2222" in ground.on("whole", "sudo -n cat /etc/ssh/sshd_config.d/20-port.conf")
    whole = ground.instance("whole")
    tags = {tag["TagKey"]: tag["TagValue"] for tag in whole["Tags"]["Tag"]}
    assert (tags["query"], tags["team"]) == ("a=b", "blue ops")
    assert whole["Description"] == "A machine with all options"
    assert whole["ResourceGroupId"] == "rg-of-options"
    (role,) = items_at(
        ground.machines.ecs(
            "DescribeInstanceRamRole", InstanceIds=json.dumps([whole["InstanceId"]])
        ),
        *("InstanceRamRoleSets", "InstanceRamRoleSet"),
    )
    assert role["RamRoleName"] == "role-of-options"
    inside = ground.instance("inside")
    assert inside["DeletionProtection"] is True
    assert inside["AutoReleaseTime"]
    secret = ground.instance("secret")
    assert (secret["SpotStrategy"], secret["SpotPriceLimit"]) == ("SpotWithPriceLimit", 0.5)


def test_only_what_was_asked_for_is_open_and_only_to_whom(ground: Ground) -> None:
    (group_id,) = ground.instance("whole")["SecurityGroupIds"]["SecurityGroupId"]
    rules = ground.machines.ecs("DescribeSecurityGroupAttribute", SecurityGroupId=group_id)
    assert {
        (rule["IpProtocol"].lower(), rule["PortRange"], rule["SourceCidrIp"])
        for rule in items_at(rules, "Permissions", "Permission")
        if rule["Direction"] == "ingress"
    } == {("tcp", f"{port}/{port}", f"{ground.host}/32") for port in (2222, 2376, 8080)}
    address = ground.config("whole")["IPAddress"]
    ground.on("whole", "sudo -n systemd-run -q --unit=web python3 -m http.server 8080 || true")
    with socket.create_connection((address, 2376), timeout=10):
        pass
    # another guest is none of those who may
    probe = f"timeout 3 bash -c '</dev/tcp/{ground.private_ip}/2376' && echo open || echo shut"
    assert ground.on("inside", probe) == "shut"


def test_route_and_load_balancer(ground: Ground) -> None:
    instance_id = ground.config("whole")["InstanceId"]
    assert routes(ground) == [("10.9.0.0/24", instance_id)]
    assert backends(ground) == [instance_id]


def test_afterwards_all_is_gone_but_what_was_the_users(ground: Ground) -> None:
    machines = ground.machines
    refused = machines.run("rm", "-y", "inside", check=False)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "InvalidOperation.DeletionProtection" in line
    assert "First disable deletion protection" in line
    machines.ecs(
        "ModifyInstanceAttribute",
        InstanceId=ground.config("inside")["InstanceId"],
        DeletionProtection=False,
    )
    machines.run("rm", "-y", "whole", "inside", "secret")
    assert set(machines.left_in_the_cloud(KINDS)) - ground.before == {"key pair users-own"}
    (eip,) = ground.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert eip["AllocationId"] == ground.eip["AllocationId"]
    assert (eip["Status"], eip["InstanceId"]) == ("Available", "")
    assert routes(ground) == []
    assert backends(ground) == []
    assert (ground.keys / "alone").exists()


def routes(ground: Ground) -> list[tuple[str, str]]:
    """Return the routes to instances: network, instance."""
    (vpc,) = ground.vpc("DescribeVpcs", VpcId=ground.vswitch["VpcId"])["Vpcs"]["Vpc"]
    tables = ground.vpc("DescribeRouteTables", VRouterId=vpc["VRouterId"])
    return [
        (entry["DestinationCidrBlock"], entry["InstanceId"])
        for table in items_at(tables, "RouteTables", "RouteTable")
        for entry in items_at(table, "RouteEntrys", "RouteEntry")
        if entry.get("InstanceId")
    ]


def backends(ground: Ground) -> list[str]:
    found = ground.slb("DescribeLoadBalancerAttribute", LoadBalancerId=ground.balancer)
    return [server["ServerId"] for server in items_at(found, "BackendServers", "BackendServer")]
