"""Proxies of the environment, and what they must not catch."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.ecs import EcsClient
from ecsmachine.aliyun.errors import ConnectionLostError
from ecsmachine.aliyun.transport import Transport
from ecsmachine.http_client.session import BoundedSession, UnusableProxyError, is_here
from tests.servers import Answering, http_server

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class _Answer(Answering):
    def do_GET(self) -> None:
        self.answer(200, b"here")


@pytest.fixture
def port() -> Iterator[int]:
    with http_server(_Answer) as server:
        yield server.server_port


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("proxy", [*VARIABLES[:3], *(n.lower() for n in VARIABLES[:3])])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("spared", ["", "example.com"])
def test_no_proxy_catches_what_is_on_this_computer(
    port: int, proxy: str, host: str, spared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")
    if spared:
        monkeypatch.setenv("NO_PROXY", spared)
    answer = BoundedSession().get(f"http://{host}:{port}/", timeout=5)
    assert answer.content == b"here"


def test_all_else_goes_through_the_proxy(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    answer = BoundedSession().get("http://ecs.example.invalid/", timeout=5)
    assert answer.content == b"here"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "proxy",
    [
        *("socks5://me:secret@127.0.0.1:1", "socks5h://127.0.0.1:1", "socks://127.0.0.1:1"),
        *("ftp://127.0.0.1:1", "https://", "http://127.0.0.1:many", "http://[::1"),
    ],
)
def test_a_proxy_that_is_none_for_http_is_told_at_once(
    variable: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither tried again, nor bypassed."""
    monkeypatch.setenv(variable, proxy)
    key = FixedCredentials("flags", Credentials("id", "secret"))
    ecs = EcsClient("cn-hangzhou", key, custom_endpoint="https://ecs.example.invalid")
    with pytest.raises(UnusableProxyError, match=r"proxy for ecs\.example\.invalid") as refused:
        ecs.zone_ids()
    assert "secret" not in refused.value.message
    assert "NO_PROXY=ecs.example.invalid" in str(refused.value.hint)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example.invalid"])
def test_a_name_that_no_host_can_have_is_one_that_cannot_be_reached(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = FixedCredentials("flags", Credentials("id", "secret"))
    there = Transport(f"https://{host}", check="the address")
    with pytest.raises(ConnectionLostError, match="cannot be reached"):
        there.send("GET /", "GET", "/", data=None, headers={})
    monkeypatch.setenv("HTTPS_PROXY", f"http://{host}:3128")
    ecs = EcsClient("cn-hangzhou", key, custom_endpoint="https://ecs.example.invalid")
    with pytest.raises(ConnectionLostError, match=r"the proxy for ecs\.example\.invalid"):
        ecs.zone_ids()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.84.0.2", True),
        ("http://[::1]:80/", True),
        ("http://localhost/", True),
        ("http://ecs.localhost", True),
        ("http://10.0.0.1", False),
        ("https://ecs.aliyuncs.com", False),
        ("http://localhost.example.com", False),
        ("", False),
    ],
)
def test_what_is_here(url: str, here: bool) -> None:
    assert is_here(url) is here


@pytest.mark.parametrize("verify", [None, True, False, __file__])
@pytest.mark.parametrize("variable", ["", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_are_checked_here_as_requests_does(
    variable: str, verify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(Path(__file__).parent))
    asked: tuple[Any, ...] = ("https://localhost/", {}, True, verify, ("cert.pem", "key.pem"))
    usual = requests.Session().merge_environment_settings(*asked)
    assert BoundedSession().merge_environment_settings(*asked) == {**usual, "proxies": {}}


@pytest.mark.parametrize("kind", ["pipe", "device", "nothing"])
def test_certificates_that_there_are_none_of_are_not_waited_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path("/dev/zero") if kind == "device" else tmp_path / "ca.pem"
    if kind == "pipe" and hasattr(os, "mkfifo"):
        os.mkfifo(place)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(place))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        with pytest.raises(requests.exceptions.SSLError, match="has no certificates"):
            BoundedSession().get(url, timeout=1)
        with pytest.raises(requests.exceptions.SSLError, match="has no certificates"):
            BoundedSession().exchange("GET", url, data=None, headers={}, timeout=(1, 1))
