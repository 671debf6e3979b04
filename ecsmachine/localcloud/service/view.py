"""A view of a running cloud: its resources and its events.

Everything besides the APIs (``/_ecsmachine/…``, the page) reads a cloud only through it. It
contains no secrets: fields that are not in a resource's ``repr`` are left out, others are masked.

There are two ways to follow: :meth:`CloudView.follow` yields every event, and
:meth:`CloudView.changes` returns the changes since the last look, at a constant cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.protocol.secrecy import masked
from ecsmachine.localcloud.service.request_log import RequestLog
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.state.tables import Table

MOST_WAITING = 1000
"""How many events wait for one follower; a slower follower loses them, and gets ``lost``."""
_KINDS = (
    *("instances", "disks", "snapshots", "custom_images", "vpcs", "vswitches", "route_entries"),
    *("security_groups", "network_interfaces", "key_pairs", "eips", "load_balancers"),
    *("server_groups", "launch_templates", "commands", "invocations", "tag_sets", "clusters"),
    *("projects", "volumes", "triggers"),
)
_LEFT_OUT = frozenset(("template",))  # a project's holds the variables of its containers


@dataclass(frozen=True)
class Event:
    """An event.

    - ``request``: one was answered; ``data`` is the
      :class:`~ecsmachine.localcloud.service.request_log.RecordedRequest`.
    - ``resource``: one was made, changed or removed: ``kind`` (as in :meth:`CloudView.resources`),
      ``id``, and ``value``, None if it is gone.
    - ``lost``: the follower was too slow; it has to look at everything anew.
    """

    name: Literal["request", "resource", "lost"]
    data: Mapping[str, Any]


@dataclass
class Look:
    """The state of a reader that looks at a cloud from time to time."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    number: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)


class CloudView:
    """A look at one cloud, from its event loop."""

    def __init__(self, state: State, log: RequestLog, faults: FaultBook) -> None:
        self._log = log
        self._faults = faults
        self._lock = state.lock
        self._tables: dict[str, Table[Any]] = {kind: getattr(state, kind) for kind in _KINDS}
        self._seen: dict[str, dict[str, Any]] = {}
        self._followers: dict[asyncio.Queue[Event | None], asyncio.AbstractEventLoop] = {}
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self.closed = False
        """Whether the server stops."""
        state.watch(self._tables.values(), self._changed)
        log.watch(self._asked)

    def resources(self) -> dict[str, list[dict[str, Any]]]:
        """Return what there is, by kind, and the faults with their counts."""
        with self._lock:
            rows = {kind: list(table) for kind, table in self._tables.items()}
        found = {kind: [_shown(row) for row in each] for kind, each in rows.items()}
        return {**found, "faults": self.faults()}

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults with their counts."""
        return [entry.as_data() for entry in self._faults.entries()]

    def changes(self, look: Look, most: int) -> dict[str, Any]:
        """Return the changes since ``look``, and update it; empty: no changes.

        ``resources`` are by kind and id, None for removed ones; ``requests`` are the last ``most``
        new requests, without their answers, and ``left_out`` is the number of others before them;
        ``faults`` are all faults if one has changed.
        """
        with self._lock:
            rows = self._rows()
        told: dict[str, Any] = {}
        if resources := _differences(look.rows, rows):
            told["resources"] = resources
        number, requests = self._log.latest(look.number, most)
        if number > look.number:
            told["requests"] = [one.as_data() for one in requests]
            told["left_out"] = number - look.number - len(requests)
        faults = self.faults()
        if faults != look.faults:
            told["faults"] = faults
        look.rows, look.number, look.faults = rows, number, faults
        return told

    def next_change(self) -> asyncio.Event:
        """Return an event that is set by the next change, or when the server stops."""
        happened = asyncio.Event()
        self._waiting[happened] = asyncio.get_running_loop()
        if self.closed:
            happened.set()
        return happened

    def forget(self, happened: asyncio.Event) -> None:
        """Let nothing of :meth:`next_change` be set any more."""
        self._waiting.pop(happened, None)

    async def follow(self) -> AsyncIterator[Event]:
        """Yield what happens from now on, until the server stops."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MOST_WAITING + 1)
        with self._lock:
            if not self._followers:
                self._seen = self._rows()
            self._followers[queue] = asyncio.get_running_loop()
        try:
            while not self.closed:
                event = await queue.get()
                if event is None:
                    return
                yield event
        finally:
            with self._lock:
                del self._followers[queue]

    def close(self) -> None:
        """Let all followers end; may be called from any thread."""
        self.closed = True
        self._send(None)
        self._wake()

    def _rows(self) -> dict[str, dict[str, Any]]:
        return {kind: table.rows() for kind, table in self._tables.items()}

    def _wake(self) -> None:
        # Each is woken once, and costs nothing until it waits again.
        while self._waiting:
            with suppress(KeyError, RuntimeError):  # another thread was faster; its loop has ended
                happened, loop = self._waiting.popitem()
                loop.call_soon_threadsafe(happened.set)

    def _asked(self, number: int) -> None:
        self._wake()
        if self._followers and (one := self._log.one(number)) is not None:
            self._send(Event("request", one.as_data()))

    def _changed(self) -> None:
        self._wake()
        if not self._followers:
            return
        with self._lock:
            before, self._seen = self._seen, self._rows()
            for kind, changed in _differences(before, self._seen).items():
                for key, value in changed.items():
                    self._send(Event("resource", {"kind": kind, "id": key, "value": value}))

    def _send(self, event: Event | None) -> None:
        with self._lock:
            followers = list(self._followers.items())
        for queue, loop in followers:
            loop.call_soon_threadsafe(_add_or_lose, queue, event)


def _add_or_lose(queue: asyncio.Queue[Event | None], event: Event | None) -> None:
    if queue.qsize() >= MOST_WAITING:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(Event("lost", {}))
    queue.put_nowait(event)


def _differences(
    before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what was made or changed, by kind and id; None stands for what was removed."""
    found: dict[str, dict[str, Any]] = {}
    for kind, rows in now.items():
        old = before.get(kind, {})
        # Values are replaced, never changed: the same one has not changed.
        changed = {key: _shown(row) for key, row in rows.items() if old.get(key) is not row}
        changed |= {key: None for key in old if key not in rows}
        if changed:
            found[kind] = changed
    return found


def _shown(value: Any) -> Any:
    return masked(_plain(value))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: _plain(getattr(value, item.name))
            for item in fields(value)
            if item.repr and item.name not in _LEFT_OUT
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
