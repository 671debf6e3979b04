"""Compose templates: what is read, what is refused, and what containers are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ecsmachine.compose.labels import Probe, Route
from ecsmachine.compose.model import Port, Template
from ecsmachine.compose.placement import Candidate, fitting
from ecsmachine.compose.templates import parse_template
from ecsmachine.compose.values import TemplateError
from ecsmachine.localcloud.container_service import application_views
from ecsmachine.localcloud.container_service.container_body import container_body
from ecsmachine.localcloud.container_service.routing import (
    Asked,
    Destination,
    choose,
    read_head,
    token_of,
)
from ecsmachine.localcloud.state.clusters import Release


def parse(text: str, **variables: str) -> Any:
    return parse_template(text, {"COMPOSE_PROJECT_NAME": "shop", **variables}).services


def test_both_forms_of_the_guide() -> None:
    assert list(parse("web:\r\n image: nginx")) == ["web"]
    services = parse("version: '2'\nservices:\n  web: {image: nginx}\n  db: {image: mysql}\n")
    assert [service.image for service in services.values()] == ["nginx", "mysql"]


def test_the_guides_template_for_scaling_by_metrics() -> None:
    text = """
version: '2'
services:
  influxdb:
    image: influxdb:0.13
    ports:
      - "8083:8083"
      - "8086:8086"
    container_name: "influxdb"
    labels:
      aliyun.monitoring.addon.influxdb: "http://influxdb:8086"
  grafana:
    image: grafana/grafana:3.0.3-1463994644
    ports:
      - "3000:3000"
    links:
      - influxdb
  kapacitor:
    image: kapacitor:0.13
    ports:
      - "9092:9092"
    volumes:
      - /etc/acs/:/etc/acs/
    environment:
      - KAPACITOR_INFLUXDB_0_URLS_0=http://influxdb:8086
    command: kapacitord -config /etc/kapacitor/kapacitor.conf
