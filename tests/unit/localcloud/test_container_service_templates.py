"""Compose templates: what is read, what is refused, and what containers are made of."""

from __future__ import annotations

from typing import Any

import pytest

from ecsmachine.localcloud.container_service.container_body import container_body
from ecsmachine.localcloud.container_service.routing import choose, host_of
from ecsmachine.localcloud.container_service.templates import Port, parse_template
from ecsmachine.localcloud.errors import ApiError


def parse(text: str, **variables: str) -> Any:
    return parse_template(text, variables)


def test_both_forms_of_the_guide() -> None:
    assert list(parse("web:\r\n image: nginx")) == ["web"]
    services = parse("version: '2'\nservices:\n  web: {image: nginx}\n  db: {image: mysql}\n")
    assert [service.image for service in services.values()] == ["nginx", "mysql"]


def test_own_labels_are_extensions_and_the_others_stay() -> None:
    text = """
db:
  image: mysql:5.7
  environment: [MYSQL_ROOT_PASSWORD=password]
  restart: always
  labels:
    aliyun.scale: "3"
    aliyun.log_store_dbstdout: stdout
    aliyun.routing.port_80: "web;http://www.example.com/path"
    com.example.a: b
"""
    service = parse(text)["db"]
    assert service.scale == service.extensions["scale"] == 3
    assert service.extensions["log_store_dbstdout"] == "stdout"
    assert service.routes == {80: ("web", "www.example.com")}
    assert service.definition == {
        "image": "mysql:5.7",
        "environment": ["MYSQL_ROOT_PASSWORD=password"],
        "restart": "always",
        "labels": {"com.example.a": "b"},
    }


def test_services_come_after_those_that_they_depend_on() -> None:
    text = "a: {image: i, depends_on: [b]}\nb: {image: i, links: ['c:db']}\nc: {image: i}"
    assert list(parse(text)) == ["c", "b", "a"]


def test_variables_are_filled_in() -> None:
    text = 'a: {image: "${IMAGE:-busybox}:$TAG", command: "echo $$HOME ${NONE-x}${NONE}"}'
    service = parse(text, TAG="1", IMAGE="")["a"]
    assert service.image == "busybox:1"
    assert service.command == ("echo", "$HOME", "x")


def test_ports_volumes_and_memory() -> None:
    text = """
a:
  image: i
  ports: ["80", "8080:80", "127.0.0.1:53:53/udp"]
  expose: [9000]
  volumes: ["data:/data:ro", "/etc:/host", "/cache"]
  mem_limit: 64m
  restart: on-failure:3
"""
    service = parse(text)["a"]
    assert service.ports == (
        Port(80, "tcp", 0),
        Port(80, "tcp", 8080),
        Port(53, "udp", 53, "127.0.0.1"),
        Port(9000),
    )
    assert service.fixed_ports == {(8080, "tcp"), (53, "udp")}
    assert [(m.source, m.target, m.mode, m.is_volume) for m in service.mounts] == [
        ("data", "/data", "ro", True),
        ("/etc", "/host", "rw", False),
        ("", "/cache", "rw", False),
    ]
    body = container_body(service, {"own": "label"}, "shop_default", "shop")
    host = body["HostConfig"]
    assert host["PortBindings"]["80/tcp"] == [
        {"HostIp": "", "HostPort": ""},
        {"HostIp": "", "HostPort": "8080"},
    ]
    assert host["PortBindings"]["53/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "53"}]
    assert "9000/tcp" in body["ExposedPorts"] and "9000/tcp" not in host["PortBindings"]
    assert host["Binds"] == ["data:/data:ro", "/etc:/host:rw"]
    assert body["Volumes"] == {"/cache": {}}
    assert host["Memory"] == 64 * 1024 * 1024
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert body["Labels"] == {"own": "label"}


def test_other_services_find_a_container_by_names() -> None:
    text = "web: {image: i, links: ['db:database']}\ndb: {image: i}"
    body = container_body(parse(text)["web"], {}, "shop_default", "shop")
    endpoint = body["NetworkingConfig"]["EndpointsConfig"]["shop_default"]
    assert endpoint == {"Aliases": ["web", "web.shop.local"], "Links": ["shop_db_1:database"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is no object with services"),
        ("- a", "it is no object with services"),
        ("a: [", "it is not YAML"),
        ("a: !!python/object/apply:os.system ['true']", "it is not YAML"),
        ("version: '3'\nservices: {}", "version 3 is not known here"),
        ("version: '2'\nservices: {}", "it has no services"),
        ("version: '2'\nservices: {a: {image: i}}\nnetworks: {}", "networks is not supported"),
        ("version: '2'\nservices: {a: {image: i}}\nvolumes: {v: {driver: x}}", "volumes.v"),
        ("'a b': {image: i}", '"a b" cannot be the name'),
        ("a: text", "the service a is no object"),
        ("a: {}", "a.image"),
        ("a: {build: .}", "a.build: it is not supported"),
        ("a: {image: i, ports: ['x']}", 'a.ports: "x"'),
        ("a: {image: i, ports: ['70000']}", "a.ports: 70000 is out of range"),
        ("a: {image: i, volumes: ['./x:/y']}", 'a.volumes: "./x"'),
        ("a: {image: i, restart: sometimes}", "a.restart"),
        ("a: {image: i, mem_limit: lots}", "a.mem_limit"),
        ("a: {image: i, command: 'echo \"'}", "a.command"),
        ("a: {image: i, labels: {aliyun.scale: '-1'}}", "aliyun.scale: 0 to 100"),
        ("a: {image: i, labels: {aliyun.routing.port_x: h}}", "x is not a port"),
        ("a: {image: i, links: [b]}", "a depends on b, which is missing"),
        ("a: {image: i, links: [b]}\nb: {image: i, links: [a]}", "a -> b -> a"),
        ("a: {image: 'i$'}", "names no variable"),
    ],
)
def test_refusals_name_the_place(text: str, said: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(text)
    assert caught.value.code == "InvalidParameter"
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_traffic_follows_the_weights() -> None:
    old, new = ("10.0.0.1", 1), ("10.0.0.2", 2)
    assert {choose([(100, [old]), (0, [new])]) for _ in range(50)} == {old}
    assert {choose([(50, [old]), (50, [new])]) for _ in range(200)} == {old, new}
    assert choose([(100, []), (0, [new])]) is None
    assert choose([]) is None


@pytest.mark.parametrize(
    ("head", "host"),
    [
        (b"GET / HTTP/1.1\r\nHost: Web.local:80\r\n\r\n", "web.local"),
        (b"GET / HTTP/1.1\r\nhost:web\r\n\r\n", "web"),
        (b"GET / HTTP/1.0\r\n\r\n", ""),
    ],
)
def test_the_host_of_a_request(head: bytes, host: str) -> None:
    assert host_of(head) == host
