"""Docker's API of a cluster: lists of all nodes' containers, and the node that has one."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.container_service.certificates import make_certificates
from ecsmachine.localcloud.container_service.docker import (
    all_containers,
    client_context,
    holder_of,
    is_list_of_containers,
)
from ecsmachine.localcloud.work.supervisor import Threads
from tests.servers import Answering, running

THREADS = Threads("engines", 4)


@contextmanager
def engine(folder: Path, containers: list[dict[str, Any]]) -> Iterator[str]:
    """An engine with these containers; yields its address."""

    class Handler(Answering):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            known = {f"/v1.40/containers/{c['Id']}/json" for c in containers}
            known |= {f"/v1.40/exec/e-{c['Id']}/json" for c in containers}
            if path == "/v1.40/containers/json":
                self._answer(200, containers)
            elif path == "/v1.30/containers/json":
                self._answer(400, {"message": "client version 1.30 is too old"})
            elif path in known:
                self._answer(200, {})
            else:
                self._answer(404, {"message": "no such container"})

        def _answer(self, status: int, content: object) -> None:
            self.answer(status, json.dumps(content).encode())

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    context.load_verify_locations(cafile=str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield f"127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[str], ssl.SSLContext]]:
    folder = tmp_path_factory.mktemp("cluster")
    make_certificates(folder, "test", ["127.0.0.1"])
    with ExitStack() as stack:
        found = [
            stack.enter_context(engine(folder, containers))
            for containers in (
                [{"Id": "a", "Created": 1}, {"Id": "c", "Created": 3}],
                [{"Id": "b", "Created": 2}],
            )
        ]
        yield found, client_context(folder)


def test_the_containers_of_all_nodes_are_one_list(nodes: Any) -> None:
    addresses, context = nodes

    def listed(query: str = "") -> list[str]:
        status, found = all_containers(
            addresses, context, f"/v1.40/containers/json{query}", THREADS
        )
        assert status == 200
        return [item["Id"] for item in found]

    assert listed() == ["c", "b", "a"]
    assert listed("?all=1&limit=2") == ["c", "b"]
    silent = [*addresses, "127.0.0.1:1"]
    assert len(all_containers(silent, context, "/v1.40/containers/json", THREADS)[1]) == 3
    status, refused = all_containers(addresses, context, "/v1.30/containers/json", THREADS)
    assert status == 400
    assert "too old" in refused["message"]


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("/v1.40/containers/a/json", 0),
        ("/v1.40/containers/b/json", 1),
        ("/v1.40/containers/b/logs?follow=1", 1),
        ("/v1.40/containers/b", 1),
        ("/v1.40/exec/e-b/start", 1),
        ("/v1.40/containers/none/json", 0),
        ("/v1.40/containers/create?name=x", 0),
        ("/v1.40/nodes", 0),
        ("/_ping", 0),
    ],
)
def test_the_node_that_has_a_container_is_asked(nodes: Any, target: str, number: int) -> None:
    addresses, context = nodes
    assert holder_of(addresses, context, target, THREADS) == addresses[number]


def test_what_a_list_of_containers_is() -> None:
    assert is_list_of_containers("GET", "/v1.40/containers/json?all=1")
    assert is_list_of_containers("GET", "/containers/json")
    assert not is_list_of_containers("POST", "/v1.40/containers/json")
    assert not is_list_of_containers("GET", "/v1.40/containers/x/json")
