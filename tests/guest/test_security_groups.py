"""Security groups bind: what no rule lets through does not come through."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.host.address_plan import plan_of
from ecsmachine.localcloud.host.settings import read_settings
from ecsmachine.localcloud.service.page.reach import reach
from ecsmachine.localcloud.state.state import open_state
from tests.guest.conftest import PASSWORD, Cloud, Shell, shell
from tests.guest.instances import ANY, address_of, launch, make_group
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

PATIENCE_S = 20
"""How long what gets through may take on a busy machine."""


@dataclass(frozen=True)
class Guest:
    id: str
    address: str
    shell: Shell


@dataclass(frozen=True)
class Ground:
    """Two guests in a group each, both with SSH open, and a second sshd on port 2200."""

    ecs: Machines
    groups: tuple[str, str]
    one: Guest
    two: Guest
    host: str

    @contextmanager
    def rule(self, group: str, direction: str = "", **values: Any) -> Iterator[None]:
        """Have a rule for as long as the block lasts; TCP, and ingress unless it is Egress."""
        rule = {"SecurityGroupId": group, "IpProtocol": "tcp", **values}
        if rule["IpProtocol"] != "tcp":
            rule["PortRange"] = "-1/-1"
        self.ecs.ecs(f"AuthorizeSecurityGroup{direction}", **rule)
        try:
            yield
        finally:
            self.ecs.ecs(f"RevokeSecurityGroup{direction}", **rule)


@pytest.fixture(scope="module")
def fire(local_cloud: Cloud) -> Iterator[Ground]:
    ecs = Machines({**local_cloud.environment})
    running = local_cloud.running
    groups = [make_group(ecs, running.vpc_id, name) for name in ("one", "two")]
    ids = [launch(ecs, running.vswitch_id, group) for group in groups]
    settings = read_settings(local_cloud.root / "settings.json")
    assert settings is not None
    with ExitStack() as stack:
        guests = []
        for instance_id in ids:
            address = address_of(ecs, instance_id)
            guest = stack.enter_context(shell(address, password=PASSWORD))
            guest.check("/usr/sbin/sshd -p 2200")
            guests.append(Guest(instance_id, address, guest))
        host = str(plan_of(settings.public).host)
        yield Ground(ecs, (groups[0], groups[1]), guests[0], guests[1], host)
    for instance_id in ids:
        ecs.ecs("DeleteInstance", InstanceId=instance_id, Force=True)
    for group in groups:
        ecs.ecs("DeleteSecurityGroup", SecurityGroupId=group)


def opens(address: str, port: int) -> bool:
    """Return whether the host can connect; what a group refuses is not answered at all."""
    try:
        socket.create_connection((address, port), timeout=0.7).close()
    except TimeoutError:
        return False
    return True


def reaches(source: Guest, target: str, port: int, within_s: int = 1) -> bool:
    probe = f"timeout {within_s} bash -c 'exec 3<>/dev/tcp/{target}/{port}'"
    return source.shell.run(probe).status == 0


def pings(address: str) -> bool:
    """Return whether an ICMP echo request is answered within a second."""
    request = struct.pack("!BBHHH", 8, 0, 0, 7, 1)
    checksum = 0xFFFF - sum(struct.unpack("!4H", request))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(1)
        raw.connect((address, 0))  # so that it hears this address alone
        raw.send(struct.pack("!BBHHH", 8, 0, checksum, 7, 1))
        try:
            return raw.recv(1024)[20] == 0  # behind the IP header: an echo reply
        except TimeoutError:
            return False


def test_a_port_is_closed_until_a_rule_opens_it_and_after_it_is_revoked(fire: Ground) -> None:
    assert not opens(fire.one.address, 2200)
    with fire.rule(fire.groups[0], PortRange="2200/2200", SourceCidrIp=ANY):
        assert opens(fire.one.address, 2200)
        assert not opens(fire.two.address, 2200)
        kept = socket.create_connection((fire.one.address, 2200), timeout=5)
    assert not opens(fire.one.address, 2200)
    with kept:  # what was let in goes on
        kept.sendall(b"SSH-2.0-test\r\n")
        assert kept.recv(1024).startswith(b"SSH-2.0-")


def test_the_source_counts(fire: Ground) -> None:
    with fire.rule(fire.groups[0], PortRange="2200/2200", SourceCidrIp="203.0.113.0/24"):
        assert not opens(fire.one.address, 2200)
    with fire.rule(fire.groups[0], PortRange="1/3000", SourceCidrIp=f"{fire.host}/32"):
        assert opens(fire.one.address, 2200)
        assert not reaches(fire.two, fire.one.address, 2200)


def test_drop_beats_accept_of_the_same_priority(fire: Ground) -> None:
    port: dict[str, Any] = {"PortRange": "2200/2200", "SourceCidrIp": ANY}
    with fire.rule(fire.groups[0], **port, Priority=5):
        assert opens(fire.one.address, 2200)
        with fire.rule(fire.groups[0], **port, Priority=6, Policy="drop"):
            assert opens(fire.one.address, 2200)
        with fire.rule(fire.groups[0], **port, Priority=5, Policy="drop"):
            assert not opens(fire.one.address, 2200)


def test_a_group_as_the_source_and_as_ones_own(fire: Ground) -> None:
    assert not reaches(fire.two, fire.one.address, 2200)
    with fire.rule(fire.groups[0], PortRange="2200/2200", SourceGroupId=fire.groups[1]):
        assert reaches(fire.two, fire.one.address, 2200, PATIENCE_S)
        assert not opens(fire.one.address, 2200)
    member = {"InstanceId": fire.two.id, "SecurityGroupId": fire.groups[0]}
    fire.ecs.ecs("JoinSecurityGroup", **member)
    assert reaches(fire.two, fire.one.address, 2200, PATIENCE_S)
    inner = {"SecurityGroupId": fire.groups[0]}
    fire.ecs.ecs("ModifySecurityGroupPolicy", InnerAccessPolicy="Drop", **inner)
    assert not reaches(fire.two, fire.one.address, 2200)
    fire.ecs.ecs("ModifySecurityGroupPolicy", InnerAccessPolicy="Accept", **inner)
    assert reaches(fire.two, fire.one.address, 2200, PATIENCE_S)
    fire.ecs.ecs("LeaveSecurityGroup", **member)
    assert not reaches(fire.two, fire.one.address, 2200)


def test_what_goes_out_can_be_closed_too(fire: Ground) -> None:
    assert reaches(fire.one, fire.two.address, 22, PATIENCE_S)
    with fire.rule(fire.groups[0], "Egress", IpProtocol="all", Policy="drop", DestCidrIp=ANY):
        assert not reaches(fire.one, fire.two.address, 22)
        gateway = fire.host.rpartition(".")[0] + ".1"  # where the mirror is
        assert not reaches(fire.one, gateway, 80)
        assert opens(fire.one.address, 22)
    assert reaches(fire.one, fire.two.address, 22, PATIENCE_S)


def test_what_is_said_of_a_way_is_what_the_router_does(fire: Ground, local_cloud: Cloud) -> None:
    """The page's answer to "can A reach B?", beside connections that are tried."""

    def said(source: str, target: Guest, port: int) -> bool:
        with closing(open_state(local_cloud.root)) as state:
            return bool(reach(state, source, target.id, "tcp", port)["reaches"])

    one, two = fire.one, fire.two
    rules: list[tuple[str, dict[str, Any]]] = [
        ("", {"PortRange": "2200/2200", "SourceGroupId": fire.groups[1]}),
        ("", {"PortRange": "1/65535", "SourceCidrIp": f"{fire.host}/32"}),
        ("", {"PortRange": "2200/2200", "SourceCidrIp": ANY, "SourcePortRange": "1/1023"}),
        ("Egress", {"PortRange": "22/22", "DestCidrIp": ANY, "Policy": "drop"}),
    ]
    for direction, values in rules:
        with fire.rule(fire.groups[0], direction, **values):
            assert said("computer", one, 2200) == opens(one.address, 2200), values
            for source, target, port in ((two, one, 2200), (one, two, 22)):
                wanted = said(source.id, target, port)
                within_s = PATIENCE_S if wanted else 1
                assert reaches(source, target.address, port, within_s) == wanted, values


