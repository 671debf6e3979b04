"""Programs for which Alibaba Cloud's own addresses lead to a local cloud."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.service.stand_in import StandIn, api_names, stand_in

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces need root")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path) as running:
        yield running


@pytest.fixture
def place(cloud: EmbeddedCloud) -> Iterator[StandIn]:
    with stand_in(int(cloud.host.rpartition(":")[2])) as found:
        yield found


def ask(place: StandIn, url: str) -> str:
    """Return what a program that uses OpenSSL's authorities is answered."""
    script = (
        "import sys, urllib.error, urllib.request\n"
        "try:\n"
        "    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())\n"
        "except urllib.error.HTTPError as error:\n"
        "    print(error.read().decode())\n"
    )
    done = subprocess.run(
        place.command(["python3", "-c", script, url]),
        env={"PATH": os.environ["PATH"], **place.variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_root
@pytest.mark.parametrize(
    "address",
    [
        "http://ecs.aliyuncs.com",
        "https://ecs.aliyuncs.com",
        "https://vpc.cn-beijing.aliyuncs.com",
        "https://ecs-cn-hangzhou.aliyuncs.com",
        "http://location-readonly.aliyuncs.com",
    ],
)
def test_the_names_of_the_api_lead_here(place: StandIn, address: str) -> None:
    answer = ask(place, f"{address}/?Action=DescribeRegions&Format=JSON")
    assert '"Code":"MissingParameter"' in answer
    assert f'"HostId":"{address.partition("//")[2]}"' in answer


@needs_root
def test_the_older_python_sdk_is_led_here_over_tls(place: StandIn, cloud: EmbeddedCloud) -> None:
    script = (
        "import sys\n"
        "from aliyunsdkcore.client import AcsClient\n"
        "from aliyunsdkecs.request.v20140526.DescribeZonesRequest import DescribeZonesRequest\n"
        "request = DescribeZonesRequest()\n"
        "request.set_protocol_type('https')\n"
        "print(AcsClient(*sys.argv[1:]).do_action_with_exception(request).decode())\n"
    )
    account = (cloud.access_key_id, cloud.access_key_secret, cloud.region)
    done = subprocess.run(
        place.command([sys.executable, "-c", script, *account]),
        env={"PATH": os.environ["PATH"], **place.variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert '"ZoneId":' in done.stdout, done.stderr


@needs_root
def test_nothing_of_the_host_is_changed(place: StandIn) -> None:
    assert "aliyuncs" not in Path("/etc/hosts").read_text()
    assert Path("/etc/hosts").read_text() in place.hosts_file.read_text()
    secrets = [file for file in place.hosts_file.parent.iterdir() if "key" in file.name]
    assert secrets and all(file.stat().st_mode & 0o077 == 0 for file in secrets)


@needs_root
def test_two_clouds_stand_in_side_by_side(
    place: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with embedded_cloud(tmp_path_factory.mktemp("second")) as second:
        with stand_in(int(second.host.rpartition(":")[2])) as other:
            for each in (place, other):
                assert "MissingParameter" in ask(each, "http://ecs.aliyuncs.com/?Format=JSON")
        assert not other.hosts_file.exists()


@needs_root
def test_a_connection_that_is_open_at_the_end_is_cut(
    cloud: EmbeddedCloud, caplog: pytest.LogCaptureFixture
) -> None:
    with stand_in(int(cloud.host.rpartition(":")[2])) as place:
        address = place.hosts_file.read_text().split()[-2]
        client = socket.create_connection((address, 80), timeout=20)
        client.sendall(b"GET / HTTP/1.1\r\nHost: ecs.aliyuncs.com\r\n\r\n")
        assert client.recv(1)
    with client:
        while client.recv(4096):
            pass
    gc.collect()
    assert caplog.text == ""


def test_without_root_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalCloudError, match="needs root"), stand_in(1):
        pass


def test_every_region_and_product_has_its_names() -> None:
    names = api_names()
    assert {"ecs.aliyuncs.com", "slb.us-west-1.aliyuncs.com", "ecs-cn-beijing.aliyuncs.com"} <= set(
        names
    )
    assert len(names) == len(set(names))
