"""Certificates with bytes changed: a certificate, or one error; never what the library raises."""

from __future__ import annotations

import base64
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ecsmachine.documents.pem import certificate_in, end_in, names_in, private_key_in
from ecsmachine.errors import MachineError
from ecsmachine.ssh.private_keys import load_unlocked

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "x")])
BEGUN = datetime(2024, 1, 1, tzinfo=timezone.utc)


def der(end: datetime = BEGUN + timedelta(900)) -> bytes:
    certificate = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(KEY.public_key())
        .serial_number(5)
        .not_valid_before(min(BEGUN, end))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), False)
        .sign(KEY, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(content: bytes, what: str) -> bytes:
    text = base64.encodebytes(content)
    return f"-----BEGIN {what}-----\n".encode() + text + f"-----END {what}-----\n".encode()


def test_a_certificate() -> None:
    found = certificate_in(pem(der(), "CERTIFICATE"), MachineError)
    assert names_in(found) == {"a.example"}
    with pytest.raises(MachineError, match="not a certificate"):
        certificate_in(b"x", MachineError)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["OpenSSH", "PKCS8", "TraditionalOpenSSL"])
def test_changed_bytes_of_a_login_key_are_one_error(form: str, tmp_path: Path) -> None:
    change = random.Random(7)
    text = KEY.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        serialization.NoEncryption(),
    )
    head, *body, foot = text.strip().split(b"\n")
    path = tmp_path / "id"
    path.touch(0o600)
    errors = 0
    for _ in range(500):
        content = bytearray(base64.b64decode(b"".join(body)))
        content[change.randrange(len(content))] = change.randrange(256)
        path.write_bytes(b"\n".join((head, base64.encodebytes(content).strip(), foot)))
        try:
            load_unlocked(path)
        except MachineError:
            errors += 1
    assert errors > 100


@pytest.mark.filterwarnings("ignore")
def test_changed_bytes_are_one_error() -> None:
    change = random.Random(7)
    whole = der()
    key = KEY.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    errors = 0
    for _ in range(3000):
        for content, what in ((bytearray(whole), "CERTIFICATE"), (bytearray(key), "PRIVATE KEY")):
            for _ in range(change.choice((1, 1, 2, 3))):
                content[change.randrange(len(content))] = change.randrange(256)
            try:
                if what == "CERTIFICATE":
                    names_in(certificate_in(pem(bytes(content), what), MachineError))
                else:
                    private_key_in(pem(bytes(content), what), MachineError)
            except MachineError:
                errors += 1
    assert errors > 1000


def test_no_wrong_passphrase_is_taken_for_another_format() -> None:
    """The padding that tells a wrong one fits by chance, of one in 256."""
    content = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"right"),
    )
    for number in range(4000):
        with pytest.raises(MachineError, match="it has another passphrase"):
            private_key_in(content, MachineError, f"wrong {number}")


@pytest.mark.parametrize("year", [1999, 2026, 2049, 2050, 2999])
def test_the_end_is_what_the_library_says(year: int) -> None:
    end = datetime(year, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    text = pem(der(end), "CERTIFICATE")
    assert end_in(text, MachineError) == end
    assert end_in(b"Bag Attributes\n" + text + text, MachineError) == end


@pytest.mark.filterwarnings("ignore")
def test_the_end_of_changed_bytes_is_an_error_or_the_librarys() -> None:
    change = random.Random(7)
    whole = der()
    errors = 0
    for _ in range(2000):
        content = bytearray(whole)
        content[change.randrange(len(content))] = change.randrange(256)
        try:
            cut = bytes(content[: change.randrange(1, 400)])
            end = end_in(pem(cut, "CERTIFICATE"), MachineError)
        except MachineError:
            errors += 1
        else:
            assert end.tzinfo is timezone.utc or end.utcoffset() == timedelta()
    assert errors > 100
    for text in (b"", b"-----BEGIN CERTIFICATE-----", pem(b"", "CERTIFICATE")):
        with pytest.raises(MachineError):
            end_in(text, MachineError)
