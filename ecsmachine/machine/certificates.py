"""The certificates between a Docker client and its engines: CA, client and server.

As in Docker Machine: the CA and the client certificate are made at first use, a server
certificate per machine; valid for 1080 days from five minutes ago; the subject has an
organization only. Keys are ECDSA P-256 or RSA with 3072 bits; those of clients and servers are
of the kind that their CA's key is.
"""

from __future__ import annotations

import contextlib
import getpass
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ecsmachine.errors import MachineError
from ecsmachine.machine import files
from ecsmachine.machine.expiry import SOON
from ecsmachine.machine.model import AuthOptions
from ecsmachine.ssh.private_files import check_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_LIFETIME = timedelta(days=1080)
_BACKDATED = timedelta(minutes=5)
_RSA_BITS = 3072


@dataclass(frozen=True)
class _Usage:
    digital_signature: bool = True
    key_encipherment: bool = False
    key_agreement: bool = False
    sign_certificates: bool = False
    server: bool = False
    client: bool = False


def ensure_client_certificates(
    auth: AuthOptions, report: Callable[[str], None], *, key_type: str = "ecdsa"
) -> None:
    """Make the CA and the client certificate where they are missing, or end within 30 days.

    A key without its certificate (a process died between the two) gets a new certificate, and so
    does the key of a CA that ends: what was signed with it goes on being trusted.
    ``key_type`` is that of a new CA: ecdsa or rsa.
    """
    with _locked(auth, report):
        new_ca = _needs_ca(auth)
        if new_ca:
            report(f"Creating CA: {auth.ca_cert_path}")
            _make_ca(auth, key_type)
        if new_ca or _missing_or_ending(auth.client_cert_path):
            report(f"Creating client certificate: {auth.client_cert_path}")
            _make_client(auth)


def rotate_client_certificates(auth: AuthOptions, report: Callable[[str], None]) -> None:
    """Make a new CA and a new client certificate in place of those that are there.

    Certificates go before the keys are replaced, and come back last: a process that dies in
    between leaves a state that :func:`ensure_client_certificates` completes.
    """
    with _locked(auth, report):
        key_type = _key_type_of(_load_key(auth.ca_key_path)) if auth.ca_key_path.exists() else ""
        for path in (
            *(auth.client_cert_path, auth.ca_cert_path),
            *(auth.client_key_path, auth.ca_key_path),
        ):
            path.unlink(missing_ok=True)
        report(f"Creating CA: {auth.ca_cert_path}")
        _make_ca(auth, key_type)
        report(f"Creating client certificate: {auth.client_cert_path}")
        _make_client(auth)


def copy_client_certificates(auth: AuthOptions) -> None:
    """Copy the CA and client certificates into the machine's folder, for ``DOCKER_CERT_PATH``."""
    check_private(auth.client_key_path)
    files.make_private_directory(auth.machine_dir)
    for source, target, mode in (
        (auth.ca_cert_path, auth.machine_ca_path, 0o644),
        (auth.client_cert_path, auth.machine_cert_path, 0o644),
        (auth.client_key_path, auth.machine_key_path, 0o600),
    ):
        files.write_atomically(target, _read(source), mode=mode)


def make_server_certificate(
    auth: AuthOptions, machine_name: str, addresses: Iterable[str], *, swarm_master: bool = False
) -> None:
    """Make the engine's certificate and key in the machine's folder.

    It names the ``--tls-san`` values, every address, the machine and ``localhost``.
    """
    names = list(
        dict.fromkeys([*auth.server_cert_sans, *filter(None, addresses), "localhost", machine_name])
    )
    ca, ca_key = _load_ca(auth)
    key = _new_key(_key_type_of(ca_key))
    certificate = _issue(
        organization=f"{_user_name()}.{machine_name}",
        key=key,
        issuer=ca,
        issuer_key=ca_key,
        usage=_Usage(key_encipherment=True, key_agreement=True, server=True, client=swarm_master),
        names=names,
    )
    _write_pair(auth.server_cert_path, certificate, auth.server_key_path, key)


def server_certificate_covers(auth: AuthOptions, addresses: Iterable[str]) -> bool:
    """Whether the server certificate is there, not expired, of our CA, and names ``addresses``.

    Raises :class:`MachineError` if others can read its key.
    """
    from cryptography import x509

    check_private(auth.server_key_path)
    try:
        certificate = x509.load_pem_x509_certificate(auth.server_cert_path.read_bytes())
        ca = x509.load_pem_x509_certificate(auth.ca_cert_path.read_bytes())
        certificate.verify_directly_issued_by(ca)
        known = _names_in(certificate)
    except Exception:  # whatever is wrong with it, it does not cover the addresses
        return False
    wanted = set(filter(None, [*auth.server_cert_sans, *addresses]))
    return (
        auth.server_key_path.exists()
        and certificate.not_valid_after_utc > datetime.now(timezone.utc)
        and wanted <= known
    )


def names_of_server(auth: AuthOptions) -> frozenset[str]:
    """Return the names and addresses in the server certificate; none if it cannot be read."""
    from cryptography import x509

    try:
        return _names_in(x509.load_pem_x509_certificate(auth.server_cert_path.read_bytes()))
    except (OSError, ValueError, x509.ExtensionNotFound):
        return frozenset()


def _names_in(certificate: x509.Certificate) -> frozenset[str]:
    from cryptography import x509

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return frozenset(
        (
            *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
            *names.get_values_for_type(x509.DNSName),
        )
    )


