"""The local cloud's own HTTP requests, besides the APIs of Alibaba Cloud.

``GET /healthz`` answers 200 when the cloud is ready, and needs no key. The others need the access
key of the cloud (HTTP Basic: id and secret):

- ``GET /_ecsmachine/requests`` returns the request log; ``?after=NUMBER``, ``?action=PATTERN``.
  ``DELETE`` clears it.
- ``GET /_ecsmachine/faults`` lists the injected faults. ``POST`` adds a fault, with the
  values of :class:`~ecsmachine.localcloud.faults.fault.Fault` in JSON; ``DELETE`` removes all, or
  with ``/_ecsmachine/faults/ID`` one.
- ``POST /_ecsmachine/reset`` clears the cloud: removes resources, faults and requests, and applies
  its seed again.
- ``GET /_ecsmachine/state`` returns the resources, by kind.
- ``GET /_ecsmachine/events`` streams events (server-sent events, :class:`.view.Event`). Request
  events have their numbers as ids; with ``?after=NUMBER`` the stored ones come first.
- ``POST /_ecsmachine/ticket`` returns a token that opens the page once (:mod:`.page`).
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from fnmatch import fnmatchcase
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ecsmachine.localcloud.actions import PRODUCT_NAMES
from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import read_fault
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.protocol.signature import same_secret
from ecsmachine.localcloud.service.request_log import RequestLog
from ecsmachine.localcloud.service.view import CloudView, Event
from ecsmachine.localcloud.state.state import State

KEEP_ALIVE_S = 15.0
HEALTH_PATH = "/healthz"
REQUESTS_PATH = "/_ecsmachine/requests"
STATE_PATH = "/_ecsmachine/state"
EVENTS_PATH = "/_ecsmachine/events"
FAULTS_PATH = "/_ecsmachine/faults"
RESET_PATH = "/_ecsmachine/reset"
TICKET_PATH = "/_ecsmachine/ticket"
Respond = Callable[[Request], Awaitable[Response]]


def own_routes(
    state: State,
    log: RequestLog,
    faults: FaultBook,
    view: CloudView,
    begin_anew: Callable[[], Awaitable[None]],
) -> list[Route]:
    """Return the routes of a cloud's own pages; ``begin_anew`` makes it as a new one is."""

    with_key = partial(_with_key, state)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "services": [*PRODUCT_NAMES.values(), "CS"]})

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            log.clear()
            return Response(status_code=204)
        after = _after(request, {"after", "action"})
        if after is None:
            return _error(400, "The parameters are after=NUMBER and action=PATTERN.")
        pattern = request.query_params.get("action", "*")
        found = [one for one in log.after(after) if fnmatchcase(one.action, pattern)]
        return JSONResponse({"requests": [one.as_data() for one in found]})

    async def resources(request: Request) -> Response:
        return JSONResponse(view.resources())

    async def all_faults(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"faults": [entry.as_data() for entry in faults.entries()]})
        if request.method == "DELETE":
            faults.clear()
            return Response(status_code=204)
        try:
            fault = read_fault(await request.body())
            return JSONResponse({"id": faults.add(fault)}, status_code=201)
        except LocalCloudError as error:
            return _error(400, str(error))

    async def one_fault(request: Request) -> Response:
        if faults.remove(request.path_params["id"]):
            return Response(status_code=204)
        return _error(404, f"There is no fault {request.path_params['id']}.")

    async def reset(_: Request) -> Response:
        try:
            await begin_anew()
        except LocalCloudError as error:
            return _error(409, str(error))
        return Response(status_code=204)

    async def events(request: Request) -> Response:
        after = _after(request, {"after"})
        if after is None:
            return _error(400, "The only parameter is after=NUMBER.")
        asked = "after" in request.query_params
        return StreamingResponse(
            _told(log, view, after if asked else None),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    return [
        Route(HEALTH_PATH, health, methods=["GET"]),
        Route(REQUESTS_PATH, with_key(requests), methods=["GET", "DELETE"]),
        Route(STATE_PATH, with_key(resources), methods=["GET"]),
        Route(EVENTS_PATH, with_key(events), methods=["GET"]),
        Route(FAULTS_PATH, with_key(all_faults), methods=["GET", "POST", "DELETE"]),
        Route(RESET_PATH, with_key(reset), methods=["POST"]),
        Route(f"{FAULTS_PATH}/{{id:int}}", with_key(one_fault), methods=["DELETE"]),
    ]


def ticket_route(state: State, ticket: Callable[[], str]) -> Route:
    """Return the route that gives whoever has the key a token for one visit of the page."""

    async def give(_: Request) -> Response:
        return JSONResponse({"token": ticket()}, 201)

    return Route(TICKET_PATH, _with_key(state, give), methods=["POST"])


def _with_key(state: State, respond: Respond) -> Respond:
    async def guarded(request: Request) -> Response:
        return _refused(request, state) or await respond(request)

    return guarded


async def _told(log: RequestLog, view: CloudView, after: int | None) -> AsyncIterator[str]:
    following = view.follow()
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)  # it follows from here on
    last = 0
    try:
        for one in [] if after is None else log.after(after):
            last = one.number
            yield _line(Event("request", one.as_data()))
        while True:
            done, _ = await asyncio.wait([coming], timeout=KEEP_ALIVE_S)
            if not done:
                yield ": still there\n\n"
                continue
            event = coming.result()
            coming = asyncio.ensure_future(anext(following))
            if event.name != "request" or event.data["number"] > last:
                yield _line(event)
    except StopAsyncIteration:
        return
    finally:
        coming.cancel()


def _line(event: Event) -> str:
    number = f"id: {event.data['number']}\n" if event.name == "request" else ""
    return f"{number}event: {event.name}\ndata: {json.dumps(event.data)}\n\n"


def _after(request: Request, known: set[str]) -> int | None:
    """Return the requested number; None if the parameters are others."""
    text = request.query_params.get("after", "0")
    right = text.isascii() and text.isdigit() and len(text) < 19
    return int(text) if right and request.query_params.keys() <= known else None


def _refused(request: Request, state: State) -> Response | None:
    """Return the refusal of a request without the cloud's key; None for one that has it."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    account = state.account
    expected = f"{account.access_key_id}:{account.access_key_secret}"
    try:
        given = base64.b64decode(text, validate=True).decode() if scheme == "Basic" else ""
    except ValueError:
        given = ""
    if same_secret(expected, given):
        return None
    return _error(401, "Log in with the cloud's access key: curl -u ID:SECRET")


def _error(status: int, message: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="ecsmachine"'} if status == 401 else {}
    return JSONResponse({"error": message}, status_code=status, headers=headers)
