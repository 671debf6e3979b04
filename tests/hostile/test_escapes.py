"""What clouds, engines, registries and files say is shown and not obeyed, in every command.

``HOSTILE_SEEDS=50`` tries more than the few that run with the tests.
"""

from __future__ import annotations

import json
import os
import socket
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import SwarmRequest
from ecsmachine.cli.app import run
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.machine.store import Store
from tests.api.hurried import hurried
from tests.hostile.mangling import ESCAPES, mangling
from tests.servers import connections
from tests.unit.stand_ins import add_machine, engine, register_told_driver

SEEDS = range(int(os.environ.get("HOSTILE_SEEDS", "3")))
SHARES = (0.03, 0.3)

SAID = ("".join(ESCAPES), "\u202e", "\tforged", "`touch forged`$(touch forged)")

Run = Callable[..., tuple[int, str, str]]

MACHINES: tuple[tuple[str, ...], ...] = (
    ("create", "--no-provision", "--dry-run", "m2"),
    ("create", "--no-provision", "--dry-run", "--json", "m2"),
    ("create", "--no-provision", "m2"),
    ("ls",),
    ("ls", "--json"),
    ("ls", "-f", "{{.Name}} {{.State}} {{.URL}} {{.Error}}"),
    ("inspect", "m1"),
    ("status", "m1"),
    ("doctor", "m1"),
    ("doctor", "--json", "m1"),
    ("doctor",),
    ("logs", "--console", "m1"),
    ("logs", "--console", "--json", "m1"),
    ("status", "--json", "m1"),
    ("ip", "m1"),
    ("url", "m1"),
    ("stop", "m1"),
    ("start", "m1"),
    ("kill", "m1"),
    ("ls", "--orphans"),
    ("sweep", "--dry-run"),
    ("sweep", "--dry-run", "--json"),
    ("adopt",),
    ("adopt", "--json"),
    ("credentials", "check", "m1"),
    ("__complete", "create", "--aliyunecs-region", ""),
    ("__complete", "create", "--aliyunecs-instance-type", ""),
    ("rm", "-y", "m2"),
    ("rm", "-y", "m1"),
    ("rm", "-f", "m1"),
    ("--debug", "sweep", "--dry-run"),
)

CLUSTERS: tuple[tuple[str, ...], ...] = (
    ("cluster", "ls"),
    ("cluster", "ls", "-q"),
    ("cluster", "ls", "--json"),
    ("cluster", "inspect", "shared"),
    ("cluster", "nodes", "shared"),
    ("cluster", "nodes", "--json", "shared"),
    ("cluster", "log", "shared"),
    ("cluster", "images"),
    ("cluster", "certs", "shared"),
    ("cs", "GET", "/clusters"),
    ("cs", "GET", "/nothing"),
    ("trigger", "ls"),
    ("env", "--cluster", "shared"),
    ("env", "--cluster", "shared", "--json"),
)


def obeyed(text: str) -> list[str]:
    """Return what a terminal would obey in a text, beside line breaks and tabs."""
    return [
        repr(character)
        for character in text
        if character not in "\n\t" and unicodedata.category(character)[0] == "C"
        if unicodedata.category(character) not in ("Co", "Cn")
    ] + [repr(character) for character in text if character in "\u2028\u2029"]


def check(words: tuple[str, ...], code: int, out: str, err: str) -> None:
    """See that nothing is obeyed, that JSON is JSON, and that an error is one line at the end."""
    assert obeyed(out) == [], words
    assert obeyed(err) == [], words
    assert "\nError: forged" not in out + err or words[:2] == ("inspect", "-f"), words
    assert code in (0, 1, 2, 3), words
    if code:
        assert err.splitlines()[-1].startswith("Error: ") or words[0] == "__complete", (words, err)
    elif "--json" in words or words in (("inspect", "m1"), ("cs", "GET", "/clusters")):
        json.loads(out)
    if words[0] == "__complete":
        assert "$" not in "".join(line.partition("\t")[0] for line in out.splitlines())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("mangled") / "cloud") as running:
        yield running


