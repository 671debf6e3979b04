"""A registry, as seen by a client: what images it has, and removing them.

Source: Docker Registry HTTP API v2 and its token authentication.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from ecsmachine import __version__
from ecsmachine.container_registry.credentials import Login
from ecsmachine.container_registry.reference import DIGEST, NAME, TAG, Reference
from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import KEY, WEB_URL, Rule
from ecsmachine.documents.text import Fault
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    import requests

_log = logging.getLogger(__name__)

_TIMEOUT_S = (5.0, 30.0)
_MOST_PAGES = 1000
_MOST_BYTES = 64 << 20
_LONGEST_WORDS = 2000
_MANIFESTS = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)


_CHALLENGE_PARAMETER = re.compile(r'(?<![A-Za-z_])([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]*))')


class RegistryError(MachineError):
    """A registry refused; ``code`` is its own word and ``status`` the HTTP status."""

    def __init__(self, message: str, *, code: str, status: int, hint: str | None = None):
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Image:
    """A tag of a repository: the digest of its manifest, and its layers' size in bytes.

    ``size`` is None for a list of images for several machines.
    """

    name: str
    tag: str
    digest: str
    size: int | None


class RegistryClient:
    """One registry. Tokens are fetched when it asks for them, and kept for their scope."""

    def __init__(self, url: str, login: Login | None = None):
        self.url = url
        self._login = login
        self._authorizations: dict[str, str] = {}
        self._session: requests.Session | None = None

    def repositories(self) -> list[str]:
        """Return the names of all repositories (GET /v2/_catalog)."""
        path = "/v2/_catalog?n=100"
        return sorted(self._pages(path, "repositories", NAME, "registry:catalog:*"))

    def tags(self, name: str) -> list[str]:
        """Return the tags of a repository; none if all were removed (GET …/tags/list)."""
        try:
            return sorted(self._pages(f"/v2/{name}/tags/list?n=100", "tags", TAG, _pull(name)))
        except RegistryError as error:
            if error.code == "NAME_UNKNOWN":
                return []
            raise

    def image(self, reference: Reference) -> Image:
        """Return an image (GET …/manifests/TAG)."""
        path = f"/v2/{reference.name}/manifests/{quote(reference.version, safe=':')}"
        response = self._ask("GET", path, _pull(reference.name), {"Accept": _MANIFESTS})
        digest = Fields(response.headers, _fault(response)).text("Docker-Content-Digest", DIGEST)
        manifest = _object(response)
        size = None
        if manifest.has("layers"):
            size = sum(layer.number("size") for layer in manifest.objects("layers"))
        return Image(reference.name, reference.version, digest, size)

    def remove(self, name: str, digest: str) -> None:
        """Remove a manifest, and with it every tag that leads to it (DELETE …/manifests/…)."""
        self._ask("DELETE", f"/v2/{name}/manifests/{digest}", f"repository:{name}:delete,pull")

    def _pages(self, path: str, field: str, rule: Rule, scope: str) -> Iterator[str]:
        """Yield the texts of a list, page by page as the Link headers lead (RFC 8288)."""
        seen: set[str] = set()
        size = 0
        while True:
            seen.add(path)
            response = self._ask("GET", path, scope)
            yield from _object(response).texts(field, rule=rule)
            following = re.match(r'<([^>]+)>;\s*rel="?next"?', response.headers.get("Link", ""))
            if following is None:
                return
            path = _path_of(following[1], self.url + path)
            size += len(response.content)
            if path in seen or len(seen) > _MOST_PAGES or size > _MOST_BYTES:
                raise MachineError(f"The registry {self.url} returns a list that does not end")

    def _ask(
        self, method: str, path: str, scope: str, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a request; log in, once, if the registry asks for it."""
        response = self._send(method, self.url + path, scope, headers or {})
        if response.status_code == 401:
            challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
            self._authorizations[scope] = self._authorize(challenge, scope)
            response = self._send(method, self.url + path, scope, headers or {})
        if not 200 <= response.status_code < 300:
            raise _refused(method, path, response)
        return response

    def _authorize(self, challenge: Challenge, scope: str) -> str:
        """Return the Authorization header that answers a challenge."""
        if challenge.scheme == "basic" and self._login is not None:
            return self._login.basic
        address = challenge.parameters.get("realm", "")
        if challenge.scheme != "bearer" or not WEB_URL.fits(address):
            raise RegistryError(
                f"The registry {self.url} requires a login",
                code="UNAUTHORIZED",
                status=401,
                hint=f'Run "docker login {urlsplit(self.url).netloc}".',
            )
        realm = urlsplit(address)
        if realm.scheme == "http" and self.url.startswith("https:"):
            raise RegistryError(
                f"The registry {self.url} sends logins to {realm.netloc} without TLS",
                code="UNAUTHORIZED",
                status=401,
                hint="Tell the registry's operator; nothing was sent there.",
            )
        asked = {
            "service": challenge.parameters.get("service", ""),
            "scope": challenge.parameters.get("scope") or scope,
        }
        headers = {} if self._login is None else {"Authorization": self._login.basic}
        response = self._exchange("GET", realm.geturl(), headers, asked)
        if response.status_code != 200:
            raise _refused("GET", realm.path, response)
        answer = _object(response)
        token = answer.text("token", KEY) or answer.text("access_token", KEY)
        if not token:
            raise RegistryError(
                f"{realm.netloc} gave no token for {self.url}", code="UNAUTHORIZED", status=401
            )
        return f"Bearer {token}"

    def _send(
        self, method: str, url: str, scope: str, headers: Mapping[str, str]
    ) -> requests.Response:
        authorization = self._authorizations.get(scope)
        extra = {"Authorization": authorization} if authorization else {}
        return self._exchange(method, url, {**headers, **extra})

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
    ) -> requests.Response:
        import requests

        from ecsmachine.http_client.session import AnswerTooLongError, BoundedSession

        if self._session is None:
            self._session = BoundedSession()
            self._session.headers["User-Agent"] = f"ecsmachine/{__version__}"
        try:
            response = self._session.request(
                method,
                url,
                headers=dict(headers),
                params=dict(query or {}),
                timeout=_TIMEOUT_S,
                auth=lambda request: request,  # no password out of ~/.netrc
            )
        except requests.exceptions.SSLError:
            raise MachineError(
                f"The certificate of {urlsplit(url).netloc} is not accepted",
                hint="For a registry without TLS, write http:// in front of its name.",
            ) from None
        except AnswerTooLongError as error:
            raise MachineError(
                f"What answers at {urlsplit(url).netloc} is not a registry: {error}",
                hint="Check --registry (ENGINE_REGISTRY_MIRROR).",
            ) from None
        except requests.RequestException:
            raise MachineError(
                f"The registry at {urlsplit(url).netloc} does not answer",
                hint="Check --registry (ENGINE_REGISTRY_MIRROR).",
            ) from None
        _log.debug("%s %s: %d", method, urlsplit(url).path, response.status_code)
        return response


