"""A cloud, a store and the program, and the comparison of what both hold at the end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ecsmachine.drivers.aliyunecs.resources import instance, route
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.loaded_program import Process
from tests.torture.brought import Brought, bring, clients_of
from tests.torture.outcome import Outcome
from tests.torture.proxy import Proxy

Point = TypeVar("Point")

NAME = "dev1"
TIMEOUT_S = 120.0

OUTSIDE = ("PATH", "LANG", "HOME", "TMPDIR")
"""What of the environment of the tests the program is given."""


@dataclass
class Ran:
    """What became of one run of the program; ``status`` is -9 if it was killed."""

    status: int
    output: str

    def checked(self, status: int = 0) -> Ran:
        """Return it. Raises where an undisturbed run has left with another status."""
        if self.status != status:
            raise RuntimeError(f"an undisturbed run left with {self.status}: {self.output}")
        return self

    def wrong_end(self, *, is_killed: bool) -> list[str]:
        """Return what is wrong with how it ended; ``is_killed`` is what should have been."""
        if self.status == -1:
            return ["it hung"]
        if is_killed and self.status != -9:
            return [f"it was to be killed, but left with {self.status}"]
        return []


@dataclass
class Ground:
    """One place to try a point at: before and after it holds what the user brought alone."""

    environment: dict[str, str]
    store: Path
    proxy: Proxy
    cloud: EmbeddedCloud
    brought: Brought
    process: Process | None = field(default=None, repr=False)

    def run(self, *arguments: str, module: Sequence[str] = ("ecsmachine",)) -> Ran:
        """Run the program to its end, whatever that is; ``module`` may be another beginning."""
        name, *before = module
        self.process = Process(
            [*before, *arguments], environment=self.environment, module=name, merged=True
        )
        try:
            ended = self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            output = (error.output or b"").decode(errors="replace")
            return Ran(-1, f"{output}\nIt did not end in {TIMEOUT_S:.0f} seconds.")
        return Ran(ended.returncode, ended.stdout.decode(errors="replace"))

    def kill(self) -> None:
        """End the program as kill -9 does, with all that it started."""
        if self.process is not None:
            self.process.kill()

    def release_instance(self) -> None:
        """Take the instance away, as somebody else would in the console: its routes first."""
        clients = clients_of(self.cloud)
        for entry in list(self.cloud.state.route_entries):
            for vpc in clients.vpc.vpcs():
                route.remove_routes_to(clients, vpc.router_id, entry.cidr, entry.next_hop_id)
        for made in list(self.cloud.state.instances):
            instance.remove_instance(
                clients, made.id, seen=True, unprotect=False, report=lambda line: None
            )

    def lose_machines(self) -> None:
        """Lose the machines' entries in the store, as a lost laptop does."""
        shutil.rmtree(self.store / "machines", ignore_errors=True)

    def in_the_cloud(self) -> set[str]:
        """Return what the cloud holds beside what it is born with and what the user brought, as
        ``kind id``; an address of the user's counts when it is bound."""
        return self._all_in_the_cloud() - self._all_brought()

    def gone(self) -> set[str]:
        """Return what the user brought and is not there any more."""
        return self._all_brought() - self._all_in_the_cloud()

    def _all_brought(self) -> set[str]:
        brought = self.brought
        return {
            f"vpc {brought.vpc}",
            f"vswitch {brought.vswitch}",
            f"security-group {brought.security_group}",
            f"key-pair {brought.key_pair}",
            f"eip {brought.eip}",
            f"load-balancer {brought.load_balancer}",
        }

    def _all_in_the_cloud(self) -> set[str]:
        state = self.cloud.state
        return {
            *(f"instance {each.id}" for each in state.instances),
            *(f"security-group {each.id}" for each in state.security_groups),
            *(f"key-pair {each.name}" for each in state.key_pairs),
            *(f"eip {each.id}" for each in state.eips),
            *(
                f"eip-binding {each.instance_id}"
                for each in state.eips
                if each.id == self.brought.eip and each.instance_id
            ),
            *(f"vpc {each.id}" for each in state.vpcs if not each.is_default),
            *(f"vswitch {each.id}" for each in state.vswitches if not each.is_default),
            *(f"route-entry {each.cidr}>{each.next_hop_id}" for each in state.route_entries),
            *(f"image {each.id}" for each in state.custom_images),
            *(f"snapshot {each.id}" for each in state.snapshots),
            *(f"load-balancer {each.id}" for each in state.load_balancers),
            *(
                f"slb-backend {balancer.id}>{backend.server_id}"
                for balancer in state.load_balancers
                for backend in balancer.backends
            ),
            *(
                f"disk {each.id}"
                for each in state.disks
                if each.instance_id not in {instance.id for instance in state.instances}
            ),
        }

    def in_the_store(self) -> set[str]:
        """Return what the journals of the store list."""
        return journalled(self.store)

    def machines(self) -> list[str]:
        """Return the machines of the store."""
        return sorted(path.parent.name for path in (self.store / "machines").glob("*/config.json"))

    def differences(self) -> list[str]:
        """Return what is in the cloud alone, or in the journals of the store alone."""
        cloud, store = self.in_the_cloud(), self.in_the_store()
        return [
            *(f"in the cloud alone: {each}" for each in sorted(cloud - store)),
            *(f"in the store alone: {each}" for each in sorted(store - cloud)),
        ]

    def left(self) -> list[str]:
        """Return what cloud and store still hold where all was to be removed."""
        return [
            *(f"left in the cloud: {each}" for each in sorted(self.in_the_cloud())),
            *(f"left in the store: {each}" for each in sorted(self.in_the_store())),
            *(f"left in the store: machine {each}" for each in self.machines()),
        ]


