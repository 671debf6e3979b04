"""Connections that are passed on: bytes from one to another, and the heads of HTTP requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress

MOST_HEAD_BYTES = 64 * 1024
_BLOCK = 1 << 16


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Write all that comes from one side to the other, then tell it that this is all."""
    with suppress(OSError):
        while block := await source.read(_BLOCK):
            target.write(block)
            await target.drain()
    with suppress(OSError):
        if target.can_write_eof():
            target.write_eof()
        else:
            target.close()


async def join(
    ours: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    theirs: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Pass on what comes from either side until their answer has ended."""
    sending = asyncio.create_task(pass_on(ours[0], theirs[1]))
    try:
        await pass_on(theirs[0], ours[1])
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        theirs[1].close()


def unavailable(reason: str) -> bytes:
    """Return the answer 503 of HTTP, with a line that says why."""
    content = f"{reason}\n".encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain;charset=UTF-8\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
