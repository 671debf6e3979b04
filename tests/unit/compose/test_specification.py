"""Templates of version 3 and of today's Compose specification, read for a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ecsmachine.compose.keys import KEYS
from ecsmachine.compose.model import HealthCheck, Mount, Network, Port, Template, Volume
from ecsmachine.compose.templates import parse_template
from ecsmachine.compose.values import TemplateError
from ecsmachine.localcloud.container_service.container_body import container_body


def parse(text: str, **variables: str) -> Template:
    return parse_template(text, {"COMPOSE_PROJECT_NAME": "shop", **variables})


def service(text: str) -> Any:
    return parse(f"services: {{a: {{image: i, {text}}}, b: {{image: i}}}}").services["a"]


def body(text: str) -> Any:
    return container_body(service(text), {}, "shop")


WHOLE = """
name: shop
x-common: &common
  restart: unless-stopped
  logging: {driver: json-file, options: {max-size: 10m}}
services:
  web:
    <<: *common
    image: nginx:1
    ports:
      - "8080-8081:80-81"
      - {target: 443, published: "8443", protocol: tcp, mode: host}
    networks:
      front: {aliases: [site]}
      back:
    depends_on:
      db: {condition: service_healthy}
    volumes:
      - {type: volume, source: data, target: /data, read_only: true}
      - {type: bind, source: /etc/acs, target: /acs}
      - {type: tmpfs, target: /run, tmpfs: {size: 64m}}
    extra_hosts: {one: 10.0.0.1, two: [10.0.0.2, 10.0.0.3]}
    deploy:
      replicas: 3
      update_config: {parallelism: 2, order: start-first}
      restart_policy: {condition: on-failure, max_attempts: 5}
      placement: {constraints: ["node.hostname != c1-node1"], max_replicas_per_node: 1}
      resources: {limits: {cpus: "0.5", memory: 64M}, reservations: {memory: 32m}}
  db:
    image: postgres:16
    networks: [back]
    environment: {POSTGRES_PASSWORD: secret, TZ: }
    healthcheck: {test: pg_isready, interval: 1m30s, retries: 2, start_period: 10s}
    ulimits: {nofile: {soft: 1024, hard: 2048}, nproc: 100}
    stop_grace_period: 1m
    deploy: {mode: global}
volumes:
  data:
  shared: {external: true, name: of-all}
networks:
  front:
  back: {internal: true}