def journalled(store: Path) -> set[str]:
    """Return what the journals of a store list, as ``kind id``, once it has an id."""
    found = set()
    for path in (
        *(store / "machines").glob("*/journal.json"),
        *(store / ".abandoned").glob("*.json"),
    ):
        for resource in json.loads(path.read_text())["Resources"]:
            if resource["id"] is not None:
                kind = resource["kind"].removeprefix("shared-")
                found.add(f"{kind} {resource['id']}")
    return found


def environment_of(store: Path, endpoint: str, cloud: EmbeddedCloud) -> dict[str, str]:
    """Return the environment that leads the program to a cloud and a store."""
    return {
        **{name: os.environ[name] for name in OUTSIDE if name in os.environ},
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PYTHONUNBUFFERED": "1",
        "MACHINE_STORAGE_PATH": str(store),
        "MACHINE_DRIVER": "aliyunecs",
        "ECS_API_ENDPOINT": endpoint,
        "ECS_ACCESS_KEY_ID": cloud.access_key_id,
        "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
    }


@contextlib.contextmanager
def ground_in(folder: Path) -> Iterator[Ground]:
    """Yield a ground whose cloud has no guests; cloud and store are in ``folder``."""
    store = folder / "store"
    with embedded_cloud(folder / "cloud") as cloud:
        proxy = Proxy(cloud.endpoint)
        environment = environment_of(store, proxy.endpoint, cloud)
        ground = Ground(environment, store, proxy, cloud, bring(cloud, folder))
        proxy.kill = ground.kill
        proxy.release = ground.release_instance
        try:
            yield ground
        finally:
            ground.kill()
            proxy.close()


def try_each(
    points: Iterable[Point], folder: Path, try_point: Callable[[Ground, Point], Outcome]
) -> Iterator[Outcome]:
    """Try points one after the other, on a fresh ground whenever one left something."""
    remaining = list(points)
    number = 0
    while remaining:
        number += 1
        with ground_in(folder / str(number)) as ground:
            lost: Sequence[str] = ()
            while remaining and not lost:
                outcome = try_point(ground, remaining.pop(0))
                lost = outcome.lost
                yield outcome
