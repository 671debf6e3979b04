"""The master of a Swarm cluster: HTTPS for clients with a certificate of the cluster.

One port serves two APIs: applications are answered here; all other requests, which are Docker
clients', are answered by the engines of the cluster's nodes. Such a connection has one request,
or one stream in both directions (attach, exec).
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import cast

from ecsmachine.localcloud.container_service.application_api import (
    Reply,
    is_application_path,
    respond,
)
from ecsmachine.localcloud.container_service.applications import Applications
from ecsmachine.localcloud.container_service.docker import (
    all_containers,
    client_context,
    holder_of,
    is_list_of_containers,
)
from ecsmachine.localcloud.container_service.tls_stream import TlsStream
from ecsmachine.localcloud.protocol.relays import listen
from ecsmachine.localcloud.work.supervisor import Threads
from ecsmachine.system.os_errors import reason

_log = logging.getLogger("ecsmachine.localcloud.container_service")

_MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 1024 * 1024
_IDLE_S = 120.0
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class _Head:
    """The head of a request; header names are lower case, ``raw`` is all of it as it came."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    raw: bytes = field(repr=False)


class Master:
    """Listens on ``port`` of 127.0.0.1 (or on any that is free) with certificates of ``folder``.

    ``engines`` returns HOST:PORT of each node's engine that answers; the first one manages the
    swarm. ``requests`` are the threads that answer, ``engine_calls`` those that ask engines. Its
    methods are called on the event loop.
    """

    def __init__(
        self,
        port: int,
        folder: Path,
        applications: Applications,
        engines: Callable[[], Sequence[str]],
        requests: Threads,
        engine_calls: Threads,
    ) -> None:
        self._folder = folder
        self._applications = applications
        self._engines = engines
        self._listening = listen(port)
        self.port = int(self._listening.getsockname()[1])
        self._requests = requests
        self._engine_calls = engine_calls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serve until :meth:`stop`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._folder / "server.pem", self._folder / "server-key.pem")
        context.load_verify_locations(cafile=str(self._folder / "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connected(TlsStream(reader, writer, context, server_side=True))

        self._server = await asyncio.start_server(connected, sock=self._listening)

    async def stop(self) -> None:
        """Stop serving, and cut the connections that there are."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, stream: TlsStream) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections.add(task)
        try:
            await asyncio.wait_for(stream.handshake(), _CONNECT_TIMEOUT_S)
            await self._serve(stream)
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            # no certificate, or another cluster's; or it went away, or was idle for too long
            _log.debug("master: %s", error)
        except Exception:
            _log.exception("master: a connection failed")
        finally:
            self._connections.discard(task)
            await stream.close()

    async def _serve(self, stream: TlsStream) -> None:
        while True:
            try:
                raw = await asyncio.wait_for(
                    stream.read_until(b"\r\n\r\n", _MOST_HEAD_BYTES), _IDLE_S
                )
                head = _parse(raw)
            except ValueError:
                told = {"Code": "BadRequest", "Message": "The request is not HTTP/1.1."}
                await _answer(stream, Reply(400, told))
                return
            if not is_application_path(head.target):
                await self._to_engine(head, stream)
                return
            try:
                length = int(head.headers.get("content-length") or 0)
            except ValueError:
                length = -1
            if not 0 <= length <= _MOST_BODY_BYTES or "transfer-encoding" in head.headers:
                reason = "The body needs a Content-Length of at most 1 MiB."
                told = {"Code": "RequestTooLarge", "Message": reason}
                await _answer(stream, Reply(413, told))
                return
            if head.headers.get("expect", "").lower() == "100-continue":
                await stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await asyncio.wait_for(stream.read_exactly(length), _IDLE_S)
            reply = await self._requests.run(
                respond, self._applications, head.method, head.target, body
            )
            _log.info("master: %s %s %d", head.method, head.target.partition("?")[0], reply.status)
            last = head.headers.get("connection", "").lower() == "close"
            await _answer(stream, reply, last=last)
            if last:
                return

    async def _to_engine(self, head: _Head, stream: TlsStream) -> None:
        """Let the connection go on with the engine that the request is for, to its end."""
        addresses = self._engines()
        if not addresses:
            told = {"message": "The cluster has no node with an engine."}
            await _answer(stream, Reply(502, told))
            return
        context = client_context(self._folder)
        if is_list_of_containers(head.method, head.target):
            status, found = await self._requests.run(
                all_containers, addresses, context, head.target, self._engine_calls
            )
            await _answer(stream, Reply(status, found))
            return
        address = await self._requests.run(
            holder_of, addresses, context, head.target, self._engine_calls
        )
        host, _, port = address.rpartition(":")
        try:
            engine = await asyncio.wait_for(self._connect(host, int(port)), _CONNECT_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError) as error:
            told = {"message": f"The engine at {address} does not answer: {reason(error)}"}
            await _answer(stream, Reply(502, told))
            return
        try:
            await engine.write(_for_one_request(head))
            sending = asyncio.create_task(_copy(stream, engine))
            await _copy(engine, stream)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        finally:
            await engine.close()

    async def _connect(self, host: str, port: int) -> TlsStream:
        reader, writer = await asyncio.open_connection(host, port)
        engine = TlsStream(reader, writer, client_context(self._folder), server_hostname=host)
        try:
            await engine.handshake()
        except BaseException:
            writer.close()
            raise
        return engine


def _for_one_request(head: _Head) -> bytes:
    """Return the head so that the engine closes the connection after its answer.

    The next request may be for another node. A stream in both directions closes by itself.
    """
    if "upgrade" in head.headers:
        return head.raw
    first, *lines = head.raw.decode("latin-1").split("\r\n")[:-2]
    kept = [line for line in lines if not line.lower().startswith("connection:")]
    return "\r\n".join([first, *kept, "Connection: close", "", ""]).encode("latin-1")


async def _copy(source: TlsStream, target: TlsStream) -> None:
    """Pass on data until its end, and the end."""
    with suppress(OSError):
        while block := await source.read():
            await target.write(block)
    await target.end()


def _parse(raw: bytes) -> _Head:
    """Return the head of a request. Raises ``ValueError``."""
    lines = raw.decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    if not version.startswith("HTTP/1.") or not target.startswith("/"):
        raise ValueError("no request of HTTP/1")
    headers = {}
    for line in lines[1:-2]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise ValueError("no header")
        headers[name.lower()] = value.strip()
    return _Head(method, target, headers, raw)


async def _answer(stream: TlsStream, reply: Reply, *, last: bool = True) -> None:
    content = b""
    if reply.content is not None:
        content = json.dumps(reply.content, ensure_ascii=False).encode()
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if content:
        lines.append("Content-Type: application/json;charset=UTF-8")
    if reply.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(content)}")
    if last:
        lines.append("Connection: close")
    await stream.write("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
