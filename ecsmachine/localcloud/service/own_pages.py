"""What the local cloud tells of itself over HTTP, beside the APIs of Alibaba Cloud.

``GET /healthz`` answers 200 once the cloud can be used, and asks for no key. ``/_ecsmachine/…``
asks for the cloud's own access key (HTTP Basic: id and secret).
"""

from __future__ import annotations

import base64
import binascii
from fnmatch import fnmatchcase

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ecsmachine.localcloud.actions import PRODUCT_NAMES
from ecsmachine.localcloud.protocol.signature import same
from ecsmachine.localcloud.service.request_log import RequestLog
from ecsmachine.localcloud.state.state import State

HEALTH_PATH = "/healthz"
REQUESTS_PATH = "/_ecsmachine/requests"


def own_routes(state: State, log: RequestLog) -> list[Route]:
    """Return the routes of a cloud's own pages."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "services": [*PRODUCT_NAMES.values(), "CS"]})

    async def requests(request: Request) -> Response:
        refused = _refused(request, state)
        if refused is not None:
            return refused
        if request.method == "DELETE":
            log.clear()
            return Response(status_code=204)
        query = request.query_params
        after, pattern = query.get("after", "0"), query.get("action", "*")
        unknown = query.keys() - {"after", "action"}
        if unknown or not (after.isascii() and after.isdigit() and len(after) < 19):
            return _error(400, "What can be asked for is after=NUMBER and action=PATTERN.")
        found = [one for one in log.after(int(after)) if fnmatchcase(one.action, pattern)]
        return JSONResponse({"requests": [one.as_data() for one in found]})

    return [
        Route(HEALTH_PATH, health, methods=["GET"]),
        Route(REQUESTS_PATH, requests, methods=["GET", "DELETE"]),
    ]


def _refused(request: Request, state: State) -> Response | None:
    """Return the refusal of a request without the cloud's key; None for one that has it."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    account = state.account
    expected = f"{account.access_key_id}:{account.access_key_secret}"
    try:
        given = base64.b64decode(text, validate=True).decode() if scheme == "Basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        given = ""
    if same(expected, given):
        return None
    return _error(401, "Log in with the cloud's access key: curl -u ID:SECRET")


def _error(status: int, message: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="ecsmachine"'} if status == 401 else {}
    return JSONResponse({"error": message}, status_code=status, headers=headers)
