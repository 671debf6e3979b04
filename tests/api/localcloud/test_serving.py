"""How ``local up`` serves: where it listens, for which host names, with which key, how long."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from ecsmachine.cli.app import run
from ecsmachine.localcloud.host.paths import CloudPaths
from ecsmachine.localcloud.host.settings import read_settings
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service import alone, daemon
from ecsmachine.localcloud.service.alone import check_not_served, serving_alone
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from ecsmachine.localcloud.service.gate import Gate
from ecsmachine.localcloud.service.http_server import Connections, HttpServer
from ecsmachine.localcloud.service.listening import ListenAddress, parse
from ecsmachine.localcloud.state.settings import NOBODYS_POOL, Settings, StateError
from ecsmachine.localcloud.state.state import open_state
from ecsmachine.localcloud.testing import local_cloud, running_cloud
from tests.api.localcloud.api_client import Api


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "cloud"
    daemon.reset(tmp_path / "cloud")


def up(root: Path, *arguments: str, **variables: str) -> int:
    environment = {**os.environ, "ECSMACHINE_LOCAL_ROOT": str(root), **variables}
    return run(["local", "up", "--guests", "none", *arguments], environment)


def test_without_guests_there_are_images_of_all_systems(root: Path) -> None:
    assert up(root) == 0
    with running_cloud(root) as cloud:
        found = Api(cloud).call("DescribeImages", PageSize=100)["Images"]["Image"]  # type: ignore[arg-type]
        assert {"Ubuntu", "Debian", "Aliyun"} <= {image["Platform"] for image in found}
        assert cloud.image_id in {image["ImageId"] for image in found}


def test_a_folder_is_served_once(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "_PATIENCE_S", 0.1)
    refused = f"Another process already serves the local cloud in {root}."
    with local_cloud(root) as cloud:
        with pytest.raises(LocalCloudError, match=re.escape(refused)), local_cloud(root):
            pass
        assert up(root) == 1
        assert refused in capsys.readouterr().err
        with pytest.raises(LocalCloudError, match=re.escape(refused)):
            daemon.reset(root)
        assert "Regions" in Api(cloud).call("DescribeRegions")  # type: ignore[arg-type]
    assert up(root) == 0
    with pytest.raises(LocalCloudError, match=re.escape(refused)), local_cloud(root):
        pass
    daemon.down(root)
    with local_cloud(root):
        pass
    assert daemon.reset(root)
    assert not root.exists()


SERVING = """
import sys, time
from pathlib import Path
from ecsmachine.localcloud.service.alone import serving_alone
with serving_alone(Path(sys.argv[1])):
    print("serving", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_one_that_is_about_to_end_is_waited_for(root: Path) -> None:
    """As a daemon is that was killed: its files are closed after it has gone."""
    words = [sys.executable, "-c", SERVING, str(root), "1"]
    for ours in (False, True):
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as serving:
            assert serving.stdout
            assert serving.stdout.readline() == "serving\n"
            if ours:
                with serving_alone(root):
                    assert serving.wait(60) == 0
            else:
                check_not_served(root)


def test_a_fork_does_not_serve(root: Path) -> None:
    with local_cloud(root):
        fork = os.fork()
        if not fork:
            time.sleep(60)
            os._exit(0)
    try:
        with local_cloud(root):
            pass
    finally:
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)


def health(address: str, port: int, host: str) -> int:
    connection = http.client.HTTPConnection(address, port, timeout=30)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


