"""Data of guests for the page: consoles, containers, and resource use."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecsmachine.localcloud.container_service.engines import Container
from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.host.guests.console import legible
from ecsmachine.localcloud.host.guests.scripts import GuestScript
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state.clusters import Cluster
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.supervisor import Threads

SAMPLE_S = 2.0
_CONTAINERS_S = 15.0
_MOST_CONTAINERS = 500
_LIST_CONTAINERS = b"exec docker ps --all --no-trunc --format '{{json .}}'\n"
_SHOWN = ("ID", "Names", "Image", "State", "Status", "Ports")
_OVERLAP = 256


@dataclass(eq=False, repr=False)
class GuestLooks:
    """Looks into the guests of a cloud, in threads, however many ask.

    ``of_cluster`` returns the containers of a cluster of Container Service, by node.
    """

    state: State
    guests: Guests
    threads: Threads
    of_cluster: Callable[[Cluster], Awaitable[Mapping[str, Sequence[Container]]]]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sampled: float = -SAMPLE_S
    _usage: dict[str, list[float]] = field(default_factory=dict)

    async def usage(self) -> dict[str, list[float]]:
        """Return memory in bytes and processor seconds so far, by the id of what runs."""
        async with self._turn:
            if time.monotonic() - self._sampled >= SAMPLE_S * 0.9:
                running = [one.id for one in self.state.instances if one.status == "Running"]
                self._usage = await self.threads.run(self._sample, running)
                self._sampled = time.monotonic()
        return self._usage

    async def console(self, instance_id: str) -> str:
        """Return the end of a console, without colours."""
        output = await self.threads.run(self.guests.console_output, instance_id)
        return legible(output.decode(errors="replace"))

    async def containers(self, instance_id: str) -> dict[str, Any]:
        """Return ``containers`` as the guest's engine lists them, or the ``reason`` why not.

        The reason is ``no guest``, ``no engine``, or the error of the guest.
        """
        if not self.guests.runs_scripts:
            return {"containers": [], "reason": "no guest"}
        try:
            return await self.threads.run(self._ask_engine, instance_id)
        except LocalCloudError as error:
            return {"containers": [], "reason": error.message}

    async def containers_of(self, cluster: Cluster) -> dict[str, Any]:
        """Return the containers of a cluster's applications in the same way."""
        found = await self.of_cluster(cluster)
        shown = [
            {
                "Names": f"{node}/{each.name}",
                "Image": each.image,
                "Status": each.status,
                "Ports": " ".join(f"{port.host}→{port.container}" for port in each.ports),
            }
            for node, several in found.items()
            for each in several
        ]
        return {"containers": shown, "reason": ""}

    def _sample(self, running: Iterable[str]) -> dict[str, list[float]]:
        found = {name: self.guests.usage(name) for name in running}
        return {
            name: [used.memory_bytes, round(used.cpu_s, 3)]
            for name, used in found.items()
            if used is not None
        }

    def _ask_engine(self, instance_id: str) -> dict[str, Any]:
        # a script inside: a guest that replaces its engine's socket cannot reach anything else
        script = GuestScript(
            f"page-{secrets.token_hex(8)}", _LIST_CONTAINERS, "root", "/", int(_CONTAINERS_S)
        )
        end = time.monotonic() + _CONTAINERS_S
        ended = self.guests.run_script(instance_id, script, lambda: time.monotonic() < end)
        text = ended.output.decode(errors="replace")
        if ended.exit_code == 127:
            return {"containers": [], "reason": "no engine"}
        if ended.outcome != "exited" or ended.exit_code:
            return {"containers": [], "reason": text.strip()[-300:] or ended.outcome}
        return {"containers": _listed(text), "reason": ""}


def _listed(text: str) -> list[dict[str, str]]:
    found = []
    for line in text.splitlines()[:_MOST_CONTAINERS]:
        try:
            item = json.loads(line)
            found.append({name: str(item.get(name, "")) for name in _SHOWN})
        except (ValueError, AttributeError):
            continue  # a guest may say anything
    return found


def appended(before: str, now: str) -> str | None:
    """Return the new output of a console; None if the file was replaced."""
    if now.startswith(before):
        return now[len(before) :]
    end = before[-_OVERLAP:]
    place = now.rfind(end)  # the beginning is gone: its length is limited
    return None if place < 0 or len(end) < _OVERLAP else now[place + len(end) :]
