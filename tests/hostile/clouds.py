"""HTTP servers that keep to no rule: in the place of a cloud, a registry, an engine."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache

from tests.servers import connections

Answer = Callable[[socket.socket, bytes], None]
"""Answers a request, given its head, on a connection that is closed then."""

MIB = 1 << 20


def http_server(
    answer: Answer, context: ssl.SSLContext | None = None
) -> AbstractContextManager[int]:
    """Give the port of a server that answers every request so."""

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) if context else connection as stream:
            head = b""
            while b"\r\n\r\n" not in head and (block := stream.recv(65536)):
                head += block
            answer(stream, head)
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(1)
            while stream.recv(65536):
                pass

    return connections(talk)


def plain(body: bytes, *, status: str = "200 OK", headers: str = "") -> Answer:
    """Answer with a body."""

    def answer(stream: socket.socket, head: bytes) -> None:
        stream.sendall(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            f"{headers}\r\n".encode()
            + body
        )

    return answer


def endless(begin: bytes, again: bytes, pause_s: float = 0.0) -> Answer:
    """Answer with a beginning, and the same for ever."""

    def answer(stream: socket.socket, head: bytes) -> None:
        stream.sendall(begin)
        while True:
            stream.sendall(again)
            time.sleep(pause_s)

    return answer


def dripping(begin: bytes, again: bytes) -> Answer:
    """Answer so, a byte of it in a tenth of a second."""

    def answer(stream: socket.socket, head: bytes) -> None:
        stream.sendall(begin)
        while True:
            for byte in again:
                stream.sendall(bytes([byte]))
                time.sleep(0.1)

    return answer


@cache
def _packed() -> bytes:
    return gzip.compress(bytes(16 * MIB))


def bomb(size: int, headers: str = "") -> Answer:
    """Answer with a small body that is ``size`` bytes when it is unpacked."""

    def answer(stream: socket.socket, head: bytes) -> None:
        plain(_packed() * (size // (16 * MIB)), headers=headers)(stream, head)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS: dict[str, Answer] = {
    "3 GB": endless(OK + b"Content-Length: 3000000000\r\n\r\n", bytes(MIB)),
    "a body without end": endless(OK + b"\r\n", b"[" * MIB),
    "chunks without end": endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + bytes(MIB) + b"\r\n"
    ),
    "a refusal without end": endless(b"HTTP/1.1 403 Forbidden\r\n\r\n", bytes(MIB)),
    "headers without end": endless(OK, b"X-A: b\r\n" * 10_000),
    "a header without end": endless(OK + b"X-A: ", b"b" * MIB),
    "a status without end": endless(b"HTTP/1.1 200 ", b"O" * MIB),
    "a gzip bomb": bomb(4 << 30, "Content-Encoding: gzip\r\n"),
    "a gzip bomb that nobody named": bomb(4 << 30),
    "eight megabytes of brackets": plain(b"[" * (8 * MIB - 1)),
    "a million empty objects": plain(b'{"a":[' + b"{}," * 1_000_000 + b"{}]}"),
    "an answer of 2 MB without a word": plain(b'{"a":"' + b"x" * (2 * MIB) + b'"}'),
    "a page that leads to a file": plain(
        b"", status="302 Found", headers="Location: file:///etc/passwd\r\n"
    ),
    "a page that leads to itself": plain(b"", status="307 Moved", headers="Location: /\r\n"),
    "nothing": lambda stream, head: None,
    "what is not HTTP": lambda stream, head: stream.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "half of what was told": lambda stream, head: stream.sendall(
        OK + b"Content-Length: 100\r\n\r\n{}"
    ),
}
