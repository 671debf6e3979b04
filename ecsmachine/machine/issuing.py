"""Making certificates and keys (X.509 v3, RFC 5280); where they are kept is certificates.py's.

Certificates are valid for 1080 days from a day ago, so that clocks that differ by hours agree on
them; the subject has an organization only. Keys are ECDSA P-256 or RSA with 3072 bits; those of
clients and servers are of the kind that their CA's key is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_LIFETIME = timedelta(days=1080)
_BACKDATED = timedelta(days=1)
_RSA_BITS = 3072
_LONGEST_SUBJECT = 64  # ub-organization-name of RFC 5280


@dataclass(frozen=True)
class Usage:
    """What a certificate is for (KeyUsage and ExtendedKeyUsage), beside signatures.

    ``exchange_keys`` is keyEncipherment and keyAgreement.
    """

    exchange_keys: bool = False
    sign_certificates: bool = False
    server: bool = False
    client: bool = False


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, and the files that they are in."""

    certificate_path: Path
    key_path: Path
    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


def issue(
    *,
    organization: str,
    key: CertificateIssuerPrivateKeyTypes,
    ca: Pair | None,
    usage: Usage,
    names: Iterable[str] = (),
    former: x509.Certificate | None = None,
) -> x509.Certificate:
    """Return a certificate for ``key``, signed by ``ca``, or by itself without one.

    A CA that renews a ``former`` one, of the same key, keeps its subject and the identifier of its
    key: what the former one has signed names both.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:_LONGEST_SUBJECT])]
    )
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    if former is not None:
        subject, own_id = former.subject, _key_id(former) or own_id
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
                digital_signature=True,
                content_commitment=False,
                key_encipherment=usage.exchange_keys,
                data_encipherment=False,
                key_agreement=usage.exchange_keys,
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
        .add_extension(own_id, critical=False)
    )
    if ca:
        # a CA that Docker Machine made may lack the identifier; it is derived from the key then
        ca_id = _key_id(ca.certificate)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id)
            if ca_id
            else x509.AuthorityKeyIdentifier.from_issuer_public_key(
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


def _key_id(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier | None:
    """Return the identifier that a certificate gives its key, if it gives one."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except Exception:  # there is no class of what the library raises for damaged extensions
        return None


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
            f'"{name}" cannot be used in a certificate: {error}',
            hint="Give an address or a host name with --tls-san.",
        ) from error


def new_key(key_type: str) -> EllipticCurvePrivateKey | RSAPrivateKey:
    """Return a new key of a type: ecdsa or rsa."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if key_type == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def key_type_of(key: CertificateIssuerPrivateKeyTypes) -> str:
    """Return the type of a key, as :func:`new_key` takes it."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa"
