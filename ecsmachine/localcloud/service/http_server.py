"""uvicorn's server, that ends when it is told to: not at the next of its looks, ten a second."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

_LOOK_S = 0.001


class HttpServer(uvicorn.Server):
    """Serves an application on one socket; ``ready`` is called once it answers,
    ``stopping`` when it is to end: what is answered without an end has to end then.

    ``grace_s`` is how long requests that are being answered may take when it stops.
    """

    def __init__(
        self,
        application: ASGIApp,
        protocol: type[asyncio.Protocol],
        *,
        ready: Callable[[], None] = lambda: None,
        stopping: Callable[[], None] = lambda: None,
        grace_s: float = 5.0,
    ) -> None:
        # No access log: the parameters of a request may hold passwords.
        # No warnings: anybody can send what is no HTTP, and fill the log with them.
        config = uvicorn.Config(
            application,
            http=protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
        )
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping
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
        """Be told by a signal."""
        super().handle_exit(sig, frame)
        self.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        self._loop = asyncio.get_running_loop()
        try:
            await super().startup(sockets)
        except SystemExit:  # the application did not start: whoever runs this says why
            self.should_exit = True
        if self.started:
            await self._loop.run_in_executor(None, self._ready)

    async def main_loop(self) -> None:
        """Serve until :meth:`stop`; every second the answers' date is set."""
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests that are being answered come to their end, then end what goes on beside."""
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