"""
    services = parse(text)
    assert list(services) == ["influxdb", "grafana", "kapacitor"]
    influxdb = services["influxdb"]
    assert influxdb.container_name == "influxdb"
    assert influxdb.fixed_ports == {(8083, "tcp"), (8086, "tcp")}
    (warning,) = influxdb.own.warnings
    assert warning.startswith("aliyun.monitoring.addon.influxdb has no effect")
    (mount,) = services["kapacitor"].mounts
    assert (mount.source, mount.target) == ("/etc/acs/", "/etc/acs/")


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
    assert service.own.scale == service.own.shown["scale"] == 3
    assert service.own.shown["log_store_dbstdout"] == "stdout"
    assert service.own.routes == {80: (Route("web"), Route("www.example.com", "/path"))}
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
    body = container_body(service, {"own": "label"}, "shop")
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
    body = container_body(parse(text)["web"], {}, "shop")
    endpoint = body["NetworkingConfig"]["EndpointsConfig"]["shop_default"]
    assert endpoint == {"Aliases": ["web", "web.shop.local"], "Links": ["db:database"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not an object with services"),
        ("- a", "it is not an object with services"),
        ("a: [", "it is not YAML"),
        ("a: !!python/object/apply:os.system ['true']", "it is not YAML"),
        ("version: '4'\nservices: {}", "version 4 is not supported"),
        ("version: '3.8'\nservices: {}", "it has no services"),
        ("version: '2'\nservices: {}", "it has no services"),
        ("services: {a: {image: i}}\nsecrets: {}", "secrets is not supported at the top: files"),
        ("services: {a: {image: i}}\nnetworks: {n: {driver: host}}", "networks.n.driver"),
        ("services: {a: {image: i, networks: [n]}}", "a.networks: n is not declared"),
        ("version: '2'\nservices: {a: {image: i}}\nvolumes: {v: {driver: x}}", "volumes.v"),
        ("'a b': {image: i}", '"a b" cannot be the name'),
        ("a: text", "a: it must be an object"),
        ("a: {}", "a.image"),
        ("a: {build: .}", "a.build: it is not supported: images are not built here"),
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
        ("a: {image: i, labels: {aliyun.global: sure}}", "aliyun.global: true or false"),
        ("a: {image: i, labels: {aliyun.probe.url: 'http://web/'}}", "http://container[:PORT]"),
        ("a: {image: i, labels: {aliyun.probe.url: 'tcp://container'}}", "tcp://container:PORT"),
        (
            "a: {image: i, labels: {aliyun.probe.url: 'tcp://container:1', aliyun.probe.cmd: c}}",
            "use it or aliyun.probe.cmd",
        ),
        ("a: {image: i, labels: {aliyun.depends: b}}", "a depends on b, which is missing"),
        ("a: {image: i, environment: ['constraint:zone==a']}", "nodes have no zone"),
        ("a: {image: i, environment: ['affinity:service=db']}", "is neither constraint:KEY"),
        ("a: {image: i, environment: ['reschedule:maybe']}", "reschedule:on-node-failure or off"),
        ("a: {image: i, container_name: '-a'}", 'a.container_name: "-a"'),
        (
            "a: {image: i, container_name: xy, labels: {aliyun.scale: '2'}}",
            "several containers cannot share a name",
        ),
    ],
)
def test_refusals_name_the_place(text: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(text)
    assert said in caught.value.reason
    assert "\n" not in caught.value.reason


def test_traffic_follows_the_weights() -> None:
    old, new = ("10.0.0.1", 1), ("10.0.0.2", 2)

    def chosen(*parts: tuple[int, list[Any]]) -> set[Any]:
        destinations = [Destination("/", weight, places) for weight, places in parts]
        found = (choose(destinations, "/x") for _ in range(200))
        return {one and one[1] for one in found}

    assert chosen((100, [old]), (0, [new])) == {old}
    assert chosen((50, [old]), (50, [new])) == {old, new}
    assert chosen((100, []), (0, [new])) == {None}
    assert chosen() == {None}


def test_the_longest_path_decides() -> None:
    destinations = [
        Destination("/", 100, [("10.0.0.1", 1)]),
        Destination("/shop", 100, [("10.0.0.2", 2)]),
        Destination("/shop/cart/", 100, []),
    ]
    for path, port in (("/", 1), ("/shops", 1), ("/shop", 2), ("/shop/x", 2)):
        found = choose(destinations, path)
        assert found is not None
        assert found[1][1] == port, path
    assert choose(destinations, "/shop/cart/1") is None
    assert choose(destinations[1:], "/other") is None


def test_a_cookie_leads_to_its_container_while_that_is_there() -> None:
    places = [("10.0.0.1", port) for port in range(1, 6)]
    sticky = [Destination("/", 100, places, sticky=True)]
    for place in places:
        found = [choose(sticky, "/", token_of(place)) for _ in range(20)]
        assert {one and one[1] for one in found} == {place}
    drawn = [choose(sticky, "/", token_of(("10.9.9.9", 1))) for _ in range(200)]
    assert {one and one[1] for one in drawn} == set(places)
    plain = [choose([Destination("/", 100, places)], "/", token_of(places[0])) for _ in range(200)]
    assert {one and one[1] for one in plain} == set(places)


@pytest.mark.parametrize(
    ("head", "asked"),
    [
        (b"GET / HTTP/1.1\r\nHost: Web.local:80\r\n\r\n", Asked("web.local", "/")),
        (b"GET /a?b=/c HTTP/1.1\r\nhost:web\r\n\r\n", Asked("web", "/a")),
        (b"GET http://web/a HTTP/1.1\r\nHost: web\r\n\r\n", Asked("web", "/a")),
        (b"GET / HTTP/1.0\r\n\r\n", Asked("", "/")),
        (b"\r\n\r\n", Asked("", "/")),
        (
            b"GET / HTTP/1.1\r\nHost: w\r\nCookie: a=b; acs_route=12; c=d\r\n\r\n",
            Asked("w", "/", "12"),
        ),
    ],
)
def test_the_head_of_a_request(head: bytes, asked: Asked) -> None:
    assert read_head(head) == asked


@pytest.mark.parametrize(
    ("labels", "probe"),
    [
        ("{aliyun.probe.url: 'http://container/ping'}", Probe("http", 80, "/ping")),
        ("{aliyun.probe.url: 'http://container:8080'}", Probe("http", 8080, "/")),
        (
            "{aliyun.probe.url: 'tcp://container:3306', aliyun.probe.timeout_seconds: '3', "
            "aliyun.probe.initial_delay_seconds: '7'}",
            Probe("tcp", 3306, "/", timeout_s=3, delay_s=7),
        ),
        ("{aliyun.probe.cmd: /check.sh}", Probe(command="/check.sh")),
        ("{aliyun.probe.timeout_seconds: '3'}", None),
    ],
)
def test_probes(labels: str, probe: Probe | None) -> None:
    service = parse(f"a: {{image: i, labels: {labels}}}")["a"]
    assert service.own.probe == probe
    body = container_body(service, {}, "shop")
    if probe is not None and probe.port:
        # so that the probe can come from outside
        assert body["HostConfig"]["PortBindings"] == {
            f"{probe.port}/tcp": [{"HostIp": "", "HostPort": ""}]
        }
    assert ("Healthcheck" in body) == (probe is not None and bool(probe.command))


def test_a_probe_that_is_a_command_is_the_engines_check() -> None:
    labels = "{aliyun.probe.cmd: 'test -e /ok', aliyun.probe.initial_delay_seconds: 5}"
    body = container_body(parse(f"a: {{image: i, labels: {labels}}}")["a"], {}, "p")
    second = 1_000_000_000
    assert body["Healthcheck"] == {
        "Test": ["CMD-SHELL", "test -e /ok"],
        "Interval": 2 * second,
        "Timeout": 10 * second,
        "StartPeriod": 5 * second,
        "Retries": 3,
    }


def test_updates_and_dependencies_by_labels() -> None:
    labels = (
        "{aliyun.rolling_updates: 'true', aliyun.rolling_updates.parallelism: '3', "
        "aliyun.depends: 'b, c', aliyun.latest_image: 'true', aliyun.global: 'true'}"
    )
    services = parse(f"a: {{image: i, labels: {labels}}}\nb: {{image: i}}\nc: {{image: i}}")
    assert list(services) == ["b", "c", "a"]
    own = services["a"].own
    assert (own.parallelism, own.latest_image, own.everywhere) == (3, True, True)
    assert own.warnings == ()
    # without aliyun.rolling_updates, and with nonsense, it is one at a time
    for text in ("aliyun.rolling_updates.parallelism: '3'", "aliyun.rolling_updates: 'false'"):
        assert parse(f"a: {{image: i, labels: {{{text}}}}}")["a"].own.parallelism == 1


def test_labels_without_effect_are_told() -> None:
    text = """
