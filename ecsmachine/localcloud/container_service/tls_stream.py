"""A TLS connection whose two directions end one by one.

Docker's clients say that they have sent all (close_notify, RFC 8446, 6.1) and go on reading;
asyncio's own TLS closes the whole connection then.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_BLOCK = 1 << 16


class TlsStream:
    """TLS over a pair of asyncio's streams, for one reader and one writer at a time."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self._buffer = b""

    async def handshake(self) -> None:
        """Agree on keys, and verify the peer. Raises ``OSError`` (``ssl.SSLError`` among them)."""
        await self._with_peer(self._tls.do_handshake)

    async def read(self) -> bytes:
        """Return the received data; b"" after the peer has ended the stream."""
        if self._buffer:
            taken, self._buffer = self._buffer, b""
            return taken
        try:
            return bytes(await self._with_peer(self._tls.read, _BLOCK))
        except ssl.SSLError:
            return b""

    async def read_until(self, separator: bytes, limit: int) -> bytes:
        """Return the data up to and including the separator.

        Raises ``EOFError`` if it does not come, and ``ValueError`` if not within ``limit`` bytes.
        """
        found = b""
        while separator not in found:
            if len(found) > limit:
                raise ValueError("too long")
            block = await self.read()
            if not block:
                raise EOFError
            found += block
        head, _, rest = found.partition(separator)
        self._buffer = rest
        return head + separator

    async def read_exactly(self, size: int) -> bytes:
        """Return this many bytes. Raises ``EOFError`` if they do not come."""
        found = b""
        while len(found) < size:
            block = await self.read()
            if not block:
                raise EOFError
            found += block
        found, self._buffer = found[:size], found[size:] + self._buffer
        return found

    async def write(self, data: bytes) -> None:
        """Send data."""
        self._tls.write(data)
        await self._flush()

    async def end(self) -> None:
        """End the sending side; incoming data can still be read."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        with suppress(OSError):
            await self._flush()

    async def close(self) -> None:
        """End the connection."""
        await self.end()
        self._writer.close()
        with suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)

    async def _with_peer(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the TLS engine, feeding it what it wants to read."""
        while True:
            try:
                result = function(*arguments)
            except ssl.SSLWantReadError:
                await self._flush()
                block = await self._reader.read(_BLOCK)
                if block:
                    self._incoming.write(block)
                else:
                    self._incoming.write_eof()
                continue
            except ssl.SSLError:
                with suppress(OSError):
                    await self._flush()  # the alert that tells the peer the reason
                raise
            await self._flush()
            return result

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._writer.write(data)
            await self._writer.drain()
