"""Routes requests to the services of a cluster by host name, path, and the weights of versions.

A service that has the label ``aliyun.routing.port_80: web;www.example.com/shop`` gets the HTTP
connections whose first request is for one of these hosts, and below the path. All requests of a
connection go to one container. With ``aliyun.routing.session_sticky`` a cookie also keeps a client
at one container.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from ecsmachine.compose.model import Service
from ecsmachine.localcloud.container_service.deployment import Placed, containers_of
from ecsmachine.localcloud.protocol.relays import MOST_HEAD_BYTES, join, listen, unavailable
from ecsmachine.localcloud.state.clusters import Project, Release
from ecsmachine.localcloud.work.supervisor import Threads

COOKIE = "acs_route"

Place = tuple[str, int]
"""A node's address, and the port there that leads to a container."""


@dataclass(frozen=True)
class Destination:
    """A version of a service, for requests to a host below ``path``.

    ``weight`` is its share among the versions of the same path. ``sticky``: a client stays with its
    first container.
    """

    path: str
    weight: int
    places: Sequence[Place]
    sticky: bool = False


Routes = Mapping[str, Sequence[Destination]]
"""Destinations by host name."""


def choose(
    destinations: Sequence[Destination], path: str, cookie: str = ""
) -> tuple[Destination, Place] | None:
    """Return where a request for a path goes: the longest path that it is below decides.

    Several versions share the requests by their weights. A version without a container gets none,
    unless it is the only one with a weight. A cookie leads to its container.
    """
    below = [one for one in destinations if _is_below(path, one.path)]
    longest = max((len(one.path) for one in below), default=0)
    usable = [d for d in below if len(d.path) == longest and d.weight > 0 and d.places]
    total = sum(one.weight for one in usable)
    if not total:
        return None
    for one in usable:
        for place in one.places:
            if one.sticky and cookie and token_of(place) == cookie:
                return one, place
    drawn = secrets.randbelow(total)
    for one in usable:
        if drawn < one.weight:
            return one, secrets.choice(one.places)
        drawn -= one.weight
    return None


def token_of(place: Place) -> str:
    """Return the value of the cookie for a place."""
    return hashlib.sha256(f"{place[0]}:{place[1]}".encode()).hexdigest()[:16]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def routes_of(
    services: Iterable[tuple[Project, Release, Service]], placed: Sequence[Placed], domain: str
) -> dict[str, list[Destination]]:
    """Return the destinations by host name. Containers that are not healthy are none.

    A name without a dot is also one below ``domain``.
    """
    found: dict[str, list[Destination]] = {}
    for project, release, service in services:
        own = [
            p
            for p in containers_of(placed, project, release, service)
            if p.container.running and p.container.health in ("", "healthy")
        ]
        for port, routes in service.own.routes.items():
            reached = [(p.node, p.container.reached_at(port)) for p in own]
            places = [(node, at) for node, at in reached if at is not None]
            for route in routes:
                destination = Destination(
                    route.path, release.weight, places, sticky=service.own.sticky
                )
                found.setdefault(route.host, []).append(destination)
                if "." not in route.host:
                    found.setdefault(f"{route.host}.{domain}", []).append(destination)
    return found


_log = logging.getLogger("ecsmachine.localcloud.container_service")

_HEAD_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_FRESH_S = 0.5
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8, 0.0)
"""After each try to connect: a container that has just started may not listen yet."""


@dataclass(frozen=True)
class Asked:
    """The routing information in the head of a request; ``cookie`` is our own, or ""."""

    host: str
    path: str
    cookie: str = ""


class Router:
    """Listens on ``port`` of 127.0.0.1, or on any that is free.

    ``routes`` returns the routes; it is called in ``threads``, at most twice a second.
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
        """Connect to a container that serves the host; look them up again if it is gone.

        The third returned value is the cookie to set at the client, if any.
        """
        for pause_s in _PAUSES_S:
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
            await asyncio.sleep(pause_s)
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
