"""TLS of HTTPS listeners: what they answer with."""

from __future__ import annotations

import ssl
import tempfile

_LEAST = {
    "tls_cipher_policy_1_1": ssl.TLSVersion.TLSv1_1,
    "tls_cipher_policy_1_2": ssl.TLSVersion.TLSv1_2,
    "tls_cipher_policy_1_2_strict": ssl.TLSVersion.TLSv1_2,
    "tls_cipher_policy_1_2_strict_with_1_3": ssl.TLSVersion.TLSv1_2,
}
"""The oldest version that a policy lets in; it is this machine's own that OpenSSL knows older."""


def server_context(certificate: str, private_key: str, policy: str = "") -> ssl.SSLContext:
    """Return what a server needs that has this certificate, with its chain, and its key (PEM).

    Raises ``ssl.SSLError`` if they do not belong together, or are none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if policy in _LEAST and context.minimum_version < _LEAST[policy]:
        context.minimum_version = _LEAST[policy]
    # Only files can be loaded: a private one, which is gone at once. A key with a passphrase
    # would be asked for at a terminal.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate.strip()}\n{private_key.strip()}\n")
        file.flush()
        context.load_cert_chain(file.name, password=b"")
    return context
