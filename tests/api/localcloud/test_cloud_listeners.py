"""Listeners and server groups of classic load balancers, in the forms that clients send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ecsmachine.localcloud.container_service.certificates import make_server_certificate
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import SLB, Api, until

NO_LISTENER = "404 The specified resource does not exist"
NO_GROUP = "400 The specified VServerGroupId does not exist"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


class Slb:
    """SLB's actions on one load balancer."""

    def __init__(self, api: Api) -> None:
        self.api = api
        values = {"AddressType": "intranet", "VSwitchId": api.cloud.state.default_vswitch_id}
        answer = api.call("CreateLoadBalancer", values, version=SLB)
        self.id: str = answer["LoadBalancerId"]

    def call(self, action: str, **more: Any) -> dict[str, Any]:
        return self.api.call(action, {"LoadBalancerId": self.id, **more}, version=SLB)

    def refusal(self, action: str, **more: Any) -> str:
        return self.api.refusal(action, {"LoadBalancerId": self.id, **more}, version=SLB)

    def listener(self, protocol: str, port: int = 80) -> dict[str, Any]:
        return self.call(f"DescribeLoadBalancer{protocol}ListenerAttribute", ListenerPort=port)


@pytest.fixture
def slb(api: Api) -> Slb:
    return Slb(api)


def test_the_life_of_a_listener(slb: Slb) -> None:
    # Bandwidth as a text and HealthCheckInterval in small letters, as the SDKs write them.
    slb.call(
        "CreateLoadBalancerTCPListener",
        ListenerPort="80",
        BackendServerPort="8080",
        Bandwidth="-1",
        healthCheckInterval="7",
        HealthCheckSwitch="on",
        Description="网站",
    )
    told = slb.listener("TCP")
    expected = {
        "ListenerPort": 80,
        "BackendServerPort": 8080,
        "Bandwidth": -1,
        "Status": "stopped",
        "Scheduler": "wrr",
        "HealthCheck": "on",
        "HealthCheckType": "tcp",
        "HealthCheckInterval": 7,
        "HealthCheckConnectTimeout": 5,
        "EstablishedTimeout": 900,
        "PersistenceTimeout": 0,
        "Description": "网站",
        "VServerGroupId": "",
        "AclStatus": "off",
    }
    assert {name: told[name] for name in expected} == expected
    slb.call("StartLoadBalancerListener", ListenerPort=80)
    assert slb.listener("TCP")["Status"] == "running"
    slb.call("SetLoadBalancerTCPListenerAttribute", ListenerPort=80, Scheduler="rr")
    told = slb.listener("TCP")
    assert (told["Scheduler"], told["HealthCheckInterval"], told["Status"]) == ("rr", 7, "running")
    attribute = slb.call("DescribeLoadBalancerAttribute")
    assert attribute["ListenerPorts"] == {"ListenerPort": [80]}
    (row,) = attribute["ListenerPortsAndProtocol"]["ListenerPortAndProtocol"]
    assert (row["ListenerPort"], row["ListenerProtocol"], row["Description"]) == (80, "tcp", "网站")
    slb.call("StopLoadBalancerListener", ListenerPort=80)
    assert slb.listener("TCP")["Status"] == "stopped"
    slb.call("DeleteLoadBalancerListener", ListenerPort=80)
    action = "DescribeLoadBalancerTCPListenerAttribute"
    assert slb.refusal(action, ListenerPort=80) == NO_LISTENER
    assert slb.call("DescribeLoadBalancerAttribute")["ListenerPorts"] == {"ListenerPort": []}


