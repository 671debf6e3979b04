"""What stands between the program and the cloud, and does harm at one request."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KILLS = ("killed before", "killed after")
CUTS = ("cut before", "cut after")
REFUSALS = {
    "throttled": (400, "Throttling.User", 3),
    "unavailable": (503, "ServiceUnavailable", 2),
    "internal error": (500, "InternalError", 2),
}
"""HTTP status, code, and how often in a row the request is refused so."""
RELEASED = "released outside"
FAULTS = (*KILLS, *CUTS, *REFUSALS, RELEASED)


@dataclass(frozen=True)
class Request:
    """A request by its action, and the how-manieth of that action it is (from 1)."""

    action: str
    number: int

    def __str__(self) -> str:
        return f"{self.action} {self.number}"


class Proxy:
    """Passes requests on, and does what :attr:`fault` says at the request :attr:`at`.

    ``kill`` ends the program at once; ``release`` takes the instance away behind its back. The
    action :attr:`forbidden` is refused for good, until it is armed anew.
    """

    def __init__(self, target: str):
        self.seen: list[Request] = []
        self.at: Request | None = None
        self.fault = ""
        self.forbidden = ""
        self.struck = False
        self.kill: Callable[[], None] = lambda: None
        self.release: Callable[[], None] = lambda: None
        self._counts: Counter[str] = Counter()
        self._refusals = 0
        self._lock = threading.Lock()
        self._target = urlsplit(target).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with contextlib.suppress(OSError):  # whoever asked may be dead by now
                    proxy._serve(self, body)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def arm(self, at: Request | None, fault: str = "", *, forbidden: str = "") -> None:
        """Begin to count anew, and to wait for the request."""
        with self._lock:
            self.seen.clear()
            self._counts.clear()
            self.at, self.fault, self.struck = at, fault, False
            self.forbidden = forbidden
            self._refusals = REFUSALS[fault][2] if fault in REFUSALS else 0

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        action = dict(parse_qsl(body.decode(), keep_blank_values=True))["Action"]
        fault = self._fault_of(action)
        if action == self.forbidden:
            _refuse(handler, 403, "Forbidden.RAM")
            return
        if fault == RELEASED:
            self.release()
        elif fault == "killed before":
            self.kill()
            return
        elif fault == "cut before":
            handler.close_connection = True
            return
        elif fault in REFUSALS:
            _refuse(handler, *REFUSALS[fault][:2])
            return
        upstream = http.client.HTTPConnection(self._target, timeout=30)
        upstream.request("POST", handler.path, body, dict(handler.headers))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fault == "killed after":
            self.kill()
            return
        if fault == "cut after":
            handler.close_connection = True
            return
        _answer(handler, answer.status, content)

    def _fault_of(self, action: str) -> str:
        with self._lock:
            self._counts[action] += 1
            request = Request(action, self._counts[action])
            self.seen.append(request)
            if self.at is None or action != self.at.action:
                return ""
            if request.number == self.at.number:
                self.struck = True
                self._refusals -= 1
                return self.fault
            if self.struck and self._refusals > 0:
                self._refusals -= 1
                return self.fault
            return ""


def _refuse(handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
    content = f'{{"RequestId":"T-1","Code":"{code}","Message":"Injected."}}'.encode()
    _answer(handler, status, content)


def _answer(handler: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
