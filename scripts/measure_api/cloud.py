"""A local cloud in this process that says of each request what it read and what it did.

``Probe.ask`` sends a request over HTTP, signed as any client's. Where the action would have
answered, all is taken back, so that every request meets the same cloud.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import hmac
import http.client
import json
import random
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlencode

from ecsmachine.localcloud.actions import PRODUCTS, identity
from ecsmachine.localcloud.actions.unsupported import checked
from ecsmachine.localcloud.protocol import clock, identifiers
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.state.tables import Table

_TAKEN_BACK = "Measured"


@dataclass
class Outcome:
    """What came of a request: the refusal, or the answer and what it changed in the cloud."""

    code: str = ""
    message: str = ""
    status: int = 200
    answer: Any = None
    changes: Any = None
    read: set[str] = field(default_factory=set)

    def effects(self) -> dict[str, Any]:
        """Return all that can be seen of it, as leaves by path."""
        seen = {"code": self.code, "message": self.message}
        return {**seen, **leaves(self.answer, "answer"), **leaves(self.changes, "state")}


def leaves(value: Any, path: str) -> dict[str, Any]:
    """Return the leaves of nested lists and dictionaries by their paths."""
    parts: Iterable[tuple[Any, Any]]
    if isinstance(value, dict) and value:
        parts = value.items()
    elif isinstance(value, list | tuple) and value:
        parts = enumerate(value)
    else:
        return {path: value}
    return {k: v for key, item in parts for k, v in leaves(item, f"{path}.{key}").items()}


class _Seeded:
    """What ids are made of, the same for every request."""

    def __init__(self) -> None:
        self._random = random.Random(1)

    def choice(self, letters: str) -> str:
        return self._random.choice(letters)

    def token_bytes(self, length: int) -> bytes:
        return self._random.randbytes(length)


class _Fixed(datetime):
    """The time now, the same for every request."""

    at = 0.0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _Fixed:
        return cls.fromtimestamp(cls.at, tz or timezone.utc)


class _Recorder:
    """Stands before the lifecycle, and notes what work on guests an action orders."""

    def __init__(self, lifecycle: Any, orders: list[Any] | None = None) -> None:
        self._lifecycle = lifecycle
        self.orders: list[Any] = [] if orders is None else orders

    def __getattr__(self, name: str) -> Any:
        order = getattr(self._lifecycle, name)
        if not callable(order):
            return _Recorder(order, self.orders)

        def ordered(*args: Any, **more: Any) -> Any:
            plain = [
                dataclasses.asdict(arg)
                if dataclasses.is_dataclass(arg) and not isinstance(arg, type)
                else arg
                for arg in args
            ]
            self.orders.append([name, plain, more])
            return order(*args, **more)

        return ordered


class Probe:
    """Asks a running cloud."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self._connection = http.client.HTTPConnection(cloud.host, timeout=30)
        self._outcome: Outcome | None = None

    def call(self, version: str, action: str, values: dict[str, Any]) -> Outcome:
        """Send a request; what it does stays."""
        query = urlencode(
            sorted(self._signed(version, action, values).items()), quote_via=quote, safe="-_.~"
        )
        self._connection.request("GET", f"/?{query}", headers={"Connection": "close"})
        reply = self._connection.getresponse()
        body = json.loads(reply.read())
        if reply.status != 200:
            return Outcome(body["Code"], body["Message"], reply.status)
        return Outcome(answer=body)

    def _signed(self, version: str, action: str, values: dict[str, Any]) -> dict[str, str]:
        whole = {
            "Action": action,
            "Version": version,
            "Format": "JSON",
            "AccessKeyId": self.cloud.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": str(uuid.uuid4()),
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **{key: str(value) for key, value in values.items()},
        }
        query = urlencode(sorted(whole.items()), quote_via=quote, safe="-_.~")
        text = f"GET&%2F&{quote(query, safe='-_.~')}"
        secret = f"{self.cloud.access_key_secret}&".encode()
        digest = hmac.new(secret, text.encode(), hashlib.sha1).digest()
        return {**whole, "Signature": base64.b64encode(digest).decode()}

    def ask(self, version: str, action: str, values: dict[str, Any]) -> Outcome:
        """Send a request, take back what it did, and say what that was."""
        # The first request comes after all that the scene did.
        _Fixed.at = _Fixed.at or time.time()
        self._outcome = Outcome()
        refused = self.call(version, action, values)
        outcome, self._outcome = self._outcome, None
        if refused.code not in ("", _TAKEN_BACK):
            refused.read = outcome.read
            return refused
        return outcome

    def _carry_out(self, action: Any, call: Any) -> Any:
        outcome = self._outcome
        if outcome is None:
            return action(call)
        recorder = _Recorder(call.lifecycle)
        call = dataclasses.replace(call, lifecycle=recorder)
        before = _rows(self.cloud.state)
        with (
            mock.patch.object(identifiers, "secrets", _Seeded()),
            mock.patch.object(identity, "secrets", _Seeded()),
            mock.patch.object(clock, "datetime", _Fixed),
            mock.patch.object(time, "time", lambda: _Fixed.at),
        ):
            try:
                outcome.answer = json.loads(json.dumps(checked(action)(call)))
            finally:
                outcome.read = set(call.parameters.read)
        after = _rows(self.cloud.state)
        outcome.changes = {
            key: dataclasses.asdict(after[key]) if key in after else None
            for key in before.keys() | after.keys()
            if before.get(key) is not after.get(key)
        } | {"work on guests": recorder.orders}
        raise ApiError(_TAKEN_BACK, "taken back")


@contextlib.contextmanager
def probed_cloud(root: Path) -> Iterator[Probe]:
    """Run a local cloud without guests, and a probe on it."""
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(embedded_cloud(root))
        probe = Probe(cloud)
        for actions in PRODUCTS.values():
            wrapped = {name: _wrapped(probe, action) for name, action in actions.items()}
            stack.enter_context(mock.patch.dict(actions, wrapped))
        yield probe


def _wrapped(probe: Probe, action: Any) -> Any:
    return lambda call: probe._carry_out(action, call)


def _rows(state: Any) -> dict[str, Any]:
    tables = [value for value in vars(state).values() if isinstance(value, Table)]
    return {f"{table.name}/{key}": row for table in tables for key, row in table.rows().items()}