def _locked(
    auth: AuthOptions, report: Callable[[str], None]
) -> contextlib.AbstractContextManager[None]:
    what = f"The certificates in {auth.cert_dir}"
    return files.locked(auth.cert_dir / ".lock", what=what, wait_s=30, warn=report)


def _needs_ca(auth: AuthOptions) -> bool:
    """Whether the CA is to be made. One that was brought (``--tls-ca-cert``) is not touched."""
    path = auth.ca_cert_path
    if not path.exists() or path.parent == auth.cert_dir:
        return _missing_or_ending(path)
    if _load_certificate(path).not_valid_after_utc <= datetime.now(timezone.utc):
        raise MachineError(
            f"The certificate authority {path} has expired",
            hint="Have it renewed by whoever made it.",
        )
    return False


def _make_ca(auth: AuthOptions, key_type: str) -> None:
    subject = None
    if auth.ca_cert_path.exists():
        # it ends: what it signed names it as the issuer, and its key is known to hosts
        subject = _load_certificate(auth.ca_cert_path).subject
        key = _load_key(auth.ca_key_path)
    else:
        key = _orphaned_key(auth.ca_cert_path, auth.ca_key_path) or _new_key(key_type)
    certificate = _issue(
        organization=_user_name(),
        subject=subject,
        key=key,
        issuer=None,
        issuer_key=key,
        usage=_Usage(key_encipherment=True, key_agreement=True, sign_certificates=True),
    )
    _write_pair(auth.ca_cert_path, certificate, auth.ca_key_path, key)


def _make_client(auth: AuthOptions) -> None:
    ca, ca_key = _load_ca(auth)
    key = _orphaned_key(auth.client_cert_path, auth.client_key_path) or _new_key(
        _key_type_of(ca_key)
    )
    certificate = _issue(
        organization=f"{_user_name()}.<bootstrap>",
        key=key,
        issuer=ca,
        issuer_key=ca_key,
        usage=_Usage(client=True),
    )
    _write_pair(auth.client_cert_path, certificate, auth.client_key_path, key)


def _issue(
    *,
    organization: str,
    key: CertificateIssuerPrivateKeyTypes,
    issuer: x509.Certificate | None,
    issuer_key: CertificateIssuerPrivateKeyTypes,
    usage: _Usage,
    names: Iterable[str] = (),
    subject: x509.Name | None = None,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    if subject is None:
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    not_before = (datetime.now(timezone.utc) - _BACKDATED).replace(second=0, microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + _LIFETIME)
        .add_extension(
            x509.KeyUsage(
                digital_signature=usage.digital_signature,
                content_commitment=False,
                key_encipherment=usage.key_encipherment,
                data_encipherment=False,
                key_agreement=usage.key_agreement,
                key_cert_sign=usage.sign_certificates,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(
            x509.BasicConstraints(ca=usage.sign_certificates, path_length=None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        # a CA that Docker Machine made may lack the identifier; it is derived from the key then
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                issuer.public_key()  # type: ignore[arg-type]
            ),
            critical=False,
        )
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] if usage.server else []
    if usage.client:
        purposes.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    alternative = [_general_name(name) for name in names]
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise MachineError(
            f'"{name}" cannot stand in a certificate: {error}',
            hint="Give an address or a host name with --tls-san.",
        ) from error


def _new_key(key_type: str) -> EllipticCurvePrivateKey | RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if key_type == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def _key_type_of(key: CertificateIssuerPrivateKeyTypes) -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa"


def _orphaned_key(
    certificate_path: Path, key_path: Path
) -> CertificateIssuerPrivateKeyTypes | None:
    """Return the key that is there without its certificate."""
    return _load_key(key_path) if key_path.exists() and not certificate_path.exists() else None


def _load_ca(auth: AuthOptions) -> tuple[x509.Certificate, CertificateIssuerPrivateKeyTypes]:
    certificate = _load_certificate(auth.ca_cert_path)
    if not auth.ca_key_path.exists() and auth.ca_key_path.parent == auth.machine_dir:
        name = auth.machine_dir.name
        raise MachineError(
            f'The certificate of "{name}" cannot be made anew: the machine was imported, and the '
            "key of its CA stayed where it was exported",
            hint="Let that be done there and import it again, or make it a machine of your own: "
            f"ecsmachine adopt {name}",
        )
    return certificate, _load_key(auth.ca_key_path)


def _load_certificate(path: Path) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise MachineError(
            f"The certificate {path} cannot be read: {error}",
            hint="It must be a PEM file: restore it from a backup.",
        ) from error


def _load_key(path: Path) -> CertificateIssuerPrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    check_private(path)
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise MachineError(
            f"The private key {path} cannot be read",
            hint="It must be a PEM file without a passphrase.",
        ) from error
    return cast("CertificateIssuerPrivateKeyTypes", key)


def _write_pair(
    certificate_path: Path,
    certificate: x509.Certificate,
    key_path: Path,
    key: CertificateIssuerPrivateKeyTypes,
) -> None:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    files.make_private_directory(key_path.parent)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    # The certificate goes last: a pair is there once its certificate is.
    files.write_atomically(key_path, pem, mode=0o600)
    files.write_atomically(certificate_path, certificate.public_bytes(Encoding.PEM), mode=0o644)


def _missing_or_ending(certificate_path: Path) -> bool:
    if not certificate_path.exists():
        return True
    end = _load_certificate(certificate_path).not_valid_after_utc
    return end - datetime.now(timezone.utc) <= SOON


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MachineError(f"Cannot read {path}: {error.strerror}") from error


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