def _pull(name: str) -> str:
    return f"repository:{name}:pull"


def _fault(response: requests.Response) -> Fault:
    where = urlsplit(response.url).netloc
    return lambda reason: MachineError(
        f"What answers at {where} is not a registry: {reason}",
        hint="Check --registry (ENGINE_REGISTRY_MIRROR).",
    )


def _object(response: requests.Response) -> Fields:
    return read_object(response.content, _fault(response))


def _path_of(link: str, base: str) -> str:
    """Return path and query of the next page, which is on the same registry."""
    try:
        parts = urlsplit(urljoin(base, link))
    except ValueError:
        raise MachineError(
            f"The registry at {urlsplit(base).netloc} names a next page that is not a URL",
            hint="Tell the registry's operator.",
        ) from None
    return f"{quote(parts.path, safe='/%:@')}?{quote(parts.query, safe='=&%:@/')}"


def _refused(method: str, path: str, response: requests.Response) -> RegistryError:
    code, message = "", ""
    with contextlib.suppress(MachineError):
        for first in _object(response).objects("errors")[:1]:
            code, message = first.prose("code"), first.prose("message")[:_LONGEST_WORDS]
    status = response.status_code
    said = ": ".join(part for part in (code, message) if part)
    meant, where = code or _CODES.get(status, ""), urlsplit(response.url).netloc
    return RegistryError(
        f"{method} {path.partition('?')[0]} failed: {said or f'{status} {response.reason}'}",
        code=code,
        status=status,
        hint=_HINTS.get(meant)
        if meant
        else f"{where} may be no registry: check --registry (ENGINE_REGISTRY_MIRROR).",
    )


_HINTS = {
    "UNAUTHORIZED": 'Log in with "docker login", or ask for permission.',
    "DENIED": "Ask the owner of the repository for permission.",
    "UNSUPPORTED": "This registry does not allow it.",
    "NAME_UNKNOWN": '"ecsmachine image ls" lists what exists.',
    "MANIFEST_UNKNOWN": '"ecsmachine image ls" lists what exists.',
}
_CODES = {401: "UNAUTHORIZED", 403: "DENIED"}
"""What a status means in an answer without a code, which a server of tokens may give."""


@dataclass(frozen=True)
class Challenge:
    """A scheme (``bearer``, ``basic``) and its parameters (realm, service, scope)."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenge(header: str) -> Challenge:
    """Return what a ``WWW-Authenticate`` header asks for (RFC 9110, 11.6.1); "" has no scheme."""
    scheme, _, rest = header.strip().partition(" ")
    found = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _CHALLENGE_PARAMETER.findall(rest)
    }
    return Challenge(scheme.lower(), found)
