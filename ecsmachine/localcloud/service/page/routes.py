"""The requests of the page: its files, resources and events, and setting faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import KINDS, read_fault, takes
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service.gate import PAGE_PATH
from ecsmachine.localcloud.service.http_server import Connections
from ecsmachine.localcloud.service.page import stream
from ecsmachine.localcloud.service.page.admission import HEADERS, Admission
from ecsmachine.localcloud.service.page.code import code_of
from ecsmachine.localcloud.service.page.guests import GuestLooks
from ecsmachine.localcloud.service.page.reach import reach
from ecsmachine.localcloud.service.request_log import RequestLog
from ecsmachine.localcloud.service.view import CloudView
from ecsmachine.localcloud.state.state import State

MOST_STREAMS = 32
LANGUAGES = ("en", "zh")
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
Respond = Callable[[Request], Awaitable[Response]]


def page_routes(
    admission: Admission,
    state: State,
    view: CloudView,
    log: RequestLog,
    faults: FaultBook,
    looks: GuestLooks,
    connections: Connections,
    images: Iterable[str],
) -> list[Route]:
    """Return the routes of a cloud's page; ``images`` are the ids of its system images."""
    streams: set[object] = set()

    def seen_by_those_let_in(respond: Respond) -> Respond:
        async def guarded(request: Request) -> Response:
            answer = admission.refused(request)
            if answer is not None:
                return answer
            try:
                return await respond(request)
            except LocalCloudError as error:
                return _json({"error": str(error), "hint": error.hint or ""}, 400)

        return guarded

    async def index(request: Request) -> Response:
        if "token" in request.query_params:
            answer = admission.let_in(request)
            if answer is not None:
                return answer
        return admission.refused(request) or _index(admission, request)

    async def info(_: Request) -> Response:
        return _json(
            {
                "region": state.region,
                "images": list(images),
                "kinds": {kind: takes(kind) for kind in KINDS},
            }
        )

    async def events(_: Request) -> Response:
        return _stream(stream.happenings(view, looks))

    async def console(request: Request) -> Response:
        instance_id = request.path_params["id"]
        if instance_id not in {one.id for one in state.instances}:
            return _json({"error": f"There is no instance {instance_id}."}, 404)
        return _stream(stream.console(view, looks, instance_id))

    def _stream(told: Any) -> Response:
        if len(streams) >= MOST_STREAMS:
            return PlainTextResponse("Too many pages are open.\n", 503, HEADERS)

        async def counted() -> Any:
            streams.add(told)
            try:
                async for text in told:
                    yield text
            finally:
                streams.discard(told)
                await told.aclose()

        return stream.EventStream(counted(), connections)

    async def one_request(request: Request) -> Response:
        found = log.one(request.path_params["number"])
        if found is None:
            return _json({"error": "This request is no longer kept."}, 404)
        return _json({"request": found.as_data(), "code": code_of(found)})

    async def containers(request: Request) -> Response:
        return _json(await looks.containers(request.path_params["id"]))

    async def of_cluster(request: Request) -> Response:
        cluster = state.clusters.get(request.path_params["id"])
        if cluster is None:
            return _json({"error": f"There is no cluster {request.path_params['id']}."}, 404)
        return _json(await looks.containers_of(cluster))

    async def reached(request: Request) -> Response:
        asked = request.query_params
        port = asked.get("port", "0")
        number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1
        source, target = asked.get("source", ""), asked.get("target", "")
        return _json(reach(state, source, target, asked.get("protocol", "tcp"), number))

    async def add_fault(request: Request) -> Response:
        return _json({"id": faults.add(read_fault(await request.body()))}, 201)

    async def remove_fault(request: Request) -> Response:
        faults.remove(request.path_params["id"])
        return Response(status_code=204, headers=HEADERS)

    def route(path: str, respond: Respond, method: str = "GET") -> Route:
        return Route(f"{PAGE_PATH}{path}", seen_by_those_let_in(respond), methods=[method])

    return [
        Route(PAGE_PATH, index, methods=["GET"]),
        route("static/{name}", _asset),
        route("info", info),
        route("events", events),
        route("console/{id}", console),
        route("containers/{id}", containers),
        route("clusters/{id}", of_cluster),
        route("requests/{number:int}", one_request),
        route("reach", reached),
        route("faults", add_fault, "POST"),
        route("faults/{id:int}/remove", remove_fault, "POST"),
    ]


def _index(admission: Admission, request: Request) -> Response:
    text = _files()["index.html"].decode()
    for name, value in {
        "{language}": language(request.headers.get("accept-language", "")),
        "{action}": admission.action_token,
    }.items():
        text = text.replace(name, value)
    return Response(text, media_type=_TYPES["html"], headers=HEADERS)


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    content = None if name == "index.html" else _files().get(name)
    if content is None:
        return PlainTextResponse("There is no such file.\n", 404, HEADERS)
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(content, media_type=kind, headers=HEADERS)


@cache
def _files() -> dict[str, bytes]:
    folder = resources.files(__package__) / "static"
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }


def language(accepted: str) -> str:
    """Return the language of the page that ``Accept-Language`` asks for most (RFC 9110)."""
    best, most = LANGUAGES[0], 0.0
    for part in accepted.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            wanted = float(weight or 1)
        except ValueError:
            continue
        short = name.lower().split("-")[0]
        if short in LANGUAGES and wanted > most:
            best, most = short, wanted
    return best


def _json(value: Any, status: int = 200) -> Response:
    return JSONResponse(value, status, HEADERS)
