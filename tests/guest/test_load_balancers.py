"""Load balancers of the local cloud carry traffic to real guests."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.container_service.certificates import make_server_certificate
from ecsmachine.localcloud.host.balancers import RouterOfBalancers
from ecsmachine.localcloud.host.programs import run
from tests.guest.conftest import GuestGround, wait_for
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

# Debian's base system has Perl: it answers with the name of the host and the request's head, and
# to datagrams with the name alone.
WEB = r"""
use IO::Socket::INET; chomp(my $h = `hostname`);
if (fork) {
  my $u = IO::Socket::INET->new(LocalPort => 8080, Proto => "udp") or die;
  while ($u->recv(my $d, 100)) { $u->send($h) }
}
my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $s->accept) {
  my $r = ""; while (<$c>) { $r .= $_; last if /^\r?\n$/ }
  print $c "HTTP/1.0 200 OK\r\n\r\n$h\n$r"; close $c;
}
"""


def test_this_computer_reaches_a_balancer_with_a_private_address(ground: GuestGround) -> None:
    router = RouterOfBalancers(ground.network, ground.paths.router)
    address = str(ground.plan.vswitch[200])
    router.set_listeners([("tcp", address, 80)])
    try:
        with router.listen(("tcp", address, 80)):
            # only a route of its own: the usual one leads out of this computer
            assert ground.paths.link in run(["ip", "route", "show", f"{address}/32"])
            socket.create_connection((address, 80), timeout=10).close()
    finally:
        router.set_listeners([])
    assert run(["ip", "route", "show", f"{address}/32"]) == ""


@pytest.fixture
def balancer(machines: Machines, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A load balancer with listeners at 80 (TCP), 81 (HTTP), 82 (UDP) and 83 (HTTPS)."""
    made = machines.slb("CreateLoadBalancer", AddressType="internet")
    balancer_id = made["LoadBalancerId"]
    common = {"LoadBalancerId": balancer_id, "BackendServerPort": 8080, "Bandwidth": -1}
    common |= {"HealthCheckInterval": 1, "HealthyThreshold": 2, "UnhealthyThreshold": 2}
    machines.slb("CreateLoadBalancerTCPListener", ListenerPort=80, **common)
    on = {"StickySession": "off", "HealthCheck": "on"}
    machines.slb("CreateLoadBalancerHTTPListener", ListenerPort=81, **common, **on)
    exchange = {"healthCheckReq": "who", "healthCheckExp": "web", "HealthCheckConnectTimeout": 3}
    machines.slb("CreateLoadBalancerUDPListener", ListenerPort=82, **common, **exchange)
    make_server_certificate(tmp_path, ["web.example.com"])
    pem, key = ((tmp_path / f"server{end}.pem").read_text() for end in ("", "-key"))
    secret = machines.slb("UploadServerCertificate", ServerCertificate=pem, PrivateKey=key)
    certificate = {"ServerCertificateId": secret["ServerCertificateId"]}
    off = {"StickySession": "off", "HealthCheck": "off"}
    machines.slb("CreateLoadBalancerHTTPSListener", ListenerPort=83, **common, **off, **certificate)
    for port in (80, 81, 82, 83):
        machines.slb("StartLoadBalancerListener", LoadBalancerId=balancer_id, ListenerPort=port)
    yield balancer_id, made["Address"]
    machines.slb("DeleteLoadBalancer", LoadBalancerId=balancer_id)
    machines.slb("DeleteServerCertificate", **certificate)


def answer(url: str) -> list[str]:
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(url, timeout=10, context=context) as response:
        return str(response.read().decode()).splitlines()


def answer_to_datagram(address: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"hello", (address, 82))
        return client.recv(100).decode()


def test_what_comes_to_a_balancer_goes_to_machines_that_are_well(
    machines: Machines, balancer: tuple[str, str]
) -> None:
    balancer_id, address = balancer
    names = ("web1", "web2")
    machines.run("create", "--aliyunecs-slb-id", balancer_id, *names)
    for name in names:
        machines.run("ssh", name, f"cat > web.pl <<'END'\n{WEB}\nEND")
        machines.run("ssh", name, "systemd-run --unit web perl /root/web.pl")

    def health() -> list[str]:
        told = machines.slb("DescribeHealthStatus", LoadBalancerId=balancer_id)
        servers = told["BackendServers"]["BackendServer"]
        checked = (server for server in servers if server["ListenerPort"] != 83)
        return sorted(str(server["ServerHealthStatus"]) for server in checked)

    wait_for(lambda: health() == ["normal"] * 6, "both servers of all listeners to be well")
    for port in (80, 81):
        hosts = [answer(f"http://{address}:{port}/")[0] for _ in range(4)]
        assert sorted(hosts) == ["web1", "web1", "web2", "web2"]
    assert {answer_to_datagram(address) for _ in range(4)} == {"web1", "web2"}
    assert {answer(f"https://{address}:83/")[0] for _ in range(4)} == {"web1", "web2"}
    forwarded = [line for line in answer(f"http://{address}:81/") if "Forwarded-For" in line]
    assert len(forwarded) == 1

    machines.run("ssh", "web1", "systemctl stop web")
    one_of_two = ["abnormal"] * 3 + ["normal"] * 3
    wait_for(lambda: health() == one_of_two, "a server not to be well")
    assert {answer(f"http://{address}:80/")[0] for _ in range(3)} == {"web2"}
    assert {answer_to_datagram(address) for _ in range(3)} == {"web2"}
    # an interface is a server from when an instance has it
    (web2,) = machines.ecs("DescribeInstances", InstanceName="web2")["Instances"]["Instance"]
    place = {"VSwitchId": web2["VpcAttributes"]["VSwitchId"]}
    (group,) = web2["SecurityGroupIds"]["SecurityGroupId"]
    made = machines.ecs("CreateNetworkInterface", SecurityGroupId=group, **place)
    eni = {"NetworkInterfaceId": made["NetworkInterfaceId"]}
    server = json.dumps([{"ServerId": made["NetworkInterfaceId"], "Type": "eni"}])
    servers = {"LoadBalancerId": balancer_id, "BackendServers": server}
    machines.slb("AddBackendServers", **servers)
    assert health() == ["abnormal"] * 6 + ["normal"] * 3
    machines.ecs("AttachNetworkInterface", InstanceId=web2["InstanceId"], **eni)
    # Perl answers datagrams from the first interface's address
    two_well = ["abnormal"] * 4 + ["normal"] * 5
    wait_for(lambda: health() == two_well, "the interface to be well", there=health)
    machines.slb("RemoveBackendServers", **servers)
    assert health() == one_of_two
    # a guest reaches the balancer as well
    request = f"exec 3<>/dev/tcp/{address}/81; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    assert "web2" in machines.run("ssh", "web1", f'bash -c "{request}"').stdout
    machines.run("kill", "web2")
    wait_for(lambda: health() == ["abnormal"] * 6, "no server to be well")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        answer(f"http://{address}:81/")
    stop = {"LoadBalancerId": balancer_id, "ListenerPort": 81}
    machines.slb("StopLoadBalancerListener", **stop)

    def refuses() -> bool:
        try:
            answer(f"http://{address}:81/")
        except urllib.error.HTTPError:
            return False
        except OSError:
            return True
        return False

    wait_for(refuses, "the listener to end")
    machines.run("rm", "-y", *names)
