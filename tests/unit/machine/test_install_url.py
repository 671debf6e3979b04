"""The look at the install URL, with a proxy in the environment that refuses all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecsmachine.errors import PreCreateCheckError, UsageError
from ecsmachine.machine.install_url import check_install_url, validate_install_url
from tests.servers import Answering, http_server


class _Refusing(Answering):
    def do_GET(self) -> None:
        self.send_error(403)


@pytest.fixture(autouse=True)
def _proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with http_server(_Refusing) as server:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        yield


def test_a_proxy_says_nothing_of_an_address_that_is_not_public() -> None:
    check_install_url("http://127.0.0.1:1/install.sh", timeout_s=0.5)
    check_install_url("http://[::1]:1/install.sh", timeout_s=0.5)


def test_but_of_all_others() -> None:
    with pytest.raises(PreCreateCheckError, match="403") as refused:
        check_install_url("http://get.example.invalid/", timeout_s=5)
    # the mirror that old guides name is gone: none need be named any more
    assert "leave both out" in (refused.value.hint or "")


@pytest.mark.parametrize(
    "url", ["get.docker.com", "ftp://get.docker.com", "https://", "http://a..b/"]
)
def test_a_text_that_is_no_address_of_the_web(url: str) -> None:
    with pytest.raises(UsageError, match="not an http or https URL"):
        validate_install_url(url)


def test_a_password_in_the_address_is_not_sent_from_here() -> None:
    check_install_url("http://me:secret@get.example.invalid/", timeout_s=5)
