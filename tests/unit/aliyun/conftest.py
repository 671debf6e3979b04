"""A peer on 127.0.0.1 that answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest

from ecsmachine.aliyun import transport
from tests.servers import Answering, running


@dataclass
class Asked:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, str]
    raw: bytes = b""


@dataclass
class Answer:
    """What is answered; ``cut`` closes the connection without an answer."""

    status: int = 200
    content: Any = field(default_factory=lambda: {"RequestId": "R"})
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class Peer:
    """A server whose answers are put in a row beforehand; the last one is repeated."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []
        self.connections = 0
        peer = self

        class Handler(Answering):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                peer.connections += 1
                super().setup()

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                body = dict(parse_qsl(raw.decode(), keep_blank_values=True))
                peer.asked.append(Asked(self.command, self.path, dict(self.headers), body, raw))
                answer = peer.answers.pop(0) if len(peer.answers) > 1 else peer.answers[0]
                if answer.cut:
                    self.close_connection = True
                    self.connection.close()
                    return
                content = (
                    answer.content
                    if isinstance(answer.content, bytes)
                    else json.dumps(answer.content).encode()
                )
                self.answer(answer.status, content, answer.headers)

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def date_time_string(self, timestamp: float | None = None) -> str:
                return "Tue, 01 Jan 2030 00:00:00 GMT"

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    # what a refusal slows down is not over while a busy computer answers
    monkeypatch.setattr(transport, "Pace", partial(transport.Pace, clock=lambda: 100.0))
    peer = Peer()
    with running(peer.server):
        yield peer
    transport.shared_pace.cache_clear()


@pytest.fixture
def refusal() -> Callable[..., Answer]:
    def make(code: str, status: int = 400, message: str = "No.") -> Answer:
        return Answer(status, {"RequestId": "REQ-1", "Code": code, "Message": message})

    return make


@pytest.fixture
def make_answer() -> Callable[..., Answer]:
    return Answer
