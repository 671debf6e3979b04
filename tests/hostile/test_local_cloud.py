"""The local cloud and callers that keep to no rule: refused, at no cost worth mentioning."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.service import gate, http_server
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.hostile.callers import ODD, Caller, odd_actions, odd_bodies

PATIENCE_S = 10.0
"""Far more than any answer takes; the attack of which this is the test took 98 seconds."""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def caller(cloud: EmbeddedCloud) -> Caller:
    return Caller(cloud)


def code(content: bytes) -> str:
    return str(json.loads(content)["Code"])


def test_tens_of_thousands_of_parameters_are_not_looked_at(caller: Caller) -> None:
    flood = {f"{number}.Password": f"b{number}" for number in range(46_000)}
    for signed in (False, True):
        status, content = caller.rpc({"Format": "JSON", **flood}, signed=signed)
        assert (status, b"at most 2000 parameters" in content) == (400, True)
    few = dict(list(flood.items())[:1900])
    assert caller.rpc({"Action": "DescribeRegions", "Version": "2014-05-26", **few})[0] == 200
    assert caller.slowest_s < PATIENCE_S


def test_a_password_in_a_wrongly_signed_request_is_not_repeated(caller: Caller) -> None:
    request = {"Action": "RunInstances", "Version": "2014-05-26", "Password": "Not-For-Logs-1"}
    caller.secret = "wrong"
    status, content = caller.rpc({**request, "DataDisk.1.UserData": "Nor-This", "A": "b c"})
    assert (status, code(content)) == (400, "SignatureDoesNotMatch")
    assert b"Password%3D***%26" in content
    assert b"UserData%3D***%26" in content
    assert b"A%3Db%2520c%26" in content


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost:80", ""),
        ("127.0.0.1", ""),
        ("127.8.8.8:1", ""),
        ("[::1]:8080", ""),
        ("ecs.aliyuncs.com", ""),
        ("ECS.CN-HANGZHOU.ALIYUNCS.COM.:443", ""),
        ("[::1", "InvalidHost"),
        ("[", "InvalidHost"),
        ("a b", "InvalidHost"),
        ("127.0.0.1@evil.example", "InvalidHost"),
        ("evil.example", "InvalidHost"),
        ("aliyuncs.com.evil.example", "InvalidHost"),
        ("evilaliyuncs.com", "InvalidHost"),
        ("10.1.2.3", "InvalidHost"),
        ("x" * 5000, "InvalidHost"),
    ],
)
def test_it_is_the_endpoint_of_its_own_names_alone(host: str, code: str, caller: Caller) -> None:
    for path in ("/?Format=JSON", "/clusters", "/images", "/hook/trigger", "/nothing"):
        status, content = caller.send("GET", path, None, {"Host": host})
        assert status < 500
        assert (b"InvalidHost" in content) == bool(code), (path, content)


@pytest.mark.parametrize(
    "header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_pages_of_browsers_are_refused(header: dict[str, str], caller: Caller) -> None:
    for path in ("/", "/clusters", "/hook/trigger"):
        for method in ("GET", "POST"):
            status, content = caller.send(method, path, b"", header)
            assert (status, code(content)) == (403, "Forbidden")


def test_a_body_without_end_is_cut_off(cloud: EmbeddedCloud) -> None:
    with connected(cloud) as stream:
        stream.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                stream.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        assert sent < 20_000_000  # what the sockets' buffers take


def test_a_length_that_is_too_much_is_not_waited_for(cloud: EmbeddedCloud) -> None:
    with connected(cloud) as stream:
        stream.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n")
        assert b" 413 " in stream.recv(65536)


def test_a_body_that_does_not_come_is_not_waited_for(
    cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BODY_TIMEOUT_S", 0.2)
    with connected(cloud) as stream:
        stream.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx")
        assert b" 408 " in stream.recv(65536)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_head_that_does_not_come_is_not_waited_for(
    begun: bytes, cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_TIMEOUT_S", 0.3)
    with connected(cloud) as stream:
        stream.sendall(begun)
        with contextlib.suppress(ConnectionError):
            assert stream.recv(1) == b""


def test_a_head_without_end_is_cut_off(cloud: EmbeddedCloud) -> None:
    with connected(cloud) as stream, contextlib.suppress(ConnectionError):
        stream.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(10_000):
            stream.sendall(b"X-A: " + b"a" * 1000 + b"\r\n")
        pytest.fail("ten megabytes of headers were taken")


def test_many_connections_do_not_keep_others_out(
    cloud: EmbeddedCloud, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 8)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connected(cloud)).sendall(b"GET / HTTP/1.1\r\n")
        assert caller.rpc({"Action": "DescribeRegions", "Version": "2014-05-26"})[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        *(b"[" * 200_000, b'{"a":' * 100_000, b'{"name": ' + b"[" * 60 + b"]" * 60 + b"}"),
        *(b"\xff", b"nul", b'{"size": 1e999}', b'{"name": "\\ud800"}', b'{"size": NaN}'),
        b'{"size": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_body_that_is_no_json_is_refused(body: bytes, caller: Caller) -> None:
    status, content = caller.roa("POST", "/clusters", body)
    assert (status, code(content)) == (400, "InvalidJson")


@pytest.mark.parametrize(
    "date", ["x", "Wed, 99 Foo 0000 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00 +99999999999999999"]
)
def test_a_date_that_is_none_is_refused(date: str, caller: Caller) -> None:
    status, content = caller.roa("GET", "/clusters", headers={"date": date})
    assert (status, code(content)) == (400, "InvalidTimeStamp.Format")


def test_thousands_of_odd_requests_are_answered(caller: Caller) -> None:
    for request in odd_actions(1, 3000):
        status, content = caller.rpc(request)
        assert status < 500, (request, content)
    for method, path, body in odd_bodies(2, 1000):
        status, content = caller.roa(method, path, body)
        assert status < 500, (method, path, body, content)
    assert caller.counts[200] > 100
    assert caller.slowest_s < PATIENCE_S


def test_thousands_of_requests_without_a_key_are_answered(caller: Caller) -> None:
    choice = random.Random(3)
    for request in odd_actions(4, 1000):
        status, content = caller.rpc(request, signed=False)
        assert 400 <= status < 500, (request, content)
    names = [
        *("Authorization", "Date", "Content-MD5", "x-acs-date", "Accept", "Content-Type"),
        *("x-acs-signature-nonce", "x-acs-content-sha256", "X-Acs-Action", "X-Acs-Version"),
    ]
    starts = ("", "acs ", "acs x:", "ACS3-", "ACS3-HMAC-SHA256 ", "Basic ")
    for _ in range(1000):
        headers = {
            name: choice.choice(starts) + choice.choice(PRINTABLE)
            for name in choice.sample(names, choice.randrange(6))
        }
        path = choice.choice(
            ("/", "/clusters", "/images", "/hook/trigger", "//", "/%00", "/?a=%ff")
        )
        method = choice.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "BREW", "OPTIONS", "HEAD"))
        status, content = caller.send(method, path, choice.choice(ODD).encode(), headers)
        assert 400 <= status < 500, (method, path, headers, content)
    assert caller.slowest_s < PATIENCE_S


PRINTABLE = [value for value in ODD if value.isprintable() and value.isascii()]


@contextlib.contextmanager
def connected(cloud: EmbeddedCloud) -> Iterator[socket.socket]:
    host, _, port = cloud.host.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as stream:
        yield stream
