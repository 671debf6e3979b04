"""The registry client against a registry on 127.0.0.1 that asks for tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ecsmachine.container_registry.client import RegistryClient, RegistryError, parse_challenge
from ecsmachine.container_registry.credentials import Login, stored_login
from ecsmachine.container_registry.reference import (
    Reference,
    parse_reference,
    registry_url,
)
from ecsmachine.errors import MachineError, UsageError
from tests.servers import Answering, running

DIGEST = "sha256:" + "a" * 64


class TokenRegistry:
    """A registry with one repository of three tags; tokens are for one scope each."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.removed: list[str] = []
        self.challenge = ""
        registry = self

        class Handler(Answering):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                registry.asked.append(
                    (self.command, self.path, self.headers.get("Authorization") or "")
                )
                status, headers, body = registry.answer(
                    self.command, self.path, self.headers.get("Authorization") or ""
                )
                self.answer(status, json.dumps(body).encode(), headers)

            do_GET = do_DELETE = _answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.challenge = f'Bearer realm="{self.url}/token",service="reg",scope="SCOPE"'

    def answer(self, method: str, path: str, given: str) -> tuple[int, dict[str, str], Any]:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/token":
            if given != Login("me", "secret").basic:
                return 401, {}, {"errors": [{"code": "UNAUTHORIZED", "message": "who?"}]}
            return 200, {}, {"token": f"for-{query['service']}-{query['scope']}"}
        scope = "repository:web:pull"
        if parts.path == "/v2/_catalog":
            scope = "registry:catalog:*"
        if method == "DELETE":
            scope = "repository:web:delete,pull"
        if given != f"Bearer for-reg-{scope}":
            challenge = self.challenge.replace("SCOPE", scope)
            return 401, {"WWW-Authenticate": challenge}, {}
        if method == "DELETE":
            self.removed.append(parts.path)
            return 202, {}, {}
        if parts.path == "/v2/_catalog":
            return 200, {}, {"repositories": ["web"]}
        if parts.path == "/v2/web/tags/list":
            if "last" not in query:
                link = '</v2/web/tags/list?n=100&last=2>; rel="next"'
                return 200, {"Link": link}, {"name": "web", "tags": ["2", "1"]}
            return 200, {}, {"name": "web", "tags": ["3"]}
        if parts.path == "/v2/gone/tags/list":
            return 404, {}, {"errors": [{"code": "NAME_UNKNOWN", "message": "no"}]}
        manifest = {"layers": [{"size": 5}, {"size": 7}]}
        return 200, {"Docker-Content-Digest": DIGEST}, manifest


@pytest.fixture
def registry() -> Iterator[TokenRegistry]:
    registry = TokenRegistry()
    with running(registry.server):
        yield registry


def test_lists_come_page_by_page_with_one_token_for_each_scope(registry: TokenRegistry) -> None:
    client = RegistryClient(registry.url, Login("me", "secret"))
    assert client.repositories() == ["web"]
    assert client.tags("web") == ["1", "2", "3"]
    image = client.image(Reference("web", "1"))
    assert (image.digest, image.size) == (DIGEST, 12)
    tokens = [path for _, path, _ in registry.asked if path.startswith("/token")]
    assert len(tokens) == 2


def test_removing_asks_for_its_own_scope(registry: TokenRegistry) -> None:
    client = RegistryClient(registry.url, Login("me", "secret"))
    client.remove("web", DIGEST)
    assert registry.removed == [f"/v2/web/manifests/{DIGEST}"]


def test_a_refused_login_is_an_error_that_does_not_show_it(registry: TokenRegistry) -> None:
    with pytest.raises(RegistryError) as caught:
        RegistryClient(registry.url, Login("me", "wrong")).repositories()
    assert (caught.value.code, caught.value.status) == ("UNAUTHORIZED", 401)
    assert "wrong" not in caught.value.message
    assert "wrong" not in repr(Login("me", "wrong"))


def test_a_basic_challenge_without_a_login_says_how_to_log_in(registry: TokenRegistry) -> None:
    registry.challenge = 'Basic realm="reg"'
    with pytest.raises(RegistryError) as caught:
        RegistryClient(registry.url).repositories()
    assert caught.value.hint is not None
    assert "docker login" in caught.value.hint


