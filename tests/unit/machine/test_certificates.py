from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.errors import MachineError
from ecsmachine.machine import certificates, issuing
from ecsmachine.machine.certificate_ends import expiring
from ecsmachine.machine.model import AuthOptions, auth_options
from ecsmachine.ssh.private_files import write_private
from ecsmachine.system.files import openness

SANS = ["dev1.example.com", "198.18.0.99"]


@pytest.fixture
def auth(tmp_path: Path) -> AuthOptions:
    return auth_options(tmp_path / "a store", "dev1", server_cert_sans=SANS)


def ensure(auth: AuthOptions) -> list[str]:
    said: list[str] = []
    certificates.ensure_client_certificates(auth, said.append)
    return said


def make_all(auth: AuthOptions) -> None:
    ensure(auth)
    certificates.copy_client_certificates(auth)
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7", "", "10.0.0.7"])


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def organization(certificate: x509.Certificate) -> str:
    assert len(list(certificate.subject)) == 1
    return str(certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)


def expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "_LIFETIME", timedelta(minutes=1))


@pytest.mark.parametrize(
    ("purpose", "name"), [("sslserver", "server_cert_path"), ("sslclient", "client_cert_path")]
)
def test_openssl_accepts_the_chain(purpose: str, name: str, auth: AuthOptions) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    make_all(auth)
    checks = ["-verify_ip", "198.18.0.7"] if purpose == "sslserver" else []
    subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", purpose, *checks),
            *("-CAfile", auth.ca_cert_path, getattr(auth, name)),
        ],
        check=True,
        capture_output=True,
    )
    other = "sslclient" if purpose == "sslserver" else "sslserver"
    wrong = subprocess.run(
        [
            *("openssl", "verify", "-purpose", other),
            *("-CAfile", auth.ca_cert_path, getattr(auth, name)),
        ],
        capture_output=True,
    )
    assert wrong.returncode != 0


def test_every_certificate_is_of_the_ca_and_of_its_key(auth: AuthOptions) -> None:
    make_all(auth)
    ca = load(auth.ca_cert_path)
    for certificate_path, key_path in (
        (auth.ca_cert_path, auth.ca_key_path),
        (auth.client_cert_path, auth.client_key_path),
        (auth.machine_cert_path, auth.machine_key_path),
        (auth.server_cert_path, auth.server_key_path),
    ):
        certificate = load(certificate_path)
        certificate.verify_directly_issued_by(ca)
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        assert key.public_key() == certificate.public_key()
        age = datetime.now(timezone.utc) - certificate.not_valid_before_utc
        assert timedelta(days=1) <= age < timedelta(days=1, minutes=2)
        assert certificate.not_valid_before_utc.second == 0
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert life == timedelta(days=1080)
    assert auth.machine_ca_path.read_bytes() == auth.ca_cert_path.read_bytes()


def test_subjects_and_purposes(auth: AuthOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "alice")
    make_all(auth)
    ca, client, server = map(
        load, (auth.ca_cert_path, auth.client_cert_path, auth.server_cert_path)
    )
    assert organization(ca) == "alice"
    assert organization(client) == "alice.<bootstrap>"
    assert organization(server) == "alice.dev1"
    for certificate, is_ca in ((ca, True), (client, False), (server, False)):
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert basic.ca is is_ca
        assert usage.key_cert_sign is is_ca
    for certificate, purpose in (
        (client, ExtendedKeyUsageOID.CLIENT_AUTH),
        (server, ExtendedKeyUsageOID.SERVER_AUTH),
    ):
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(purposes) == [purpose]
    assert len({certificate.serial_number for certificate in (ca, client, server)}) == 3


def test_the_server_certificate_names_all_by_which_it_is_reached(auth: AuthOptions) -> None:
    make_all(auth)
    names = (
        load(auth.server_cert_path)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.DNSName) == ["dev1.example.com", "localhost", "dev1"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(address) for address in ("198.18.0.99", "198.18.0.7", "10.0.0.7")
    ]


def test_keys_are_the_owners_alone(auth: AuthOptions) -> None:
    make_all(auth)
    keys = (auth.ca_key_path, auth.client_key_path, auth.machine_key_path, auth.server_key_path)
    for key in keys:
        assert openness(key, key.stat()) is None


