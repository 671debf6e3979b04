"""Templates as stack files of Swarm mode: what is written, and what is told instead."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ecsmachine.compose.keys import KEYS
from ecsmachine.compose.stack import Stack, convert
from ecsmachine.compose.values import TemplateError

GUIDE = """
front:
  image: busybox
  ports: ["8081:80", "443", "53:53/udp"]
  links: ["db:database"]
  environment: ["affinity:service!=front", "constraint:node==n1", PRICE=$$5, "TAG=${TAG}"]
  restart: on-failure:3
  labels:
    aliyun.scale: "2"
    aliyun.rolling_updates: "true"
    aliyun.rolling_updates.parallelism: "2"
    aliyun.probe.url: http://container:81/ping
    own: label
db:
  image: busybox
  volumes: ["data:/data", "/etc/acs:/acs"]
  tmpfs: /run:size=1m,mode=700
  mem_limit: 64m
  cpus: 0.5
  labels: {aliyun.global: "true", aliyun.probe.cmd: check}
"""


def stack(text: str, **variables: str) -> tuple[Any, Stack]:
    made = convert(text, variables)
    return yaml.safe_load(made.text), made


def notes(service: str, top: str = "") -> tuple[str, ...]:
    text = (
        f"services: {{a: {{image: i, restart: always, {service}}}, b: {{image: i, restart: 'no'}}}}"
    )
    return convert(f"{text}\n{top}", {}).notes


def test_the_guides_form() -> None:
    written, made = stack(GUIDE, TAG="1")
    front, db = written["services"]["front"], written["services"]["db"]
    assert written["version"] == "3.9"
    assert front["ports"] == [
        {"target": 80, "published": 8081, "protocol": "tcp", "mode": "host"},
        {"target": 443, "protocol": "tcp", "mode": "host"},
        {"target": 53, "published": 53, "protocol": "udp", "mode": "host"},
    ]
    # a dollar sign is no variable of the one who deploys it, nor is a number one of YAML
    assert front["environment"] == {"PRICE": "$$5", "TAG": "1"}
    assert front["labels"] == {"own": "label"}
    assert front["healthcheck"]["test"] == [
        *("CMD-SHELL", "wget -q -O /dev/null http://localhost:81/ping || exit 1"),
    ]
    assert front["deploy"] == {
        "replicas": 2,
        "update_config": {"parallelism": 2, "failure_action": "rollback"},
        "restart_policy": {"condition": "on-failure", "max_attempts": 3},
        "placement": {"max_replicas_per_node": 1, "constraints": ["node.hostname == n1"]},
        "endpoint_mode": "dnsrr",
    }
    assert db["deploy"] == {
        "mode": "global",
        "resources": {"limits": {"memory": "64m", "cpus": "0.5"}},
        "endpoint_mode": "dnsrr",
    }
    assert db["networks"] == {"default": {"aliases": ["database"]}}
    assert db["volumes"][-1] == {"type": "tmpfs", "target": "/run", "tmpfs": {"size": 1 << 20}}
    assert db["healthcheck"]["interval"] == "2s"
    assert written["volumes"] == {"data": {"external": True}}
    assert made.ports == ("53/udp", "8081")
    told = [note.partition(": ")[::2] for note in made.notes]
    assert [(where, what.partition(":")[0]) for where, what in told] == [
        ("front", "aliyun.probe.url"),
        ("front", "constraint"),
        ("db", "volumes /etc/acs"),
        ("db", "no restart is given"),
        ("volumes.data", "make it on every node"),
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            "aliyun.routing.port_80: 'shop;http://www.example.com/path'",
            "a: aliyun.routing.port_80: Swarm mode routes no host names: run a proxy that does on "
            "the stack's network, for instance Traefik, and give it in deploy.labels "
            "traefik.http.routers.a.rule: HostRegexp(`^shop\\.`) || Host(`www.example.com`) && "
            'PathPrefix(`/path`) and traefik.http.services.a.loadbalancer.server.port: "80"',
        ),
        (
            "aliyun.routing.session_sticky: 'true'",
            'traefik.http.services.a.loadbalancer.sticky.cookie: "true"',
        ),
        ("aliyun.lb.port_80: 'https://front:80'", "create --aliyunecs-slb-id"),
        ("aliyun.logs: /var/log", "docker service logs"),
        ("aliyun.auto_scaling.max_cpu: 70", "docker service scale"),
        ("aliyun.depends: b", "a stack starts everything at once"),
        ("aliyun.latest_image: 'true'", "looks for the newest image each time"),
        ("aliyun.anything: x", "it is not known"),
    ],
)
def test_each_label_without_an_equal_is_named_with_what_to_put_there(
    labels: str, said: str
) -> None:
    (note,) = notes(f"labels: {{{labels}}}")
    assert note.startswith(f"a: {labels.partition(': ')[0]}: ")
    assert said in note


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ("constraint:aliyun.node_index==(1|2)", "--label-add a=true NODE"),
        ("constraint:aliyun.node_index==2", "--label-add index=2 NODE"),
        ("constraint:node==~n1", "a stack has no preferences"),
        ("affinity:service==b", "a stack can only constrain nodes"),
        ("affinity:image==~redis", "a stack has no preferences"),
        ("reschedule:off", "node.hostname == NODE"),
    ],
)
def test_each_filter_without_an_equal_is_named(filters: str, said: str) -> None:
    (note,) = notes(f"environment: ['{filters}']")
    assert note.startswith(f"a: {filters}: ")
    assert said in note


def test_each_key_is_written_or_named() -> None:
    values = {"pairs": "{k: v}", "flag": "true", "number": "1", "decimal": "1", "size": "64m"}
    for name, key in KEYS.items():
        if key.stack in ("", "-"):
            continue
        (note,) = notes(f"{name}: {values.get(key.kind, '-1')}")
        assert note.startswith(f"a: {name}: it has no equivalent: "), note


def test_what_swarm_mode_alone_has_goes_through() -> None:
    text = """
