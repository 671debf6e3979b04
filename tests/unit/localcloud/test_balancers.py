"""Listeners carry what comes to them, over real sockets of this machine."""

from __future__ import annotations

import asyncio
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ecsmachine.localcloud.container_service.certificates import make_server_certificate
from ecsmachine.localcloud.host.guests.base import Place, Transport
from ecsmachine.localcloud.state.state import open_state
from ecsmachine.localcloud.work.balancers import Listening
from ecsmachine.localcloud.work.balancing import Carried, HealthCheck, Server, StickySession, Tls
from ecsmachine.localcloud.work.supervisor import Supervisor
from tests.ports import free_port

LOOPBACK = "127.0.0.1"


class ThisMachine:
    """The network of load balancers is this machine's own."""

    def set_listeners(self, places: Collection[Place]) -> None:
        pass

    def listen(self, place: Place) -> socket.socket:
        return bound(place[0], place[2])

    def outgoing(self, kind: Transport) -> socket.socket:
        return socket.socket(socket.AF_INET, kind_of(kind))


def kind_of(transport: Transport) -> socket.SocketKind:
    return socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM


def bound(transport: Transport, port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind_of(transport))
    made.bind((LOOPBACK, port))
    if transport == "tcp":
        made.listen()
    made.setblocking(False)
    return made


@asynccontextmanager
async def listening(tmp_path: Path, transport: Transport, carried: Carried) -> AsyncIterator[int]:
    """A listener that carries, and the port of this machine that it is at."""
    supervisor = Supervisor(open_state(tmp_path))
    supervisor.start()
    listener = Listening(ThisMachine(), supervisor.threads("test", 2), supervisor)
    port = free_port()
    await listener.open((transport, LOOPBACK, port), carried.tls)
    listener.carry(carried)
    try:
        yield port
    finally:
        listener.close()
        await supervisor.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1200):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")


class Echo(asyncio.DatagramProtocol):
    def __init__(self, name: bytes) -> None:
        self.name = name
        self.received = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received += 1
        self.transport.sendto(self.name + b" " + data, addr)


async def asked(client: socket.socket, port: int, text: bytes) -> bytes:
    """Send a datagram; return what is answered within a moment."""
    loop = asyncio.get_running_loop()
    client.connect((LOOPBACK, port))
    await loop.sock_sendall(client, text)
    try:
        return await asyncio.wait_for(loop.sock_recv(client, 100), 0.3)
    except (asyncio.TimeoutError, OSError):
        return b""


@pytest.mark.parametrize(("expected", "well"), [(b"", True), (b"one", True), (b"pong", False)])
def test_datagrams_go_to_servers_that_are_well(tmp_path: Path, expected: bytes, well: bool) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        transport, echo = await loop.create_datagram_endpoint(
            lambda: Echo(b"one"), local_addr=(LOOPBACK, 0)
        )
        there = Server("i-1", LOOPBACK, transport.get_extra_info("sockname")[1], 100)
        gone = Server("i-2", LOOPBACK, free_port(), 100)
        check = HealthCheck(0, 1, 1, 2, 2, request=b"ping", expected=expected)
        carried = Carried("udp", "wrr", (gone, there), check)
        async with listening(tmp_path, "udp", carried) as port:
            with bound("udp") as client, bound("udp") as other:

                async def answered() -> bool:
                    return await asked(client, port, b"hello") == b"one hello"

                if well:
                    await until(answered)
                    assert await asked(other, port, b"you") == b"one you"
                    assert await asked(client, port, b"again") == b"one again"
                else:

                    async def checked() -> bool:
                        return echo.received > 2

                    await until(checked)
                    assert not await answered()
        transport.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("sticky", "set_by_server", "name"),
    [(StickySession(seconds=60), "", "SERVERID"), (StickySession(b"app"), "app=theirs", "app")],
)
def test_a_cookie_leads_back_to_the_server(
    tmp_path: Path, sticky: StickySession, set_by_server: str, name: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(4) if head.startswith(b"POST") else b""
        port = writer.get_extra_info("sockname")[1]
        cookie = f"Set-Cookie: {set_by_server}; Path=/\r\n" if set_by_server else ""
        writer.write(f"HTTP/1.0 200 OK\r\n{cookie}\r\n{port}".encode() + body)
        writer.close()

    def visit(port: int, cookie: str = "", data: bytes | None = None) -> tuple[str, str]:
        request = urllib.request.Request(f"http://{LOOPBACK}:{port}/", data=data)
        if cookie:
            request.add_header("Cookie", f"other=1; {cookie}")
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read().decode(), response.headers.get("Set-Cookie", "")

    async def run() -> None:
        servers = [await asyncio.start_server(serve, LOOPBACK, 0) for _ in range(2)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        places = tuple(Server(f"i-{port}", LOOPBACK, port, 100) for port in ports)
        carried = Carried("http", "rr", places, None, sticky=sticky)
        async with listening(tmp_path, "tcp", carried) as port:
            first, told = await asyncio.to_thread(visit, port)
            assert told.startswith(f"{name}=") and "theirs" not in told
            cookie = told.partition(";")[0]
            again = [await asyncio.to_thread(visit, port, cookie) for _ in range(4)]
            assert {body for body, _ in again} == {first}
            body, _ = await asyncio.to_thread(visit, port, cookie, b"data")
            assert body == f"{first}data"
            others = {(await asyncio.to_thread(visit, port))[0] for _ in range(2)}
            assert others == {str(port) for port in ports}
        for server in servers:
            server.close()

    asyncio.run(run())


def test_https_is_answered_with_the_certificate(tmp_path: Path) -> None:
    make_server_certificate(tmp_path / "pem", ["localhost"])
    pem, key = ((tmp_path / "pem" / f"server{end}.pem").read_text() for end in ("", "-key"))
    trusting = ssl.create_default_context(cafile=str(tmp_path / "pem" / "ca.pem"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + head.lower())
        writer.close()

    def visit(port: int) -> str:
        url = f"https://localhost:{port}/"
        with urllib.request.urlopen(url, timeout=10, context=trusting) as response:
            return str(response.read().decode())

    async def run() -> None:
        server = await asyncio.start_server(serve, LOOPBACK, 0)
        place = Server("i-1", LOOPBACK, server.sockets[0].getsockname()[1], 100)
        forwarded = (("X-Forwarded-Proto", "https"),)
        tls = Tls(pem, key, "tls_cipher_policy_1_2")
        carried = Carried("https", "wrr", (place,), None, forwarded, tls=tls)
        async with listening(tmp_path / "cloud", "tcp", carried) as port:
            assert "x-forwarded-proto: https" in await asyncio.to_thread(visit, port)
        server.close()

    asyncio.run(run())


def test_http_is_sent_on_to_https(tmp_path: Path) -> None:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    def visit(port: int) -> str:
        opener = urllib.request.build_opener(Stay)
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(f"http://localhost:{port}/shop?a=b", timeout=10)
        assert caught.value.code == 302
        return str(caught.value.headers["Location"])

    async def run() -> None:
        for other, place in ((443, "https://localhost"), (4, "https://localhost:4")):
            carried = Carried("http", "wrr", (), None, moved_to=other)
            async with listening(tmp_path / str(other), "tcp", carried) as port:
                assert await asyncio.to_thread(visit, port) == f"{place}/shop?a=b"

    asyncio.run(run())