async def gate(host: str, own_address: str, *names: str) -> int:
    async def answer(scope: object, receive: object, send: object) -> None:
        await Response()(scope, receive, send)  # type: ignore[arg-type]

    sent: list[dict[str, int]] = []

    async def send(message: object) -> None:
        sent.append(message)  # type: ignore[arg-type]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"host", host.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    scope["server"] = (own_address, 80)
    await Gate(answer, names)(scope, receive, send)
    assert Request(scope).method == "GET"
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("host", "own_address", "names", "status"),
    [
        ("192.0.2.5:80", "192.0.2.5", ("192.0.2.5",), 200),
        ("192.0.2.5", "::ffff:192.0.2.5", (), 200),
        ("ecs:8080", "172.18.0.2", ("ecs", "172.18.0.2"), 200),
        ("ECS", "172.18.0.2", ("ecs",), 200),
        # a port of the host that leads into a container
        ("localhost:8080", "172.18.0.2", ("ecs",), 200),
        ("127.0.0.1:8080", "172.18.0.2", ("ecs",), 200),
        ("[2001:db8::5]:80", "2001:db8::5", (), 200),
        ("ecs.aliyuncs.com", "127.0.0.1", (), 200),
        # any other name may be a page's own
        ("ecs.aliyuncs.com", "192.0.2.5", ("192.0.2.5",), 403),
        ("192.0.2.6", "192.0.2.5", ("192.0.2.5",), 403),
        ("ecs.example.com", "172.18.0.2", ("ecs",), 403),
        ("ecs", "127.0.0.1", (), 403),
        ("evil.example", "127.0.0.1", (), 403),
    ],
)
def test_the_hosts_that_a_request_may_be_for(
    host: str, own_address: str, names: tuple[str, ...], status: int
) -> None:
    assert asyncio.run(gate(host, own_address, *names)) == status


