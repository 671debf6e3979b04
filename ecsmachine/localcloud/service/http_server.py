"""uvicorn's server with a controlled end, and limits on its connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_LOOK_S = 0.001
KEEP_ALIVE_S = 75
"""How long a connection stays open without a request: longer than clients wait between two looks.

Terraform's provider looks every five seconds, and fails if its connection ends as it asks.
"""


class HttpServer(uvicorn.Server):
    """Serves an application on one socket; ``ready`` is called when it answers, ``stopping`` when
    it must end: endless answers must end then.

    ``explained`` is whether the caller knows why the application did not start: then nothing is
    logged of it. ``grace_s`` is the time limit for running requests when it stops.
    """

    def __init__(
        self,
        application: ASGIApp,
        protocol: type[asyncio.Protocol],
        *,
        ready: Callable[[], None] = lambda: None,
        stopping: Callable[[], None] = lambda: None,
        explained: Callable[[], bool] = lambda: False,
        grace_s: float = 5.0,
    ) -> None:
        # No access log: the parameters of a request may hold passwords.
        # No warnings: anybody can send data that is not HTTP, and fill the log.
        config = uvicorn.Config(
            application,
            http=protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping
        self._explained = explained
        self._grace_s = grace_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    def stop(self) -> None:
        """Let it end; may be called from any thread and from a signal's handler."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._told.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on a signal."""
        super().handle_exit(sig, frame)
        self.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        self._loop = asyncio.get_running_loop()
        log = logging.getLogger("uvicorn.error")
        log.addFilter(self._is_news)
        try:
            await super().startup(sockets)
        except SystemExit:  # the application did not start: whoever runs this says why
            self.should_exit = True
        finally:
            log.removeFilter(self._is_news)
        if self.started:
            await self._loop.run_in_executor(None, self._ready)

    def _is_news(self, _: logging.LogRecord) -> bool:
        return not self._explained()

    async def main_loop(self) -> None:
        """Serve until :meth:`stop`; every second the answers' date is set."""
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running requests end, then end everything else."""
        for server in self.servers:
            server.close()
        self._stopping()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._answered(), self._grace_s)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    async def _answered(self) -> None:
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(_LOOK_S)


MOST_CONNECTIONS = 256
_LONGEST_HELD = 4096
HEAD_TIMEOUT_S = 30.0
"""How long a connection may stay open without a complete request head."""


class Connections:
    """The open connections of one server, by the address and port of their clients.

    When there are too many, the oldest that asks for nothing is cut for a new one.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], _Connection] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the protocol for uvicorn's ``http`` setting."""
        opened = self._open

        class Remembered(_Connection):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                self.opened = opened

        return Remembered

    async def cut(self, client: tuple[str, int] | None) -> None:
        """Cut a client's connection at once: whatever is answered to it is never sent."""
        if client is not None and client in self._open:
            self._open[client].transport.abort()
            while client in self._open:
                await asyncio.sleep(0)  # until the server has noticed


class _Joining:
    """A transport that sends what is written in one go, such as the head of an answer and its body,
    as one packet.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send it soon; at once if it is long."""
        if data and not self._held:
            self._loop.call_soon(self.flush)
        self._held += data
        if len(self._held) > _LONGEST_HELD:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            data, self._held = self._held, bytearray()
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection once all is sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once: what is held is never sent."""
        self._held.clear()
        self._transport.abort()


class _Connection(H11Protocol):
    """A connection of uvicorn's whose client has to send the head of a request in time."""

    opened: dict[tuple[str, int], _Connection]
    _joining: _Joining
    _peer: tuple[str, int] | None = None
    _head_timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joining = _Joining(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", self._joining))
        if len(self.opened) >= MOST_CONNECTIONS:
            idle = next((one for one in self.opened.values() if one.is_waiting), self)
            idle.transport.abort()
        self._peer = tuple(transport.get_extra_info("peername")[:2])
        self.opened[self._peer] = self
        self._limit_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_head()

    def on_response_complete(self) -> None:
        self._joining.flush()
        super().on_response_complete()

    def connection_lost(self, error: Exception | None) -> None:
        if self._peer is not None:
            self.opened.pop(self._peer, None)
        self._stop_timer()
        super().connection_lost(error)

    def _limit_head(self) -> None:
        """Begin or end the time in which the head of a request has to come."""
        if not self.is_waiting:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
