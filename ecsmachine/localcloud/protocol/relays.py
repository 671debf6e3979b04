"""Connections that come in, and are passed on: bytes from one to another, heads of HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system import ports

MOST_HEAD_BYTES = 64 * 1024
_BLOCK = 1 << 16


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy the data of one side to the other, then end the stream."""
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
    changed: Callable[[bytes], bytes] | None = None,
) -> None:
    """Copy data both ways until their answer has ended.

    ``changed`` changes the head of their first HTTP answer.
    """
    sending = asyncio.create_task(pass_on(ours[0], theirs[1]))
    try:
        if changed is not None:
            ours[1].write(changed(await _head_of_answer(theirs[0], ours[1])))
        await pass_on(theirs[0], ours[1])
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        theirs[1].close()


async def _head_of_answer(theirs: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the head of an HTTP answer; interim ones (100 Continue) are passed on."""
    while True:
        head = await theirs.readuntil(b"\r\n\r\n")
        status = [*head.split(b" ", 2), b""][1]
        if not status.startswith(b"1") or status.startswith(b"101"):
            return head
        writer.write(head)


def unavailable(reason: str) -> bytes:
    """Return the answer 503 of HTTP, with a line that says why."""
    content = f"{reason}\n".encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain;charset=UTF-8\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content


ADDRESS = "127.0.0.1"
"""Where a cluster's master and router listen on this computer."""


def listen(port: int) -> socket.socket:
    """Return a socket on a port of 127.0.0.1, or on any if that one is taken."""
    for wanted in (port, 0):
        with suppress(OSError):
            return ports.server(wanted)
    raise LocalCloudError(f"No port of {ADDRESS} is free for a cluster.")


def moved(head: bytes, port: int) -> bytes:
    """Return the answer 302 to an HTTP request: the same is at this port over HTTPS."""
    first, *lines = head.decode("latin-1").split("\r\n")
    target = [*first.split(" "), "/"][1]
    hosts = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("host:")]
    host = (hosts or [""])[0].partition(":")[0]
    place = f"https://{host}{'' if port == 443 else f':{port}'}{target}"
    answer = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n"
    return f"{answer}Connection: close\r\n\r\n".encode("latin-1")
