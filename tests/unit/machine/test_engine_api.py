from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from ecsmachine.machine import certificates
from ecsmachine.machine.engine_api import (
    EngineCertificateError,
    EngineConnectionError,
    EngineVersion,
    ask_version,
    port_of,
    tls_context,
)
from ecsmachine.machine.model import AuthOptions
from ecsmachine.machine.store import Store
from tests.unit.stand_ins import add_machine, engine, refusing_url, silent_port

PATIENCE_S = 20.0


@pytest.fixture
def auth(store: Store) -> AuthOptions:
    return add_machine(store, "dev1").auth


@contextmanager
def refused(
    kind: type[EngineConnectionError], said: str, url: str
) -> Iterator[pytest.ExceptionInfo[EngineConnectionError]]:
    with pytest.raises(kind) as caught:
        yield caught
    assert said in caught.value.message
    assert url.removeprefix("tcp://") in caught.value.message
    assert "\n" not in caught.value.message


def test_an_engine_answers(auth: AuthOptions) -> None:
    with engine(auth, version="27.3.1") as url:
        answer = ask_version(url, auth, timeout_s=PATIENCE_S)
    assert answer == EngineVersion(version="27.3.1", api_version="1.47")


def test_a_certificate_of_another_ca(auth: AuthOptions) -> None:
    with engine(auth) as url:
        shutil.rmtree(auth.cert_dir)
        certificates.ensure_client_certificates(auth, lambda line: None)
        certificates.copy_client_certificates(auth)
        with refused(EngineCertificateError, "error validating certificates", url):
            ask_version(url, auth, timeout_s=PATIENCE_S)


def test_a_certificate_of_another_address(auth: AuthOptions) -> None:
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    with engine(auth) as url, refused(EngineCertificateError, "IP address mismatch", url):
        ask_version(url, auth, timeout_s=PATIENCE_S)


def test_an_expired_certificate(auth: AuthOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as past:
        past.setattr(certificates, "_LIFETIME", timedelta(minutes=1))
        certificates.make_server_certificate(auth, "dev1", ["127.0.0.1"])
    with engine(auth) as url, refused(EngineCertificateError, "expired", url):
        ask_version(url, auth, timeout_s=PATIENCE_S)


def test_a_clock_in_the_past(auth: AuthOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(certificates, "_BACKDATED", timedelta(hours=-1))
        certificates.make_server_certificate(auth, "dev1", ["127.0.0.1"])
    with engine(auth) as url, refused(EngineCertificateError, "not yet valid", url) as caught:
        ask_version(url, auth, timeout_s=PATIENCE_S)
    assert "clock" in (caught.value.hint or "")


def test_a_client_that_the_engine_does_not_accept(auth: AuthOptions) -> None:
    with engine(auth) as url:
        ca = auth.machine_ca_path.read_bytes()
        shutil.rmtree(auth.cert_dir)
        certificates.ensure_client_certificates(auth, lambda line: None)
        certificates.copy_client_certificates(auth)
        auth.machine_ca_path.write_bytes(ca)
        # the alert may be lost when the other side closes: then it is a cut connection
        with pytest.raises(EngineConnectionError):
            ask_version(url, auth, timeout_s=PATIENCE_S)


def test_an_engine_without_tls(auth: AuthOptions) -> None:
    with engine(None) as url, refused(EngineCertificateError, "validating certificates", url):
        ask_version(url, auth, timeout_s=PATIENCE_S)


def test_both_sides_are_verified_with_tls_1_2_at_least(auth: AuthOptions) -> None:
    context = tls_context(auth)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_port_where_nothing_listens(auth: AuthOptions) -> None:
    url = refusing_url()
    with refused(EngineConnectionError, "refused", url):
        ask_version(url, auth, timeout_s=PATIENCE_S)


def test_an_engine_that_is_silent(auth: AuthOptions) -> None:
    with silent_port() as url, refused(EngineConnectionError, "no answer in time", url):
        ask_version(url, auth, timeout_s=0.1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"Version": "1"}', b"null", b"[" * 100_000]
)
def test_what_is_no_engine(body: bytes, auth: AuthOptions) -> None:
    with engine(auth, body=body) as url, refused(EngineConnectionError, "not a Docker engine", url):
        ask_version(url, auth, timeout_s=PATIENCE_S)


def test_an_engine_that_refuses(auth: AuthOptions) -> None:
    with engine(auth, status=503) as url, refused(EngineConnectionError, "status 503", url):
        ask_version(url, auth, timeout_s=PATIENCE_S)


@pytest.mark.parametrize("lost", ["machine_ca_path", "machine_cert_path", "machine_key_path"])
def test_lost_client_certificates(lost: str, auth: AuthOptions) -> None:
    getattr(auth, lost).unlink()
    with pytest.raises(EngineCertificateError, match="cannot be read") as caught:
        ask_version(refusing_url(), auth, timeout_s=PATIENCE_S)
    assert str(auth.machine_dir) in caught.value.message


@pytest.mark.parametrize(
    ("url", "port"),
    [("tcp://198.18.0.7:2377", 2377), ("tcp://198.18.0.7", 2376), ("tcp://[2001:db8::7]:80", 80)],
)
def test_the_port_of_a_url(url: str, port: int) -> None:
    assert port_of(url) == port
