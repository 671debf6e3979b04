"""The request log of a cloud: the last requests and answers, in memory."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ecsmachine.localcloud.protocol import clock
from ecsmachine.localcloud.protocol.official import COMMON
from ecsmachine.localcloud.protocol.secrecy import masked, masked_parameters

MOST_REQUESTS = 1000
MOST_BYTES = 32 * 1024 * 1024
"""The size of all parameters and answers; a single larger request is kept."""
_OF_THE_PROTOCOL = COMMON - {"RegionId"}
_CREDENTIAL = re.compile(r"Credential=([^,\s]+)|^acs ([^:\s]+):")


@dataclass(frozen=True)
class RecordedRequest:
    """A request and its answer, with secrets as ``***``.

    ``number`` counts the requests of a cloud from 1; ``time`` is the time of arrival (UTC),
    ``seconds`` the duration of the answer. ``product`` is ECS, VPC, SLB, STS, Location or CS
    (Container Service), or "" if the request does not say. ``parameters`` are
    those of the action, and RegionId, under their names in the request (``Tag.1.Key``); for
    Container Service they are the fields of the body. ``status`` is the HTTP status, 0 if a fault
    cut the connection; ``code`` is the error code, "" on success.
    """

    number: int
    time: str
    seconds: float
    client: str
    user_agent: str
    access_key_id: str
    method: str
    path: str
    product: str
    version: str
    action: str
    parameters: dict[str, Any]
    status: int
    code: str
    answer: dict[str, Any]
    request_id: str

    def as_data(self) -> dict[str, Any]:
        """Return the request as JSON data."""
        return dict(vars(self))  # not asdict: that copies all that is in it


@dataclass(frozen=True)
class Exchange:
    """A raw request and its answer, including secrets; ``size`` is in bytes.

    ``begun`` is in seconds since 1970, ``answer`` an object, or a body to parse.
    """

    begun: float
    client: str
    headers: Mapping[str, str]
    method: str
    path: str
    product: str
    version: str
    action: str
    parameters: Mapping[str, Any]
    status: int
    answer: Mapping[str, Any] | bytes
    request_id: str
    size: int


class RequestLog:
    """The last requests of a cloud; its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, float, Exchange]] = deque()
        self._bytes = 0
        self._number = 0
        self._watches: list[Callable[[int], None]] = []

    def watch(self, callback: Callable[[int], None]) -> None:
        """Call ``callback`` with the number of each request once it is kept."""
        self._watches.append(callback)

    def add(self, exchange: Exchange) -> None:
        """Keep one that has just been answered, and forget the oldest where there are too many."""
        seconds = time.time() - exchange.begun
        with self._lock:
            self._number += 1
            number = self._number
            self._kept.append((self._number, seconds, exchange))
            self._bytes += exchange.size
            while len(self._kept) > MOST_REQUESTS or (
                self._bytes > MOST_BYTES and len(self._kept) > 1
            ):
                self._bytes -= self._kept.popleft()[2].size
        for callback in self._watches:
            callback(number)

    def after(self, number: int = 0) -> list[RecordedRequest]:
        """Return those with higher numbers, oldest first."""
        with self._lock:
            kept = [entry for entry in self._kept if entry[0] > number]
        return [_recorded(*entry) for entry in kept]

    def latest(self, number: int, most: int) -> tuple[int, list[RecordedRequest]]:
        """Return the highest number, and the last ``most`` requests above ``number``, oldest first.

        Of the answers it returns only error codes, so it takes the same time whatever their size.
        """
        with self._lock:
            last = self._number
            found = [one for one in islice(reversed(self._kept), most) if one[0] > number]
        return last, [_recorded(*entry, whole=False) for entry in reversed(found)]

    def one(self, number: int) -> RecordedRequest | None:
        """Return the request with a number, if it is kept."""
        with self._lock:
            kept = next((entry for entry in self._kept if entry[0] == number), None)
        return None if kept is None else _recorded(*kept)

    def clear(self) -> None:
        """Forget all; numbers go on."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def _recorded(
    number: int, seconds: float, exchange: Exchange, *, whole: bool = True
) -> RecordedRequest:
    refused = exchange.status >= 400
    answer = exchange.answer if whole or refused else {}
    if isinstance(answer, bytes):
        answer = _read(answer)
    shown = masked(answer)
    named = dict(exchange.parameters)
    key_id = named.get("AccessKeyId") or _key_of_header(exchange.headers.get("authorization", ""))
    own = {name: value for name, value in named.items() if name not in _OF_THE_PROTOCOL}
    return RecordedRequest(
        number=number,
        time=clock.milliseconds(exchange.begun),
        seconds=round(seconds, 6),
        client=exchange.client,
        user_agent=exchange.headers.get("user-agent", ""),
        access_key_id=key_id,
        method=exchange.method,
        path=exchange.path,
        product=exchange.product,
        version=exchange.version,
        action=exchange.action,
        parameters=masked_parameters(exchange.action, own),
        status=exchange.status,
        code=str(shown.get("Code") or shown.get("code") or "") if refused else "",
        answer=shown if whole else {},
        request_id=exchange.request_id,
    )


def _key_of_header(text: str) -> str:
    match = _CREDENTIAL.search(text)
    return (match[1] or match[2]) if match else ""


def _read(body: bytes) -> dict[str, Any]:
    """Return a body as an object; an empty one if it is not JSON."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {"items": value}