@pytest.fixture
def program(cloud: EmbeddedCloud, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the program against an address: the code, and what it wrote."""

    def call(endpoint: str, *words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with hurried():
            code = run(
                list(words),
                {
                    "HOME": str(tmp_path),
                    "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
                    "MACHINE_DRIVER": "aliyunecs",
                    "ECS_ACCESS_KEY_ID": cloud.access_key_id,
                    "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
                    "ECS_REGION": cloud.region,
                    "ECS_API_ENDPOINT": endpoint,
                    "ECSMACHINE_CLUSTER": "shared",
                    "SHELL": "/bin/bash",
                },
            )
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloud_of_machines(cloud: EmbeddedCloud, program: Run, seed: int, share: float) -> None:
    assert program(cloud.endpoint, "create", "--no-provision", "m1")[0] == 0
    codes: Counter[int] = Counter()
    with mangling(cloud.endpoint, seed, share) as endpoint:
        for words in MACHINES:
            code, out, err = program(endpoint, *words)
            check(words, code, out, err)
            codes[code] += 1
    assert len(codes) > 1, "nothing was refused, or everything"
    for name in ("m1", "m2"):
        program(cloud.endpoint, "rm", "-f", name)
    program(cloud.endpoint, "sweep", "-y")


@pytest.fixture(scope="module")
def cluster(cloud: EmbeddedCloud) -> None:
    """A cluster named "shared"."""
    key = FixedCredentials("test", Credentials(cloud.access_key_id, cloud.access_key_secret))
    client = ClusterClient(cloud.region, key, endpoint=cloud.endpoint)
    request = SwarmRequest(
        name="shared",
        size=1,
        instance_type="ecs.n4.small",
        password="TestPwd124",
        data_disk_category="cloud_efficiency",
        data_disk_size=40,
        vpc_id=cloud.state.default_vpc_id,
        vswitch_id=cloud.state.default_vswitch_id,
        subnet_cidr="192.168.0.0/16",
        region_id=cloud.region,
    )
    client.wait(client.create(request).cluster_id, timeout_s=60)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloud_of_clusters(cloud: EmbeddedCloud, program: Run, seed: int, share: float) -> None:
    with mangling(cloud.endpoint, seed, share) as endpoint:
        for words in CLUSTERS:
            check(words, *program(endpoint, *words))


HEADS = (
    b"200 OK\r\nContent-Type x\x1b[31m\r\nX\r\n bad: y\r\n: z\r\nContent-Length: 2\r\n\r\n{}",
    b"302 \x1b[31m\r\nLocation: http://\x1b[31m/\r\nContent-Length: 0\r\n\r\n",
    b"403 \x1b[31m\r\nx-acs-request-id: \x9b\x1b[32m\r\nContent-Length: 2\r\n\r\n\x1b[",
    b"200 \xff\r\nContent-Length: \x1b[31m\r\n\r\n",
)


@pytest.mark.parametrize("head", HEADS, ids=ascii)
def test_the_head_of_an_answer(head: bytes, program: Run) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 " + head)

    with connections(talk) as port:
        endpoint = f"http://127.0.0.1:{port}"
        for words in (
            ("ls", "--orphans"),
            ("cluster", "ls"),
            ("cs", "GET", "/nothing"),
            ("image", "ls", "--registry", endpoint),
        ):
            code, out, err = program(endpoint, *words)
            check(words, code, out, err)
            assert "bug in ecsmachine" not in err


@pytest.mark.parametrize("escape", SAID, ids=ascii)
def test_an_engine(
    escape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    register_told_driver(monkeypatch)
    store = Store(tmp_path / "store", {})
    machine = add_machine(store, "dev1")
    version = f"27{escape}.1"
    for body in (None, json.dumps({"message": version}).encode(), version.encode(errors="replace")):
        with engine(
            machine.auth, version=version, status=200 if body is None else 500, body=body
        ) as url:
            machine.driver.config()["URL"] = url
            store.save(machine)
            for words in (
                ("ls",),
                ("ls", "-f", "{{.DockerVersion}}"),
                ("ls", "-f", "table {{.Name}}\t{{.DockerVersion}}"),
                ("ls", "--json"),
                ("version", "dev1"),
                ("version", "--json", "dev1"),
                ("env", "dev1"),
                ("config", "dev1"),
                ("active",),
                ("swarm", "ls"),
                ("start", "dev1"),
            ):
                environment = {
                    "MACHINE_STORAGE_PATH": str(store.path),
                    "SHELL": "/bin/sh",
                    "DOCKER_HOST": url,
                }
                code = run(list(words), environment)
                out, err = capfd.readouterr()
                check(words, code, out, err)
                if words == ("ls",):
                    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("escape", SAID, ids=ascii)
def test_files_of_the_store(escape: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    environment = {"MACHINE_STORAGE_PATH": str(tmp_path), "SHELL": "/bin/sh", "HOME": str(tmp_path)}
    create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "--engine-label", "a=b", "m1"]
    assert run(create, environment) == 0
    path = tmp_path / "machines" / "m1" / "config.json"
    whole = path.read_text()
    for found, put in (
        ('"a=b"', json.dumps(f"a={escape}")),
        ('"tcp://127.0.0.1:1"', json.dumps(f"tcp://127.0.0.1:1{escape}")),
        ('"none"', json.dumps(f"none{escape}")),
        ('"m1"', json.dumps(f"m1{escape}")),
        ('"ConfigVersion"', json.dumps(f"Config{escape}Version")),
        ("{", f"{escape}{{".encode("utf-8", "replace").decode()),
    ):
        path.write_text(whole.replace(found, put, 1))
        for words in (
            ("ls",),
            ("ls", "--json"),
            ("ls", "-f", "{{.Name}} {{.URL}} {{.EngineOptions}}"),
            ("inspect", "m1"),
            ("inspect", "-f", "{{.Driver}} {{.HostOptions}}", "m1"),
            ("url", "m1"),
            ("env", "m1"),
            ("config", "show", "m1"),
            ("status", "m1"),
            ("doctor", "m1"),
            ("doctor", "--json", "m1"),
            ("doctor",),
            ("rm", "m1"),
        ):
            code = run(list(words), environment)
            out, err = capfd.readouterr()
            check(words, code, out, err)
