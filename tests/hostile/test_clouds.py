"""Every command that asks a cloud, a registry or an engine, and servers that keep to no rule."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.errors import ConnectionLostError
from ecsmachine.aliyun.rpc import RpcClient
from ecsmachine.aliyun.transport import Transport
from ecsmachine.errors import MachineError
from ecsmachine.machine import certificates, engine_api, install_url
from ecsmachine.machine.store import Store
from tests.hostile.clouds import ENDLESS, OK, Answer, dripping, endless, http_server, plain
from tests.hostile.conftest import Bounded, add_host

KEY = {"ECS_ACCESS_KEY_ID": "LTAIx", "ECS_ACCESS_KEY_SECRET": "secret", "ECS_REGION": "cn-beijing"}

ASKING = {
    "create": ("create", "-d", "aliyunecs", "x"),
    "sweep": ("sweep", "--dry-run"),
    "adopt": ("adopt",),
    "cluster": ("cluster", "ls"),
    "image": ("image", "ls"),
}


# for these a cloud is asked again for a minute, as a connection that breaks may hold the next time
EMPTY = {"a million empty objects", "an answer of 2 MB without a word"}
BREAKING = {
    *("headers without end", "a header without end", "a status without end", "nothing"),
    *("what is not HTTP", "half of what was told"),
}


@pytest.mark.parametrize(
    ("command", "attack"),
    [
        (command, attack)
        for command in ASKING
        for attack in ENDLESS
        if command == "image" or attack not in BREAKING
    ],
)
def test_a_server_that_does_not_end(
    command: str, attack: str, bounded: Bounded, store: Store, tmp_path: Path
) -> None:
    with http_server(ENDLESS[attack]) as port:
        url = f"http://127.0.0.1:{port}"
        result = bounded(*ASKING[command], **KEY, ECS_API_ENDPOINT=url, ENGINE_REGISTRY_MIRROR=url)
    # an answer that has nothing of what was asked for is a list of nothing
    assert (result.code == 0 and attack in EMPTY) or len(result.error) < 1000
    assert len(result.out) < 1000
    written = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.path)}
    assert written <= {tmp_path / "here", tmp_path / "home", tmp_path / "store"}, written


_PAUSE_S = 0.01
"""Often enough for something to be there always, and no more than can be read at leisure."""

DRIPPING = {
    "a body": dripping(OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    "a body of chunks": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "chunks of a byte": endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;x=yyyyyyyyyyyyyy\r\nx\r\n" * 100, _PAUSE_S
    ),
    "a header": dripping(OK + b"X-A: ", b"x"),
    "headers": dripping(OK, b"X-A: b\r\n"),
    "a status": dripping(b"HTTP/1.1 200 ", b"O"),
    "promises of an answer": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, _PAUSE_S),
    "promises that drip": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 100, _PAUSE_S
    ),
}


@pytest.mark.parametrize("attack", sorted(BREAKING))
def test_a_connection_that_breaks(attack: str) -> None:
    with http_server(ENDLESS[attack]) as port:
        transport = Transport(f"http://127.0.0.1:{port}", check="the endpoint")
        with pytest.raises(ConnectionLostError, match="broke"):
            transport.send("Ask", "POST", "/", data=b"", headers={})


@pytest.mark.parametrize("attack", DRIPPING)
def test_a_time_limit_is_one_for_the_whole_answer(attack: str) -> None:
    with http_server(DRIPPING[attack]) as port:
        transport = Transport(f"http://127.0.0.1:{port}", check="the endpoint")
        begun = time.monotonic()
        with pytest.raises(ConnectionLostError, match="no answer from 127"):
            transport.send("Ask", "POST", "/", data=b"", headers={}, read_timeout_s=1.0)
    assert time.monotonic() - begun < 20


def test_a_connection_is_used_again_after_an_answer_that_came_late() -> None:
    def late(stream: socket.socket, head: bytes) -> None:
        for _ in range(3):
            time.sleep(0.8)
            stream.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
            stream.recv(65536)

    with http_server(late) as port:
        transport = Transport(f"http://127.0.0.1:{port}", check="the endpoint")
        for _ in range(3):
            answer = transport.send("Ask", "GET", "/", data=None, headers={}, read_timeout_s=1.0)
            assert answer.content == b"{}"


class Pages:
    """Answers each request with a page of what ``items`` returns for its number."""

    def __init__(self, items: Callable[[int], list[str]], **fields: object):
        self.asked = 0
        self._items = items
        self._fields = fields
        self._lock = threading.Lock()

    def __call__(self, stream: socket.socket, head: bytes) -> None:
        with self._lock:
            self.asked += 1
            number = self.asked
        things = [{"Id": item} for item in self._items(number)]
        fields = {
            name: value.replace("#", str(number)) if isinstance(value, str) else value
            for name, value in self._fields.items()
        }
        body = {"RequestId": "r", "Things": {"Thing": things}, **fields}
        plain(json.dumps(body).encode())(stream, head)


@pytest.mark.parametrize(
    ("pages", "by_token", "ends"),
    [
        (Pages(lambda n: ["a"] * 100, TotalCount=10**9), False, "it repeats a page"),
        (Pages(lambda n: ["a"] * 100), False, "it repeats a page"),
        (Pages(lambda n: [f"{n}-{i}" for i in range(100)], TotalCount=10**9), False, "not end"),
        (Pages(lambda n: [], TotalCount=10**9), False, ""),
        (Pages(lambda n: ["a"], TotalCount=10**9), False, "it repeats a page"),
        (Pages(lambda n: [str(n)] if n < 4 else [], TotalCount=10**9), False, ""),
        (Pages(lambda n: [str(n)], NextToken="same"), True, "it repeats a page"),
        (Pages(lambda n: [str(n)], NextToken="#"), True, "not end"),
        (Pages(lambda n: [], NextToken="#"), True, "it repeats a page"),
    ],
)
def test_a_list_ends(pages: Pages, by_token: bool, ends: str) -> None:
    with http_server(pages) as port:
        key = FixedCredentials("flags", Credentials("LTAIx", "secret"))
        client = RpcClient(f"http://127.0.0.1:{port}", "2014-05-26", key)
        ask = client.pages_by_token if by_token else client.pages
        if ends:
            with pytest.raises(MachineError, match=ends):
                list(ask("DescribeThings", {}, "Things", "Thing"))
        else:
            list(ask("DescribeThings", {}, "Things", "Thing"))
    assert pages.asked <= 1001


REGISTRY = {
    "the same page": 'Link: </v2/_catalog?n=100>; rel="next"\r\n',
    "another page": 'Link: </v2/_catalog?last={}>; rel="next"\r\n',
}


@pytest.mark.parametrize("attack", REGISTRY)
def test_a_catalog_without_end(attack: str, bounded: Bounded) -> None:
    asked = []

    def answer(stream: socket.socket, head: bytes) -> None:
        asked.append(head)
        link = REGISTRY[attack].format(len(asked))
        plain(b'{"repositories": ["a"]}', headers=link)(stream, head)

    with http_server(answer) as port:
        result = bounded("image", "ls", "--registry", f"http://127.0.0.1:{port}")
    assert "does not end" in result.error
    assert len(asked) <= 1001


def test_no_login_is_sent_where_a_registry_leads(bounded: Bounded, tmp_path: Path) -> None:
    heads: list[bytes] = []

    def elsewhere(stream: socket.socket, head: bytes) -> None:
        heads.append(head)
        plain(b"{}")(stream, head)

    with http_server(elsewhere) as other:
        leads = plain(
            b"", status="307 Moved", headers=f"Location: http://127.0.0.1:{other}/v2/\r\n"
        )
        with http_server(leads) as port:
            assert bounded("image", "ls", "--registry", f"http://127.0.0.1:{port}").error
    assert heads == []


@pytest.fixture
def hostile_engine(store: Store, tmp_path: Path) -> Callable[[Answer], object]:
    """Serves as the engine of the machine ``dev1``, with the right certificate."""

    def serving(answer: Answer) -> object:
        machine = add_host(store, 1)
        auth = machine.auth
        certificates.ensure_client_certificates(auth, lambda line: None)
        certificates.copy_client_certificates(auth)
        certificates.make_server_certificate(auth, "dev1", ["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(auth.server_cert_path, auth.server_key_path)
        return http_server(answer, context)

    return serving


@pytest.mark.parametrize("attack", [*ENDLESS, *DRIPPING])
def test_an_engine_that_does_not_end(
    attack: str, hostile_engine: Callable[[Answer], object], store: Store
) -> None:
    answer = {**ENDLESS, **DRIPPING}[attack]
    with hostile_engine(answer) as port:  # type: ignore[attr-defined]
        auth = store.load("dev1").auth
        begun = time.monotonic()
        with pytest.raises(MachineError):
            engine_api.ask_version(f"tcp://127.0.0.1:{port}", auth, timeout_s=1.0)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("attack", ["3 GB", "a header without end", "nothing"])
def test_an_install_url_that_does_not_end_proves_nothing(attack: str) -> None:
    with http_server(ENDLESS[attack]) as port:
        install_url.check_install_url(f"http://127.0.0.1:{port}/")
    with http_server(DRIPPING["a header"]) as port:
        begun = time.monotonic()
        install_url.check_install_url(f"http://127.0.0.1:{port}/", timeout_s=0.5)
        assert time.monotonic() - begun < 20
