"""What stands in for a cloud and for Docker Engine: a driver told what to say, a TLS server."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import (
    DataDiskRequest,
    DriverContext,
    Journal,
    Report,
    State,
)
from ecsmachine.errors import MachineError
from ecsmachine.machine import certificates
from ecsmachine.machine.model import AuthOptions, Machine, SwarmOptions, auth_options
from ecsmachine.machine.store import Store
from ecsmachine.provision.base import EngineOptions
from ecsmachine.ssh.target import SSHTarget
from tests.ports import refusing_port
from tests.servers import Answering, running


class ToldDriver:
    """A driver that says what its configuration tells it to.

    ``State``, ``URL``, and ``SSHPort`` are what it says; ``Moved`` is the URL once the cloud was
    asked; ``Refusal`` is the error of every question to the cloud. ``asked`` counts the questions.
    """

    name = "told"
    provisions = False
    asked: list[str]

    def __init__(self, directory: Path, config: Mapping[str, Any]):
        self.directory = directory
        self._config = dict(config)
        self.asked = []

    def config(self) -> dict[str, Any]:
        return self._config

    def pre_create_check(self, report: Report) -> None:
        raise NotImplementedError

    def create(self, journal: Journal, report: Report, save: Callable[[], None]) -> None:
        raise NotImplementedError

    def remove(self, journal: Journal, report: Report) -> None:
        raise NotImplementedError

    def state(self) -> State:
        self._ask("state")
        state = State(self._config.get("State", "Running"))
        if state is State.RUNNING:
            self._config["URL"] = self._config.get("Moved", self.url())
        return state

    def start(self, report: Report) -> None:
        raise NotImplementedError

    def stop(self, report: Report) -> None:
        raise NotImplementedError

    def restart(self, report: Report) -> None:
        raise NotImplementedError

    def kill(self, report: Report) -> None:
        raise NotImplementedError

    def address(self) -> str:
        return urlsplit(self.url()).hostname or ""

    def addresses(self) -> Sequence[str]:
        return [self.address()]

    def refresh(self) -> None:
        self._ask("refresh")
        self._config["URL"] = self._config.get("Moved", self.url())

    def url(self) -> str:
        return str(self._config.get("URL", ""))

    def ssh_target(self) -> SSHTarget:
        if not self.address():
            raise MachineError("IP address is not set")
        return SSHTarget(
            self.address(),
            port=self._config.get("SSHPort", 22),
            user=self._config.get("SSHUser", "root"),
            key_path=self.directory / "id_rsa",
        )

    def data_disk(self) -> DataDiskRequest | None:
        return None

    def authorized_key(self) -> str | None:
        return None

    def host_name(self) -> str:
        return str(self._config.get("HostName", ""))

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        if "Refusal" in self._config:
            raise MachineError(self._config["Refusal"])


def register_told_driver(
    monkeypatch: pytest.MonkeyPatch, driver: type[ToldDriver] = ToldDriver
) -> None:
    """Make the registry know the driver ``told``, beside all others.

    One that can do more is a class of its own: whether a class has what a protocol wants is looked
    at once and remembered, also when a test is over.
    """
    load = registry.load

    def load_with_told(name: str, context: DriverContext, config: Mapping[str, Any]) -> Any:
        if name == "told":
            return driver(context.directory, config)
        return load(name, context, config)

    monkeypatch.setattr(registry, "load", load_with_told)


def add_machine(
    store: Store,
    name: str,
    *,
    labels: Sequence[str] = (),
    swarm: SwarmOptions | None = None,
    **told: Any,
) -> Machine:
    """Put a machine with the driver ``told`` and its certificates into the store."""
    auth = auth_options(store.path, name)
    machine = Machine(
        name=name,
        driver=ToldDriver(store.directory(name), {"MachineName": name, **told}),
        auth=auth,
        engine=EngineOptions(labels=list(labels)),
        swarm=swarm or SwarmOptions(),
    )
    certificates.ensure_client_certificates(auth, lambda line: None)
    certificates.copy_client_certificates(auth)
    certificates.make_server_certificate(auth, name, ["127.0.0.1"])
    store.save(machine)
    return machine


class _EngineRequest(Answering):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.server.body if self.path == "/version" else b"{}"  # type: ignore[attr-defined]
        self.answer(self.server.status, body)  # type: ignore[attr-defined]


class _EngineServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None, status: int, body: bytes, port: int):
        super().__init__(("127.0.0.1", port), _EngineRequest)
        self.context = context
        self.status = status
        self.body = body

    def get_request(self) -> tuple[socket, Any]:
        connection, address = super().get_request()
        if self.context is None:
            return connection, address
        # the handshake is made by the thread that reads: a client that fails it stops no other
        return self.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def engine(
    auth: AuthOptions | None,
    *,
    version: str = "27.3.1",
    status: int = 200,
    body: bytes | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Answer ``GET /version`` over TLS as Docker Engine does, and give the URL.

    Uses the machine's server certificate and asks for one of its CA; without ``auth`` it speaks
    plain HTTP.
    """
    context = None
    if auth is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(auth.server_cert_path, auth.server_key_path)
        context.load_verify_locations(auth.machine_ca_path)
        context.verify_mode = ssl.CERT_REQUIRED
    said = json.dumps({"Version": version, "ApiVersion": "1.47"}).encode()
    with running(_EngineServer(context, status, said if body is None else body, port)) as server:
        yield f"tcp://127.0.0.1:{server.server_port}"


@contextmanager
def silent_port() -> Iterator[str]:
    """Accept connections, say nothing, and give the URL."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def refusing_url() -> str:
    """Return the URL of a port where nothing listens."""
    return f"tcp://127.0.0.1:{refusing_port()}"
