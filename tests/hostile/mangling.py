"""A cloud, or anything that answers in JSON, whose texts are not what they should be."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

ESCAPES = (
    "\x1b[31m",
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "\x9b1A",
    "\x1b]8;;http://x\x1b\\y",
    "\r\x1b[K",
    "\x7f\x08",
    "\u202e\u2066",
    "\u2028\u200b\ufeff",
    "\ud800",
    "\U000e0041",
    "\nError: forged\n",
    "\tforged\tcell",
    "`touch forged`$(touch forged)",
)
"""What a terminal, a shell or a reader of lines would obey."""


class Mangler:
    """Passes requests on, and puts escapes into a part of the texts that are answered."""

    def __init__(self, target: str, seed: int, share: float):
        self._random = random.Random(seed)
        self._share = share
        mangler = self
        address = urlsplit(target)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream = http.client.HTTPConnection(address.netloc, timeout=30)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                content = mangler.mangled(answer.read())
                upstream.close()
                self.send_response(answer.status)
                for name in ("Content-Type", "Link", "Docker-Content-Digest"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass_on  # noqa: N815

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def mangled(self, content: bytes) -> bytes:
        """Return a body with escapes in it; one that is no JSON as it is."""
        try:
            value = json.loads(content)
        except ValueError:
            return content
        return json.dumps(self._mangle(value)).encode()

    def _mangle(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._mangle(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._mangle(each) for each in value]
        if not isinstance(value, str) or self._random.random() >= self._share:
            return value
        at = self._random.randrange(len(value) + 1)
        return value[:at] + self._random.choice(ESCAPES) + value[at:]


@contextlib.contextmanager
def mangling(target: str, seed: int, share: float) -> Iterator[str]:
    """Yield the address of what stands before ``target`` and mangles a share of its texts."""
    mangler = Mangler(target, seed, share)
    thread = threading.Thread(
        target=mangler._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield mangler.endpoint
    finally:
        mangler._server.shutdown()
        mangler._server.server_close()
