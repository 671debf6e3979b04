"""The health of containers: probes by HTTP and TCP, again and again.

As documented, probes come from outside the container, every two seconds. A probe that is a
command is the engine's own health check, and not this module's.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecsmachine.compose.labels import Probe
from ecsmachine.localcloud.work.supervisor import Threads

INTERVAL_S = 2.0
_FAILURES = 3
"""How many probes one after the other have to fail before a container counts as unhealthy."""
_REMEMBERED_S = 60.0


def reached(probe: Probe, host: str, port: int) -> bool:
    """Return whether what listens at ``host`` and ``port`` passes a probe by HTTP or TCP."""
    if probe.scheme == "tcp":
        try:
            socket.create_connection((host, port), timeout=probe.timeout_s).close()
        except OSError:
            return False
        return True
    connection = http.client.HTTPConnection(host, port, timeout=probe.timeout_s)
    try:
        connection.request("GET", probe.path)
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True)
class Watched:
    """A running container that has a probe; ``passes`` does it once."""

    id: str
    delay_s: int
    passes: Callable[[], bool]


@dataclass
class _Seen:
    since: float
    failures: int = 0
    healthy: bool | None = None


class HealthWatch:
    """Probes what ``watched`` returns, in ``threads``. Safe to use from several threads."""

    def __init__(self, watched: Callable[[], Sequence[Watched]], threads: Threads) -> None:
        self._watched = watched
        self._threads = threads
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def health(self, container_id: str) -> str:
        """Return healthy, unhealthy, or "starting" before the first result."""
        with self._lock:
            seen = self._seen.get(container_id)
        if seen is None or seen.healthy is None:
            return "starting"
        return "healthy" if seen.healthy else "unhealthy"

    def note(self, container_id: str, healthy: bool) -> None:
        """Take note of a result."""
        with self._lock:
            seen = self._seen.setdefault(container_id, _Seen(time.monotonic()))
            seen.failures = 0 if healthy else seen.failures + 1
            if healthy:
                seen.healthy = True
            elif seen.failures >= _FAILURES:
                seen.healthy = False

    def look(self) -> None:
        """Probe each container whose delay is over (this blocks); forget removed containers."""
        now = time.monotonic()
        watched = self._watched()
        with self._lock:
            ids = {one.id for one in watched}
            self._seen = {
                id_: seen
                for id_, seen in self._seen.items()
                # one that began after the look is not among them yet
                if id_ in ids or now - seen.since < _REMEMBERED_S
            }
            for one in watched:
                self._seen.setdefault(one.id, _Seen(now))
            due = [one for one in watched if now - self._seen[one.id].since >= one.delay_s]
        results = self._threads.map(lambda each: each.passes(), due)
        for one, passed in zip(due, results, strict=True):
            self.note(one.id, passed)
