"""The API's connections: how many there are, how long they may be silent, and cutting one."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 256
HEAD_TIMEOUT_S = 30.0
"""How long a connection may be open, or have begun a request, without the whole head of one."""


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
        connection = None if client is None else self._open.get((client[0], client[1]))
        if connection is not None:
            connection.transport.abort()
            while client is not None and (client[0], client[1]) in self._open:
                await asyncio.sleep(0)  # until the server has noticed


class _Connection(H11Protocol):
    """A connection of uvicorn's whose client has to send the head of a request in time."""

    opened: dict[tuple[str, int], _Connection]
    _peer: tuple[str, int] | None = None
    _head_timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.opened) >= MOST_CONNECTIONS:
            idle = next((one for one in self.opened.values() if one.is_waiting), self)
            idle.transport.abort()
        self._peer = tuple(transport.get_extra_info("peername")[:2])
        self.opened[self._peer] = self
        self._limit_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_head()

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
