"""Servers on 127.0.0.1 for the time of a block: of HTTP, and of connections alone."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import TypeVar

_Server = TypeVar("_Server", bound=BaseServer)


class Answering(BaseHTTPRequestHandler):
    """Answers as ``do_GET`` and its like of a test say, and keeps no log of it."""

    def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def http_server(handler: type[Answering]) -> AbstractContextManager[ThreadingHTTPServer]:
    """Answer requests on a port of its own."""
    return running(ThreadingHTTPServer(("127.0.0.1", 0), handler))


@contextlib.contextmanager
def running(server: _Server) -> Iterator[_Server]:
    """Let a server serve until the end of the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def connections(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """Give a port: each connection to it is given to ``talk``, in a thread, and closed then."""

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            # one that still accepts would take the connections of the next server, whose socket
            # may get the number of this one
            with contextlib.suppress(OSError):  # not every system can do this
                listening.shutdown(socket.SHUT_RDWR)
                accepting.join()