def test_what_is_valid_stays(auth: AuthOptions) -> None:
    assert ensure(auth) == [
        f"Creating CA: {auth.ca_cert_path}",
        f"Creating client certificate: {auth.client_cert_path}",
    ]
    paths = (auth.ca_cert_path, auth.ca_key_path, auth.client_cert_path, auth.client_key_path)
    before = [path.read_bytes() for path in paths]
    assert ensure(auth) == []
    assert [path.read_bytes() for path in paths] == before


def test_what_is_expired_is_made_again(auth: AuthOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as past:
        expire(past)
        ensure(auth)
    old = load(auth.ca_cert_path)
    assert len(ensure(auth)) == 2
    assert load(auth.ca_cert_path) != old
    load(auth.client_cert_path).verify_directly_issued_by(load(auth.ca_cert_path))


def test_a_key_without_its_certificate_is_used_again(auth: AuthOptions) -> None:
    ensure(auth)
    key = auth.ca_key_path.read_bytes()
    client_key = auth.client_key_path.read_bytes()
    auth.ca_cert_path.unlink()
    auth.client_cert_path.unlink()
    assert len(ensure(auth)) == 2
    assert auth.ca_key_path.read_bytes() == key
    assert auth.client_key_path.read_bytes() == client_key
    load(auth.client_cert_path).verify_directly_issued_by(load(auth.ca_cert_path))


def test_whether_the_server_certificate_covers(
    auth: AuthOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    covers = certificates.server_certificate_covers
    assert not covers(auth, [])
    make_all(auth)
    assert covers(auth, ["198.18.0.7", "10.0.0.7", ""])
    assert not covers(auth, ["198.18.0.8"])
    auth.server_cert_sans.append("new.example.com")
    assert not covers(auth, ["198.18.0.7"])
    auth.server_cert_sans.pop()
    auth.server_key_path.rename(auth.machine_dir / "away")
    assert not covers(auth, ["198.18.0.7"])
    (auth.machine_dir / "away").rename(auth.server_key_path)
    with monkeypatch.context() as past:
        expire(past)
        certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    assert not covers(auth, ["198.18.0.7"])
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    assert covers(auth, ["198.18.0.7"])
    shutil.rmtree(auth.cert_dir)
    ensure(auth)
    assert not covers(auth, ["198.18.0.7"])


def test_a_ca_as_docker_machine_made_it(auth: AuthOptions) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "bob")])
    now = datetime.now(timezone.utc)
    ca = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    auth.cert_dir.mkdir(parents=True)
    auth.ca_cert_path.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    write_private(
        auth.ca_key_path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )
    assert ensure(auth) == [f"Creating client certificate: {auth.client_cert_path}"]
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    for path in (auth.client_cert_path, auth.server_cert_path):
        load(path).verify_directly_issued_by(ca)


DAMAGE = ("nonsense", "empty", "gone", "another", "folder", "loop", "huge")


def damaged(auth: AuthOptions, broken: str, damage: str) -> Path:
    """Damage one of the files of CA and client; "another" is a key that belongs to another."""
    make_all(auth)
    path: Path = getattr(auth, broken)
    if damage in ("nonsense", "empty", "another", "huge"):
        texts = {"another": auth.server_key_path.read_text(), "empty": "", "huge": "#" * (5 << 20)}
        path.write_text(texts.get(damage, damage))
        return path
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "loop":
        path.symlink_to(path)
    return path


@pytest.mark.parametrize("damage", ["nonsense", "empty", "folder"])
def test_a_damaged_ca_is_named_and_left(damage: str, auth: AuthOptions) -> None:
    path = damaged(auth, "ca_cert_path", damage)
    with pytest.raises(MachineError) as caught:
        ensure(auth)
    assert str(path) in caught.value.message
    assert "regenerate-certs --client-certs" in (caught.value.hint or "")
    assert path.is_dir() or path.read_text() in damage


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_ca_without_its_key_is_found_before_anything_is_made(
    damage: str, auth: AuthOptions
) -> None:
    path = damaged(auth, "ca_key_path", damage)
    with pytest.raises(MachineError) as caught:
        ensure(auth)
    assert str(path) in caught.value.message
    assert "regenerate-certs --client-certs" in (caught.value.hint or "")
    certificates.ensure_client_certificates(auth, lambda line: None, signing=False)


