"""What stands before a server, and passes on what it is asked and what it answers."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from io import BufferedIOBase
from urllib.parse import urlsplit

Ask = Callable[[], tuple[bytes, bytes]]
"""Asks the server what was asked; returns the head and the body of its answer."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")


class PassingServer:
    """Passes requests on to a server.

    ``answer`` is given the head and the body of each, and returns what is answered; where that is
    nothing, the connection is cut.
    """

    def __init__(self, target: str, answer: Callable[[bytes, bytes, Ask], bytes]):
        place = urlsplit(target)
        self._target = (str(place.hostname), place.port or 80)
        self._answer = answer
        self._connections: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections, and end those that clients keep."""
        self._listening.shutdown(socket.SHUT_RDWR)  # else it is still waited for one
        self._listening.close()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):  # its client has gone
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            connection,
            connection.makefile("rb") as asked,
            socket.create_connection(self._target, timeout=30) as upstream,
            upstream.makefile("rb") as answered,
        ):

            def ask() -> tuple[bytes, bytes]:
                upstream.sendall(head + body)
                return message(answered)

            while True:
                head, body = message(asked)
                answer = self._answer(head, body, ask) if head else b""
                if not answer:
                    return
                connection.sendall(answer)
        self._connections.discard(connection)


def message(stream: BufferedIOBase) -> tuple[bytes, bytes]:
    """Return the head and the body of what comes next on a connection; nothing at its end."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b"", b""
        head += line
    length = _LENGTH.search(head)
    return bytes(head), stream.read(int(length[1])) if length else b""


def answer(status: int, content: str) -> bytes:
    """Return an answer in JSON."""
    body = content.encode()
    return f"HTTP/1.1 {status} {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
