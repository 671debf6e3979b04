"""Server-sent events of the page: changes, at most a few times a second.

A browser gets the changes since its last event, when it is ready to read. So a slow browser blocks
nothing and needs no queue, and the cost of a page does not grow with the number of API requests. A
browser that does not read is disconnected.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ecsmachine.localcloud.actions.unsupported import asked_for
from ecsmachine.localcloud.protocol.official import official_actions
from ecsmachine.localcloud.service.http_server import Connections
from ecsmachine.localcloud.service.page.admission import HEADERS
from ecsmachine.localcloud.service.page.guests import SAMPLE_S, GuestLooks, appended
from ecsmachine.localcloud.service.view import CloudView, Look

SHORTEST_S = 0.4
"""The interval between two checks for changes."""
BUSY_S = 1.0
MOST_REQUESTS = 20
"""How many requests are sent of those that came between two checks."""
FIRST_REQUESTS = 200
CONSOLE_S = 0.5
_LOOK_S = 1.0  # at faults, which other processes add
_KEEP_ALIVE_S = 15.0
_SLOWEST_S = 30.0
_LONGEST_VALUE = 200


class EventStream(StreamingResponse):
    """An answer of server-sent events; a client that does not read it is cut off."""

    def __init__(self, events: AsyncIterator[str], connections: Connections) -> None:
        super().__init__(events, media_type="text/event-stream", headers=HEADERS)
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it (ASGI)."""

        async def in_time(message: Message) -> None:
            try:
                await asyncio.wait_for(send(message), _SLOWEST_S)
            except asyncio.TimeoutError:
                await self._connections.cut(scope.get("client"))

        await super().__call__(scope, receive, in_time)


async def happenings(view: CloudView, looks: GuestLooks) -> AsyncIterator[str]:
    """Yield everything first, then changes: ``changes``, and ``usage`` of guests."""
    look, most = Look(), FIRST_REQUESTS
    happened = view.next_change()
    told = sampled = -_KEEP_ALIVE_S
    usage: dict[str, list[float]] = {}
    try:
        while not view.closed:
            if happened.is_set():
                happened = view.next_change()  # before the look: nothing is missed
            changes = view.changes(look, most)
            most = MOST_REQUESTS
            now = time.monotonic()
            if changes:
                yield _event("changes", _with_notes(changes))
                told = now
            if now - sampled >= SAMPLE_S:
                sampled, before, usage = now, usage, await looks.usage()
                if usage != before:
                    yield _event("usage", usage)
                    told = now
            if now - told >= _KEEP_ALIVE_S:
                yield ": still there\n\n"
                told = now
            # where there is more than is shown, the API has the processor
            await asyncio.sleep(BUSY_S if changes.get("left_out") else SHORTEST_S)
            await _set_within(happened, _LOOK_S)
    finally:
        view.forget(happened)


async def console(view: CloudView, looks: GuestLooks, instance_id: str) -> AsyncIterator[str]:
    """Yield a guest's console: the end of it as ``all``, then new output as ``more``."""
    known: str | None = None
    told = time.monotonic()
    while not view.closed:
        now = await looks.console(instance_id)
        if now != known:
            more = None if known is None else appended(known, now)
            yield _event("all", now) if more is None else _event("more", more)
            known, told = now, time.monotonic()
        elif time.monotonic() - told > _KEEP_ALIVE_S:
            yield ": still there\n\n"
            told = time.monotonic()
        happened = view.next_change()
        await _set_within(happened, CONSOLE_S)
        view.forget(happened)


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _set_within(happened: asyncio.Event, seconds: float) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(happened.wait(), seconds)


def _with_notes(changes: dict[str, Any]) -> dict[str, Any]:
    for request in changes.get("requests", ()):
        request["not_implemented"] = not_implemented(request)
        request["parameters"] = {
            name: value[:_LONGEST_VALUE] if isinstance(value, str) else value
            for name, value in request["parameters"].items()
        }
    return changes


def not_implemented(request: dict[str, Any]) -> list[str]:
    """Return what of a request (as data) is not here: its action, or parameters of it."""
    version, action = request["version"], request["action"]
    if request["code"] == "InvalidAction.NotFound" and action in official_actions(version):
        return [action]
    values = {name: str(value) for name, value in request["parameters"].items()}
    return list(asked_for(version, action, values))