def test_an_address_besides(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert up(root, "--listen", "127.0.0.2") == 0
    assert "Warning" not in capsys.readouterr().err  # nobody else reaches it
    with running_cloud(root) as cloud:
        address = urlsplit(cloud.endpoint)
        assert address.hostname == "127.0.0.2"
        assert address.port is not None
        for at in ("127.0.0.1", "127.0.0.2"):
            assert health(at, address.port, at) == 200
            assert health(at, address.port, "evil.example") == 403
    assert up(root, "--listen", "0.0.0.0") == 1
    assert "without --listen=0.0.0.0" in capsys.readouterr().err


def test_no_guest_of_another_cloud_has_the_addresses_of_a_cloud_without_guests(root: Path) -> None:
    assert up(root) == 0
    kept = read_settings(CloudPaths.of(root).settings_file)
    assert kept is not None and kept.public == NOBODYS_POOL


def test_all_addresses(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert up(root, "--listen", "0.0.0.0") == 0
    assert "Whoever reaches 0.0.0.0 and has the access key is root" in capsys.readouterr().err
    with running_cloud(root) as cloud:
        address = urlsplit(cloud.endpoint)
        assert address.hostname == "127.0.0.1"
        assert address.port is not None
        assert health("127.0.0.2", address.port, "127.0.0.2") == 200
        assert health("127.0.0.2", address.port, "0.0.0.0") == 403
    daemon.down(root)
    assert up(root) == 0  # by itself nobody else reaches it
    with pytest.raises(ConnectionRefusedError):
        health("127.0.0.2", address.port, "127.0.0.2")


def test_an_address_of_another_machine(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert up(root, "--listen", "198.51.100.77") == 1
    assert "cannot listen on 198.51.100.77" in capsys.readouterr().err
    assert daemon.find(root) is None


def test_how_an_address_is_named() -> None:
    assert parse("[::1]") == ListenAddress("::1", "::1")
    assert parse("::1").host() == "[::1]"
    assert parse("LOCALHOST.").name == "localhost"
    for wrong in ("127.0.0.1:80", "no.such.invalid", "a b", "http://127.0.0.1"):
        with pytest.raises(LocalCloudError):
            parse(wrong)


def test_an_idle_connection_outlasts_the_pauses_of_clients() -> None:
    server = HttpServer(Starlette(), Connections().protocol())
    assert server.config.timeout_keep_alive > 60


def test_delays(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert up(root, "--delay", "pendin=60") == 1
    assert "Did you mean pending?" in capsys.readouterr().err
    assert up(root, "--delay", "pending=60", "--settled") == 1
    assert up(root, "--delay", "pending=60", "--delay", "network=60") == 0
    with running_cloud(root) as cloud:
        api = Api(cast(EmbeddedCloud, cloud))
        vpc = api.call("CreateVpc")["VpcId"]
        (found,) = api.call("DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"]
        assert found["Status"] == "Pending"


def test_a_cloud_started_with_sudo_says_how_its_user_gets_the_variables(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert up(root, "--root", str(root), SUDO_USER="me") == 0
    shown = capsys.readouterr().out
    assert f'eval "$(sudo "$(command -v ecsmachine)" local env --root {root})"\n' in shown


def test_a_key_of_ones_own(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = ("--access-key-id", "test", "--access-key-secret", "s3cret")
    assert up(root, *key) == 0
    with running_cloud(root) as cloud:
        assert (cloud.access_key_id, cloud.access_key_secret) == ("test", "s3cret")
        log = cloud.log.after()
    assert log == []
    assert up(root, *key) == 0
    assert up(root, "--access-key-id", "other", "--access-key-secret", "s3cret") == 1
    captured = capsys.readouterr()
    assert "with another access key" in captured.err
    assert "s3cret" not in captured.out + captured.err + (root / "daemon.log").read_text()
    daemon.down(root)
    assert up(root) == 0  # it stays
    with running_cloud(root) as cloud:
        assert cloud.access_key_secret == "s3cret"
    daemon.down(root)
    variables = {
        "ECSMACHINE_LOCAL_ACCESS_KEY_ID": "by-variable",
        "ECSMACHINE_LOCAL_ACCESS_KEY_SECRET": "another",
    }
    assert up(root, **variables) == 0
    with running_cloud(root) as cloud:
        assert (cloud.access_key_id, cloud.access_key_secret) == ("by-variable", "another")


@pytest.mark.parametrize(
    "key",
    [("test", ""), ("", "s3cret"), ("a b", "s3cret"), ("test", "with blank "), ("a,b", "x")],
)
def test_what_is_no_key(tmp_path: Path, key: tuple[str, str]) -> None:
    with pytest.raises(StateError) as caught:
        open_state(tmp_path, Settings(access_key_id=key[0], access_key_secret=key[1]))
    assert "s3cret" not in str(caught.value)


def test_a_key_in_this_process() -> None:
    with local_cloud(
        access_key_id="test", access_key_secret="s3cret", region="cn-beijing"
    ) as cloud:
        assert cloud.environment["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] == "s3cret"
        assert cloud.region == "cn-beijing"
        assert cloud.vpc_id


@pytest.fixture
def foreground(root: Path) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-m", "ecsmachine", "local", "up", "--foreground"]
    process = subprocess.Popen(
        [*program, "--guests", "none", "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert any("local env" in line for line in process.stdout)
    yield process
    process.kill()
    process.communicate(timeout=60)


def test_in_the_foreground(root: Path, foreground: subprocess.Popen[str]) -> None:
    with running_cloud(root) as cloud:
        assert cloud.requests == []
    foreground.send_signal(signal.SIGTERM)
    said, _ = foreground.communicate(timeout=60)
    assert (foreground.returncode, said.splitlines()[-1]) == (0, "The local cloud is down.")
    assert daemon.find(root) is None


def test_in_the_foreground_from_its_first_line_on(root: Path) -> None:
    """SIGTERM comes while it says how the cloud is used; a reader of its lines goes."""
    script = (
        "import os, signal, sys\n"
        "from ecsmachine.cli.commands import local\n"
        "from ecsmachine.cli.app import run\n"
        "def say(line):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    tell(line)\n"
        "tell, local.say = local.say, say\n"
        "sys.exit(run(sys.argv[1:], dict(os.environ)))\n"
    )
    options = ["local", "up", "--foreground", "--guests", "none", "--root", str(root)]
    done = subprocess.run(
        [sys.executable, "-c", script, *options], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "The local cloud is down.")
    assert daemon.find(root) is None

    program = subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", *options], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline().startswith("The local cloud is up")
    program.stdout.close()
    with CloudPaths.of(root).log.open("a") as log:
        log.write("There is more to show.\n")
    assert program.wait(60) == 141
    assert daemon.find(root) is None


@pytest.mark.parametrize("stop", [daemon.down, daemon.reset])
def test_in_the_foreground_it_is_stopped_by_another_command(
    root: Path, foreground: subprocess.Popen[str], stop: Callable[[Path], object]
) -> None:
    stop(root)
    said, _ = foreground.communicate(timeout=60)
    assert (foreground.returncode, said.splitlines()[-1]) == (0, "The local cloud is down.")


def test_in_the_foreground_its_end_is_told(root: Path, foreground: subprocess.Popen[str]) -> None:
    os.kill(json.loads((root / "daemon.json").read_text())["pid"], signal.SIGKILL)
    said, _ = foreground.communicate(timeout=60)
    assert foreground.returncode == 1
    assert "Error: The local cloud has stopped." in said