services:
  a:
    image: i
    secrets: [s]
    env_file: .env
    environment: {FROM_SHELL: , OCTAL: "0123", TIME: "12:30", YES: "yes"}
    ports: [{target: 80, published: 80, mode: ingress}]
    volumes: ["./x:/x", "v:/v"]
    networks: {n: {ipv4_address: 10.5.0.5}}
    deploy:
      mode: replicated-job
      placement: {constraints: [node.role == manager], preferences: [{spread: node.labels.z}]}
volumes:
  v: {driver: nas, driver_opts: {diskid: "1", host: h, path: /p}}
networks: {n: {driver: bridge, ipam: {config: [{subnet: 10.5.0.0/24}]}}}
secrets: {s: {external: true}}
"""
    written, made = stack(text)
    service = written["services"]["a"]
    assert service["environment"] == {
        "FROM_SHELL": None,
        "OCTAL": "0123",
        "TIME": "12:30",
        "YES": "yes",
    }
    assert 'OCTAL: "0123"' in made.text
    assert (service["secrets"], service["env_file"]) == (["s"], ".env")
    assert service["volumes"] == ["./x:/x", "v:/v"]
    assert service["ports"][0]["mode"] == "ingress"
    assert service["deploy"] == {
        "mode": "replicated-job",
        "placement": {
            "constraints": ["node.role == manager"],
            "preferences": [{"spread": "node.labels.z"}],
        },
    }
    assert written["volumes"]["v"]["driver_opts"] == {
        "type": "nfs",
        "o": "addr=h,nfsvers=4.0",
        "device": ":/p",
    }
    assert written["networks"]["n"]["driver"] == "overlay"
    assert written["secrets"] == {"s": {"external": True}}


def test_one_port_needs_no_list() -> None:
    written, _ = stack("a: {image: i, ports: 80}")
    assert written["services"]["a"]["ports"] == [{"target": 80, "protocol": "tcp", "mode": "host"}]


def test_what_is_no_template_is_refused() -> None:
    for text in ("a: [", "services: {a: {nothing: 1}}", "services: {a: {build: .}}"):
        with pytest.raises(TemplateError):
            convert(text, {})
    assert convert("a: {image: 'i:$TAG'}", {}).notes[0] == (
        "the variable TAG has no value: it is empty"
    )
