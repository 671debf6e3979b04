from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ecsmachine.machine import certificates, issuing
from ecsmachine.machine.engine_api import ask_version, serves
from ecsmachine.machine.engine_look import (
    EngineCertificateError,
    EngineConnectionError,
    is_there,
    port_of,
    quick_version,
    tls_context,
)
from ecsmachine.machine.engine_refusal import explain
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
    assert answer == "27.3.1"


def test_an_engine_is_there_if_it_is_the_machines_own(auth: AuthOptions) -> None:
    with engine(auth) as url:
        assert is_there(url, auth, timeout_s=PATIENCE_S)
        # another machine of the store has that address by now
        certificates.make_server_certificate(auth, "dev2", ["127.0.0.1"])
        assert not is_there(url, auth, timeout_s=PATIENCE_S)
    assert not is_there(url, auth, timeout_s=PATIENCE_S)
    for none in ("", "none", "tcp://"):
        assert not is_there(none, auth, timeout_s=PATIENCE_S)


def test_the_quick_look_is_told_the_version_of_the_machines_own_engine(
    auth: AuthOptions, store: Store
) -> None:
    with engine(auth, version="27.3.1") as url:
        assert quick_version(url, auth, timeout_s=PATIENCE_S) == "27.3.1"
        assert quick_version(url, add_machine(store, "other").auth, timeout_s=PATIENCE_S) is None
    assert quick_version(url, auth, timeout_s=PATIENCE_S) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((503, None), (200, b"hello"), (200, b"{}"), (200, b'{"Version": 7}'), (200, b"")),
        (200, b'{"Version": "1\\n2", "ApiVersion": "1.47"}'),
        (200, b'{"Version": "1", "ApiVersion": "1.47", "x": "' + b"x" * (1 << 17) + b'"}'),
    ],
)
def test_the_quick_look_takes_no_other_answer(
    status: int, body: bytes | None, auth: AuthOptions
) -> None:
    with engine(auth, status=status, body=body) as url:
        assert quick_version(url, auth, timeout_s=PATIENCE_S) is None


def test_the_quick_look_does_not_wait_for_an_engine_that_is_silent(auth: AuthOptions) -> None:
    with silent_port() as url:
        assert quick_version(url, auth, timeout_s=0.1) is None
        assert not is_there(url, auth, timeout_s=0.1)


def test_a_certificate_of_another_ca(auth: AuthOptions) -> None:
    with engine(auth) as url:
        shutil.rmtree(auth.cert_dir)
        certificates.ensure_client_certificates(auth, lambda line: None)
        certificates.copy_client_certificates(auth)
        with refused(EngineCertificateError, "error validating certificates", url):
            ask_version(url, auth, timeout_s=PATIENCE_S)


def test_a_certificate_of_another_address(auth: AuthOptions) -> None:
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    with (
        engine(auth) as url,
        refused(EngineCertificateError, "does not name the address 127.0.0.1", url),
    ):
        ask_version(url, auth, timeout_s=PATIENCE_S)


def test_an_expired_certificate(auth: AuthOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as past:
        past.setattr(issuing, "_LIFETIME", timedelta(minutes=1))
        certificates.make_server_certificate(auth, "dev1", ["127.0.0.1"])
    with engine(auth) as url, refused(EngineCertificateError, "expired", url):
        ask_version(url, auth, timeout_s=PATIENCE_S)


def test_a_clock_in_the_past(auth: AuthOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(issuing, "_BACKDATED", timedelta(hours=-1))
        certificates.make_server_certificate(auth, "dev1", ["127.0.0.1"])
    with engine(auth) as url, refused(EngineCertificateError, "not yet valid", url) as caught:
        ask_version(url, auth, timeout_s=PATIENCE_S)
    assert "clock" in (caught.value.hint or "")


@pytest.mark.parametrize("ending", [None, ConnectionResetError, BrokenPipeError])
def test_a_client_that_the_engine_does_not_accept(
    auth: AuthOptions, ending: type[OSError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object) -> None:
        assert ending is not None
        raise ending(1, "ended")

    if ending is not None:  # it closes before it has read the request
        monkeypatch.setattr(ssl.SSLSocket, "sendall", ended)
    with engine(auth) as url:
        ca = auth.machine_ca_path.read_bytes()
        shutil.rmtree(auth.cert_dir)
        certificates.ensure_client_certificates(auth, lambda line: None)
        certificates.copy_client_certificates(auth)
        auth.machine_ca_path.write_bytes(ca)
        # the alert may be lost when the other side closes: our own files tell it all the same
        with refused(EngineCertificateError, "not issued by the machine's CA", url):
            ask_version(url, auth, timeout_s=PATIENCE_S)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("machine_ca_path", "the CA of the machine has expired"),
        ("machine_cert_path", "the client certificate has expired"),
    ],
)
def test_what_has_expired_here_is_named_with_what_renews_it(
    path: str, said: str, auth: AuthOptions
) -> None:
    with pytest.MonkeyPatch.context() as past:
        past.setattr(issuing, "_LIFETIME", timedelta(minutes=1))
        ended = replace(auth, cert_dir=auth.cert_dir / "ended")
        ca = certificates._load_ca(auth)
        pair = certificates._self_signed(ended, ca.key, ca.certificate)
        if path == "machine_cert_path":
            pair = certificates._issued_to_client(
                ended, ca, certificates._load_key(auth.client_key_path)
            )
    with engine(auth) as url:
        getattr(auth, path).write_bytes(pair.certificate.public_bytes(Encoding.PEM))
        with refused(EngineCertificateError, said, url) as caught:
            ask_version(url, auth, timeout_s=PATIENCE_S)
    assert caught.value.hint == '"ecsmachine regenerate-certs dev1" renews it.'


def test_an_engine_whose_certificate_was_replaced(auth: AuthOptions, store: Store) -> None:
    own = {path: path.read_bytes() for path in auth.machine_dir.glob("*.pem")}
    stored = {path: path.read_bytes() for path in auth.cert_dir.glob("*.pem")}
    certificates.rotate_client_certificates(auth, lambda line: None)
    certificates.make_server_certificate(auth, "dev1", ["127.0.0.1"])
    with engine(auth) as url:
        for path, content in (own | stored).items():
            path.write_bytes(content)
        with refused(EngineCertificateError, "from another CA: it was replaced", url) as caught:
            ask_version(url, auth, timeout_s=PATIENCE_S)
        assert caught.value.hint is not None
        assert caught.value.hint.startswith('"ecsmachine provision dev1" gives the engine')
        assert serves(url, auth, timeout_s=PATIENCE_S) is False
    with engine(auth) as url:
        assert serves(url, auth, timeout_s=PATIENCE_S) is True
    assert serves(refusing_url(), auth, timeout_s=PATIENCE_S) is None


@pytest.mark.parametrize(
    ("alert", "said", "advised"),
    [
        ("SSLV3_ALERT_BAD_CERTIFICATE", "another CA, or its host's clock", "compares the"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "not by the host's", "clocks differ"),
        ("TLSV1_ALERT_UNKNOWN_CA", "has another CA", "restores the machine's CA there"),
        ("WRONG_VERSION_NUMBER", "it speaks no TLS", "configures the engine again"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "ends the TLS handshake", ""),
    ],
)
def test_alerts_are_told_apart(alert: str, said: str, advised: str, auth: AuthOptions) -> None:
    error = ssl.SSLError(1, f"[SSL: {alert}]")
    error.reason = alert
    refusal = explain("127.0.0.1", 1, auth, error, timeout_s=PATIENCE_S)
    assert said in refusal.reason
    assert advised in (refusal.hint or "")


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
