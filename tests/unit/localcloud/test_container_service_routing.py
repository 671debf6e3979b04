"""The router of a cluster, between a client and containers that are servers of this process."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Sequence

import pytest

from ecsmachine.localcloud.container_service.docker import read_container
from ecsmachine.localcloud.container_service.routing import Destination, Place, Router
from ecsmachine.localcloud.work.supervisor import Threads


def serve(answers: Sequence[bytes], client: Callable[[Router, list[Place]], None]) -> list[bytes]:
    """Run containers that answer with these bytes, and a client; return what they were sent."""
    asked: list[bytes] = []

    async def run() -> None:
        def container(answer: bytes) -> Callable[..., object]:
            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
                writer.close()

            return handle

        servers = [
            await asyncio.start_server(container(answer), "127.0.0.1", 0)  # type: ignore[arg-type]
            for answer in answers
        ]
        places: list[Place] = [
            ("127.0.0.1", server.sockets[0].getsockname()[1]) for server in servers
        ]
        destinations: dict[str, list[Destination]] = {
            "web": [Destination("/", 100, places, sticky=True)],
            "plain": [Destination("/shop", 100, places)],
        }
        router = Router(0, lambda: destinations, Threads("routes", 1))
        await router.start()
        try:
            await asyncio.get_running_loop().run_in_executor(None, client, router, places)
        finally:
            await router.stop()
            for server in servers:
                server.close()

    asyncio.run(run())
    return asked


def get(router: Router, host: str, path: str, cookie: str = "") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=10)
    connection.request("GET", path, headers={"Host": host, "Cookie": cookie})
    response = connection.getresponse()
    response.body = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


def answer(text: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def test_a_client_stays_with_its_container_by_a_cookie() -> None:
    def client(router: Router, places: list[Place]) -> None:
        first = get(router, "web", "/")
        cookie = str(first.getheader("Set-Cookie"))
        assert cookie.startswith("acs_route=")
        for _ in range(20):
            again = get(router, "web", "/", cookie.partition(";")[0])
            assert again.body == first.body  # type: ignore[attr-defined]
            assert again.getheader("Set-Cookie") is None

    serve([answer(str(number)) for number in range(4)], client)


def test_paths_and_hosts_that_nothing_serves() -> None:
    def client(router: Router, places: list[Place]) -> None:
        response = get(router, "plain", "/shop/1")
        assert response.status == 200
        assert response.getheader("Set-Cookie") is None
        for host, path in (("plain", "/"), ("other", "/shop")):
            refused = get(router, host, path)
            assert refused.status == 503
            assert refused.body == f"No container serves {host}{path}.\n".encode()  # type: ignore[attr-defined]

    (sent,) = serve([answer("x")], client)
    assert sent.startswith(b"GET /shop/1 HTTP/1.1\r\n")  # the path stays as it is


def test_a_container_that_does_not_listen_yet_is_waited_for() -> None:
    def client(router: Router, places: list[Place]) -> None:
        with socket.socket() as container:
            container.bind(("127.0.0.1", 0))
            places.append(container.getsockname())

            def begin() -> None:
                container.listen()
                connection, _ = container.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer("x"))

            later = threading.Timer(0.2, begin)
            later.start()
            assert get(router, "plain", "/shop").body == b"x"  # type: ignore[attr-defined]
            later.join()

    serve([], client)


@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_the_cookie_is_in_the_final_head(interim: bytes) -> None:
    def client(router: Router, places: list[Place]) -> None:
        response = get(router, "web", "/")
        assert response.status == 200
        assert response.getheader("Set-Cookie")
        assert response.body == b"x"  # type: ignore[attr-defined]

    serve([interim + answer("x")], client)


def test_a_port_that_is_published_twice_is_reached_where_nodes_are_open() -> None:
    """A fixed port of the node (``8081:80``), and the one that routing and probes need."""
    item = {
        "Id": "c1",
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 32768, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 65000, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 53, "Type": "udp"},
            {"PrivatePort": 81, "Type": "tcp"},
        ],
    }
    container = read_container(item)
    assert container.reached_at(80) == 32768
    assert container.reached_at(81) is None
    assert {(p.host, p.protocol) for p in container.ports} == {
        *((8081, "tcp"), (32768, "tcp"), (65000, "tcp"), (53, "udp")),
    }
