"""A second network interface: plugged into a guest that runs, reached, filtered, and taken away."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import paramiko
import pytest

from tests.guest.conftest import PASSWORD, Cloud, remove, shell, wait_for
from tests.guest.instances import ANY, address_of, launch, make_group
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest


@pytest.fixture
def ecs(local_cloud: Cloud) -> Machines:
    return Machines({**local_cloud.environment})


@pytest.fixture
def pair(local_cloud: Cloud, ecs: Machines) -> Iterator[tuple[str, str, str]]:
    """Two instances and their group, which is left with all that was made in it."""
    running = local_cloud.running
    group = make_group(ecs, running.vpc_id, "first")
    ids = [launch(ecs, running.vswitch_id, group) for _ in range(2)]
    yield ids[0], ids[1], group
    remove(ecs, [f"instance {instance_id}" for instance_id in ids])

    def interfaces() -> dict[str, str]:
        answer = ecs.ecs("DescribeNetworkInterfaces", Type="Secondary")["NetworkInterfaceSets"]
        return {one["NetworkInterfaceId"]: one["Status"] for one in answer["NetworkInterfaceSet"]}

    # one that was made by itself may outlive its instance
    wait_for(lambda: set(interfaces().values()) <= {"Available"}, "interfaces that are free")
    for eni in interfaces():
        ecs.ecs("DeleteNetworkInterface", NetworkInterfaceId=eni)


def opens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.7).close()
    except OSError:
        return False
    return True


def status_of(ecs: Machines, instance_id: str) -> str:
    answer = ecs.ecs("DescribeInstances", InstanceIds=json.dumps([instance_id]))
    return str(answer["Instances"]["Instance"][0]["Status"])


def has_booted_anew(address: str) -> bool:
    try:
        with shell(address, password=PASSWORD) as guest:
            return guest.run("test -e /run/before").status == 1
    except (OSError, EOFError, paramiko.SSHException):  # it goes down this moment
        return False


def becomes(ecs: Machines, eni: str, status: str) -> None:
    def is_so() -> bool:
        found = ecs.ecs("DescribeNetworkInterfaces", **{"NetworkInterfaceId.1": eni})
        (one,) = found["NetworkInterfaceSets"]["NetworkInterfaceSet"]
        return bool(one["Status"] == status)

    wait_for(is_so, f"{eni} to be {status}")


def test_a_second_interface(local_cloud: Cloud, ecs: Machines, pair: tuple[str, str, str]) -> None:
    one, two, first_group = pair
    running = local_cloud.running
    group = make_group(ecs, running.vpc_id, "second")
    rule = {"IpProtocol": "tcp", "PortRange": "2200/2200", "SourceCidrIp": ANY}
    ecs.ecs("AuthorizeSecurityGroup", SecurityGroupId=group, **rule)
    made = ecs.ecs(
        "CreateNetworkInterface",
        VSwitchId=running.vswitch_id,
        SecurityGroupId=group,
        SecondaryPrivateIpAddressCount=1,
    )
    eni, address = made["NetworkInterfaceId"], made["PrivateIpAddress"]
    further = made["PrivateIpSets"]["PrivateIpSet"][1]["PrivateIpAddress"]
    first = address_of(ecs, one)
    reach = "timeout 3 bash -c 'exec 3<>/dev/tcp/{}/{}'"
    with shell(first, password=PASSWORD) as guest:
        guest.check("/usr/sbin/sshd -p 2200")
        told = ecs.ecs("DescribeNetworkInterfaces", InstanceId=one)
        (primary,) = told["NetworkInterfaceSets"]["NetworkInterfaceSet"]
        assert guest.check("cat /sys/class/net/eth0/address").strip() == primary["MacAddress"]
        ecs.ecs("AttachNetworkInterface", NetworkInterfaceId=eni, InstanceId=one)
        becomes(ecs, eni, "InUse")
        assert guest.check("cat /sys/class/net/eth1/address").strip() == made["MacAddress"]
        assert f"{address}/32" in guest.check("ip -4 -o address show dev eth1")
        # Each of its interfaces lets in what the groups of that one do.
        assert opens(address, 2200)
        assert not opens(first, 2200)
        with shell(address_of(ecs, two), password=PASSWORD) as other:
            other.check(reach.format(address, 2200))
            # A secondary address leads to the guest, which has to be given it by hand.
            guest.check(f"ip address add {further}/32 dev eth1")
            other.check(reach.format(further, 22))
            # What leaves by the second interface comes from its address.
            greeting = f"curl -sN --max-time 2 telnet://{address_of(ecs, two)}:22"
            for source in ("eth1", address, further):
                said = guest.run(f"{greeting} --interface {source} < /dev/null").output
                assert said.startswith("SSH-2.0"), source
        # An elastic address of its own leads to it, and what it is asked by that is answered.
        eip = ecs.ecs("AllocateEipAddress")
        bound = {"AllocationId": eip["AllocationId"], "InstanceId": eni}
        ecs.vpc("AssociateEipAddress", InstanceType="NetworkInterface", **bound)
        public = eip["EipAddress"]
        wait_for(lambda: opens(public, 2200), f"{public} to lead to {eni}")
        ecs.ecs("JoinSecurityGroup", NetworkInterfaceId=eni, SecurityGroupId=first_group)
        leave = {"NetworkInterfaceId": eni, "SecurityGroupId": group}
        ecs.ecs("LeaveSecurityGroup", **leave)
        assert not opens(address, 2200)
        assert not opens(public, 2200)
        guest.check("touch /run/before")
        guest.run("systemctl reboot")
    # Back after a reboot of the guest's own, and after one that was asked for.
    wait_for(lambda: has_booted_anew(address), f"{address} after the reboot")
    assert opens(public, 22)
    ecs.vpc("UnassociateEipAddress", InstanceType="NetworkInterface", **bound)
    wait_for(lambda: not opens(public, 22), f"{public} to lead nowhere")
    ecs.ecs("ReleaseEipAddress", AllocationId=eip["AllocationId"])
    with shell(address, password=PASSWORD) as guest:
        assert address in guest.check("ip -4 -o address show dev eth1")
    ecs.ecs("RebootInstance", InstanceId=one)
    address_of(ecs, one)
    with shell(address, password=PASSWORD) as guest:
        assert guest.check("cat /sys/class/net/eth1/address").strip() == made["MacAddress"]
    with shell(first, password=PASSWORD) as guest:
        ecs.ecs("DetachNetworkInterface", NetworkInterfaceId=eni, InstanceId=one)
        becomes(ecs, eni, "Available")
        assert guest.check("ls /sys/class/net").split() == ["eth0", "lo"]
        assert address not in guest.check("ip rule")
    with shell(address_of(ecs, two), password=PASSWORD) as other:
        assert other.run(reach.format(address, 22)).status != 0
    # On to another guest, with its address.
    ecs.ecs("AttachNetworkInterface", NetworkInterfaceId=eni, InstanceId=two)
    becomes(ecs, eni, "InUse")
    with shell(address, password=PASSWORD) as guest:
        assert two.removeprefix("i-") in guest.check("hostname")
    # And back, while the one that had it is off: when that starts it leaves it where it is.
    ecs.ecs("StopInstance", InstanceId=two)
    wait_for(lambda: status_of(ecs, two) == "Stopped", f"{two} to be Stopped")
    ecs.ecs("DetachNetworkInterface", NetworkInterfaceId=eni, InstanceId=two)
    becomes(ecs, eni, "Available")
    ecs.ecs("AttachNetworkInterface", NetworkInterfaceId=eni, InstanceId=one)
    becomes(ecs, eni, "InUse")
    ecs.ecs("StartInstance", InstanceId=two)
    address_of(ecs, two)
    with shell(address, password=PASSWORD) as guest:
        assert one.removeprefix("i-") in guest.check("hostname")