def test_a_login_never_goes_from_tls_to_clear_text() -> None:
    client = RegistryClient("https://registry.invalid", Login("me", "secret"))
    challenge = parse_challenge('Bearer realm="http://evil.invalid/token",service="s"')
    with pytest.raises(RegistryError, match="without TLS"):
        client._authorize(challenge, "scope")


def test_a_repository_without_tags_has_none(
    registry: TokenRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = registry.answer

    def gone(method: str, path: str, given: str) -> tuple[int, dict[str, str], Any]:
        if path.startswith("/v2/gone"):
            return 404, {}, {"errors": [{"code": "NAME_UNKNOWN", "message": "no"}]}
        return answer(method, path, given)

    monkeypatch.setattr(registry, "answer", gone)
    assert RegistryClient(registry.url).tags("gone") == []
    with pytest.raises(RegistryError, match=r"GET /v2/gone/manifests/1 failed: NAME_UNKNOWN: no"):
        RegistryClient(registry.url).image(Reference("gone", "1"))


def test_something_else_than_a_registry_is_one_line(
    registry: TokenRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "answer", lambda *_: (200, {}, ["not an object"]))
    with pytest.raises(MachineError, match="is not a registry"):
        RegistryClient(registry.url).repositories()
    for status, hint in ((404, "check --registry"), (301, "check --registry"), (403, "permission")):
        monkeypatch.setattr(registry, "answer", lambda *_, status=status: (status, {}, []))
        with pytest.raises(RegistryError) as caught:
            RegistryClient(registry.url).repositories()
        assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        (
            'Bearer realm="https://auth/token",service="reg",scope="repository:a/b:pull,push"',
            "bearer",
            {
                "realm": "https://auth/token",
                "service": "reg",
                "scope": "repository:a/b:pull,push",
            },
        ),
        ('Basic realm="a \\"b\\""', "basic", {"realm": 'a "b"'}),
        ("BEARER realm=x", "bearer", {"realm": "x"}),
        ("", "", {}),
        (f"Bearer {'a' * 500_000}", "bearer", {}),  # is not read again from each of its letters
    ],
    ids=lambda value: str(value)[:30],
)
def test_challenges(header: str, scheme: str, parameters: dict[str, str]) -> None:
    found = parse_challenge(header)
    assert (found.scheme, found.parameters) == (scheme, parameters)


def test_stored_logins_are_found_by_host(tmp_path: Path) -> None:
    auth = base64.b64encode(b"me:se:cret").decode()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {"https://reg.example/v1/": {"auth": auth}, "x": {}}}))
    assert stored_login(config, "https://reg.example") == Login("me", "se:cret")
    assert stored_login(config, "https://other.example") is None
    config.write_text("{")
    with pytest.raises(MachineError, match=r"config\.json: it is not JSON"):
        stored_login(config, "https://reg.example")
    # what is wrong with a login for another place is no matter
    config.write_text(json.dumps({"auths": {"x": 7, "reg.example": {"auth": auth}}}))
    assert stored_login(config, "https://reg.example") == Login("me", "se:cret")
    assert stored_login(tmp_path / "none", "https://reg.example") is None


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("busybox:1.36", "busybox", "1.36"),
        ("a/b_c/d--e:latest", "a/b_c/d--e", "latest"),
        (f"web@{DIGEST}", "web", DIGEST),
    ],
)
def test_references(text: str, name: str, version: str) -> None:
    assert parse_reference(text) == Reference(name, version)
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize("text", ["", "web", "Web:1", "a//b:1", "../x:1", "web:", "web@sha256:1"])
def test_references_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_reference(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("reg.example:5000", "https://reg.example:5000"),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
    ],
)
def test_registry_addresses(text: str, url: str) -> None:
    assert registry_url(text) == url


@pytest.mark.parametrize("text", ["ftp://a", "https://u:p@a", "https://a/path", "a:port", "://"])
def test_registry_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        registry_url(text)
