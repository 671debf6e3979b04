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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.documents.pem import certificate_in, names_in, private_key_in
from ecsmachine.documents.text import read_file
from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine import files
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

_SOON = timedelta(days=30)
"""How long before its end a certificate is spoken of."""


@dataclass(frozen=True)
class _Usage:
    digital_signature: bool = True
    key_encipherment: bool = False
    key_agreement: bool = False
    sign_certificates: bool = False
    server: bool = False
    client: bool = False


@dataclass(frozen=True)
class _Pair:
    """A certificate and its key, and the files that they are in."""

    certificate_path: Path
    key_path: Path
    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


class _DamagedError(MachineError):
    """A certificate or a key cannot be used."""


def ensure_client_certificates(
    auth: AuthOptions, report: Report, *, key_type: str = "ecdsa", signing: bool = True
) -> None:
    """Make the CA and the client certificate where they are missing, or end within 30 days.

    A key without its certificate (a process died between the two) gets a new certificate, and so
    does the key of a CA that ends: what was signed with it goes on being trusted. A client
    certificate that is damaged, or without its key, is made anew; a CA is not.
    ``key_type`` is that of a new CA: ecdsa or rsa. ``signing`` is whether the CA's key is needed.
    Raises :class:`MachineError` for a CA that is damaged, or without its key where that is needed.
    """
    with _locked(auth, report):
        pairs = []
        if _needs_ca(auth):
            report(f"Creating CA: {auth.ca_cert_path}")
            pairs.append(_new_ca(auth, key_type))
        elif signing:
            _load_ca(auth)
        if pairs or not _has_client(auth):
            report(f"Creating client certificate: {auth.client_cert_path}")
            pairs.append(_new_client(auth, pairs[0] if pairs else _load_ca(auth)))
        _write(pairs)


def rotate_client_certificates(auth: AuthOptions, report: Report) -> None:
    """Make a new CA and a new client certificate in place of those that are there, be they damaged.

    What is not even a file is set aside.
    """
    with _locked(auth, report):
        key_type = ""
        with contextlib.suppress(MachineError):
            key_type = _key_type_of(_load_key(auth.ca_key_path))
        for path in (
            *(auth.client_cert_path, auth.ca_cert_path),
            *(auth.client_key_path, auth.ca_key_path),
        ):
            if path.is_dir():
                report(f"{path} is a folder; it is set aside: {files.set_aside(path, path.parent)}")
        report(f"Creating CA: {auth.ca_cert_path}")
        ca = _self_signed(auth, _new_key(key_type))
        report(f"Creating client certificate: {auth.client_cert_path}")
        _write([ca, _issued_to_client(auth, ca, _new_key(_key_type_of(ca.key)))])


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
    ca = _load_ca(auth)
    key = _new_key(_key_type_of(ca.key))
    certificate = _issue(
        organization=f"{_user_name()}.{machine_name}",
        key=key,
        ca=ca,
        usage=_Usage(key_encipherment=True, key_agreement=True, server=True, client=swarm_master),
        names=names,
    )
    _write([_Pair(auth.server_cert_path, auth.server_key_path, certificate, key)])


def server_certificate_covers(auth: AuthOptions, addresses: Iterable[str]) -> bool:
    """Whether the server certificate is there, not expired, of our CA, and names ``addresses``.

    Raises :class:`MachineError` if others can read its key.
    """
    check_private(auth.server_key_path)
    try:
        certificate = _load_certificate(auth.server_cert_path)
        certificate.verify_directly_issued_by(_load_certificate(auth.ca_cert_path))
    except Exception:  # whatever is wrong with it, it does not cover the addresses
        return False
    wanted = set(filter(None, [*auth.server_cert_sans, *addresses]))
    return (
        auth.server_key_path.exists()
        and certificate.not_valid_after_utc > datetime.now(timezone.utc)
        and wanted <= names_in(certificate)
    )


def names_of_server(auth: AuthOptions) -> frozenset[str]:
    """Return the names and addresses in the server certificate; none if it cannot be read."""
    try:
        return names_in(_load_certificate(auth.server_cert_path))
    except MachineError:
        return frozenset()


def expiring(auth: AuthOptions) -> list[str]:
    """Return a line for each certificate of a machine that ends within 30 days, or has ended.

    Looks at what the machine's folder holds: the CA, the client's and the engine's. One that is
    not there, or cannot be read, is none of this: connecting says so.
    """
    lines = []
    now = datetime.now(timezone.utc)
    for what, path in (
        ("CA", auth.machine_ca_path),
        ("client's certificate", auth.machine_cert_path),
        ("engine's certificate", auth.server_cert_path),
    ):
        try:
            end = certificate_in(read_file(path, MachineError), MachineError).not_valid_after_utc
        except (FileNotFoundError, MachineError):
            continue
        if end - now > _SOON:
            continue
        days = (end - now).days
        when = f"expires in {days} days" if end > now else "has expired"
        lines.append(
            f"The {what} {when} ({end:%Y-%m-%d}): "
            f'"ecsmachine regenerate-certs {auth.machine_dir.name}" renews it'
        )
    return lines


def _locked(auth: AuthOptions, report: Report) -> contextlib.AbstractContextManager[None]:
    what = f"The certificates in {auth.cert_dir}"
    return files.locked(auth.cert_dir / ".lock", what=what, wait_s=30, warn=report)


