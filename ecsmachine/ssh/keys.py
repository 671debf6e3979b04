"""Key pairs for logging in, in the files that Docker Machine uses (id_rsa, id_rsa.pub)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ecsmachine.errors import MachineError
from ecsmachine.ssh.private_files import NotWrittenError, write_private
from ecsmachine.system.files import path_exists


@dataclass(frozen=True)
class KeyPair:
    """A private key in PEM, and its public key as one line in OpenSSH's format."""

    private: bytes = field(repr=False)
    public: str


def ensure_key_pair(path: Path, comment: str, new: Callable[[str], KeyPair] | None = None) -> str:
    """Make a key pair at ``path`` and ``path.pub`` unless it is there; return the public key.

    ``new`` is what makes it of the comment, where that is not :func:`new_key_pair`. Both files are
    0600, whole or not there. The public key is one line in OpenSSH's format.
    """
    if not path_exists(path):
        key = (new or new_key_pair)(comment)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path.with_name(f"{path.name}.pub"), f"{key.public}\n".encode())
        _write(path, key.private)
    return public_key_of(path)


def new_key_pair(comment: str) -> KeyPair:
    """Return a new key pair: ECDSA on P-256, the quickest to make that ImportKeyPair takes.

    Its PEM form is one that OpenSSH and Docker Machine read as well.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return KeyPair(pem, f"{line} {comment}")


def public_key_of(path: Path) -> str:
    """Return the public key of the private key at ``path``, as one line in OpenSSH's format.

    Taken from ``path.pub`` if it is there, else worked out. Raises :class:`MachineError`.
    """
    public = path.with_name(f"{path.name}.pub")
    try:
        return public.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise MachineError(f"Cannot read the public key {public}: {error.strerror}") from error
    from ecsmachine.ssh import private_keys

    return private_keys.load(path).public


def _write(path: Path, content: bytes) -> None:
    try:
        write_private(path, content)
    except OSError as error:
        raise NotWrittenError(path, error) from error
