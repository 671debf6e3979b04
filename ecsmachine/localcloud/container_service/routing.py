"""The way of requests to the services of a cluster: by host name, path, and versions' weights.

A service that has the label ``aliyun.routing.port_80: web;www.example.com/shop`` gets the HTTP
connections whose first request is for one of these hosts, and below the path. What belongs to
one connection goes to one container; with ``aliyun.routing.session_sticky`` also what belongs to
one client, by a cookie.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from ecsmachine.localcloud.container_service.destinations import COOKIE, Routes, choose, token_of
from ecsmachine.localcloud.protocol.relays import MOST_HEAD_BYTES, join, listen, unavailable
from ecsmachine.localcloud.work.supervisor import Threads

_log = logging.getLogger("ecsmachine.localcloud.container_service")

_HEAD_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_FRESH_S = 0.5
_TRIES = 3


@dataclass(frozen=True)
class Asked:
    """What the head of a request says of where it is to go; ``cookie`` is our own, or ""."""

    host: str
    path: str
    cookie: str = ""


class Router:
    """Listens on ``port`` of 127.0.0.1, or on any that is free.

    ``routes`` returns what is routed; it is asked in ``threads``, twice a second at most.
    """

    def __init__(self, port: int, routes: Callable[[], Routes], threads: Threads) -> None:
        self._routes = routes
        self._known: Routes = {}
        self._asked = 0.0
        self._listening = listen(port)
        self.port = int(self._listening.getsockname()[1])
        self._threads = threads
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Serve until :meth:`stop`."""
        self._server = await asyncio.start_server(
            self._connected, sock=self._listening, limit=MOST_HEAD_BYTES
        )

    async def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()

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
        asked = read_head(head)
        connected = await self._connect(asked)
        if connected is None:
            what = asked.host + (asked.path if asked.host else "requests without a host")
            writer.write(unavailable(f"No container serves {what}."))
            await writer.drain()
            return
        theirs, to_them, new_cookie = connected
        try:
            to_them.write(head)
            with_cookie = partial(_with_cookie, token=new_cookie) if new_cookie else None
            await join((reader, writer), (theirs, to_them), with_cookie)
        finally:
            to_them.close()

    async def _connect(
        self, asked: Asked
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str] | None:
        """Connect to a container that serves the host; ask where they are again if it is gone.

        The third of what is returned is the cookie that the client is to be given, if any.
        """
        for _ in range(_TRIES):
            destinations = (await self._fresh_routes()).get(asked.host, ())
            chosen = choose(destinations, asked.path, asked.cookie)
            if chosen is None:
                return None
            destination, place = chosen
            with suppress(OSError, asyncio.TimeoutError):
                theirs, to_them = await asyncio.wait_for(
                    asyncio.open_connection(*place, limit=MOST_HEAD_BYTES), _CONNECT_TIMEOUT_S
                )
                cookie = token_of(place) if destination.sticky else ""
                return theirs, to_them, "" if cookie == asked.cookie else cookie
            self._asked = 0.0
        return None

    async def _fresh_routes(self) -> Routes:
        if time.monotonic() - self._asked > _FRESH_S:
            self._known = await self._threads.run(self._routes)
            self._asked = time.monotonic()
        return self._known


def read_head(head: bytes) -> Asked:
    """Return the host, without its port, the path, and our cookie, that a request's head names."""
    first, *lines = head.decode("latin-1").split("\r\n")
    target = [*first.split(" "), "/"][1]
    if "://" in target:  # as for a proxy
        target = "/" + target.partition("://")[2].partition("/")[2]
    host = cookie = ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "host" and not host:
            host = (value.strip().rpartition(":")[0] or value.strip()).lower()
        elif name.lower() == "cookie":
            for pair in value.split(";"):
                key, _, content = pair.strip().partition("=")
                cookie = content if key == COOKIE else cookie
    return Asked(host, target.partition("?")[0], cookie)


def _with_cookie(head: bytes, token: str) -> bytes:
    return head[:-2] + f"Set-Cookie: {COOKIE}={token}; Path=/; HttpOnly\r\n\r\n".encode()
