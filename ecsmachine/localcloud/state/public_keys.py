"""SSH public keys: creation, checks, and fingerprints."""

from __future__ import annotations

import hashlib

TYPES = (
    "ssh-rsa",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
)


def new_pair() -> tuple[str, str]:
    """Make an RSA key of 2048 bits; return the private key as PEM and the public key's line."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


def normalized(line: str) -> str:
    """Return the type and the key of a line of authorized_keys; raises ValueError."""
    parts = line.split(None, 2)
    if len(parts) < 2 or parts[0] not in TYPES or "\n" in line.strip():
        raise ValueError("not an OpenSSH public key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    text = f"{parts[0]} {parts[1]}"
    try:
        load_ssh_public_key(text.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    return text


def fingerprint(line: str) -> str:
    """Return the SHA-1 of the public key in DER, in the form of ECS: 20 octets with colons."""
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_ssh_public_key(line.encode())
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha1(der, usedforsecurity=False).digest().hex(":")