"""


def test_a_template_of_today() -> None:
    template = parse(WHOLE)
    web, db = template.services["web"], template.services["db"]
    assert list(template.services) == ["db", "web"]
    assert web.ports == (Port(80, "tcp", 8080), Port(81, "tcp", 8081), Port(443, "tcp", 8443))
    assert web.networks == {"shop_front": ("site",), "shop_back": ()}
    assert template.networks == {
        "front": Network("shop_front"),
        "back": Network("shop_back", internal=True),
    }
    assert web.mounts == (Mount("shop_data", "/data", "ro"), Mount("/etc/acs", "/acs"))
    assert template.volumes == {
        "data": Volume("shop_data"),
        "shared": Volume("of-all", external=True),
    }
    assert (web.own.scale, web.own.parallelism, db.own.everywhere) == (3, 2, True)
    assert (web.restart, web.restart_limit) == ("on-failure", 5)
    assert [str(one) for one in web.placement.filters] == [
        *("constraint:node!=c1-node1", "affinity:service!=web"),
    ]
    assert db.health_check == HealthCheck(("CMD-SHELL", "pg_isready"), 90, 30, 2, 10)
    # one that takes long until its first check is waited for
    assert db.own.probe is not None and db.own.probe.delay_s == 10 + 2 * (90 + 30)
    assert db.environment == ("POSTGRES_PASSWORD=secret",)
    assert template.warnings == (
        "name has no effect: the project's name is given with it",
        "web: deploy.update_config.order has no effect: the next containers are replaced when "
        "these are healthy, and all go back if not",
        "db: environment TZ has no value: it is left out",
    )
    made = container_body(web, {}, "shop")
    host = made["HostConfig"]
    assert list(made["NetworkingConfig"]["EndpointsConfig"]) == ["shop_front", "shop_back"]
    assert made["NetworkingConfig"]["EndpointsConfig"]["shop_front"]["Aliases"] == [
        *("web", "web.shop.local", "site"),
    ]
    assert host["ExtraHosts"] == ["one:10.0.0.1", "two:10.0.0.2", "two:10.0.0.3"]
    assert host["Binds"] == ["shop_data:/data:ro", "/etc/acs:/acs:rw"]
    assert host["Tmpfs"] == {"/run": "size=67108864"}
    assert (host["NanoCpus"], host["Memory"], host["MemoryReservation"]) == (
        *(500_000_000, 64 << 20, 32 << 20),
    )
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m"}}
    made = container_body(db, {}, "shop")
    assert made["StopTimeout"] == 60
    assert made["HostConfig"]["Ulimits"] == [
        {"Name": "nofile", "Soft": 1024, "Hard": 2048},
        {"Name": "nproc", "Soft": 100, "Hard": 100},
    ]


def test_every_form_of_version_is_read() -> None:
    for version in ("", "version: '2'\n", "version: 2.4\n", "version: 3\n", "version: '3.8'\n"):
        assert list(parse(f"{version}services: {{a: {{image: i}}}}").services) == ["a"]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("dns: 1.1.1.1", "Dns", ["1.1.1.1"]),
        ("tmpfs: ['/a:size=1m,mode=700', /b]", "Tmpfs", {"/a": "size=1m,mode=700", "/b": ""}),
        ("extra_hosts: ['a:1.2.3.4', 'a=1.2.3.5']", "ExtraHosts", ["a:1.2.3.4", "a:1.2.3.5"]),
        ("privileged: yes", "Privileged", True),
        ("shm_size: 1g", "ShmSize", 1 << 30),
        ("memswap_limit: -1", "MemorySwap", -1),
        ("sysctls: [net.core.somaxconn=1]", "Sysctls", {"net.core.somaxconn": "1"}),
        (
            "devices: ['/dev/fuse:/dev/x:r']",
            "Devices",
            [
                {
                    "PathOnHost": "/dev/fuse",
                    "PathInContainer": "/dev/x",
                    "CgroupPermissions": "r",
                }
            ],
        ),
    ],
)
def test_keys_of_dockers_api(text: str, name: str, value: object) -> None:
    assert body(text)["HostConfig"][name] == value


def test_a_path_may_be_mounted_with_every_mode_that_compose_has() -> None:
    assert service("volumes: ['/a:/b:ro,z', '/c:/d:cached', /e]").mounts == (
        *(Mount("/a", "/b", "ro,z"), Mount("/c", "/d", "cached"), Mount("", "/e")),
    )


def test_volumes_are_a_projects_own_if_they_are_declared() -> None:
    used = "services: {{a: {{image: i, volumes: ['data:/d']}}}}\n{}"
    for declared, name in (
        ("volumes: {data: {}}", "shop_data"),
        ("volumes: {data: }", "shop_data"),
        ("volumes: {data: {name: own}}", "own"),
        ("volumes: {data: {external: true}}", "data"),
        ("volumes: {data: {external: {name: old}}}", "old"),
        ("volumes: {data: {external: true, name: theirs}}", "theirs"),
    ):
        template = parse(used.format(declared))
        assert [m.source for m in template.services["a"].mounts] == [name], declared
        assert template.warnings == ()
    template = parse(used.format(""))
    assert template.services["a"].mounts[0].source == "data"
    assert "data is not declared at the top" in template.warnings[0]
    # version 1 has no place to declare them
    assert parse("a: {image: i, volumes: ['data:/d']}").warnings == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing: 1", "a.nothing: it is not known"),
        ("network_mode: host", "a.network_mode: it is not supported: containers of a project"),
        ("env_file: .env", "files of your computer are not sent to the cluster"),
        ("secrets: [x]", "a.secrets"),
        ("profiles: [x]", "all services of a template are started"),
        ("deploy: {mode: replicated-job}", '"replicated-job" is not supported'),
        ("deploy: {replica: 2}", "a.deploy.replica: it is not known"),
        ("deploy: {replicas: many}", '"many" is not a whole number'),
        ("deploy: {placement: {constraints: ['node.role == manager']}}", "nodes of a cluster"),
        ("deploy: {resources: {reservations: {devices: [{}]}}}", "nodes have no such resources"),
        ("deploy: {replicas: 2}, labels: {aliyun.scale: '3'}", "either it or deploy.replicas"),
        ("deploy: {replicas: 2}, container_name: xy", "several containers cannot share a name"),
        ("healthcheck: {test: x}, labels: {aliyun.probe.cmd: y}", "use it or aliyun.probe"),
        ("healthcheck: {test: [x, y]}", "begins with CMD or CMD-SHELL"),
        ("healthcheck: {test: x, interval: soon}", '"soon" is not a time'),
        ("depends_on: {b: {condition: service_completed_successfully}}", "is not supported"),
        ("ports: ['80:80', '80:81']", "two containers cannot share 80/tcp of the node"),
        ("ports: ['80-81:80']", "ranges of different lengths"),
        ("ports: ['81-80']", "out of range"),
        ("ports: [{target: 80, protocol: sctp}]", "neither tcp nor udp"),
        ("ports: [{published: 80}]", 'a.ports.target: "" is not a port'),
        ("volumes: ['/a:/x', '/b:/x']", "two volumes are mounted at /x"),
        ("volumes: [{type: image, source: i, target: /x}]", '"image" is not supported'),
        ("volumes: [{type: bind, source: ./x, target: /x}]", '"./x" is neither a path on a node'),
        ("networks: {default: {ipv4_address: 10.0.0.1}}", "ipv4_address: it is not known"),
        ("links: ['b:x', 'c:x']", "x is an alias of two services"),
        ("labels: [a=1, a=2]", "a.labels: a appears twice"),
        ("labels: {aliyun.routing.port_080: x}", "080 is not a port"),
        ("extra_hosts: [a]", '"a" is not HOST:ADDRESS'),
        ("privileged: maybe", "true or false"),
        ("pull_policy: build", "a.pull_policy: always or missing"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        service(text)
    assert said in caught.value.reason


def test_each_key_is_taken_or_says_why_not() -> None:
    """Taken by an API of Docker's, read by a module, or with a reason on a cluster."""
    for name, key in KEYS.items():
        assert not (key.api and key.cluster), name
        if key.cluster:
            with pytest.raises(TemplateError, match=f"a.{name}: it is not supported"):
                service(f"{name}: x")
