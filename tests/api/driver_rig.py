"""The driver against a local cloud without guests, with faults in between where a test asks."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BufferedIOBase
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.aliyunecs.resources.placement import Plan
from ecsmachine.drivers.base import Checkpoint, DriverContext, no_checkpoint
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.state.settings import Delays, Settings
from ecsmachine.machine.journal import FileJournal
from ecsmachine.provision.base import EngineOptions
from tests.api.hurried import hurried

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")

ENGINE = EngineOptions(install_url="http://127.0.0.1:1/")
"""The checks look for its script, and the tests ask nobody but this computer."""


class Front:
    """Stands before the cloud: counts what is asked, and cuts or refuses what it is told to.

    ``faults`` maps an action to what happens to its next calls: ``cut-before`` (not passed on),
    ``cut-after`` (done, but not answered), or an error code. ``answers`` maps an action to the
    JSON that is answered in the cloud's place.
    """

    def __init__(self, target: str):
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, str]] = []
        self.urls: list[str] = []
        self.faults: dict[str, list[str]] = {}
        self.answers: dict[str, str] = {}
        front = self
        place = (str(urlsplit(target).hostname), urlsplit(target).port or 80)

        class Handler(StreamRequestHandler):
            def setup(self) -> None:
                super().setup()
                self.upstream = socket.create_connection(place, timeout=30)
                self.answers = self.upstream.makefile("rb")

            def finish(self) -> None:
                self.answers.close()
                self.upstream.close()
                super().finish()

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    while answer := self.answer(*message(self.rfile)):
                        self.wfile.write(answer)

            def answer(self, head: bytes, body: bytes) -> bytes:
                """Return what is answered; without anything, the connection is cut."""
                if not head:
                    return b""
                parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
                action = parameters["Action"]
                front.asked[action] += 1
                front.bodies.append(parameters)
                front.urls.append(head.split(b" ", 2)[1].decode())
                waiting = front.faults.get(action, [])
                fault = waiting.pop(0) if waiting else ""
                if fault == "cut-before":
                    return b""
                if fault and fault != "cut-after":
                    status = 503 if fault in ("ServiceUnavailable", "InternalError") else 400
                    return _answer(
                        status,
                        f'{{"RequestId": "FRONT", "Code": "{fault}", "Message": "Injected."}}',
                    )
                if action in front.answers:
                    return _answer(200, front.answers[action])
                self.upstream.sendall(head + body)
                answer = b"".join(message(self.answers))
                return b"" if fault == "cut-after" else answer

        class Server(ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def message(stream: BufferedIOBase) -> tuple[bytes, bytes]:
    """Return the head and the body of what comes next on a connection; nothing at its end."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b"", b""
        head += line
    length = _LENGTH.search(head)
    return bytes(head), stream.read(int(length[1])) if length else b""


def _answer(status: int, content: str) -> bytes:
    body = content.encode()
    return f"HTTP/1.1 {status} {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Rig:
    """A store, a cloud, and what stands between them."""

    cloud: EmbeddedCloud
    front: Front
    store: Path
    said: list[str] = field(default_factory=list)
    instance_type: str = "ecs.t6-c1m2.large"
    """Named, as the choice of one takes thirty requests a create; "" lets the driver choose."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": "/nonexistent",
            **({"ECS_INSTANCE_TYPE": self.instance_type} if self.instance_type else {}),
            "ECS_ACCESS_KEY_ID": self.cloud.access_key_id,
            "ECS_ACCESS_KEY_SECRET": self.cloud.access_key_secret,
        }

    def program_environment(self) -> dict[str, str]:
        """Return the environment that leads the program to the cloud and the store."""
        return {
            "PATH": os.environ["PATH"],
            **self.environment,
            "ECS_REGION": self.cloud.region,
            "ECS_API_ENDPOINT": self.front.endpoint,
            "MACHINE_STORAGE_PATH": str(self.store),
            "MACHINE_DOCKER_INSTALL_URL": ENGINE.install_url,
            "PYTHONUNBUFFERED": "1",
        }

    def report(self, line: str) -> None:
        self.said.append(line)

    def context(self, name: str = "dev1") -> DriverContext:
        directory = self.store / "machines" / name
        directory.mkdir(parents=True, exist_ok=True)
        return DriverContext(name, self.store, directory, "store-1", self.environment)

    def planned(self, **values: Any) -> Plan:
        """Return what the checks find out and choose."""
        driver = self.driver(**values)
        driver.pre_create_check(self.report)
        assert driver._plan is not None
        return driver._plan

    def driver(
        self, name: str = "dev1", *, checkpoint: Checkpoint = no_checkpoint, **values: Any
    ) -> AliyunEcsDriver:
        given = {option.name: option.default for option in registry.options_of("aliyunecs")}
        given["aliyunecs-region"] = self.cloud.region
        given["aliyunecs-instance-type"] = self.instance_type
        given["aliyunecs-api-endpoint"] = self.front.endpoint
        given.update({f"aliyunecs-{key.replace('_', '-')}": value for key, value in values.items()})
        driver = registry.new(
            "aliyunecs", replace(self.context(name), checkpoint=checkpoint), given
        )
        assert isinstance(driver, AliyunEcsDriver)
        return driver

    def loaded(self, driver: AliyunEcsDriver, name: str = "dev1") -> AliyunEcsDriver:
        loaded = registry.load("aliyunecs", self.context(name), driver.config())
        assert isinstance(loaded, AliyunEcsDriver)
        return loaded

    def journal(self, name: str = "dev1") -> FileJournal:
        journal = FileJournal(self.context(name).directory / "journal.json")
        journal.begin()
        return journal

    def create(self, name: str = "dev1", **values: Any) -> tuple[AliyunEcsDriver, FileJournal]:
        driver = self.driver(name, **values)
        journal = self.journal(name)
        driver.pre_create_check(self.report)
        driver.create(journal, self.report, lambda: None)
        return driver, journal

    def left(self) -> dict[str, int]:
        """Return how many resources of each kind there are, beside what a new cloud has."""
        state = self.cloud.state
        counts = {
            "instances": len(state.instances),
            "disks": len(state.disks),
            "network interfaces": len(state.network_interfaces),
            "security groups": len(state.security_groups),
            "key pairs": len(state.key_pairs),
            "addresses": len(state.eips),
            "images": len(state.custom_images),
            "snapshots": len(state.snapshots),
            "routes": len(state.route_entries),
            "VPCs": len([vpc for vpc in state.vpcs if not vpc.is_default]),
            "VSwitches": len([each for each in state.vswitches if not each.is_default]),
        }
        return {kind: count for kind, count in counts.items() if count}


@contextlib.contextmanager
def rig_in(folder: Path, delays: Delays | None = None) -> Iterator[Rig]:
    """Yield a rig whose cloud and store are in a folder.

    Without delays of the cloud, which are real time, the driver waits in a hurry.
    """
    settings = Settings(delays=delays or Delays())
    waiting = hurried() if delays is None else contextlib.nullcontext()
    with waiting, embedded_cloud(folder / "cloud", settings) as cloud:
        front = Front(cloud.endpoint)
        try:
            yield Rig(cloud, front, folder / "store")
        finally:
            front.close()
