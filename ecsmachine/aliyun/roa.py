"""Alibaba Cloud's ROA protocol: REST with signed headers, tried again where that is safe."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import AnswerError, ApiError, ConnectionLostError, one_line
from ecsmachine.aliyun.signature import content_md5, roa_sign, roa_string_to_sign
from ecsmachine.aliyun.transport import Transport, clock_hint, shared_pace, with_retries
from ecsmachine.documents.fields import Fields, read_object, read_objects
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    import requests

    from ecsmachine.aliyun.access_key import CredentialProvider

_log = logging.getLogger(__name__)

_TOTAL_TIMEOUT_S = 60.0
"""How long all tries of a call take together, but for the last one, in seconds."""

JSON = "application/json;charset=utf-8"

Query = Mapping[str, str | int | bool | None]


@dataclass(frozen=True)
class RoaAnswer:
    """An answer to ``what`` of ``endpoint``: its HTTP status, its content, and the request's id.

    The id is for Alibaba Cloud's support. ``warnings`` are those of a Swarm cluster's master.
    """

    what: str
    endpoint: str
    status: int
    content: bytes
    request_id: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", errors="replace")

    def object(self) -> Fields:
        """Return the object that the content is. Raises :class:`AnswerError`."""
        return read_object(self.content, self._fault, loose=True)

    def objects(self) -> list[Fields]:
        """Return the objects of the array that the content is. Raises :class:`AnswerError`."""
        return read_objects(self.content, self._fault, loose=True)

    def _fault(self, reason: str) -> MachineError:
        return AnswerError(self.what, self.endpoint, reason)


class RoaClient:
    """One product of Alibaba Cloud at one address. Safe to use from several threads."""

    def __init__(
        self,
        endpoint: str,
        version: str,
        region: str,
        credentials: CredentialProvider,
        *,
        check: str,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.endpoint = endpoint
        self.region = region
        self._version = version
        self._credentials = credentials
        self._sleep = sleep
        self._transport = Transport(endpoint, check=check)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> RoaAnswer:
        """Send one request and return the answer to it.

        ``path`` begins with "/" and is not encoded. Query parameters that are None are left out.
        ``headers`` go before those that every request has. Only GET is tried again where it may
        have been carried out.

        Raises :class:`ApiError` and :class:`ConnectionLostError`.
        """
        method = method.upper()
        return with_retries(
            lambda: self._call_once(method, path, texts_of(query or {}), body, headers or {}),
            f"{method} {path}",
            idempotent=method == "GET",
            total_timeout_s=_TOTAL_TIMEOUT_S,
            sleep=self._sleep,
            pace=shared_pace(
                self.endpoint, self._credentials.current().access_key_id, _action(method, path)
            ),
        )

    def _call_once(
        self, method: str, path: str, query: dict[str, str], body: bytes, headers: Mapping[str, str]
    ) -> RoaAnswer:
        what = f"{method} {path}"
        signed = self._signed(method, path, query, body, headers)
        url = quote(path, safe="/-_.~") + (f"?{urlencode(query)}" if query else "")
        begun = time.monotonic()
        try:
            response = self._transport.send(what, method, url, data=body or None, headers=signed)
        except ConnectionLostError as error:
            _log.debug("%s: %s", what, error.message)
            raise
        answer = RoaAnswer(
            what, self.endpoint, response.status_code, response.content, request_id_of(response)
        )
        _log.debug(
            "%s: %d, request %s, %.0f ms",
            what,
            answer.status,
            answer.request_id or "unknown",
            (time.monotonic() - begun) * 1000,
        )
        if not 200 <= answer.status < 300:
            raise refused(what, response, self._transport.check)
        return answer

    def _signed(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str],
    ) -> dict[str, str]:
        credentials = self._credentials.current()
        sent = {
            "accept": "application/json",
            "date": formatdate(usegmt=True),
            "x-acs-version": self._version,
            "x-acs-region-id": self.region,
            "x-acs-signature-nonce": str(uuid.uuid4()),
            "x-acs-signature-method": "HMAC-SHA1",
            "x-acs-signature-version": "1.0",
        }
        if body:
            sent["content-type"] = JSON
        sent.update({name.lower(): value for name, value in headers.items()})
        if body:
            sent["content-md5"] = content_md5(body)
        if credentials.security_token:
            sent["x-acs-security-token"] = credentials.security_token
        text = roa_string_to_sign(method, sent, path, query)
        signature = roa_sign(text, credentials.access_key_secret)
        sent["authorization"] = f"acs {credentials.access_key_id}:{signature}"
        return sent


def _action(method: str, path: str) -> str:
    """Return what a request is limited as: method and path, whatever ids are in that.

    Names of collections and ids take turns: /clusters/ID/instances/ID/reset.
    """
    parts = path.strip("/").split("/")
    return f"{method} /" + "/".join(
        part if number % 2 == 0 else "*" for number, part in enumerate(parts)
    )


def request_id_of(response: requests.Response) -> str:
    """Return the id of a request, from the answer's body or its headers."""
    fields = error_fields(_text(response))
    found = fields.get("requestid") or response.headers.get("x-acs-request-id") or ""
    return one_line(found)


def refused(what: str, response: requests.Response, check: str) -> ApiError:
    """Return what an answer that is no success says: in JSON, in XML or in plain text.

    ``check`` names what the address may be wrong in.
    """
    text = _text(response)
    fields = error_fields(text)
    plain = "" if text.lstrip().startswith(("<", "{", "[")) else text[:500]
    error = ApiError(
        action=what,
        code=fields.get("code", ""),
        reason=fields.get("message") or plain or str(response.reason or ""),
        request_id=request_id_of(response),
        status=response.status_code,
    )
    if error.meaning is Meaning.CLOCK_WRONG:
        error.hint = clock_hint(response.headers.get("Date", "")) or error.hint
    elif error.meaning is Meaning.NOT_THE_API:
        error.hint = f"Check {check}."
    return error


def error_fields(text: str) -> dict[str, str]:
    """Return ``code``, ``message`` and ``requestid`` of a body in JSON or XML, where they are.

    The names come in several spellings: ``RequestId``, ``requestId``, ``request_id``.
    """
    wanted = ("code", "message", "requestid")
    pairs: list[tuple[str, Any]] = []
    if text.lstrip().startswith("<"):
        pairs = _elements(text)
    else:
        with contextlib.suppress(MachineError):
            pairs = list(read_object(text.encode(), MachineError).values.items())
    named = {name.lower().replace("_", ""): value for name, value in pairs}
    return {name: str(named[name]) for name in wanted if isinstance(named.get(name), str | int)}


def _elements(text: str) -> list[tuple[str, str]]:
    """Return the names and texts of a document's own children; nothing if it is no XML.

    A document with a declaration of entities is not read.
    """
    from xml.etree import ElementTree

    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return []
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - entities were ruled out
    except ElementTree.ParseError:
        return []
    return [(child.tag, child.text or "") for child in root]


def _text(response: requests.Response) -> str:
    return response.content.decode("utf-8", errors="replace")


def texts_of(query: Query) -> dict[str, str]:
    """Return a query as it is sent; parameters that are None are left out."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }
