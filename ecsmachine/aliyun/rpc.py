"""Alibaba Cloud's RPC protocol: one signed POST for each action, tried again where that is safe."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ecsmachine import __version__
from ecsmachine.aliyun.errors import ApiError, ConnectionLostError, one_line
from ecsmachine.aliyun.signature import sign

if TYPE_CHECKING:
    import requests

    from ecsmachine.aliyun.credentials import CredentialProvider

_log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 30.0
_UNREACHABLE_TRIES = 4
"""How often an address that cannot be reached at all is tried."""

_SECRET_PARAMETERS = frozenset(
    ("Password", "UserData", "SecurityToken", "Signature", "AccessKeyId", "SignatureNonce")
)

Parameter = str | int | bool | None


class RpcClient:
    """One product of Alibaba Cloud at one address.

    ``total_timeout_s`` limits all tries of a call together. Safe to use from several threads.
    """

    def __init__(
        self,
        endpoint: str,
        version: str,
        credentials: CredentialProvider,
        *,
        total_timeout_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.endpoint = endpoint
        self._version = version
        self._credentials = credentials
        self._total_timeout_s = total_timeout_s
        self._sleep = sleep
        self._session: requests.Session | None = None

    def __repr__(self) -> str:
        return f"RpcClient({self.endpoint!r}, {self._version!r})"

    def call(
        self, action: str, parameters: Mapping[str, Parameter], *, idempotent: bool | None = None
    ) -> dict[str, Any]:
        """Carry out an action and return its answer.

        Parameters that are None or "" are left out. Throttling is waited out. A server's own
        fault, and a connection that breaks after the request was sent, are tried again only if
        doing the action twice does no harm: reading does none, nor does a request with a
        ClientToken; ``idempotent`` says so for others.

        Raises :class:`ApiError` and :class:`ConnectionLostError`.
        """
        import tenacity

        sent = {key: _text(value) for key, value in parameters.items() if value not in (None, "")}
        if idempotent is None:
            idempotent = "ClientToken" in sent or action.startswith(("Describe", "Get", "List"))

        def worth_another_try(error: BaseException) -> bool:
            if isinstance(error, ApiError):
                return error.is_throttling or (idempotent and error.is_passing)
            if isinstance(error, ConnectionLostError):
                return idempotent or not error.maybe_done
            return False

        time_is_up = tenacity.stop_after_delay(self._total_timeout_s)

        def is_enough(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, ConnectionLostError) and not error.maybe_done:
                return state.attempt_number >= _UNREACHABLE_TRIES
            return time_is_up(state)

        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception(worth_another_try),
            wait=tenacity.wait_random_exponential(multiplier=0.4, max=8)
            + tenacity.wait_random(0, 0.1),
            stop=is_enough,
            sleep=self._sleep,
            before_sleep=lambda state: _log.debug(
                "%s: try %d failed, waiting %.1f s",
                action,
                state.attempt_number,
                state.next_action.sleep if state.next_action else 0.0,
            ),
            reraise=True,
        )
        return tries(self._call_once, action, sent)

    def pages(
        self,
        action: str,
        parameters: Mapping[str, Parameter],
        *path: str,
        page_size: int = 100,
    ) -> Iterator[dict[str, Any]]:
        """Yield the items of every page of a list, by PageNumber and PageSize.

        ``path`` leads to the list in an answer (``"Instances", "Instance"``).
        """
        number = 1
        while True:
            answer = self.call(action, {**parameters, "PageNumber": number, "PageSize": page_size})
            items = items_at(answer, *path)
            yield from items
            total = answer.get("TotalCount")
            if not items or (len(items) < page_size and total is None):
                return
            if total is not None and number * page_size >= int(total):
                return
            number += 1

    def _call_once(self, action: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        import requests

        credentials = self._credentials.current()
        body = {
            **parameters,
            "Action": action,
            "Version": self._version,
            "Format": "JSON",
            "AccessKeyId": credentials.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": str(uuid.uuid4()),
            "Timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if credentials.security_token:
            body["SecurityToken"] = credentials.security_token
        body["Signature"] = sign("POST", body, credentials.access_key_secret)
        begun = time.monotonic()
        try:
            response = self._connection().post(
                self.endpoint + "/",
                data=body,
                timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
                allow_redirects=False,
                auth=_unchanged,
            )
        except requests.RequestException as error:
            _log.debug("%s %s: %s", action, _redacted(parameters), type(error).__name__)
            raise self._explained(action, error) from None
        answer = _parsed(response)
        _log.debug(
            "%s %s: %d, request %s, %.0f ms",
            action,
            _redacted(parameters),
            response.status_code,
            answer.get("RequestId", "unknown"),
            (time.monotonic() - begun) * 1000,
        )
        if response.status_code >= 300 or ("Code" in answer and "Message" in answer):
            raise _refused(action, response, answer)
        if not answer:
            raise ConnectionLostError(
                f"{action} failed: what answers at {self.endpoint} is not Alibaba Cloud's API",
                maybe_done=False,
                hint="Check --aliyunecs-api-endpoint or ECS_API_ENDPOINT.",
            )
        return answer

    def _connection(self) -> requests.Session:
        if self._session is None:
            import requests
            from requests.adapters import HTTPAdapter

            session = requests.Session()
            session.headers["User-Agent"] = f"ecsmachine/{__version__}"
            session.headers["Accept"] = "application/json"
            adapter = HTTPAdapter(pool_maxsize=16)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._session = session
        return self._session

    def _explained(self, action: str, error: requests.RequestException) -> ConnectionLostError:
        """Return what a failed exchange means.

        The texts of requests' own errors are not passed on: they may hold the proxy's password.
        """
        import requests

        host = urlsplit(self.endpoint).netloc
        check = "Check the network and proxy"
        check += ", and --aliyunecs-region or --aliyunecs-api-endpoint (ECS_API_ENDPOINT)."
        if isinstance(error, requests.exceptions.SSLError):
            return ConnectionLostError(
                f"{action} failed: the certificate of {host} is not accepted",
                maybe_done=False,
                hint="Check the endpoint and this computer's certificates (REQUESTS_CA_BUNDLE).",
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return ConnectionLostError(
                f"{action} failed: the proxy towards {host} does not answer",
                maybe_done=False,
                hint="Check HTTPS_PROXY and NO_PROXY.",
            )
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return ConnectionLostError(
                f"{action} failed: {host} does not answer", maybe_done=False, hint=check
            )
        if isinstance(error, requests.exceptions.Timeout):
            return ConnectionLostError(
                f"{action} failed: no answer from {host} in {_READ_TIMEOUT_S:.0f} s",
                maybe_done=True,
                hint="The request may have been carried out: look before repeating it.",
            )
        if _is_unreached(error):
            return ConnectionLostError(
                f"{action} failed: {host} cannot be reached", maybe_done=False, hint=check
            )
        return ConnectionLostError(
            f"{action} failed: the connection to {host} broke",
            maybe_done=True,
            hint="The request may have been carried out: look before repeating it.",
        )


def items_at(answer: Mapping[str, Any], *path: str) -> list[Any]:
    """Return the list at ``path`` of an answer; an absent one is empty."""
    value: Any = answer
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


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


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding a password out of ~/.netrc."""
    return request


