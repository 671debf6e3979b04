"""UDP listeners: forward datagrams of a client to one server, and its answers back.

A client stays with its server until it has been silent for a while.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

LOG = logging.getLogger("ecsmachine.localcloud")

SILENT_S = 90.0
_MOST_CLIENTS = 1000
_MOST_WAITING = 64
_LONGEST = 65535
Client = tuple[str, int]
Connect = Callable[[str], Awaitable[socket.socket | None]]
"""Returns a socket that is connected to a server for a client, by its address; None: none is."""


class Datagrams(asyncio.DatagramProtocol):
    """Answers at a listener's socket, with ``connect`` for each new client."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._clients: dict[Client, _Conversation] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, as asyncio says."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Client) -> None:
        """Forward data of a client."""
        conversation = self._clients.get(addr)
        if conversation is None or conversation.ended:
            self._forget_the_silent()
            if len(self._clients) >= _MOST_CLIENTS or self._transport is None:
                return  # datagrams may be lost
            conversation = _Conversation(self._transport, addr, self._connect)
            self._clients[addr] = conversation
        conversation.send(data)

    def close(self) -> None:
        """Listen no longer, and let all clients go."""
        for conversation in self._clients.values():
            conversation.end()
        if self._transport is not None:
            self._transport.close()

    def _forget_the_silent(self) -> None:
        since = time.monotonic() - SILENT_S
        for client, conversation in list(self._clients.items()):
            if conversation.ended or conversation.last < since:
                conversation.end()
                del self._clients[client]


class _Conversation:
    """A conversation of one client and its server."""

    def __init__(
        self, transport: asyncio.DatagramTransport, client: Client, connect: Connect
    ) -> None:
        self._transport = transport
        self._client = client
        self._connect = connect
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        self.last = time.monotonic()
        self._task = asyncio.create_task(self._talk())

    @property
    def ended(self) -> bool:
        """Whether the server is gone, or there was none."""
        return self._task.done()

    def send(self, data: bytes) -> None:
        """Send a datagram to the server; it is lost if too many are waiting."""
        self.last = time.monotonic()
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(data)

    def end(self) -> None:
        """Say no more."""
        self._task.cancel()

    async def _talk(self) -> None:
        server = await self._connect(self._client[0])
        if server is None:
            return
        loop = asyncio.get_running_loop()
        with server:
            sending = asyncio.create_task(self._send_on(server))
            try:
                while True:
                    data = await loop.sock_recv(server, _LONGEST)
                    self.last = time.monotonic()
                    self._transport.sendto(data, self._client)
            except OSError as error:  # such as that nothing is at the server's port
                LOG.debug("a conversation of %s:%s has ended: %s", *self._client, error)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send_on(self, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await loop.sock_sendall(server, await self._waiting.get())


async def answers(server: socket.socket, request: bytes, expected: bytes, timeout_s: float) -> bool:
    """Return whether a server is healthy: it answers as expected, or, without an expected answer,
    exists.

    It is not if it refuses the datagram (ICMP port unreachable).
    """
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(server, request)
        answer = await asyncio.wait_for(loop.sock_recv(server, _LONGEST), timeout_s)
    except asyncio.TimeoutError:
        return not expected
    except OSError:
        return False
    return answer.startswith(expected)
