"""The way of requests to the services of a cluster: by host name, and by the versions' weights.

A service that has the label ``aliyun.routing.port_80: web;www.example.com`` gets the HTTP
connections whose first request is for one of these hosts. What belongs to one connection goes
to one container.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from ecsmachine.localcloud.container_service.master import listen

_log = logging.getLogger("ecsmachine.localcloud.container_service")

Places = Sequence[tuple[int, Sequence[tuple[str, int]]]]
"""The versions of a service: weight, and addresses with ports."""

_MOST_HEAD_BYTES = 64 * 1024
_BLOCK = 1 << 16
_HEAD_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_FRESH_S = 0.5
_TRIES = 3


class Router:
    """Listens on ``port`` of 127.0.0.1, or on any that is free.

    ``routes`` returns the places by host name; it is asked at most twice a second.
    """

    def __init__(self, port: int, routes: Callable[[], Mapping[str, Places]]) -> None:
        self._routes = routes
        self._known: Mapping[str, Places] = {}
        self._asked = 0.0
        self._listening = listen(port)
        self.port = int(self._listening.getsockname()[1])
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="routes")
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Serve until :meth:`stop`."""
        self._server = await asyncio.start_server(
            self._connected, sock=self._listening, limit=_MOST_HEAD_BYTES
        )

    async def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._route(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # it went away, or sent no head
        except asyncio.TimeoutError:
            pass
        except Exception:
            _log.exception("routing: a connection failed")
        finally:
            writer.close()

    async def _route(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_TIMEOUT_S)
        host = host_of(head)
        connected = await self._connect(host)
        if connected is None:
            writer.write(_unavailable(f"No container serves {host or 'requests without a host'}."))
            await writer.drain()
            return
        theirs, to_them = connected
        try:
            to_them.write(head)
            sending = asyncio.create_task(_copy(reader, to_them))
            await _copy(theirs, writer)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        finally:
            to_them.close()

    async def _connect(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to a container that serves the host; ask where they are again if it is gone."""
        for _ in range(_TRIES):
            place = choose((await self._fresh_routes()).get(host, ()))
            if place is None:
                return None
            with suppress(OSError, asyncio.TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(*place), _CONNECT_TIMEOUT_S)
            self._asked = 0.0
        return None

    async def _fresh_routes(self) -> Mapping[str, Places]:
        if time.monotonic() - self._asked > _FRESH_S:
            self._known = await asyncio.get_running_loop().run_in_executor(self._pool, self._routes)
            self._asked = time.monotonic()
        return self._known


def host_of(head: bytes) -> str:
    """Return the host, without its port, that a request's head names."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "host":
            return value.strip().rpartition(":")[0].lower() or value.strip().lower()
    return ""


def choose(places: Places) -> tuple[str, int] | None:
    """Return one of the places, each version as often as its weight says.

    A version without a container is passed over, unless it is the only one with a weight.
    """
    usable = [(weight, found) for weight, found in places if weight > 0 and found]
    total = sum(weight for weight, _ in usable)
    if not total:
        return None
    drawn = secrets.randbelow(total)
    for weight, found in usable:
        if drawn < weight:
            return secrets.choice(found)
        drawn -= weight
    return None


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await source.read(_BLOCK):
            target.write(block)
            await target.drain()
    with suppress(OSError):
        if target.can_write_eof():
            target.write_eof()


def _unavailable(reason: str) -> bytes:
    content = f"{reason}\n".encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain;charset=UTF-8\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
