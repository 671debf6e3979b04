"""The driver against a local cloud without guests, with faults in between where a test asks."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.aliyunecs.resources.placement import Plan
from ecsmachine.drivers.base import Checkpoint, DriverContext, no_checkpoint
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.state.settings import Delays, Settings
from ecsmachine.machine.journal import FileJournal
from ecsmachine.provision.base import EngineOptions
from tests.api.hurried import hurried
from tests.passing import Ask, PassingServer, answer

ENGINE = EngineOptions(install_url="http://127.0.0.1:1/")
"""The checks look for its script, and the tests ask nobody but this computer."""


class Front:
    """Stands before the cloud: counts what is asked, and cuts or refuses what it is told to.

    ``faults`` maps an action to what happens to its next calls: ``cut-before`` (not passed on),
    ``cut-after`` (done, but not answered), or an error code. ``answers`` maps an action to the
    JSON that is answered in the cloud's place, and ``delays_s`` to how late its answers are.
    """

    def __init__(self, target: str):
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, str]] = []
        self.urls: list[str] = []
        self.faults: dict[str, list[str]] = {}
        self.answers: dict[str, str] = {}
        self.delays_s: dict[str, float] = {}
        self._server = PassingServer(target, self._answer)
        self.endpoint = self._server.endpoint
        self.close = self._server.close

    def _answer(self, head: bytes, body: bytes, ask: Ask) -> bytes:
        parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
        if "Action" not in parameters:  # a look at the clock, which any answer tells
            return b"".join(ask())
        action = parameters["Action"]
        self.asked[action] += 1
        self.bodies.append(parameters)
        self.urls.append(head.split(b" ", 2)[1].decode())
        waiting = self.faults.get(action, [])
        fault = waiting.pop(0) if waiting else ""
        if fault == "cut-before":
            return b""
        if fault and fault != "cut-after":
            status = 503 if fault in ("ServiceUnavailable", "InternalError") else 400
            return answer(
                status, f'{{"RequestId": "FRONT", "Code": "{fault}", "Message": "Injected."}}'
            )
        if action in self.answers:
            return answer(200, self.answers[action])
        answered = b"".join(ask())
        time.sleep(self.delays_s.get(action, 0))
        return b"" if fault == "cut-after" else answered


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

    def change(self, **changes: Any) -> None:
        """Put the one instance into a state, as nobody can through the API."""
        (instance,) = self.cloud.state.instances
        with self.cloud.state.transaction():
            self.cloud.state.instances.put(replace(instance, **changes))

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
        saved = self._saved(name)
        if saved.exists():
            driver.resume(json.loads(saved.read_text()))
        driver.pre_create_check(self.report)
        driver.create(journal, self.report, self.save(driver, name))
        return driver, journal

    def save(self, driver: AliyunEcsDriver, name: str = "dev1") -> Callable[[], None]:
        """Return what writes down what the driver knows, for a create that goes on later."""

        def write() -> None:
            self._saved(name).write_text(json.dumps(driver.config()))

        return write

    def _saved(self, name: str) -> Path:
        return self.context(name).directory / "driver.json"

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