@pytest.mark.parametrize("damage", [each for each in DAMAGE if each != "folder"])
@pytest.mark.parametrize("broken", ["client_cert_path", "client_key_path"])
def test_a_damaged_client_certificate_is_made_anew(
    broken: str, damage: str, auth: AuthOptions
) -> None:
    damaged(auth, broken, damage)
    assert ensure(auth) == [f"Creating client certificate: {auth.client_cert_path}"]
    assert ensure(auth) == []
    certificate = load(auth.client_cert_path)
    certificate.verify_directly_issued_by(load(auth.ca_cert_path))


def test_a_damaged_client_certificate_that_was_brought_is_left(
    auth: AuthOptions, tmp_path: Path
) -> None:
    ensure(auth)
    brought = replace(auth, client_cert_path=tmp_path / "mine.pem")
    brought.client_cert_path.write_text("nonsense")
    with pytest.raises(MachineError, match=r"mine\.pem"):
        ensure(brought)
    assert brought.client_cert_path.read_text() == "nonsense"


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "broken", ["ca_cert_path", "ca_key_path", "client_cert_path", "client_key_path"]
)
def test_a_rotation_mends_whatever_is_damaged(broken: str, damage: str, auth: AuthOptions) -> None:
    damaged(auth, broken, damage)
    said: list[str] = []
    certificates.rotate_client_certificates(auth, said.append)
    assert ("moved aside" in said[0]) == (damage == "folder")
    assert ensure(auth) == []


