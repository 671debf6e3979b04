"""Alibaba Cloud's RPC protocol: one signed POST for each action, tried again where that is safe."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import (
    NEUTRAL,
    AnswerError,
    ApiError,
    ConnectionLostError,
    Wording,
)
from ecsmachine.aliyun.signature import signed_form, unsigned_form
from ecsmachine.aliyun.transport import (
    clock_hint,
    clock_offset_s,
    shared_pace,
    shared_transport,
    with_retries,
)
from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.text import Fault
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    import requests

    from ecsmachine.aliyun.access_key import CredentialProvider, Credentials

_log = logging.getLogger(__name__)

_SECRET_PARAMETERS = frozenset(
    (
        *("Password", "UserData", "SecurityToken", "OIDCToken"),
        *("Signature", "AccessKeyId", "SignatureNonce"),
    )
)

_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/x-www-form-urlencoded",
}

Parameter = str | int | bool | None


class Answer(Fields):
    """The fields of an answer, and the ``size`` of its JSON in bytes."""

    __slots__ = ("size",)

    def __init__(self, values: Mapping[str, Any], fault: Fault, size: int):
        super().__init__(values, fault, loose=True)
        self.size = size


class RpcClient:
    """One product of Alibaba Cloud at one address.

    ``wording`` is what errors call the program's options. ``total_timeout_s`` limits all tries of
    a call together. ``checkpoint`` is told of every request, before it is sent and when it is
    answered; what it raises ends the call. All clients share the connections to an address. Safe
    to use from several threads.
    """

    def __init__(
        self,
        endpoint: str,
        version: str,
        credentials: CredentialProvider,
        *,
        wording: Wording = NEUTRAL,
        total_timeout_s: float = 60.0,
        checkpoint: Callable[[str], None] = lambda point: None,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.endpoint = endpoint
        self._version = version
        self._credentials = credentials
        self._total_timeout_s = total_timeout_s
        self._checkpoint = checkpoint
        self._sleep = sleep
        self._wording = wording
        self._transport = shared_transport(endpoint, wording.endpoint)

    def call(
        self,
        action: str,
        parameters: Mapping[str, Parameter],
        *,
        idempotent: bool | None = None,
        with_empty: bool = False,
    ) -> Answer:
        """Carry out an action and return its answer.

        Parameters that are None are left out, and those that are "" unless they are sent
        ``with_empty``. Throttling is waited out, by all requests of this process for the same
        action and account together, and so is a resource that is busy. A server's own fault, and
        a connection that breaks after the request was sent, are tried again only if doing the
        action twice does no harm: reading does none, nor does a request with a ClientToken;
        ``idempotent`` says so for others.

        Raises :class:`ApiError` and :class:`ConnectionLostError`; reading a field of the answer
        raises :class:`AnswerError`.
        """
        left_out = (None,) if with_empty else (None, "")
        sent = {key: _text(value) for key, value in parameters.items() if value not in left_out}
        if idempotent is None:
            idempotent = "ClientToken" in sent or action.startswith(("Describe", "Get", "List"))
        try:
            return self._repeated(action, sent, idempotent)
        except ApiError as error:
            # nothing was done, and a temporary key can be had anew
            if error.meaning is not Meaning.TOKEN_EXPIRED or not self._credentials.renew():
                raise
            unsure = error.maybe_done
        try:
            return self._repeated(action, sent, idempotent)
        except ApiError as error:
            error.maybe_done = error.maybe_done or unsure
            raise

    def clock_offset_s(self) -> float | None:
        """Return by how many seconds this computer's clock is ahead of the cloud's.

        What is asked is not signed, so that no credentials are needed; None if the answer has no
        time. Raises :class:`ConnectionLostError`.
        """
        begun = time.monotonic()
        answer = self._transport.send("Asking for the time", "GET", "/", data=None, headers={})
        offset_s, took_s = clock_offset_s(answer.headers.get("Date", "")), time.monotonic() - begun
        if offset_s is None or offset_s < -1.0:
            return offset_s
        # it was told at some time while the answer was waited for, in whole seconds
        return max(0.0, offset_s - took_s - 1.0)

    def pages(
        self, action: str, parameters: Mapping[str, Parameter], *path: str, page_size: int = 100
    ) -> Iterator[Fields]:
        """Yield the items of every page of a list, by PageNumber and PageSize.

        ``path`` leads to the list in an answer (``"Instances", "Instance"``).
        """
        listing = Listing(action, self.endpoint)
        number = 1
        while True:
            answer = self.call(action, {**parameters, "PageNumber": number, "PageSize": page_size})
            items = answer.objects(*path)
            yield from items
            counted = answer.has("TotalCount")
            if not items or (len(items) < page_size and not counted):
                return
            if counted and number * page_size >= answer.number("TotalCount"):
                return
            listing.add(items, answer.size)
            number += 1

    def pages_by_token(
        self,
        action: str,
        parameters: Mapping[str, Parameter],
        *path: str,
        page_size: int = 100,
        first_size: int | None = None,
    ) -> Iterator[Fields]:
        """Yield the items of every page of a list, by NextToken and MaxResults.

        ``first_size`` is that of the first page, where it is another; 0 asks for none.
        """
        listing = Listing(action, self.endpoint)
        token = ""
        while True:
            size = page_size if token or first_size is None else first_size
            answer = self.call(
                action, {**parameters, "NextToken": token, "MaxResults": size or None}
            )
            items = answer.objects(*path)
            yield from items
            token = answer.text("NextToken")
            if not token:
                return
            listing.add(items, answer.size, token)

    def _repeated(self, action: str, parameters: Mapping[str, str], idempotent: bool) -> Answer:
        return with_retries(
            lambda: self._call_once(action, parameters),
            action,
            idempotent=idempotent,
            total_timeout_s=self._total_timeout_s,
            sleep=self._sleep,
            pace=shared_pace(self.endpoint, self._credentials.current().access_key_id, action),
            has_token="ClientToken" in parameters,
        )

    def _call_once(self, action: str, parameters: Mapping[str, str]) -> Answer:
        self._checkpoint(f"before api {action}")
        credentials = self._credentials.current()
        body = {
            **parameters,
            "Action": action,
            "Version": self._version,
            "Format": "JSON",
            "Timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        form = _signed(body, credentials) if credentials.access_key_id else unsigned_form(body)
        begun = time.monotonic()
        try:
            response = self._transport.send(action, "POST", "/", data=form, headers=_HEADERS)
        except ConnectionLostError as error:
            _log.debug("%s %s: %s", action, _redacted(parameters), error.message)
            raise
        self._checkpoint(f"after api {action}")
        answer = self._parsed(action, response)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                "%s %s: %d, request %s, %.0f ms",
                action,
                _redacted(parameters),
                response.status_code,
                _said(answer, "RequestId") or "unknown",
                (time.monotonic() - begun) * 1000,
            )
        if response.status_code >= 300 or (answer.has("Code") and answer.has("Message")):
            hint = _hint_of_key(self._credentials.reference)
            raise _refused(action, response, answer, self._wording, hint)
        return answer

    def _parsed(self, action: str, response: requests.Response) -> Answer:
        """Return an answer; of a refusal, whatever can be read of it."""

        def no_answer(reason: str) -> MachineError:
            return ConnectionLostError(
                f"{action} failed: what answers at {self.endpoint} is not Alibaba Cloud's API: "
                f"{reason}",
                maybe_done=False,
                hint=f"Check {self._wording.endpoint}.",
            )

        def fault(reason: str) -> MachineError:
            return AnswerError(action, self.endpoint, reason)

        try:
            values = read_object(response.content, no_answer).values
            if not values:
                raise no_answer("it is empty")
        except MachineError:
            if response.status_code < 300:
                raise
            values = {}
        return Answer(values, fault, len(response.content))


def numbered(name: str, values: list[str] | tuple[str, ...]) -> dict[str, Parameter]:
    """Return a list as the parameters ``name.1``, ``name.2``, …"""
    return {f"{name}.{number}": value for number, value in enumerate(values, start=1)}


def tag_parameters(tags: Mapping[str, str]) -> dict[str, Parameter]:
    """Return tags as ``Tag.1.Key``, ``Tag.1.Value``, …"""
    parameters: dict[str, Parameter] = {}
    for number, (key, value) in enumerate(tags.items(), start=1):
        parameters[f"Tag.{number}.Key"] = key
        parameters[f"Tag.{number}.Value"] = value
    return parameters


def _signed(body: Mapping[str, str], credentials: Credentials) -> bytes:
    signed = {
        **body,
        "AccessKeyId": credentials.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": str(uuid.uuid4()),
    }
    if credentials.security_token:
        signed["SecurityToken"] = credentials.security_token
    return signed_form("POST", signed, credentials.access_key_secret)


def _text(value: Parameter) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _redacted(parameters: Mapping[str, str]) -> dict[str, str]:
    return {key: "***" if key in _SECRET_PARAMETERS else value for key, value in parameters.items()}


def _said(answer: Fields, name: str) -> str:
    """Return words of an answer, "" if they are none."""
    with contextlib.suppress(MachineError):
        return answer.prose(name)
    return ""


def _hint_of_key(reference: str) -> str:
    """Return what to do about a key that is refused and comes from a profile, else ""."""
    source, _, name = reference.partition(":")
    if source != "profile":
        return ""
    return (
        f'It comes from the profile "{name}": correct it with "aliyun configure --profile {name}".'
    )


def _refused(
    action: str, response: requests.Response, answer: Fields, wording: Wording, of_key: str
) -> ApiError:
    error = ApiError(
        action=action,
        code=_said(answer, "Code"),
        reason=_said(answer, "Message") or response.reason or "",
        request_id=_said(answer, "RequestId"),
        status=response.status_code,
    )
    error.hint = wording.hints.get(error.meaning, error.hint)
    if of_key and error.meaning in (Meaning.KEY_UNKNOWN, Meaning.SECRET_WRONG):
        error.hint = of_key
    if error.meaning is Meaning.CLOCK_WRONG:
        error.hint = clock_hint(response.headers.get("Date", "")) or error.hint
    return error


_MOST_PAGES = 1000
_MOST_BYTES = 128 << 20
_TIMEOUT_S = 600.0


class Listing:
    """What has come of a list so far; the size of a page is that of its JSON, in bytes."""

    def __init__(self, action: str, endpoint: str):
        self._action = action
        self._endpoint = endpoint
        self._deadline = time.monotonic() + _TIMEOUT_S
        self._pages = 0
        self._bytes = 0
        self._last: list[object] = []
        self._tokens: set[str] = set()

    def add(self, items: Sequence[Fields], size: int, next_token: str = "") -> None:
        """Take a page that is not the last one. Raises :class:`AnswerError` if there is no end."""
        self._pages += 1
        self._bytes += size
        page: list[object] = [item.values for item in items]
        if page == self._last or next_token in self._tokens:
            raise self._error("it repeats a page")
        if self._pages >= _MOST_PAGES or self._bytes > _MOST_BYTES:
            raise self._error("the list does not end")
        if time.monotonic() > self._deadline:
            raise self._error(f"the list did not end in {_TIMEOUT_S:.0f} s")
        self._last = page
        if next_token:
            self._tokens.add(next_token)

    def _error(self, reason: str) -> AnswerError:
        return AnswerError(self._action, self._endpoint, reason)
