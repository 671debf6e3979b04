"""Sessions of requests whose answers are bounded, whatever the server sends."""

from __future__ import annotations

import io
import socket
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ReadTimeoutError,
)

from ecsmachine.errors import MachineError
from ecsmachine.http_client.answer import TimedResponse
from ecsmachine.system.files import file_exists, folder_exists

_LONGEST_ANSWER = 8 << 20
"""How long an answer may be, in bytes: ten times what any has."""

_BLOCK = 1 << 16


class AnswerTooLongError(requests.RequestException):
    """An answer is longer than any is, or compressed, which was not asked for."""


class UnusableProxyError(MachineError):
    """The environment names a proxy that is none for HTTP: nothing was sent."""

    def __init__(self, host: str):
        super().__init__(
            f"The proxy for {host} cannot be used: its address is not one such as "
            "http://127.0.0.1:7890",
            hint=f"Set HTTPS_PROXY to an HTTP proxy (SOCKS is not supported), or NO_PROXY={host} "
            "to go without one.",
        )


class BoundedSession(requests.Session):
    """A session whose answers are at most so long, and which follows no redirection.

    The read timeout of a request is that of the whole answer. Raises :class:`AnswerTooLongError`
    and :class:`UnusableProxyError` besides the errors of requests.
    """

    def __init__(self) -> None:
        super().__init__()
        # what is not compressed cannot become a thousand times as long
        self.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self.mount(scheme, _TimedAdapter(pool_maxsize=128))

    def exchange(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        verify: bool | str = True,
        cert: Any = None,
    ) -> requests.Response:
        """Send a request as it is given: no cookies, no password out of ~/.netrc.

        It takes a third of the time of :meth:`request`, which does much for browsers' sake.
        """
        request = requests.PreparedRequest()
        request.method = method
        request.url = _prepared_url(url)
        request.prepare_headers({**self.headers, **headers})
        request.body = data or None
        request.prepare_content_length(request.body)
        settings = self.merge_environment_settings(url, {}, True, verify, cert)
        adapter = self.get_adapter(request.url)
        return self._whole(adapter.send(request, timeout=timeout, **settings))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request, and read all of its answer."""
        return self._whole(
            super().send(request, **{**options, "stream": True, "allow_redirects": False})
        )

    def _whole(self, response: requests.Response) -> requests.Response:
        try:
            response.raw = io.BytesIO(self._read(response))
        except BaseException:
            response.close()
            raise
        return response

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return what the environment says, but no proxy for what is on this computer.

        Raises the error of requests for certificates that there are none of: they may be in a
        file that the environment names, and a pipe would be waited for.
        """
        settings = self._settings(url, proxies, stream, verify, cert)
        place = settings["verify"]
        is_named = isinstance(place, str) and str(url).startswith("https:")
        if is_named and not (file_exists(place) or folder_exists(place)):
            raise requests.exceptions.SSLError(f"{place} has no certificates")
        return settings

    def _settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        if not is_here(str(url or "")):
            settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
            proxy = select_proxy(str(url), settings["proxies"])
            if proxy and not _is_http(proxy):
                raise UnusableProxyError(urlsplit(str(url)).hostname or "")
            return settings
        if str(url).startswith("http:"):
            return {"proxies": {}, "stream": stream, "verify": verify, "cert": cert}
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
                if len(body) > _LONGEST_ANSWER:
                    raise AnswerTooLongError("the answer is too long", response=response)
                if response.raw.length_remaining == 0:
                    break
        except AnswerTooLongError:  # which is an OSError too
            raise
        except ReadTimeoutError as error:
            raise requests.exceptions.ReadTimeout(error, response=response) from error
        except (HTTPError, OSError) as error:
            raise requests.exceptions.ConnectionError(error, response=response) from error
        return bytes(body)


@lru_cache(maxsize=256)
def _prepared_url(url: str) -> str:
    """Return an address as requests sends it; raises the errors of requests."""
    request = requests.PreparedRequest()
    request.prepare_url(url, None)
    return str(request.url)


@lru_cache(maxsize=8)
def _is_http(proxy: str) -> bool:
    """Return whether a proxy is one for HTTP; requests takes one without a scheme for that."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


@lru_cache(maxsize=256)
def is_here(url: str) -> bool:
    """Return whether an address is one of this very computer: no proxy can lead there."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _Connection(HTTPConnection):
    """A connection that sends the head of a request and its body together."""

    response_class = TimedResponse
    _held: list[Any] | None = None

    def _new_conn(self) -> socket.socket:
        try:
            return super()._new_conn()
        except LocationParseError as error:  # a name that no host can have
            raise NewConnectionError(self, str(error)) from error

    def request(self, *arguments: Any, **options: Any) -> None:
        """Send a request."""
        self._held = []
        try:
            super().request(*arguments, **options)
            whole = b"".join(self._held)
        finally:
            self._held = None
        self.send(whole)

    def send(self, data: Any) -> None:
        """Send it, or hold it until its request is whole."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _TimedAdapter(HTTPAdapter):
    def __init__(self, **options: Any) -> None:
        self._pools: dict[tuple[Any, ...], Any] = {}
        super().__init__(**options)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: Any,
        proxies: Any = None,
        cert: Any = None,
    ) -> Any:
        """Return the connections to where a request goes, which are looked for once."""
        place = str(request.url).split("/", 3)[:3]
        key = (*place, verify, cert, *sorted((proxies or {}).items()))
        if key not in self._pools:
            self._pools[key] = super().get_connection_with_tls_context(
                request, verify, proxies, cert
            )
        return self._pools[key]

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return a response whose cookies are not looked for."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.reason = resp.reason
        response.url = str(req.url)
        response.raw = resp
        response.request = req
        return response

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        _use_timed(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        _use_timed(manager)
        return manager


def _use_timed(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = cast("Any", {"http": _Pool, "https": _TLSPool})
