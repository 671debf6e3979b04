"""One view of Docker's API over all nodes of a cluster, as Docker Swarm had it.

Containers are listed of all nodes, and what is asked of one is asked of the node that has it.
All else is asked of the first node that answers, which manages the swarm.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

from ecsmachine.localcloud.container_service.docker import DockerEngine
from ecsmachine.localcloud.container_service.engines import EngineError
from ecsmachine.localcloud.work.supervisor import Threads

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
    status, found = 200, []
    for code, content in _ask_each(addresses, context, threads, lambda engine: engine.get(target)):
        try:
            answer = json.loads(content)
        except ValueError:
            continue
        if code != 200:
            status, found = code, answer
            break
        found += answer
    if status != 200:
        return status, found
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
