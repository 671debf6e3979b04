"""Certificates and private keys in PEM texts (RFC 7468)."""

from __future__ import annotations

import binascii
import re

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from ecsmachine.documents.text import Fault

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
WRONG_PASSPHRASE = "it has another passphrase"  # noqa: S105 (no secret)


def certificate_in(content: bytes, fault: Fault) -> x509.Certificate:
    """Return the certificate that a PEM text holds, with an end and a key that can be used."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(content)
        # both are parsed only when they are asked for
        _ = certificate.not_valid_after_utc, certificate.public_key()
    except Exception as error:  # there is no class of what the library raises
        raise fault("it is not a certificate in PEM format") from error
    return certificate


def end_in(content: bytes, fault: Fault) -> datetime:
    """Return when the certificate in a PEM text ends, read without the library's weight."""
    end = end_text_in(content, fault)
    day, time = end[:8], end[8:]
    from datetime import datetime

    try:
        return datetime.fromisoformat(
            f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}+00:00"
        )
    except ValueError as error:
        raise fault("it is not a certificate in PEM format") from error


def end_text_in(content: bytes, fault: Fault) -> str:
    """Return the digits of the moment, in UTC, at which the certificate in a PEM text ends.

    They are YYYYMMDDhhmmss. The certificate's DER is walked as far as the second time of its
    validity (RFC 5280, section 4.1).
    """
    try:
        encoded = content.split(_BEGIN, 1)[1].split(_END, 1)[0]
        signed, _ = _element(_element(binascii.a2b_base64(encoded))[0])
        if signed[:1] == b"\xa0":  # the version, which the first version leaves out
            _, signed = _element(signed)
        for _ in ("serial number", "signature", "issuer"):
            _, signed = _element(signed)
        _, ends = _element(_element(signed)[0])
        text = _element(ends)[0].decode("ascii")
        if len(text) == 13:  # UTCTime has two digits of the year: 50 is 1950
            text = ("19" if text >= "50" else "20") + text
        if len(text) != 15 or not text[:14].isdigit() or text[14] != "Z":
            raise ValueError("it is not a time")
        return text[:14]
    except (ValueError, IndexError) as error:
        raise fault("it is not a certificate in PEM format") from error


def _element(encoded: bytes) -> tuple[bytes, bytes]:
    """Return the content of the first element of a DER encoding, and what follows it."""
    length, start = encoded[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(encoded[2:start], "big")
    if len(encoded) < start + length:
        raise ValueError("it is cut off")
    return encoded[start : start + length], encoded[start + length :]


def private_key_in(
    content: bytes, fault: Fault, passphrase: str | None = None
) -> CertificateIssuerPrivateKeyTypes:
    """Return the private key that a PEM text holds, which has a passphrase only if one is given."""
    from typing import cast

    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(content, None if passphrase is None else passphrase.encode())
    except Exception as error:  # as above
        if passphrase is not None and re.search("password|decrypt", str(error), re.IGNORECASE):
            raise fault(WRONG_PASSPHRASE) from error
        if passphrase is not None and isinstance(error, ValueError):
            # one wrong passphrase in 256 deciphers it to something
            raise fault(f"{WRONG_PASSPHRASE}, or is damaged") from error
        without = " without a passphrase" if passphrase is None else ""
        raise fault(f"it is not a private key in PEM format{without}") from error
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