def _needs_ca(auth: AuthOptions) -> bool:
    """Whether the CA is to be made. One that was brought (``--tls-ca-cert``) is not touched."""
    path = auth.ca_cert_path
    if not path.exists():
        return True
    ends = _load_certificate(path).not_valid_after_utc
    now = datetime.now(timezone.utc)
    if path.parent == auth.cert_dir:
        return ends - now <= _SOON
    if ends <= now:
        raise MachineError(
            f"The certificate authority {path} has expired",
            hint="Have it renewed by whoever made it.",
        )
    return False


def _has_client(auth: AuthOptions) -> bool:
    """Whether there is a client certificate with its key that does not end soon.

    Raises :class:`MachineError` for a damaged one that was brought (``--tls-client-cert``).
    """
    try:
        pair = _load_pair(auth.client_cert_path, auth.client_key_path)
    except _DamagedError:
        if auth.client_cert_path.exists() and auth.client_cert_path.parent != auth.cert_dir:
            raise
        return False
    return pair.certificate.not_valid_after_utc - datetime.now(timezone.utc) > _SOON


def _new_ca(auth: AuthOptions, key_type: str) -> _Pair:
    if not auth.ca_cert_path.exists():
        return _self_signed(auth, _key_or_new(auth.ca_key_path, key_type))
    # it ends: what it signed names it as the issuer, and its key is known to hosts
    there = _load_ca(auth)
    return _self_signed(auth, there.key, there.certificate.subject)


def _self_signed(
    auth: AuthOptions, key: CertificateIssuerPrivateKeyTypes, subject: x509.Name | None = None
) -> _Pair:
    certificate = _issue(
        organization=_user_name(),
        subject=subject,
        key=key,
        ca=None,
        usage=_Usage(key_encipherment=True, key_agreement=True, sign_certificates=True),
    )
    return _Pair(auth.ca_cert_path, auth.ca_key_path, certificate, key)


def _new_client(auth: AuthOptions, ca: _Pair) -> _Pair:
    return _issued_to_client(auth, ca, _key_or_new(auth.client_key_path, _key_type_of(ca.key)))


def _issued_to_client(auth: AuthOptions, ca: _Pair, key: CertificateIssuerPrivateKeyTypes) -> _Pair:
    certificate = _issue(
        organization=f"{_user_name()}.<bootstrap>", key=key, ca=ca, usage=_Usage(client=True)
    )
    return _Pair(auth.client_cert_path, auth.client_key_path, certificate, key)


def _issue(
    *,
    organization: str,
    key: CertificateIssuerPrivateKeyTypes,
    ca: _Pair | None,
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
        .issuer_name(ca.certificate.subject if ca else subject)
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
    if ca:
        # a CA that Docker Machine made may lack the identifier; it is derived from the key then
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                ca.certificate.public_key()  # type: ignore[arg-type]
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
    return builder.sign(ca.key if ca else key, hashes.SHA256())


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


def _key_or_new(path: Path, key_type: str) -> CertificateIssuerPrivateKeyTypes:
    """Return the key that is there, unless it is damaged, or a new one."""
    try:
        return _load_key(path)
    except _DamagedError:
        return _new_key(key_type)


def _load_ca(auth: AuthOptions) -> _Pair:
    if not auth.ca_key_path.exists() and auth.ca_key_path.parent == auth.machine_dir:
        name = auth.machine_dir.name
        raise MachineError(
            f'The certificate of "{name}" cannot be made anew: the machine was imported, and the '
            "key of its CA stayed where it was exported",
            hint="Let that be done there and import it again, or make it a machine of your own: "
            f"ecsmachine adopt {name}",
        )
    return _load_pair(auth.ca_cert_path, auth.ca_key_path)


def _load_pair(certificate_path: Path, key_path: Path) -> _Pair:
    certificate, key = _load_certificate(certificate_path), _load_key(key_path)
    if certificate.public_key() != key.public_key():
        raise _damaged(key_path, f"it is not the key of {certificate_path}")
    return _Pair(certificate_path, key_path, certificate, key)


def _load_certificate(path: Path) -> x509.Certificate:
    return certificate_in(_read(path), partial(_damaged, path))


def _load_key(path: Path) -> CertificateIssuerPrivateKeyTypes:
    content = _read(path)
    check_private(path)
    return private_key_in(content, partial(_damaged, path))


def _write(pairs: Sequence[_Pair]) -> None:
    """Write pairs, all of them or none.

    A certificate whose key is replaced goes before, and comes back last: a process that dies in
    between leaves keys alone, to which :func:`ensure_client_certificates` makes certificates.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    with contextlib.ExitStack() as stack:  # what was prepared last is put into its place first
        for pair in pairs:
            files.make_private_directory(pair.certificate_path.parent)
            content = pair.certificate.public_bytes(Encoding.PEM)
            stack.enter_context(files.prepared(pair.certificate_path, content, mode=0o644))
        for pair in pairs:
            files.make_private_directory(pair.key_path.parent)
            key = pair.key.private_bytes(
                Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
            )
            stack.enter_context(files.prepared(pair.key_path, key))
            if not (pair.key_path.is_file() and _read(pair.key_path) == key):
                stack.callback(pair.certificate_path.unlink, missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        return read_file(path, partial(_damaged, path))
    except FileNotFoundError as error:
        raise _damaged(path, "it is not there") from error


def _damaged(path: Path, why: str) -> _DamagedError:
    return _DamagedError(
        f"{path} cannot be used: {why}",
        hint="Restore it from a backup; what the store made for itself is made anew by "
        '"ecsmachine regenerate-certs --client-certs".',
    )


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
