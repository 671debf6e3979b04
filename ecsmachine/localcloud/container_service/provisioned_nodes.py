"""Real nodes: each is a machine of ``ecsmachine``, which runs as a separate program.

A cluster's folder holds a store of machines, which uses the cluster's certificates. So the program
provisions the hosts and joins their engines in Docker's Swarm mode, as it does for a user.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ecsmachine.localcloud.container_service.cluster_requests import NodeRequest
from ecsmachine.localcloud.container_service.docker import DockerEngine, client_context
from ecsmachine.localcloud.container_service.engines import CHOSEN_PORTS, EngineError
from ecsmachine.localcloud.container_service.nodes import GuestlessNodes, NodeError
from ecsmachine.localcloud.state.clusters import Cluster, Node
from ecsmachine.localcloud.work.supervisor import Pause
from ecsmachine.system.files import folder_exists
from ecsmachine.system.os_errors import reason

_log = logging.getLogger("ecsmachine.localcloud.container_service")

_TIMEOUT_S = 900.0
_LOOK_S = 0.2
_SSH_TIMEOUT_S = 60.0
_MANAGER_TIMEOUT_S = 60.0
_MANAGERS = 3
_OPEN_PORTS = ("80", "443", f"{CHOSEN_PORTS.start}-{CHOSEN_PORTS.stop - 1}")
"""The ports of nodes that clients reach besides SSH and the engine: services and routing."""


@dataclass(eq=False, repr=False)
class ProvisionedNodes:
    """Runs the program. ``environment`` returns what makes it use this cloud.

    ``address_of`` returns the private address of an instance. When ``pause`` says that the server
    stops, the program is killed. Calls block; all raise :class:`NodeError`. Their ``folder`` is the
    cluster's own: its store of machines, with the cluster's certificates. ``lasting``: what engines
    have outlives the server.
    """

    lasting = True

    environment: Callable[[], Mapping[str, str]]
    address_of: Callable[[str], str]
    pause: Pause

    def create(self, cluster: Cluster, folder: Path, name: str, request: NodeRequest) -> Node:
        """Make an instance and a node of it: a machine with the driver aliyunecs."""
        options = {
            "region": cluster.region,
            "vpc-id": cluster.vpc_id,
            "vswitch-id": cluster.vswitch_id,
            "security-group": f"cs-{cluster.id}",
            "instance-type": request.instance_type,
            "image-id": request.image.id if request.image else "",
            "disk-size": str(request.data_disk_size),
            "disk-category": request.data_disk_category,
        }
        flags = [f"--aliyunecs-{name}={value}" for name, value in options.items() if value]
        flags += [f"--aliyunecs-open-port={port}" for port in _OPEN_PORTS]
        if not request.public_address:
            flags.append("--aliyunecs-private-address-only")
        self._run(
            folder,
            ["create", "-d", "aliyunecs", *self._engine_flags(), *flags, name],
            password=request.password,
        )
        instance_id = self._instance_id(folder, name)
        return self._answering(folder, Node(name, instance_id, self.address_of(instance_id)))

    def adopt(self, folder: Path, node: Node, key: Path) -> Node:
        """Make a node of an instance whose disk was just replaced, and which accepts ``key``.

        It is a machine with the driver generic.
        """
        _wait_for_ssh(node.address, self.pause)
        self._run(
            folder,
            [
                *("create", "-d", "generic", *self._engine_flags()),
                f"--generic-ip-address={node.address}",
                f"--generic-ssh-key={key}",
                node.name,
            ],
        )
        return self._answering(folder, node)

    def prepare(self, folder: Path, node: Node) -> Node:
        """Make a node again after its disk was replaced; its host has another host key now."""
        _wait_for_ssh(node.address, self.pause)
        (_machine(folder, node.name) / "known_hosts").unlink(missing_ok=True)
        self._run(folder, ["provision", node.name])
        # its data disk may still hold a swarm that it could not leave
        self._run(folder, ["swarm", "leave", "--force", node.name])
        return self._answering(folder, node)

    def join(self, folder: Path, node: Node, others: Sequence[Node]) -> None:
        """Let a node begin a swarm, or join that of the others.

        Of three nodes or more, any one may fail then.
        """
        if not others:
            self._run(folder, ["swarm", "init", node.name])
            return
        managers = [other for other in others if self._manages(folder, other)]
        if not managers:
            raise NodeError("No manager of the cluster's swarm answers.")
        self._run(folder, ["swarm", "join", node.name, "--manager", managers[0].name])
        self.add_managers(folder, [*others, node])

    def leave(
        self, folder: Path, node: Node, others: Sequence[Node], *, for_good: bool = True
    ) -> None:
        """Let another node manage the swarm, and take this one out of it.

        ``for_good``: it does not come back soon.
        """
        force = ["--force"]
        if others:
            if not any(self._manages(folder, other) for other in others):
                self._promote(folder, others[0])
            force = [] if self.engine(folder, node).answers() else ["--force"]
        self._run(folder, ["swarm", "leave", *force, node.name])
        if for_good:
            self.add_managers(folder, others)

    def add_managers(self, folder: Path, nodes: Sequence[Node]) -> bool:
        """Promote nodes if there are three or more, and fewer than three manage.

        Return False if that does not work now.

        None is demoted when there are fewer: engines that are promoted again look for managers that
        no longer exist. Failures are logged: the swarm works without the promotion.
        """
        if len(nodes) < _MANAGERS:
            return True
        managers = [node for node in nodes if self._manages(folder, node)]
        others = [node for node in nodes if node not in managers]
        for node in others[: max(0, _MANAGERS - len(managers))]:
            try:
                self._promote(folder, node)
            except NodeError as error:
                _log.error("managers: %s", error)
                return False
        return True

    def forget(self, folder: Path, node: Node, *, release: bool) -> None:
        """Remove the machine; with ``release`` its instance is deleted by that."""
        if not folder_exists(_machine(folder, node.name)):
            return
        if release or node.attached:
            # the driver of an attached node is generic, and does not change the host
            self._run(folder, ["rm", "-y", "-f", node.name])
            return
        shutil.rmtree(_machine(folder, node.name))

    def engine(self, folder: Path, node: Node) -> DockerEngine:
        """Return the node's engine."""
        return DockerEngine(
            node.engine,
            client_context(certificates_folder(folder)),
            lambda path: self._make_folder(folder, node, path),
        )

    def _make_folder(self, folder: Path, node: Node, path: str) -> None:
        try:
            self._run(folder, ["ssh", node.name, f"mkdir -p {shlex.quote(path)}"])
        except NodeError as error:
            raise EngineError(error.message) from None

    def public_key(self, folder: Path, node: Node) -> str:
        """Return the public key of the machine's login, for a new disk."""
        try:
            return (_machine(folder, node.name) / "id_rsa.pub").read_text().strip()
        except OSError as error:
            raise NodeError(f"{node.name}: its login key cannot be read: {reason(error)}") from None

    def _promote(self, folder: Path, node: Node) -> None:
        self._run(folder, ["swarm", "update", "--role", "manager", node.name])
        # Its engine needs a moment: if the others left before, the swarm would have no manager.
        self._wait_for_manager(folder, node)

    def _manages(self, folder: Path, node: Node) -> bool:
        try:
            return self.engine(folder, node).manages()
        except EngineError:
            return False

    def _wait_for_manager(self, folder: Path, node: Node) -> None:
        deadline = time.monotonic() + _MANAGER_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._manages(folder, node):
                return
            self.pause(0.2)
        raise NodeError(f"{node.name} does not become a manager of the swarm.")

    def _engine_flags(self) -> list[str]:
        mirror = self.environment().get("ENGINE_REGISTRY_MIRROR", "")
        registry = mirror.partition("://")[2]
        return [f"--engine-insecure-registry={registry}"] if registry else []

    def _instance_id(self, folder: Path, name: str) -> str:
        file = _machine(folder, name) / "config.json"
        try:
            return str(json.loads(file.read_text())["Driver"]["InstanceId"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise NodeError(f"{file} cannot be read: {reason(error, file)}") from None

    def _answering(self, folder: Path, node: Node) -> Node:
        """Return the node with the address of its engine."""
        url = self._run(folder, ["url", node.name]).strip()
        return replace(node, engine=url.removeprefix("tcp://"))

    def _run(self, folder: Path, arguments: Sequence[str], password: str = "") -> str:
        """Run the program to its end and return what it printed. Raises :class:`NodeError`."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH") or name.startswith("ECSMACHINE_")
        }
        environment |= {
            **self.environment(),
            "HOME": str(folder),
            "MACHINE_STORAGE_PATH": str(folder / "store"),
        }
        if password:
            environment["ECS_SSH_PASSWORD"] = password
        words = " ".join(word for word in arguments if not word.startswith("--"))
        _log.info("ecsmachine %s", words)
        try:
            program = subprocess.Popen(  # argument list, no shell
                [sys.executable, "-m", "ecsmachine", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=environment,
                cwd="/",
            )
        except OSError as error:
            raise NodeError(f"ecsmachine cannot be run: {reason(error)}") from None
        with program:
            try:
                output, errors = self._outputs(program)
            except BaseException:
                program.kill()
                raise
        if program.returncode != 0:
            _log.error("ecsmachine %s:\n%s%s", words, output, errors)
            last = errors.strip().splitlines()[-1:] or [f"status {program.returncode}"]
            raise NodeError(f"ecsmachine {words}: {last[0].removeprefix('Error: ')}")
        return output

    def _outputs(self, program: subprocess.Popen[str]) -> tuple[str, str]:
        """Return the output of a program at its end. Also raises when the server stops."""
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                return program.communicate(timeout=_LOOK_S)
            self.pause(0)
        raise NodeError(f"ecsmachine did not end within {_TIMEOUT_S:g} s")


Nodes = GuestlessNodes | ProvisionedNodes


def certificates_folder(folder: Path) -> Path:
    """Return the folder of a cluster's certificates, which are also its store's."""
    return folder / "store" / "certs"


def _machine(folder: Path, name: str) -> Path:
    return folder / "store" / "machines" / name


def _wait_for_ssh(address: str, pause: Pause) -> None:
    deadline = time.monotonic() + _SSH_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((address, 22), timeout=2) as connection:
            connection.settimeout(2)
            if connection.recv(4) == b"SSH-":
                return
        pause(0.2)
    raise NodeError(f"{address} does not answer to SSH.")