def test_what_http_and_https_need(slb: Slb) -> None:
    base = {"ListenerPort": 443, "BackendServerPort": 80, "HealthCheck": "off", "Bandwidth": -1}
    for protocol in ("HTTP", "HTTPS"):
        action = f"CreateLoadBalancer{protocol}Listener"
        assert slb.refusal(action, **base) == "400 MissingParameter"
        sticky = {**base, "StickySession": "on", "ServerCertificateId": "cert"}
        assert slb.refusal(action, **sticky) == "400 MissingParameter"
        for kind in ("insert", "server"):
            values = {**sticky, "StickySessionType": kind}
            assert slb.refusal(action, **values) == "400 MissingParameter"
        maybe = {**sticky, "StickySession": "maybe"}
        assert slb.refusal(action, **maybe) == "400 InvalidParameter"
    base["StickySession"] = "off"
    assert slb.refusal("CreateLoadBalancerHTTPSListener", **base) == "400 MissingParameter"
    slb.call("CreateLoadBalancerHTTPSListener", **base, ServerCertificateId="1_cert")
    told = slb.listener("HTTPS", 443)
    assert told["ServerCertificateId"] == "1_cert"
    assert (told["EnableHttp2"], told["TLSCipherPolicy"]) == ("on", "tls_cipher_policy_1_0")
    assert (told["Gzip"], told["XForwardedFor"], told["IdleTimeout"]) == ("on", "on", 15)
    assert (told["Cookie"], told["StickySessionType"]) == ("", "")
    assert "CookieTimeout" not in told
    sticky = {"ListenerPort": 443, "StickySession": "on"}
    action = "SetLoadBalancerHTTPSListenerAttribute"
    for more in ({}, {"StickySessionType": "insert"}, {"StickySessionType": "server"}):
        assert slb.refusal(action, **sticky, **more) == "400 MissingParameter", more
    assert slb.listener("HTTPS", 443)["StickySession"] == "off"
    slb.call(action, **sticky, StickySessionType="insert", CookieTimeout=60)
    slb.call(action, ListenerPort=443, StickySession="off")
    slb.call(action, **sticky)  # by what was set before
    assert slb.listener("HTTPS", 443)["CookieTimeout"] == 60


@pytest.mark.parametrize(
    ("protocol", "name", "right", "wrong"),
    [
        ("TCP", "Description", "web", "x" * 257),
        ("TCP", "HealthCheckDomain", "$_ip", "under_score"),
        ("HTTP", "HealthCheckDomain", "example.com", "x" * 81),
        ("HTTP", "HealthCheckURI", "/well?now=1", "well"),
        ("TCP", "HealthCheckURI", "/", "/" + 80 * "x"),
        ("HTTP", "HealthCheckHttpCode", "http_2xx,http_3xx", "200"),
        ("HTTP", "Cookie", "session", "two words"),
        ("UDP", "healthCheckReq", "hello", "hel-lo"),
        ("UDP", "healthCheckExp", "ok", "x" * 65),
    ],
)
def test_texts_of_listeners(slb: Slb, protocol: str, name: str, right: str, wrong: str) -> None:
    base: dict[str, Any] = {"ListenerPort": 80, "BackendServerPort": 80, "Bandwidth": -1}
    if protocol == "HTTP":
        base |= {"StickySession": "off", "HealthCheck": "on"}
    action = f"CreateLoadBalancer{protocol}Listener"
    assert slb.refusal(action, **base, **{name: wrong}) == "400 InvalidParameter"
    slb.call(action, **base, **{name: right})
    told = slb.listener(protocol, 80)[f"{name[0].upper()}{name[1:]}"]
    assert told == right
    action = f"SetLoadBalancer{protocol}ListenerAttribute"
    assert slb.refusal(action, ListenerPort=80, **{name: wrong}) == "400 InvalidParameter"


def test_listeners_that_are_refused(slb: Slb) -> None:
    action = "CreateLoadBalancerTCPListener"
    base: dict[str, Any] = {"ListenerPort": 80, "BackendServerPort": 80, "Bandwidth": -1}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"ListenerPort": ""}, "400 MissingParameter"),
        ({"BackendServerPort": ""}, "400 MissingParameter"),
        ({"ListenerPort": 0}, "400 InvalidParameter"),
        ({"ListenerPort": 65536}, "400 InvalidParameter"),
        ({"BackendServerPort": "x"}, "400 InvalidParameter"),
        ({"Bandwidth": 0}, "400 InvalidParameter"),
        ({"Scheduler": "qch"}, "400 InvalidParameter"),
        ({"HealthyThreshold": 1}, "400 InvalidParameter"),
        ({"HealthCheckSwitch": "true"}, "400 InvalidParameter"),
        ({"VServerGroupId": "rsp-nobody"}, NO_GROUP),
        ({"AclStatus": "on", "AclId": "acl-nobody"}, "400 AclNotExist"),
        ({"LoadBalancerId": "lb-nobody"}, "404 InvalidLoadBalancerId.NotFound"),
    ]
    for more, expected in wrong:
        assert slb.refusal(action, **{**base, **more}) == expected, more
    slb.call(action, **base)
    assert slb.refusal(action, **base) == "400 ListenerAlreadyExists"
    more = {"StickySession": "off", "HealthCheck": "off"}
    action = "CreateLoadBalancerHTTPListener"
    assert slb.refusal(action, **base, **more) == "400 ListenerAlreadyExists"
    for action in ("StartLoadBalancerListener", "DeleteLoadBalancerListener"):
        assert slb.refusal(action, ListenerPort=81) == NO_LISTENER
    action = "SetLoadBalancerUDPListenerAttribute"
    assert slb.refusal(action, ListenerPort=80) == NO_LISTENER


