"""The key that a cluster logs in with to instances that were not made for it."""

from __future__ import annotations

import os
from pathlib import Path


def make_login_key(folder: Path) -> tuple[Path, str]:
    """Return the file of a private key in a folder, and its public key; made at first use."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    file = folder / "login_key"
    if file.is_file():
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        content = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return file, public.decode()
