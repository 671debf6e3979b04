"""Looking at the engine's install URL before a machine is made that would need it."""

from __future__ import annotations

from urllib.parse import urlsplit

from ecsmachine.errors import PreCreateCheckError, UsageError
from ecsmachine.provision.base import INSTALL_URL_HINT

_GONE = {400, 401, 403, 404, 405, 410, 451}


def validate_install_url(url: str) -> None:
    """Raise :class:`UsageError` unless ``url`` is an ``http`` or ``https`` address."""
    try:
        parts = urlsplit(url)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        complete = False
    if not complete:
        raise UsageError(
            f'The engine install URL "{url}" is not an http or https URL',
            hint="Set --engine-install-url or MACHINE_DOCKER_INSTALL_URL, "
            "for example to https://get.docker.com.",
        )


def check_install_url(url: str, *, timeout_s: float = 3.0) -> None:
    """Raise :class:`PreCreateCheckError` if the server says that there is no script at ``url``.

    A server that cannot be reached from here proves nothing: an intranet mirror is reachable
    from the machine alone.
    """
    import http.client
    import urllib.error
    import urllib.request

    from ecsmachine.http_client.answer import timed

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(timed(http.client.HTTPConnection), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(timed(http.client.HTTPSConnection), req)

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments: object) -> None:
            """Follow none: where it leads is for the machine to find out."""

    request = urllib.request.Request(url, headers={"User-Agent": "curl/8 (ecsmachine)"})  # noqa: S310 (validate_install_url)
    try:
        handlers: list[type | urllib.request.BaseHandler] = [Http, Https, NoRedirect]
        if not _is_public(url):  # a proxy's answer would be about another network
            handlers.append(urllib.request.ProxyHandler({}))
        opener = urllib.request.build_opener(*handlers)
        with opener.open(request, timeout=timeout_s):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _GONE:
            raise PreCreateCheckError(
                f"The engine install URL {url} answers {error.code} {error.reason[:100]}",
                hint=INSTALL_URL_HINT,
            ) from error
    except (OSError, http.client.HTTPException):
        return


def _is_public(url: str) -> bool:
    """Return whether an address is a name, or a number of the public internet."""
    from ipaddress import ip_address

    try:
        return ip_address(urlsplit(url).hostname or "").is_global
    except ValueError:
        return True
