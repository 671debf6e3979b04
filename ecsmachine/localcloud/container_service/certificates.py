"""Certificates, of an authority made for them: a cluster's clients' and master's, a stand-in's."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.localcloud.state.records import write_private
from ecsmachine.system.files import file_exists

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate, GeneralName

    Key = EllipticCurvePrivateKey | RSAPrivateKey

_VALID_DAYS = 1080
_BACKDATED_MINUTES = 5
_RSA_BITS = 3072


def make_certificates(folder: Path, name: str, addresses: Sequence[str]) -> None:
    """Put a cluster's keys and certificates into a folder, unless they are all there.

    ``ca``, ``cert`` (the clients') and ``server`` (the master's, for ``addresses``), each with
    its key; all 0600. The first two have the names that ecsmachine's store has for them, so that
    the nodes' engines are given certificates of the same authority. The clients' key is an RSA
    key in PEM's old form (BEGIN RSA PRIVATE KEY), as the guide shows it: its sample for Java reads
    nothing else.
    """
    if file_exists(folder / "server-key.pem"):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_key, client_key, server_key = _new_key(), _new_key(_RSA_BITS), _new_key()
    ca = _certificate(name, ca_key, None, ca_key)
    client = _certificate(f"{name} client", client_key, ca, ca_key, usage="client")
    server = _certificate(f"{name} master", server_key, ca, ca_key, "server", addresses)
    write_private(folder / "ca.pem", _pem(ca))
    write_private(folder / "ca-key.pem", _pem_key(ca_key))
    write_private(folder / "cert.pem", _pem(client))
    write_private(folder / "key.pem", _pem_key(client_key))
    write_private(folder / "server.pem", _pem(server))
    write_private(folder / "server-key.pem", _pem_key(server_key))


def make_server_certificate(folder: Path, names: Sequence[str]) -> None:
    """Put into a folder ``ca.pem``, and ``server.pem`` with its key for some names; all 0600."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_key, key = _new_key(), _new_key()
    ca = _certificate("ecsmachine local cloud", ca_key, None, ca_key)
    server = _certificate(names[0], key, ca, ca_key, "server", names)
    write_private(folder / "ca.pem", _pem(ca))
    write_private(folder / "server.pem", _pem(server))
    write_private(folder / "server-key.pem", _pem_key(key))


def read_certificates(folder: Path) -> dict[str, str]:
    """Return what GET …/certs answers: the texts of ``ca``, ``cert`` and ``key``."""
    return {name: (folder / f"{name}.pem").read_text() for name in ("ca", "cert", "key")}


def _new_key(rsa_bits: int = 0) -> Key:
    """Return a new key: of an elliptic curve, or an RSA key of this many bits."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if rsa_bits:
        return rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
    return ec.generate_private_key(ec.SECP256R1())


def _certificate(
    name: str,
    key: Key,
    issuer: Certificate | None,
    issuer_key: Key,
    usage: str = "",
    addresses: Sequence[str] = (),
) -> Certificate:
    """Return a certificate; without an issuer, one of an authority that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=_BACKDATED_MINUTES))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=issuer is None,
                crl_sign=issuer is None,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if usage:
        wanted = {
            "client": ExtendedKeyUsageOID.CLIENT_AUTH,
            "server": ExtendedKeyUsageOID.SERVER_AUTH,
        }
        builder = builder.add_extension(x509.ExtendedKeyUsage([wanted[usage]]), critical=False)
    if addresses:
        names = [_alternative_name(address) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _alternative_name(address: str) -> GeneralName:
    """Return an address or a host name as a certificate has it."""
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _pem_key(key: Key) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    old = PrivateFormat.TraditionalOpenSSL
    form = old if isinstance(key, RSAPrivateKey) else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def make_login_key(folder: Path) -> tuple[Path, str]:
    """Return the file of a private key in a folder, and its public key; made at first use."""
    from cryptography.hazmat.primitives import serialization

    file = folder / "login_key"
    if file_exists(file):
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    else:
        key = _new_key(2048)
        write_private(file, _pem_key(key))
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return file, public.decode()
