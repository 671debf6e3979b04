"""The first checks of a request, before anything else in the cloud reads it.

It must come from a program, not from a web page, except requests of the cloud's own page
(:mod:`.page`); it must be for this endpoint; and its body must be small and come soon.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import cast

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecsmachine.localcloud.protocol import wire
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import request_id

ALIBABA_CLOUD = ".aliyuncs.com"
"""The suffix of host names that a request over loopback may be for.

It is for clients that reach this cloud instead of Alibaba Cloud, by a hosts file. A request may
also be for ``localhost``, a loopback address, the address that it came to, and the name that the
API listens on. Any other name could be that of a web page whose server made it resolve to this
address (DNS rebinding).
"""

PAGE_PATH = "/_ecsmachine/page/"
"""Where the cloud's page is, and all that it asks for."""

MOST_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 30.0
_MOST_READ_ON_BYTES = 8 * MOST_BODY_BYTES
_READ_ON_TIMEOUT_S = 1.0
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?")


class Gate:
    """An ASGI application before another one, which gets each request with all of its body.

    ``names`` are those that the API listens at on purpose.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope=scope)
            own_page = scope["path"].startswith(PAGE_PATH)
            _check_sender(headers, own_page=own_page)
            own = (scope.get("server") or ("",))[0].removeprefix("::ffff:")
            _check_host(headers.get("host", ""), own, self._names, own_page=own_page)
            body = await _body(headers, receive)
        except ApiError as error:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_read_on(receive), _READ_ON_TIMEOUT_S)
            await _refusal(error)(scope, receive, send)
            return
        given = False

        async def receive_whole() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_whole, send)


def host_name(header: str) -> str:
    """Return the name or address in a Host header, in lower case; "" if it is invalid."""
    match = _HOST.fullmatch(header)
    return match[1].strip("[]").rstrip(".").lower() if match else ""


def _check_sender(headers: Mapping[str, str], *, own_page: bool) -> None:
    # browsers say by these which page a request is from; no SDK sends them
    site, origin = headers.get("sec-fetch-site", "none"), headers.get("origin")
    if own_page and site == "same-origin":
        site = "none"
    if own_page and origin == f"http://{headers.get('host', '')}":
        origin = None
    if origin is not None or site != "none":
        raise ApiError("Forbidden", "Requests of web pages are not served here.", 403)


def _check_host(
    header: str, own_address: str, names: Collection[str], *, own_page: bool = False
) -> None:
    if not header and not own_page:  # HTTP/1.0
        return
    name = host_name(header)
    if not name:
        raise ApiError("InvalidHost", "The header Host is not a host name or address.")
    instead = name.endswith(ALIBABA_CLOUD) and _is_loopback(own_address) and not own_page
    accepted = name in ("localhost", own_address, *names) or _is_loopback(name) or instead
    if not accepted:
        raise ApiError("InvalidHost", f"This is not the endpoint of {name}.", 403)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes:
    if headers.get("content-length", "").isdecimal():
        _check_size(int(headers["content-length"]))
    body = bytearray()
    task = cast("asyncio.Task[None]", asyncio.current_task())
    late = False

    def end() -> None:
        nonlocal late
        late = True
        task.cancel()

    # One timer and no task of its own: nearly all bodies are here already.
    timer = asyncio.get_running_loop().call_later(BODY_TIMEOUT_S, end)
    try:
        while True:
            message = await receive()
            body += message.get("body", b"")
            _check_size(len(body))
            if not message.get("more_body"):
                return bytes(body)
    except asyncio.CancelledError:
        if not late:
            raise
        if hasattr(task, "uncancel"):  # Python 3.11
            task.uncancel()
        raise ApiError("RequestTimeout", "The request body is not complete.", 408) from None
    finally:
        timer.cancel()


async def _read_on(receive: Receive) -> None:
    """Read some more data of a refused request: a sending client does not read the answer yet."""
    read = 0
    while read < _MOST_READ_ON_BYTES:
        message = await receive()
        if not message.get("more_body"):
            return
        read += len(message["body"])


def _check_size(size: int) -> None:
    if size > MOST_BODY_BYTES:
        raise ApiError("RequestTooLarge", "The request body is too large.", 413)


def _refusal(error: ApiError) -> Response:
    answer = wire.error_answer(error.code, error.message, request_id(), "localhost")
    # what else comes on the connection is not looked at
    headers = {"Content-Type": wire.CONTENT_TYPES["JSON"], "Connection": "close"}
    return Response(wire.encode(answer, "JSON", "Error"), error.status, headers)
