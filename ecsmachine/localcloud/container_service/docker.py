"""Docker's engines of nodes, one or all together, over their API (1.40, of 19.03 and later)."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from ecsmachine.compose.labels import Probe
from ecsmachine.compose.model import Network
from ecsmachine.localcloud.container_service.engines import (
    Container,
    EngineError,
    NoEngine,
    Published,
)
from ecsmachine.localcloud.container_service.probes import reached
from ecsmachine.localcloud.state.clusters import Volume
from ecsmachine.localcloud.work.supervisor import Threads
from ecsmachine.polling import polls
from ecsmachine.system.os_errors import reason

API = "/v1.40"
_CONNECT_TIMEOUT_S = 5.0
_PING_TIMEOUT_S = 3.0
_TIMEOUT_S = 60.0
_PULL_TIMEOUT_S = 600.0
_LONGEST_STOP_S = 660.0
_LET_GO_S = 30.0
_LET_GO_IN_SILENCE_S = 3.0
_MOST_BYTES = 64 * 1024 * 1024
_EXITED = re.compile(r"^Exited \((\d+)\)")
_HEALTH = re.compile(r"\((healthy|unhealthy|health: starting)\)")


def client_context(folder: Path) -> ssl.SSLContext:
    """Return what verifies an engine against a cluster's authority, and says who asks."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@dataclass(eq=False, repr=False)
