"""The API's connections, as far as one has to be cut instead of answered."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class Connections:
    """The open connections of one server, by the address and port of their clients."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the protocol for uvicorn's ``http`` setting."""
        opened = self._open

        class Remembering(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
            _peer: tuple[str, int] | None = None

            def connection_made(self, transport: Any) -> None:
                self._peer = tuple(transport.get_extra_info("peername")[:2])
                opened[self._peer] = transport
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                if self._peer is not None:
                    opened.pop(self._peer, None)
                super().connection_lost(error)

        return Remembering

    async def cut(self, client: tuple[str, int] | None) -> None:
        """Cut a client's connection at once: whatever is answered to it is never sent."""
        transport = None if client is None else self._open.get((client[0], client[1]))
        if transport is not None:
            transport.abort()
            while client is not None and (client[0], client[1]) in self._open:
                await asyncio.sleep(0)  # until the server has noticed