def test_pings_are_a_protocol_of_their_own(fire: Ground) -> None:
    assert not pings(fire.one.address)
    with fire.rule(fire.groups[0], IpProtocol="icmp", SourceCidrIp=ANY):
        assert pings(fire.one.address)
        assert not opens(fire.one.address, 2200)


def test_what_the_guest_forwards_is_filtered_as_well(fire: Ground) -> None:
    # As the engine publishes a container's port: translated and forwarded, not delivered.
    run = fire.one.shell.check
    run("systemd-run -q --unit inside -p PrivateNetwork=yes /usr/sbin/sshd -D -p 8000")
    pid = run("systemctl show -p MainPID --value inside").strip()
    run(f"ip link add outer type veth peer name inner netns {pid}")
    run("ip address add 192.168.9.1/24 dev outer; ip link set outer up")
    inside = f"nsenter -t {pid} -n ip"
    run(f"{inside} address add 192.168.9.2/24 dev inner; {inside} link set inner up")
    run(f"{inside} route add default via 192.168.9.1; echo 1 > /proc/sys/net/ipv4/ip_forward")
    run("iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 192.168.9.2:8000")
    assert not opens(fire.one.address, 80)
    with fire.rule(fire.groups[0], PortRange="80/80", SourceCidrIp=ANY):
        assert opens(fire.one.address, 80)
    assert not opens(fire.one.address, 80)


def test_a_guests_root_cannot_lift_them(fire: Ground) -> None:
    flush = "iptables -F; iptables -t raw -F; iptables -P INPUT ACCEPT"
    fire.two.shell.check(flush)
    assert not opens(fire.two.address, 2200)


def test_they_hold_after_a_reboot_and_a_crash_of_the_daemon(
    cloud_root: Path, engine_packages: Path
) -> None:
    import os
    import signal

    from ecsmachine.localcloud.host.processes import wait_gone
    from ecsmachine.localcloud.service import daemon

    running = daemon.up(cloud_root).running
    ecs = Machines({**running.environment()})
    group = make_group(ecs, running.vpc_id, "one")
    address = address_of(ecs, instance_id := launch(ecs, running.vswitch_id, group))
    os.kill(running.pid, signal.SIGKILL)
    assert wait_gone(running.process, 60)
    assert not opens(address, 2200)
    daemon.up(cloud_root)
    ecs.ecs("RebootInstance", InstanceId=instance_id)
    assert address_of(ecs, instance_id) == address
    with shell(address, password=PASSWORD) as guest:
        guest.check("/usr/sbin/sshd -p 2200")
        assert not opens(address, 2200)
        rule = {"IpProtocol": "tcp", "PortRange": "2200/2200", "SourceCidrIp": ANY}
        ecs.ecs("AuthorizeSecurityGroup", SecurityGroupId=group, **rule)
        assert opens(address, 2200)