a:
  image: i
  labels:
    aliyun.logs: /var/log/mysql
    aliyun.lb.port_80: "https://front:443"
    aliyun.rooting.port_80: web
    aliyun.routing.port_443: "https://www.example.com"
    aliyun.scale: "2"
"""
    own = parse(text)["a"].own
    assert own.shown["logs"] == ["/var/log/mysql"]
    assert [warning.partition(" has no effect: ")[0] for warning in own.warnings] == [
        "aliyun.logs",
        "aliyun.lb.port_80",
        "aliyun.rooting.port_80",
        "aliyun.routing.port_443",
    ]
    assert own.warnings[2].endswith("it is not known")


NODES = {
    "n1": Candidate(
        "n1",
        {"aliyun.node_index": ["1"], "node": ["c-node1"]},
        services={"db"},
        images={"redis", "redis:latest"},
        labels={"tier": {"front"}},
    ),
    "n2": Candidate("n2", {"aliyun.node_index": ["2"], "node": ["c-node2"]}, services={"web"}),
    "n3": Candidate("n3", {"aliyun.node_index": ["3"], "node": ["c-node3"]}),
}


@pytest.mark.parametrize(
    ("expressions", "nodes"),
    [
        ([], "n1 n2 n3"),
        (["constraint:aliyun.node_index==1"], "n1"),
        (["constraint:aliyun.node_index!=1"], "n2 n3"),
        (["constraint:aliyun.node_index==(1|3)"], "n1 n3"),
        (["constraint:aliyun.node_index!=(1|3)"], "n2"),
        (["constraint:node==*node2"], "n2"),
        (["constraint:node==/node[23]/"], "n2 n3"),
        (["affinity:service!=db"], "n2 n3"),
        (["affinity:service==db"], "n1"),
        (["affinity:service==~nothing"], "n1 n2 n3"),
        (["affinity:service!=~db", "affinity:service!=~web"], "n3"),
        (["affinity:image==~redis"], "n1"),
        (["affinity:tier==front"], "n1"),
        (["constraint:aliyun.node_index==1", "affinity:service!=db"], ""),
    ],
)
def test_filters_choose_nodes(expressions: list[str], nodes: str) -> None:
    text = f"a: {{image: i, environment: {[*expressions, 'USER=me']}}}"
    service = parse(text)["a"]
    assert service.environment == ("USER=me",)
    assert fitting(service.placement, NODES.values()) == nodes.split()


def test_a_service_comes_after_those_that_its_place_depends_on() -> None:
    text = "a: {image: i, environment: ['affinity:service!=b']}\nb: {image: i}"
    assert list(parse(text)) == ["b", "a"]
    both = text.replace("b: {image: i}", "b: {image: i, environment: ['affinity:service!=a']}")
    assert sorted(parse(both)) == ["a", "b"]


def test_whether_a_service_stays_on_a_node_that_fails() -> None:
    def stays(policy: str) -> bool:
        service = parse(f"a: {{image: i, environment: ['reschedule:{policy}']}}")["a"]
        assert service.environment == ()
        return bool(service.placement.stays)

    assert stays("off")
    assert not stays("on-node-failure")


def test_a_container_with_a_name_of_its_own() -> None:
    assert parse("a: {image: i, container_name: influxdb}")["a"].container_name == "influxdb"


def test_a_template_is_parsed_once_until_it_or_a_variable_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[str] = []

    def parse(text: str, variables: Mapping[str, str]) -> Template:
        parsed.append(variables["WORD"])
        return parse_template(text, variables)

    monkeypatch.setattr(application_views, "parse_template", parse)
    template = "web: {image: busybox, command: echo $WORD of-this-test}"
    for word in ("one", "one", "two"):
        release = Release("1", template, environment={"WORD": word})
        assert application_views.services_of("shop", release)["web"].command[1] == word  # type: ignore[index]
    assert parsed == ["one", "two"]


def test_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 {image: x}", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    for text in ("\n".join(lines), "web: &web {image: x, again: *web}"):
        with pytest.raises(TemplateError, match="too many values"):
            parse_template(text, {})