class DockerEngine:
    """An engine at ``address`` (HOST:PORT); ``make_folder`` makes a folder on its host.

    Calls block; all raise :class:`EngineError`.
    """

    address: str
    context: ssl.SSLContext
    make_folder: Callable[[str], object] = lambda _: None

    def get(self, target: str) -> tuple[int, bytes]:
        """Return status and content of the answer to a GET of a path, its version included."""
        return self._exchange("GET", target)

    def answers(self) -> bool:
        """Return whether it answers within three seconds (GET /_ping)."""
        try:
            status, _ = self._exchange("GET", f"{API}/_ping", timeout_s=_PING_TIMEOUT_S)
        except EngineError:
            return False
        return status == 200

    def manages(self) -> bool:
        """Return whether it is a manager of a swarm that can be worked with (GET /info)."""
        swarm = self._ask("GET", "/info").get("Swarm") or {}
        return bool(swarm.get("ControlAvailable"))

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        """Return all containers that have all the labels (GET /containers/json)."""
        query = {"all": "1", "filters": _with_labels(labels)}
        found = self._ask("GET", "/containers/json", query)
        return [read_container(item) for item in found or ()]

    def images(self) -> Sequence[str]:
        """Return the names of the images, with and without their tags (GET /images/json)."""
        tags = [tag for item in self._ask("GET", "/images/json") or () for tag in item["RepoTags"]]
        return [*tags, *(tag.rpartition(":")[0] for tag in tags)]

    def passes(self, container: Container, probe: Probe) -> bool | None:
        """Return whether a container passes: by its engine's health check, or by its port.

        None: that is not known yet.
        """
        if probe.command:
            return {"healthy": True, "unhealthy": False}.get(container.health)
        port = container.reached_at(probe.port)
        return port is not None and reached(probe, self.address.rpartition(":")[0], port)

    def pull(self, image: str, *, newest: bool) -> None:
        """Pull an image that is not there; ``newest``: in any case (POST /images/create)."""
        place = f"/images/{quote(image, safe='/:@')}/json"
        if newest or self._ask("GET", place, missing_is_fine=True) is None:
            self._pull(image)

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Create a container (POST /containers/create), and connect it to its further networks."""
        (first, *others) = body["NetworkingConfig"]["EndpointsConfig"].items()
        alone = {**body, "NetworkingConfig": {"EndpointsConfig": dict([first])}}
        made = str(self._ask("POST", "/containers/create", {"name": name}, alone)["Id"])
        try:
            for network, endpoint in others:
                wanted = {"Container": made, "EndpointConfig": endpoint}
                self._ask("POST", f"/networks/{quote(network, safe='')}/connect", body=wanted)
        except EngineError:
            self.remove(made, volumes=True)
            raise
        return made

    def start(self, container_id: str) -> None:
        """Start a container; one that runs stays so (POST /containers/ID/start)."""
        self._ask("POST", f"/containers/{container_id}/start")

    def stop(self, container_id: str, wait_s: int | None) -> None:
        """Stop a container (POST /containers/ID/stop); ``wait_s`` None: its own time."""
        query = {} if wait_s is None else {"t": str(wait_s)}
        longest_s = _LONGEST_STOP_S if wait_s is None else _TIMEOUT_S + wait_s
        self._ask("POST", f"/containers/{container_id}/stop", query, timeout_s=longest_s)

    def kill(self, container_id: str, signal: str) -> None:
        """Send a signal (POST /containers/ID/kill)."""
        self._ask("POST", f"/containers/{container_id}/kill", {"signal": signal})

    def remove(self, container_id: str, *, volumes: bool) -> None:
        """Remove a container by force (DELETE /containers/ID).

        ``volumes``: also its volumes without a name.
        """
        query = {"force": "1", "v": "1" if volumes else "0"}
        self._ask("DELETE", f"/containers/{container_id}", query, missing_is_fine=True)

    def create_network(self, network: Network, subnet: str, labels: Mapping[str, str]) -> None:
        """Make an overlay network that containers can be attached to (POST /networks/create)."""
        if self._has_network(network.name):
            return
        body = {
            "Name": network.name,
            "Driver": "overlay",
            "Attachable": True,
            "Internal": network.internal,
            "Labels": dict(labels),
            "Options": dict(network.options),
            "IPAM": {"Config": [{"Subnet": subnet}]},
        }
        self._ask("POST", "/networks/create", body=body)

    def _has_network(self, name: str) -> bool:
        there = self._ask("GET", "/networks", {"filters": json.dumps({"name": [name]})})
        return any(one["Name"] == name for one in there or ())

    def networks(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Return the names of the networks that have all the labels (GET /networks)."""
        found = self._ask("GET", "/networks", {"filters": _with_labels(labels)})
        return [str(network["Name"]) for network in found or ()]

    def remove_network(self, name: str, *, silent: bool = False) -> None:
        """Remove a network (DELETE /networks/NAME), and wait until it is no longer listed.

        Swarm mode removes it with a delay: a container that was just removed still uses it. Until
        then, a new network of this name is refused. A node that is ``silent`` does not let go.
        """
        asked = False
        refused: EngineError | None = None
        for _ in polls(_LET_GO_IN_SILENCE_S if silent else _LET_GO_S):
            if not asked:
                try:
                    self._ask("DELETE", f"/networks/{quote(name, safe='')}", missing_is_fine=True)
                    asked, refused = True, None
                except EngineError as error:
                    if "in use" not in error.message:
                        raise
                    refused = error
            elif not self._has_network(name):
                return
        if refused is not None:
            raise refused

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        """Make a volume that is not there (POST /volumes/create), and the folder that it is of."""
        place = f"/volumes/{quote(volume.name, safe='')}"
        if self._ask("GET", place, missing_is_fine=True) is not None:
            return
        options = dict(volume.options) if volume.driver == "local" else {}
        if volume.folder:
            self.make_folder(volume.folder)
            options = {"type": "none", "o": "bind", "device": volume.folder}
        body = {"Name": volume.name, "Labels": dict(labels), "DriverOpts": options}
        self._ask("POST", "/volumes/create", body=body)

    def volumes(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Return the names of the volumes that have all the labels (GET /volumes)."""
        found = self._ask("GET", "/volumes", {"filters": _with_labels(labels)})
        return [str(volume["Name"]) for volume in found["Volumes"] or ()]

    def remove_volume(self, name: str) -> None:
        """Remove a volume (DELETE /volumes/NAME)."""
        self._ask("DELETE", f"/volumes/{quote(name, safe='')}", missing_is_fine=True)

    def _pull(self, image: str) -> None:
        named = image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"
        target = f"{API}/images/create?{urlencode({'fromImage': named})}"
        status, content = self._exchange("POST", target, timeout_s=_PULL_TIMEOUT_S)
        if status != 200:
            raise EngineError(f"The image {image} cannot be pulled: {_message(content)}", status)
        for line in content.splitlines():
            # the status is sent before the pull begins: an error comes in the stream
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if "error" in said:
                raise EngineError(f"The image {image} cannot be pulled: {said['error']}", 404)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        missing_is_fine: bool = False,
        timeout_s: float = _TIMEOUT_S,
    ) -> Any:
        target = f"{API}{path}" + (f"?{urlencode(query)}" if query else "")
        status, content = self._exchange(method, target, body, timeout_s)
        if missing_is_fine and status == 404:
            return None
        if status == 304:  # it is so already
            return None
        if not 200 <= status < 300:
            raise EngineError(_message(content) or f"{method} {path}: {status}", status)
        return json.loads(content) if content.strip() else None

    def _exchange(
        self,
        method: str,
        target: str,
        body: Mapping[str, Any] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> tuple[int, bytes]:
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPSConnection(
            host, int(port), timeout=min(_CONNECT_TIMEOUT_S, timeout_s), context=self.context
        )
        try:
            connection.connect()
            connection.sock.settimeout(timeout_s)
            content = None if body is None else json.dumps(body).encode()
            headers = {} if content is None else {"Content-Type": "application/json"}
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            return response.status, response.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(
                f"The engine at {self.address} does not answer: {reason(error)}"
            ) from None
        finally:
            connection.close()


Engine = DockerEngine | NoEngine


def _with_labels(labels: Mapping[str, str]) -> str:
    """Return a filter of Docker's API."""
    return json.dumps({"label": [f"{name}={value}" for name, value in labels.items()]})


def read_container(item: Mapping[str, Any]) -> Container:
    """Return a container of an answer to GET /containers/json."""
    text = str(item.get("Status") or "")
    exited, health = _EXITED.match(text), _HEALTH.search(text)
    networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
    return Container(
        id=str(item["Id"]),
        name=str((item.get("Names") or [""])[0]).lstrip("/"),
        image=str(item.get("Image") or ""),
        labels=item.get("Labels") or {},
        status=str(item.get("State") or ""),
        exit_code=int(exited[1]) if exited else 0,
        health=health[1] if health else "",
        addresses={name: str(one.get("IPAddress") or "") for name, one in networks.items()},
        ports=tuple(
            sorted(
                {
                    Published(int(port["PrivatePort"]), int(port["PublicPort"]), str(port["Type"]))
                    for port in item.get("Ports") or ()
                    if port.get("PublicPort")
                }
            )
        ),
        volumes=tuple(
            str(mount["Name"])
            for mount in item.get("Mounts") or ()
            if mount.get("Type") == "volume" and mount.get("Name")
        ),
    )


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()[:300]


_PATH = re.compile(r"(/v[0-9.]+)?(/[^?]*)(?:\?(.*))?")
_ITEM = re.compile(r"/(containers|exec)/([^/]+)(?:/.*)?")
_NO_CONTAINERS = frozenset(("json", "create", "prune"))


def is_list_of_containers(method: str, target: str) -> bool:
    """Return whether a request is for the containers that there are."""
    match = _PATH.fullmatch(target)
    return method == "GET" and match is not None and match[2] == "/containers/json"


def all_containers(
    addresses: Sequence[str], context: ssl.SSLContext, target: str, threads: Threads
) -> tuple[int, Any]:
    """Return status and content of the answer to a request for a list: that of all nodes.

    The newest containers come first. Nodes that do not answer are left out.
    """
    found = []
    for status, content in _ask_each(
        addresses, context, threads, lambda engine: engine.get(target)
    ):
        try:
            answer = json.loads(content)
        except ValueError:
            continue
        if status != 200:
            return status, answer
        found += answer
    found.sort(key=lambda item: -int(item.get("Created") or 0))
    limit = parse_qs((_PATH.fullmatch(target) or [""] * 4)[3] or "").get("limit", ["0"])[0]
    return 200, found[: int(limit)] if limit.isdecimal() and int(limit) else found


def holder_of(
    addresses: Sequence[str], context: ssl.SSLContext, target: str, threads: Threads
) -> str:
    """Return the address of the engine that a request is for."""
    match = _PATH.fullmatch(target)
    item = _ITEM.fullmatch(match[2]) if match is not None else None
    if len(addresses) < 2 or match is None or item is None:
        return addresses[0]
    kind, name = item.groups()
    if kind == "containers" and name in _NO_CONTAINERS:
        return addresses[0]
    question = f"{match[1] or ''}/{kind}/{name}/json"
    answers = _ask_each(
        addresses, context, threads, lambda engine: (engine.get(question)[0], engine.address)
    )
    return next((address for status, address in answers if status == 200), addresses[0])


def _ask_each(
    addresses: Sequence[str],
    context: ssl.SSLContext,
    threads: Threads,
    question: Callable[[DockerEngine], tuple[int, Any]],
) -> list[tuple[int, Any]]:
    def ask(address: str) -> tuple[int, Any] | None:
        try:
            return question(DockerEngine(address, context))
        except EngineError:
            return None

    return [answer for answer in threads.map(ask, addresses) if answer is not None]
