"""A cloud, or anything that answers in JSON, whose values are not what they should be."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
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

ODD = (
    *("null", "true", "false", "0", "-1", "1.5", "1e999", "-1e999", "NaN", "Infinity", "65536"),
    *("9" * 30, "9" * 5000, '""', '" "', '"abc"', '"1e999"', '"9999999999999999999999"', '"-1"'),
    *("[]", "{}", "[null]", '[""]', "[[]]", '{"a": {"b": []}}', "[7]", '[{"x": 1}]'),
    *("[" * 100 + "]" * 100, "[" * 100_000, '{"a":' * 70 + "1" + "}" * 70),
    *(r'"\u0000"', r'"\ud800"', r'"a\nb"', r'"\u001b[2J"', r'"\u2028"', r'"\u202e"', '"é\\n"'),
    r'"198.18.205.2\n    ProxyCommand touch @TOUCHED@"',
    r'"root\n    ProxyCommand touch @TOUCHED@"',
    r'"x\nMatch exec \"touch @TOUCHED@\""',
    *('"-oProxyCommand=touch @TOUCHED@"', '"$(touch @TOUCHED@)"', '"; touch @TOUCHED@ #"'),
    *('"../../../x"', '"/etc/passwd"', '".."', '"a/b"', '"%s%n%h"', '"*"', '"http://[::1"'),
    *(r'"fe80::1%\n x"', '"http://u:p@h/?q#f"', '"x@evil.example/"', '"' + "x" * 100_000 + '"'),
    *('"1' + "/1" * 40 + '"', '"::"', '"0.0.0.0/33"', '"9999-99-99T99:99:99Z"', '"\\\\\\\\"'),
)
"""Values in JSON that stand where others belong; @TOUCHED@ is a file that must not come to be."""


_MARK = re.compile('"@@([0-9]+)@@"')


class Odd:
    """Puts :data:`ODD` values in the place of others, whatever these are."""

    def __init__(self, touched: str):
        self._tokens = [token.replace("@TOUCHED@", touched) for token in ODD]

    def __call__(self, random: random.Random, value: Any) -> Any:
        return f"@@{random.randrange(len(self._tokens))}@@"

    def text_of(self, value: Any) -> bytes:
        """Return a value as JSON, with the odd ones in it (some of which are no JSON)."""
        text = _MARK.sub(lambda mark: self._tokens[int(mark[1])], json.dumps(value))
        return text.encode()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where every value in a document is, the whole of it too."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, each in items or (enumerate(value) if isinstance(value, list) else ()):
        yield from places(each, (*path, key))


def put(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Return a copy of a document with another value in a place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


class Mangler:
    """Passes requests on, and puts escapes, or ``odd`` values, into a part of what is answered."""

    def __init__(self, target: str, seed: int, share: float, odd: Odd | None = None):
        self._odd = odd
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
        mangled = self._mangle(value)
        return self._odd.text_of(mangled) if self._odd else json.dumps(mangled).encode()

    def _mangle(self, value: Any) -> Any:
        if self._odd and self._random.random() < self._share:
            return self._odd(self._random, value)
        if isinstance(value, dict):
            return {key: self._mangle(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._mangle(each) for each in value]
        if self._odd or not isinstance(value, str) or self._random.random() >= self._share:
            return value
        at = self._random.randrange(len(value) + 1)
        return value[:at] + self._random.choice(ESCAPES) + value[at:]


@contextlib.contextmanager
def mangling(target: str, seed: int, share: float, odd: Odd | None = None) -> Iterator[str]:
    """Yield the address of what stands before ``target`` and mangles a share of its texts.

    With ``odd``, values of any type are others.
    """
    mangler = Mangler(target, seed, share, odd)
    thread = threading.Thread(
        target=mangler._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield mangler.endpoint
    finally:
        mangler._server.shutdown()
        mangler._server.server_close()
