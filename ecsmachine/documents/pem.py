"""Certificates and private keys in PEM texts (RFC 7468)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from ecsmachine.documents.text import Fault

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

WRONG_PASSPHRASE = "its passphrase is another one"  # noqa: S105 (no secret)


def certificate_in(content: bytes, fault: Fault) -> x509.Certificate:
    """Return the certificate that a PEM text holds, with an end and a key that can be used."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(content)
        # both are parsed only when they are asked for
        _ = certificate.not_valid_after_utc, certificate.public_key()
    except Exception as error:  # there is no class of what the library raises
        raise fault("it is no certificate in a PEM file") from error
    return certificate


def private_key_in(
    content: bytes, fault: Fault, passphrase: str | None = None
) -> CertificateIssuerPrivateKeyTypes:
    """Return the private key that a PEM text holds, which has a passphrase only if one is given."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(content, None if passphrase is None else passphrase.encode())
    except Exception as error:  # as above
        if passphrase is not None and re.search("password|decrypt", str(error), re.IGNORECASE):
            raise fault(WRONG_PASSPHRASE) from error
        without = " without a passphrase" if passphrase is None else ""
        raise fault(f"it is no private key in a PEM file{without}") from error
    return cast("CertificateIssuerPrivateKeyTypes", key)


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    """Return the names and addresses that a certificate is of (SubjectAlternativeName)."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # as above; a name that cannot be read is none
        return frozenset()
    return frozenset(
        (
            *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
            *names.get_values_for_type(x509.DNSName),
        )
    )