def test_tcp_and_udp_on_one_port(slb: Slb) -> None:
    for protocol in ("TCP", "UDP"):
        action = f"CreateLoadBalancer{protocol}Listener"
        slb.call(action, ListenerPort=53, BackendServerPort=53, Bandwidth=-1)
    assert slb.refusal("StartLoadBalancerListener", ListenerPort=53) == "400 MissingParameter"
    slb.call("StartLoadBalancerListener", ListenerPort=53, ListenerProtocol="udp")
    assert slb.listener("TCP", 53)["Status"] == "stopped"
    assert slb.listener("UDP", 53)["Status"] == "running"
    listed = slb.api.call(
        "DescribeLoadBalancerListeners", {"LoadBalancerId.1": slb.id}, version=SLB
    )
    assert (listed["TotalCount"], listed["NextToken"]) == (2, "")
    tcp, udp = listed["Listeners"]
    assert (tcp["ListenerProtocol"], udp["ListenerProtocol"]) == ("tcp", "udp")
    assert udp["UDPListenerConfig"]["HealthCheckConnectTimeout"] == 10
    assert tcp["TCPListenerConfig"]["EstablishedTimeout"] == 900
    values = {"LoadBalancerId.1": slb.id, "ListenerProtocol": "udp"}
    listed = slb.api.call("DescribeLoadBalancerListeners", values, version=SLB)
    assert listed["TotalCount"] == 1


def test_a_server_group_and_its_health(slb: Slb) -> None:
    api = slb.api
    server = api.run(api.group())
    one = json.dumps([{"ServerId": server, "Port": "8080", "Weight": "50"}])
    group = slb.call("CreateVServerGroup", VServerGroupName="web", BackendServers=one)
    group_id = group["VServerGroupId"]
    (member,) = group["BackendServers"]["BackendServer"]
    assert (member["ServerId"], member["Port"], member["Weight"]) == (server, 8080, 50)

    def members() -> dict[int, int]:
        told = slb.call("DescribeVServerGroupAttribute", VServerGroupId=group_id)
        return {item["Port"]: item["Weight"] for item in told["BackendServers"]["BackendServer"]}

    two = json.dumps([{"ServerId": server, "Port": 8081, "Weight": 10}])
    slb.call("AddVServerGroupBackendServers", VServerGroupId=group_id, BackendServers=two)
    assert members() == {8080: 50, 8081: 10}
    three = json.dumps([{"ServerId": server, "Port": 8082, "Weight": 20}])
    slb.call(
        "ModifyVServerGroupBackendServers",
        VServerGroupId=group_id,
        OldBackendServers=two,
        NewBackendServers=three,
    )
    assert members() == {8080: 50, 8082: 20}
    lighter = json.dumps([{"ServerId": server, "Port": 8082, "Weight": 0}])
    slb.call("SetVServerGroupAttribute", VServerGroupId=group_id, BackendServers=lighter)
    assert members() == {8080: 50, 8082: 0}
    slb.call("RemoveVServerGroupBackendServers", VServerGroupId=group_id, BackendServers=three)
    assert members() == {8080: 50}

    slb.call(
        "CreateLoadBalancerTCPListener", ListenerPort=80, VServerGroupId=group_id, Bandwidth=-1
    )
    assert slb.call("DescribeHealthStatus")["BackendServers"]["BackendServer"] == []
    slb.call("StartLoadBalancerListener", ListenerPort=80)

    def health() -> dict[str, Any]:
        (told,) = slb.call("DescribeHealthStatus")["BackendServers"]["BackendServer"]
        found: dict[str, Any] = told
        return found

    told = health()
    assert (told["ListenerPort"], told["Port"], told["Protocol"]) == (80, 8080, "tcp")
    assert (told["ServerId"], told["ServerHealthStatus"]) == (server, "normal")
    api.call("StopInstance", InstanceId=server)
    assert until(lambda: health()["ServerHealthStatus"] == "abnormal")
    (listed,) = slb.call("DescribeVServerGroups", IncludeListener="true")["VServerGroups"][
        "VServerGroup"
    ]
    assert (listed["VServerGroupName"], listed["ServerCount"]) == ("web", 1)
    assert listed["AssociatedObjects"]["Listeners"]["Listener"] == [{"Port": 80, "Protocol": "tcp"}]
    assert slb.refusal("DeleteVServerGroup", VServerGroupId=group_id) == "400 RspoolVipExist"
    # An instance that goes leaves the group, and a balancer takes its groups with it.
    api.wait(server, "Stopped")
    api.call("DeleteInstance", InstanceId=server)
    assert members() == {}
    slb.call("DeleteLoadBalancer")
    assert slb.refusal("DescribeVServerGroupAttribute", VServerGroupId=group_id) == NO_GROUP


