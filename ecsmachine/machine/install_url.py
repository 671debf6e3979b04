"""Looking at the engine's install URL before a machine is made that would need it."""

from __future__ import annotations

from urllib.parse import urlsplit

from ecsmachine.documents.rules import WEB_URL
from ecsmachine.errors import PreCreateCheckError, UsageError
from ecsmachine.provision.base import INSTALL_URL_HINT

_GONE = {400, 401, 403, 404, 405, 410, 451}


def validate_install_url(url: str) -> None:
    """Raise :class:`UsageError` unless ``url`` is an ``http`` or ``https`` address."""
    if not WEB_URL.fits(url):
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
    from ecsmachine.http_client.session import BoundedSession, UnusableProxyError

    if "@" in urlsplit(url).netloc:  # the password in it is for the machine to send
        return
    session = BoundedSession()
    session.trust_env = _is_public(url)  # a proxy's answer would be about another network
    headers = {"User-Agent": "curl/8 (ecsmachine)"}
    limits = (timeout_s, timeout_s)
    try:
        with session:
            answer = session.exchange("GET", url, data=None, headers=headers, timeout=limits)
    except (OSError, UnusableProxyError):
        return
    if answer.status_code in _GONE:
        raise PreCreateCheckError(
            f"The engine install URL {url} answers {answer.status_code} {answer.reason[:100]}",
            hint=INSTALL_URL_HINT,
        )


def _is_public(url: str) -> bool:
    """Return whether an address is a name, or a number of the public internet."""
    from ipaddress import ip_address

    try:
        return ip_address(urlsplit(url).hostname or "").is_global
    except ValueError:
        return True
