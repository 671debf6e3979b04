"""The endpoint of Container Service: which path does what, who may ask, and how it is answered."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import Response

from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.container_service import clusters, triggers
from ecsmachine.localcloud.container_service.authentication import RoaRequest, check
from ecsmachine.localcloud.container_service.cluster_work import ClusterWork
from ecsmachine.localcloud.container_service.clusters import ClusterCall
from ecsmachine.localcloud.container_service.fields import Fields, read_fields
from ecsmachine.localcloud.protocol import wire
from ecsmachine.localcloud.protocol.authentication import Nonces
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import request_id as new_request_id
from ecsmachine.localcloud.state.state import State

LOG = logging.getLogger("ecsmachine.localcloud.container_service")

METHODS = ["GET", "POST", "PUT", "DELETE"]

_Action = Callable[[ClusterCall], Any]
"""Returns the content of an answer; None is an empty body."""

_PATHS: tuple[tuple[str, str, str, int, _Action], ...] = (
    ("GET", "/clusters", "GetClusterList", 200, clusters.list_clusters),
    ("POST", "/clusters", "CreateCluster", 202, clusters.create_cluster),
    ("GET", "/clusters/NAME", "GetClusterById", 200, clusters.get_cluster),
    ("PUT", "/clusters/NAME", "UpdateClusterSizeById", 202, clusters.scale_cluster),
    ("DELETE", "/clusters/NAME", "DeleteCluster", 202, clusters.delete_cluster),
    ("POST", "/clusters/NAME/attach", "AttachInstances", 202, clusters.attach_instances),
    ("DELETE", "/clusters/NAME/ip/NAME", "DeleteClusterNode", 202, clusters.remove_node),
    ("POST", "/clusters/NAME/instances/NAME/reset", "ResetClusterNode", 202, clusters.reset_node),
    ("GET", "/clusters/NAME/certs", "GetClusterCerts", 200, clusters.get_certificates),
    ("GET", "/clusters/NAME/nodes", "DescribeClusterNodes", 200, clusters.get_nodes),
    ("GET", "/clusters/NAME/logs", "DescribeClusterLogs", 200, clusters.get_logs),
    ("GET", "/clusters/NAME/triggers", "DescribeTrigger", 200, triggers.list_triggers),
    ("POST", "/clusters/NAME/triggers", "CreateTrigger", 200, triggers.create_trigger),
    ("DELETE", "/clusters/NAME/triggers/NAME", "DeleteTrigger", 204, triggers.delete_trigger),
    ("GET", "/images", "DescribeImages", 200, clusters.list_images),
    ("GET", "/version", "DescribeApiVersion", 200, clusters.get_version),
)
_ROUTES = tuple(
    (method, re.compile(re.escape(path).replace("NAME", "([^/]+)")), name, status, action)
    for method, path, name, status, action in _PATHS
)


class ContainerServiceEndpoint:
    """Answers the requests for paths: the management API, and triggers."""

    def __init__(self, state: State, work: ClusterWork, images: tuple[Image, ...]) -> None:
        self._state = state
        self._work = work
        self._images = images
        self._nonces = Nonces()

    async def respond(self, request: Request) -> Response:
        """Answer a request of the management API."""
        form = "XML" if "xml" in request.headers.get("accept", "").lower() else "JSON"
        return await _answered(request, form, self._act)

    async def fire(self, request: Request) -> Response:
        """Carry out a trigger; the secret in its address is the only credential."""
        return await _answered(request, "JSON", self._fire)

    async def _fire(self, request: Request, request_id: str) -> tuple[str, int, Any]:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        content = await asyncio.get_running_loop().run_in_executor(
            None, triggers.fire, self._state, self._work, query
        )
        return "Trigger", 200, content

    async def _act(self, request: Request, request_id: str) -> tuple[str, int, Any]:
        asked = RoaRequest(
            request.method, _target(request), dict(request.headers), await request.body()
        )
        name, status, action, parts = _route(asked.method, asked.target.partition("?")[0])
        check(asked, self._state.account, self._nonces)
        call = ClusterCall(
            state=self._state,
            work=self._work,
            images=self._images,
            region=asked.headers.get("x-acs-region-id") or self._state.region,
            request_id=request_id,
            query=Fields(asked.query),
            body=read_fields(asked.body, asked.headers.get("content-type", "")),
            endpoint=f"{request.url.scheme}://{request.headers.get('host', '')}",
            name=parts[0] if parts else "",
            part=parts[1] if len(parts) > 1 else "",
        )
        with self._state.transaction():
            return name, status, action(call)


_UNKNOWN = ApiError(
    "InternalError", "The request processing has failed due to some unknown error.", 500
)


async def _answered(
    request: Request,
    form: str,
    act: Callable[[Request, str], Awaitable[tuple[str, int, Any]]],
) -> Response:
    request_id = new_request_id()
    try:
        name, status, content = await act(request, request_id)
        return _rendered(content, status, form, name, request_id)
    except ApiError as error:
        return _refusal(error, form, request, request_id)
    except Exception:
        LOG.exception("request %s failed", request_id)
        return _refusal(_UNKNOWN, form, request, request_id)


def _route(method: str, path: str) -> tuple[str, int, _Action, list[str]]:
    known = False
    for wanted, pattern, name, status, action in _ROUTES:
        match = pattern.fullmatch(path.rstrip("/"))
        if match is not None:
            known = True
            if wanted == method:
                return name, status, action, [unquote(part) for part in match.groups()]
    if known:
        raise ApiError("UnsupportedHTTPMethod", f"{path} does not support {method}.", 405)
    raise ApiError("InvalidAction.NotFound", f"There is no API {method} {path}.", 404)


def action_of(method: str, path: str) -> str:
    """Return the name of the API of a request; "" if there is none."""
    if path == triggers.PATH:
        return "Trigger"
    try:
        return _route(method, path)[0]
    except ApiError:
        return ""


def request_fields(body: bytes, content_type: str) -> Mapping[str, Any]:
    """Return the fields of a request's body as it has them; none of what cannot be read."""
    try:
        return read_fields(body, content_type).values
    except ApiError:
        return {}


def _target(request: Request) -> str:
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope.get("query_string") or b""
    return (path.partition(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")


def _rendered(content: Any, status: int, form: str, name: str, request_id: str) -> Response:
    if content is None:
        return Response(status_code=status, headers={"x-acs-request-id": request_id})
    if form == "XML":
        named: Mapping[str, Any] = content if isinstance(content, dict) else {"item": content}
        content = {"RequestId": request_id, **named}
    return Response(
        wire.encode(content, form, f"{name}Response"),
        status_code=status,
        headers={"Content-Type": wire.CONTENT_TYPES[form], "x-acs-request-id": request_id},
    )


def _refusal(error: ApiError, form: str, request: Request, request_id: str) -> Response:
    host = request.url.hostname or "localhost"
    answer = wire.error_answer(error.code, error.message, request_id, host)
    return Response(
        wire.encode(answer, form, "Error"),
        status_code=error.status,
        headers={"Content-Type": wire.CONTENT_TYPES[form], "x-acs-request-id": request_id},
    )