def _text(value: Parameter) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _redacted(parameters: Mapping[str, str]) -> dict[str, str]:
    return {key: "***" if key in _SECRET_PARAMETERS else value for key, value in parameters.items()}


def _parsed(response: requests.Response) -> dict[str, Any]:
    try:
        answer = json.loads(response.content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _refused(action: str, response: requests.Response, answer: dict[str, Any]) -> ApiError:
    status = response.status_code
    code = str(answer.get("Code") or "")
    if not code:
        code = "ServiceUnavailable" if status >= 500 else f"HTTP{status}"
    hint = None
    if code.startswith("InvalidTimeStamp"):
        hint = _clock_hint(response.headers.get("Date", ""))
    return ApiError(
        action=action,
        code=one_line(code),
        reason=str(answer.get("Message") or response.reason or ""),
        request_id=one_line(str(answer.get("RequestId") or "")),
        status=status,
        hint=hint,
    )


def _clock_hint(date: str) -> str | None:
    try:
        theirs = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=timezone.utc)
    ahead_s = round((datetime.now(timezone.utc) - theirs).total_seconds())
    direction = "ahead of" if ahead_s > 0 else "behind"
    return f"This computer's clock is {abs(ahead_s)} s {direction} Alibaba Cloud's: set it."


def _is_unreached(error: BaseException) -> bool:
    """Whether the failure came before anything was sent (refused, no route, unknown host)."""
    from urllib3.exceptions import NewConnectionError

    seen: set[int] = set()
    pending: list[Any] = [error]
    while pending:
        current = pending.pop()
        if id(current) in seen or not isinstance(current, BaseException):
            continue
        seen.add(id(current))
        if isinstance(current, NewConnectionError):
            return True
        pending += [getattr(current, "reason", None), current.__cause__, current.__context__]
        pending += [argument for argument in current.args if isinstance(argument, BaseException)]
    return False