def test_a_rotation_on_a_full_disk_changes_nothing(
    auth: AuthOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_all(auth)
    before = {path: path.read_bytes() for path in auth.cert_dir.iterdir()}
    synced = 0

    def fill(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        if synced == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(MachineError, match="No space left"):
        certificates.rotate_client_certificates(auth, lambda line: None)
    assert {path: path.read_bytes() for path in auth.cert_dir.iterdir()} == before


def test_a_name_that_cannot_stand_in_a_certificate(auth: AuthOptions) -> None:
    ensure(auth)
    auth.server_cert_sans = ["münchen.example"]
    with pytest.raises(MachineError, match=r"münchen\.example") as caught:
        certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    assert "--tls-san" in (caught.value.hint or "")
    assert not auth.server_cert_path.exists()


@pytest.mark.parametrize(
    ("kind", "bits"), [("rsa", 3072), ("ecdsa", 256)], ids=["rsa-3072", "p-256"]
)
def test_all_keys_are_of_the_kind_that_was_asked_for(
    kind: str, bits: int, auth: AuthOptions
) -> None:
    certificates.ensure_client_certificates(auth, lambda line: None, key_type=kind)
    certificates.copy_client_certificates(auth)
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    for path in (auth.ca_cert_path, auth.client_cert_path, auth.server_cert_path):
        key = load(path).public_key()
        assert isinstance(key, rsa.RSAPublicKey if kind == "rsa" else ec.EllipticCurvePublicKey)
        assert key.key_size == bits


@pytest.mark.parametrize("name", ["ca_key_path", "client_key_path", "server_key_path"])
def test_a_key_that_others_can_read_is_refused(name: str, auth: AuthOptions) -> None:
    make_all(auth)
    path: Path = getattr(auth, name)
    path.chmod(0o640)
    with pytest.raises(MachineError, match="too open: 0640") as caught:
        certificates.copy_client_certificates(auth)
        certificates.server_certificate_covers(auth, ["198.18.0.7"])
        certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    assert caught.value.hint == f"chmod 600 '{path}'"


def test_a_ca_that_ends_is_renewed_with_its_key(
    auth: AuthOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "_LIFETIME", timedelta(days=29))
    monkeypatch.setattr(certificates, "_user_name", lambda: "alice")
    make_all(auth)
    old = load(auth.ca_cert_path)
    server = load(auth.server_cert_path)
    monkeypatch.undo()
    assert ensure(auth) == [
        f"Creating CA: {auth.ca_cert_path}",
        f"Creating client certificate: {auth.client_cert_path}",
    ]
    new = load(auth.ca_cert_path)
    assert new.not_valid_after_utc > old.not_valid_after_utc
    server.verify_directly_issued_by(new)
    load(auth.client_cert_path).verify_directly_issued_by(old)


def test_a_ca_that_was_brought_is_not_touched(
    auth: AuthOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "_LIFETIME", timedelta(days=2))
    brought = replace(
        auth, ca_cert_path=tmp_path / "theirs.pem", ca_key_path=tmp_path / "theirs-key.pem"
    )
    ensure(brought)
    before = brought.ca_cert_path.read_bytes()
    ensure(brought)
    assert brought.ca_cert_path.read_bytes() == before
    brought.ca_cert_path.unlink()
    monkeypatch.setattr(issuing, "_LIFETIME", timedelta(minutes=1))
    ensure(brought)
    with pytest.raises(MachineError, match=r"theirs\.pem has expired"):
        ensure(brought)


def test_a_client_of_another_ca_than_the_one_that_was_brought_is_refused(
    auth: AuthOptions, tmp_path: Path
) -> None:
    """It came out when the host had its new certificates, and its former users were locked out."""
    ensure(auth)
    brought = replace(
        auth, ca_cert_path=tmp_path / "theirs.pem", ca_key_path=tmp_path / "theirs-key.pem"
    )
    with pytest.raises(MachineError, match=r"comes from another CA than .*theirs\.pem"):
        ensure(brought)
    assert not brought.ca_cert_path.exists()
    # an engine that is somebody else's may trust other clients than its own certificate's CA
    other = auth_options(tmp_path / "other", "dev1")
    ensure(other)
    brought = replace(
        auth, ca_cert_path=other.ca_cert_path, ca_key_path=tmp_path / "theirs-key.pem"
    )
    certificates.ensure_client_certificates(brought, lambda line: None, signing=False)
    # the one that signed it may be further down in a file of several
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(other.ca_cert_path.read_bytes() + auth.ca_cert_path.read_bytes())
    ensure(replace(auth, ca_cert_path=bundle, ca_key_path=other.ca_key_path))


def test_certificates_that_end_soon_are_told(
    auth: AuthOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_all(auth)
    assert expiring(auth) == []
    monkeypatch.setattr(issuing, "_LIFETIME", timedelta(days=13, hours=1))
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    (line,) = expiring(auth)
    assert line.startswith("The engine's certificate expires in 12 days (")
    assert '"ecsmachine regenerate-certs dev1"' in line
    monkeypatch.setattr(issuing, "_LIFETIME", timedelta(minutes=1))
    certificates.make_server_certificate(auth, "dev1", ["198.18.0.7"])
    (line,) = expiring(auth)
    assert line.startswith("The engine's certificate has expired (")


def test_an_imported_machine_says_how_to_get_a_new_certificate(auth: AuthOptions) -> None:
    make_all(auth)
    imported = replace(
        auth, ca_cert_path=auth.machine_ca_path, ca_key_path=auth.machine_dir / "ca-key.pem"
    )
    with pytest.raises(MachineError, match="was imported") as caught:
        certificates.make_server_certificate(imported, "dev1", ["198.18.0.8"])
    assert "ecsmachine adopt dev1" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["ca_cert_path", "ca_key_path", "client_cert_path"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name: str, auth: AuthOptions) -> None:
    make_all(auth)
    path: Path = getattr(auth, name)
    path.unlink()
    os.mkfifo(path)
    with contextlib.suppress(MachineError):
        ensure(auth)
    certificates.rotate_client_certificates(auth, lambda line: None)
    assert ensure(auth) == []


@pytest.mark.parametrize("name", ["a..b", "x-", "r" * 70, "203.0.113.9"])
def test_a_name_that_no_host_can_bear_is_not_in_the_certificate(
    name: str, auth: AuthOptions
) -> None:
    ensure(auth)
    certificates.make_server_certificate(auth, name, ["198.18.0.7"])
    certificate = load(auth.server_cert_path)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName)[-1] == host_name_for(name)
    assert ipaddress.ip_address("203.0.113.9") not in names.get_values_for_type(x509.IPAddress)
    assert len(organization(certificate)) <= 64
