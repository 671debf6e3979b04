"""The nodes of Swarm clusters: the interface between clusters and what makes hosts of instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ecsmachine.localcloud.container_service.cluster_requests import NodeRequest
from ecsmachine.localcloud.container_service.engines import Engine
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state.clusters import Cluster, Node


class NodeError(LocalCloudError):
    """A node could not be made, joined or removed; the text says which and why."""


@dataclass(frozen=True)
class NodePlan:
    """A node that is to be made of a new instance."""

    name: str
    request: NodeRequest = field(repr=False)


class Nodes(Protocol):
    """Makes nodes of instances, and gives them back. Calls block; all raise :class:`NodeError`.

    ``folder`` is the cluster's own: its store of machines, with the cluster's certificates.
    ``lasting``: what engines have outlives the server.
    """

    lasting: bool

    def create(self, cluster: Cluster, folder: Path, plan: NodePlan) -> Node:
        """Make an instance, and a node of it."""

    def adopt(self, cluster: Cluster, folder: Path, node: Node, key: Path) -> Node:
        """Make a node of an instance that was just made anew, and lets ``key`` in."""

    def prepare(self, cluster: Cluster, folder: Path, node: Node) -> Node:
        """Make a node again of an instance of it whose disk was just made anew."""

    def join(self, folder: Path, node: Node, others: Sequence[Node]) -> None:
        """Let a node begin the cluster's swarm, or join the others there.

        Of three nodes or more, any one may fail then.
        """

    def leave(
        self, folder: Path, node: Node, others: Sequence[Node], *, for_good: bool = True
    ) -> None:
        """Take a node out of the swarm; another one manages it from then on, if it did.

        ``for_good``: it does not come back soon.
        """

    def add_managers(self, folder: Path, nodes: Sequence[Node]) -> bool:
        """Let three nodes manage the swarm, if there are so many: then any of them may fail.

        Return False if that does not work now.
        """

    def forget(self, folder: Path, node: Node, *, release: bool) -> None:
        """Forget a node; ``release``: and release its instance."""

    def engine(self, folder: Path, node: Node) -> Engine:
        """Return the node's engine."""

    def public_key(self, folder: Path, node: Node) -> str:
        """Return the key that is to be let into a node whose disk is made anew."""
