"""A local cloud inside a Python process: for tests, and for whoever wants one for a minute."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.host.guests.none import NoGuests
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service.alone import serving_alone
from ecsmachine.localcloud.service.fault_reach import reach_of
from ecsmachine.localcloud.service.http_server import Connections, HttpServer
from ecsmachine.localcloud.service.request_log import RequestLog
from ecsmachine.localcloud.service.seed import Seed
from ecsmachine.localcloud.service.server import create_app
from ecsmachine.localcloud.service.view import CloudView
from ecsmachine.localcloud.state.settings import Settings
from ecsmachine.localcloud.state.state import State, open_state

START_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class EmbeddedCloud:
    """A cloud that answers at ``endpoint`` until the end of its block.

    ``faults`` holds its injected faults, ``log`` its requests.
    """

    endpoint: str
    state: State
    guests: Guests
    faults: FaultBook
    log: RequestLog

    @property
    def host(self) -> str:
        """Host and port, as SDKs want their endpoint."""
        return self.endpoint.removeprefix("http://")

    @property
    def access_key_id(self) -> str:
        """The access key's id."""
        return self.state.account.access_key_id

    @property
    def access_key_secret(self) -> str:
        """The access key's secret."""
        return self.state.account.access_key_secret

    @property
    def region(self) -> str:
        """The region that has a default VPC and VSwitch."""
        return self.state.region


@contextlib.contextmanager
def embedded_cloud(
    root: Path,
    settings: Settings | None = None,
    *,
    guests: Guests | None = None,
    watch_interval_s: float = 2.0,
    lenient: bool = False,
    settled: bool = False,
    seed: Seed | None = None,
    page_token: str = "",
) -> Iterator[EmbeddedCloud]:
    """Serve the cloud in ``root`` on a free port of 127.0.0.1, from a thread, without guests.

    Its content stays in ``root``; the next cloud there continues with it. ``lenient`` ignores
    official parameters that are not implemented, instead of refusing them; ``settled`` answers a
    request when its work is done; ``seed`` is the content of a new cloud; ``page_token`` opens its
    page; without one there is no page. Raises
    :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError` where that is refused.
    """
    guests = guests or NoGuests()
    with (
        serving_alone(root),
        contextlib.closing(open_state(root, settings)) as state,
        contextlib.closing(
            FaultBook(root, reach_of(root, guests=not isinstance(guests, NoGuests)))
        ) as faults,
        _listener() as listener,
    ):
        connections = Connections()
        application = create_app(
            state,
            guests,
            faults,
            connections,
            watch_interval_s=watch_interval_s,
            lenient=lenient,
            settled=settled,
            seed=seed,
            page_token=page_token,
        )
        view: CloudView = application.state.endpoint.view
        server = HttpServer(
            application,
            connections.protocol(),
            stopping=view.close,
            explained=lambda: application.state.failure is not None,
            grace_s=1.0,
        )
        thread = threading.Thread(target=server.run, args=([listener],), name="local cloud")
        thread.start()
        try:
            _wait_until_started(server, thread, application)
            port = listener.getsockname()[1]
            log = application.state.endpoint.requests
            yield EmbeddedCloud(f"http://127.0.0.1:{port}", state, guests, faults, log)
        finally:
            server.stop()
            thread.join()


def _listener() -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say theirs.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


def _wait_until_started(
    server: HttpServer, thread: threading.Thread, application: Starlette
) -> None:
    for _ in range(int(START_TIMEOUT_S / 0.01)):
        if server.started:
            return
        thread.join(0.01)
        if not thread.is_alive():
            break
    failure: LocalCloudError | None = application.state.failure
    raise failure or RuntimeError("the local cloud does not start")