def test_an_interface_is_a_server_with_each_of_its_addresses(slb: Slb) -> None:
    api = slb.api
    security_group = api.group("of-servers")
    instance_id = api.run(security_group)
    base = {"VSwitchId": api.cloud.state.default_vswitch_id, "SecurityGroupId": security_group}
    asked = {**base, "SecondaryPrivateIpAddressCount": 1}
    made = api.call("CreateNetworkInterface", asked)
    eni, ip = made["NetworkInterfaceId"], made["PrivateIpAddress"]
    (told,) = api.call("DescribeNetworkInterfaces", {"NetworkInterfaceId.1": eni})[
        "NetworkInterfaceSets"
    ]["NetworkInterfaceSet"]
    addresses = [one["PrivateIpAddress"] for one in told["PrivateIpSets"]["PrivateIpSet"]]
    (other,) = set(addresses) - {ip}

    def servers(*each: dict[str, Any]) -> str:
        return json.dumps([{"ServerId": eni, "Type": "eni", "Port": 80, **one} for one in each])

    def kept(answer: dict[str, Any]) -> set[tuple[str, str, int]]:
        there = answer["BackendServers"]["BackendServer"]
        assert {one["Type"] for one in there} <= {"eni"}
        return {(one["ServerId"], one["ServerIp"], one["Weight"]) for one in there}

    both = servers({}, {"ServerIp": other, "Weight": 7})
    group_id = slb.call("CreateVServerGroup", BackendServers=both)["VServerGroupId"]
    slb.call("AddBackendServers", BackendServers=both)
    for action, more in (
        ("DescribeVServerGroupAttribute", {"VServerGroupId": group_id}),
        ("DescribeLoadBalancerAttribute", {}),
    ):
        assert kept(slb.call(action, **more)) == {(eni, ip, 100), (eni, other, 7)}
    listener = {"ListenerPort": 80, "VServerGroupId": group_id, "HealthCheckSwitch": "on"}
    slb.call("CreateLoadBalancerTCPListener", Bandwidth=-1, **listener)
    slb.call("StartLoadBalancerListener", ListenerPort=80)

    def health() -> dict[str, str]:
        there = slb.call("DescribeHealthStatus")["BackendServers"]["BackendServer"]
        return {one["ServerIp"]: one["ServerHealthStatus"] for one in there}

    assert health() == dict.fromkeys(addresses, "abnormal")
    api.call("AttachNetworkInterface", NetworkInterfaceId=eni, InstanceId=instance_id)
    until(lambda: health() == dict.fromkeys(addresses, "normal"))
    # what is said of its id alone is said of all its addresses
    slb.call("SetBackendServers", BackendServers=json.dumps([{"ServerId": eni, "Weight": 1}]))
    assert kept(slb.call("DescribeLoadBalancerAttribute")) == {(eni, ip, 1), (eni, other, 1)}
    slb.call(
        "RemoveVServerGroupBackendServers",
        VServerGroupId=group_id,
        BackendServers=servers({"ServerIp": other}),
    )
    assert health() == {ip: "normal"}
    for refused, server in (
        ("400 InvalidParameter", {"ServerIp": "192.0.2.1"}),
        ("400 InvalidParameter", {"Type": "eci"}),
        ("404 InvalidServerId.NotFound", {"ServerId": "eni-nobody"}),
    ):
        assert slb.refusal("AddBackendServers", BackendServers=servers(server)) == refused
    # the primary one as well
    primary = api.instance(instance_id)
    assert primary is not None
    (card, *_) = primary["NetworkInterfaces"]["NetworkInterface"]
    primary_id = card["NetworkInterfaceId"]
    slb.call("AddBackendServers", BackendServers=servers({"ServerId": primary_id}))
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    until(lambda: not kept(slb.call("DescribeLoadBalancerAttribute")))
    assert health() == {}


