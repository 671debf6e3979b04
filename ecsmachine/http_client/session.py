"""Sessions of requests whose answers are bounded, whatever the server sends."""

from __future__ import annotations

import io
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ecsmachine.http_client.answer import TimedResponse

LONGEST_ANSWER = 8 << 20
"""How long an answer may be, in bytes, unless told otherwise: ten times what any has."""

_BLOCK = 1 << 16


class AnswerTooLongError(requests.RequestException):
    """An answer is longer than any is, or compressed, which was not asked for."""


class BoundedSession(requests.Session):
    """A session whose answers have at most ``longest`` bytes, and follow no redirection.

    The read timeout of a request is that of the whole answer. Raises :class:`AnswerTooLongError`
    besides the errors of requests.
    """

    def __init__(self, *, longest: int = LONGEST_ANSWER):
        super().__init__()
        self._longest = longest
        # what is not compressed cannot become a thousand times as long
        self.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self.mount(scheme, _TimedAdapter(pool_maxsize=64))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request, and read all of its answer."""
        response = super().send(request, **{**options, "stream": True, "allow_redirects": False})
        try:
            response.raw = io.BytesIO(self._read(response))
        except BaseException:
            response.close()
            raise
        return response

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return what the environment says, but no proxy for what is on this computer."""
        if not is_here(str(url or "")):
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        # a host that is named as spared ends the search, which takes its time at each request
        spared = {"no_proxy": urlsplit(str(url)).hostname or ""}
        merged = super().merge_environment_settings(url, spared, stream, verify, cert)
        return {**merged, "proxies": {}}

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: where an answer leads is not even read."""

    def _read(self, response: requests.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise AnswerTooLongError("the answer is compressed", response=response)
        body = bytearray()
        try:
            while block := response.raw.read(_BLOCK, decode_content=False):
                body += block
                if len(body) > self._longest:
                    raise AnswerTooLongError("the answer is too long", response=response)
        except AnswerTooLongError:  # which is an OSError too
            raise
        except ReadTimeoutError as error:
            raise requests.exceptions.ReadTimeout(error, response=response) from error
        except (HTTPError, OSError) as error:
            raise requests.exceptions.ConnectionError(error, response=response) from error
        return bytes(body)


def is_here(url: str) -> bool:
    """Return whether an address is one of this very computer: no proxy can lead there."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _Connection(HTTPConnection):
    response_class = TimedResponse


class _TLSConnection(HTTPSConnection):
    response_class = TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _TimedAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        _use_timed(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        _use_timed(manager)
        return manager


def _use_timed(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = cast("Any", {"http": _Pool, "https": _TLSPool})
