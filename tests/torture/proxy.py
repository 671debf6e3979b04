"""What stands between the program and the cloud, and does harm at one request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from tests.passing import Ask, PassingServer, answer

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
        self._server = PassingServer(target, self._answer)
        self.endpoint = self._server.endpoint
        self.close = self._server.close

    def arm(self, at: Request | None, fault: str = "", *, forbidden: str = "") -> None:
        """Begin to count anew, and to wait for the request."""
        with self._lock:
            self.seen.clear()
            self._counts.clear()
            self.at, self.fault, self.struck = at, fault, False
            self.forbidden = forbidden
            self._refusals = REFUSALS[fault][2] if fault in REFUSALS else 0

    def _answer(self, head: bytes, body: bytes, ask: Ask) -> bytes:
        if not body:  # it asks for the time alone
            return b"".join(ask())
        action = dict(parse_qsl(body.decode(), keep_blank_values=True))["Action"]
        fault = self._fault_of(action)
        if action == self.forbidden:
            return _refusal(403, "Forbidden.RAM")
        if fault == RELEASED:
            self.release()
        elif fault == "killed before":
            self.kill()
            return b""
        elif fault == "cut before":
            return b""
        elif fault in REFUSALS:
            return _refusal(*REFUSALS[fault][:2])
        answered = b"".join(ask())
        if fault == "killed after":
            self.kill()
            return b""
        return b"" if fault == "cut after" else answered

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


def _refusal(status: int, code: str) -> bytes:
    return answer(status, f'{{"RequestId":"T-1","Code":"{code}","Message":"Injected."}}')