def test_server_groups_that_are_refused(slb: Slb) -> None:
    group_id = slb.call("CreateVServerGroup")["VServerGroupId"]
    nobody = json.dumps([{"ServerId": "i-nobody", "Port": 80}])
    portless = json.dumps([{"ServerId": "i-nobody"}])
    wrong = [
        ("AddVServerGroupBackendServers", nobody, "404 InvalidServerId.NotFound"),
        ("AddVServerGroupBackendServers", portless, "400 InvalidParameter"),
        ("AddVServerGroupBackendServers", "nobody", "400 InvalidParameter"),
        ("AddVServerGroupBackendServers", "", "400 MissingParameter"),
    ]
    for action, servers, expected in wrong:
        values = {"VServerGroupId": group_id, "BackendServers": servers}
        assert slb.refusal(action, **values) == expected, servers
    other = Slb(slb.api)
    values = {"ListenerPort": 80, "VServerGroupId": group_id, "Bandwidth": -1}
    assert other.refusal("CreateLoadBalancerTCPListener", **values) == "400 InvalidParameter"
    slb.call("DeleteVServerGroup", VServerGroupId=group_id)
    assert slb.refusal("DeleteVServerGroup", VServerGroupId=group_id) == NO_GROUP


def test_a_certificate_with_a_short_key_is_taken(slb: Slb) -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old.example.com")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(now - timedelta(days=2))
    signed = builder.not_valid_after(now - timedelta(days=1)).sign(key, hashes.SHA256())
    kind = PrivateFormat.TraditionalOpenSSL
    made = slb.call(
        "UploadServerCertificate",
        ServerCertificate=signed.public_bytes(Encoding.PEM).decode(),
        PrivateKey=key.private_bytes(Encoding.PEM, kind, NoEncryption()).decode(),
    )
    assert made["CommonName"] == "old.example.com"


def test_the_life_of_a_certificate(slb: Slb, tmp_path: Path) -> None:
    make_server_certificate(tmp_path, ["www.example.com", "example.com"])
    pem = (tmp_path / "server.pem").read_text()
    key = (tmp_path / "server-key.pem").read_text()
    both = {"ServerCertificate": pem, "PrivateKey": key}
    made = slb.call("UploadServerCertificate", **both, **{"Tag.1.Key": "team", "Tag.1.Value": "a"})
    assert made["CommonName"] == made["ServerCertificateName"] == "www.example.com"
    names = made["SubjectAlternativeNames"]["SubjectAlternativeName"]
    assert names == ["www.example.com", "example.com"]
    assert len(made["Fingerprint"].split(":")) == 20
    certificate = {"ServerCertificateId": made["ServerCertificateId"]}
    slb.call("SetServerCertificateName", **certificate, ServerCertificateName="web")

    def told() -> list[dict[str, Any]]:
        found = slb.call("DescribeServerCertificates", **certificate)["ServerCertificates"]
        listed: list[dict[str, Any]] = found["ServerCertificate"]
        return listed

    (one,) = told()
    assert one["ServerCertificateName"] == "web"
    assert one["Tags"]["Tag"] == [{"TagKey": "team", "TagValue": "a"}]
    assert key not in json.dumps(told())
    base = {"ListenerPort": 443, "BackendServerPort": 80, "Bandwidth": -1}
    off = {"StickySession": "off", "HealthCheck": "off"}
    slb.call("CreateLoadBalancerHTTPSListener", **base, **off, **certificate)
    assert slb.refusal("DeleteServerCertificate", **certificate) == (
        "400 CertificateAndPrivateKeyIsRefered"
    )
    slb.call("DeleteLoadBalancerListener", ListenerPort=443)
    slb.call("DeleteServerCertificate", **certificate)
    assert told() == []
    gone = "404 ServerCertificateId.NotFound"
    assert slb.refusal("DeleteServerCertificate", **certificate) == gone
    make_server_certificate(tmp_path / "other", ["other.example.com"])
    other = (tmp_path / "other" / "server-key.pem").read_text()
    for wrong in ({**both, "PrivateKey": other}, {**both, "ServerCertificate": "none"}):
        assert slb.refusal("UploadServerCertificate", **wrong) == "400 InvalidParameter"
