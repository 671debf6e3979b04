"""Private keys for logging in: every form that OpenSSH reads, told once what cannot be used.

The forms are OpenSSH's own, PKCS#8 and those of PEM (RFC 7468, RFC 1421), with any line ending.
"""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecsmachine.documents.pem import WRONG_PASSPHRASE, private_key_in
from ecsmachine.documents.text import Fault
from ecsmachine.errors import MachineError
from ecsmachine.ssh import openssh_key
from ecsmachine.ssh.private_files import KeyFileError, check_private
from ecsmachine.system.files import file_exists

if TYPE_CHECKING:
    from ecsmachine.ssh.library import PKey

_LONGEST_FILE = 1 << 20
_SMALLEST_RSA = 1024
"""As in OpenSSH (SSH_RSA_MINIMUM_MODULUS_SIZE), in bits."""

_NEW_KEY = "Use another key; ssh-keygen -t ed25519 makes one."
# no block is read beyond the next one: a file of nothing but beginnings is read once
_BLOCK = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\n((?:(?!\n-----).)*)\n-----END \1-----", re.DOTALL
)


@dataclass(frozen=True)
class PrivateKey:
    """What a key file holds.

    ``public`` is the type and the base64 text, or "" where the file does not tell. ``key`` is None
    where it has a passphrase that was not given; ``content`` is the file as paramiko and OpenSSH
    read it, without the passphrase if that was given.
    """

    public: str
    key: PKey | None
    content: bytes


def load(path: Path, passphrase: str | None = None) -> PrivateKey:
    """Read a private key; one file is parsed once in the life of a process.

    Raises :class:`KeyFileError` if it is no key that can be used, others can read it, or the
    passphrase is wrong.
    """
    try:
        try:
            check_private(path)
        except KeyFileError:
            if file_exists(path):
                _block(path)  # that it is no key says more than that others can read it
            raise
        status = path.stat()
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        return _parsed(path, stamp, passphrase)
    except OSError as error:
        raise KeyFileError(f"Cannot read the private key {path}: {error.strerror}") from error


def load_unlocked(path: Path) -> PKey:
    """Return a private key that can sign. Raises as :func:`load`, and for one with a passphrase."""
    key = load(path).key
    if key is None:
        raise passphrase_needed(path)
    return key


def is_held_by_agent(key: PrivateKey) -> bool:
    """Whether the SSH agent has the key, so that its passphrase need not be known."""
    from ecsmachine.ssh.agent import agent_key

    return bool(key.public) and agent_key(key.public) is not None


def passphrase_needed(path: Path) -> KeyFileError:
    """Return the error for a key with a passphrase, which nobody could be asked for."""
    return KeyFileError(
        f"The private key {path} has a passphrase",
        hint=f"Add it to the SSH agent (ssh-add {shlex.quote(str(path))}), or use another key.",
    )


@lru_cache(maxsize=64)
def _parsed(path: Path, stamp: tuple[int, ...], passphrase: str | None) -> PrivateKey:
    def fault(reason: str) -> KeyFileError:
        return KeyFileError(f"{path} is not a usable private key: {reason}")

    found = _block(path)
    try:
        if found[1] == b"OPENSSH PRIVATE KEY":
            return _of_openssh(path, found[2], passphrase)
        return _of_pem(path, found[0], found[1], passphrase, fault)
    except MachineError:
        raise
    except openssh_key.WrongPassphraseError as error:
        raise fault(WRONG_PASSPHRASE) from error
    except Exception as error:  # there is no class of what the parsers raise
        raise fault(str(error)) from error


def _block(path: Path) -> re.Match[bytes]:
    with path.open("rb") as file:
        content = _plain(file.read(_LONGEST_FILE))
    found = _BLOCK.search(content)
    if found is None:
        raise _no_private_key(path, content)
    return found


def _plain(content: bytes) -> bytes:
    """Return a text with lines that end as here, without what an editor may have added."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # as PowerShell redirects
        content = content.decode("utf-16", "replace").encode()
    lines = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"\n".join(line.strip() for line in lines.split(b"\n"))


def _of_openssh(path: Path, text: bytes, passphrase: str | None) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    found = openssh_key.parse(text)
    _check_kind(path, found.kind)
    if found.is_encrypted and passphrase is None:
        public = base64.b64encode(found.public).decode()
        return PrivateKey(f"{found.kind} {public}", None, openssh_key.pem(found))
    if found.is_encrypted:
        found = openssh_key.decrypted(found, passphrase or "")
    return _usable(path, load_ssh_private_key(openssh_key.pem(found), None))


def _of_pem(
    path: Path, text: bytes, label: bytes, passphrase: str | None, fault: Fault
) -> PrivateKey:
    if label == b"DSA PRIVATE KEY":
        _check_kind(path, "ssh-dss")
    is_encrypted = label.startswith(b"ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in text
    if is_encrypted and passphrase is None:
        return PrivateKey(_public_beside(path), None, text + b"\n")
    return _usable(path, private_key_in(text + b"\n", fault, passphrase if is_encrypted else None))


def _usable(path: Path, loaded: Any) -> PrivateKey:
    """Return the key as paramiko has it. Raises :class:`KeyFileError` for one not of SSH."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from ecsmachine.ssh.library import paramiko

    form = PrivateFormat.TraditionalOpenSSL
    key: PKey
    if isinstance(loaded, rsa.RSAPrivateKey):
        if loaded.key_size < _SMALLEST_RSA:
            raise KeyFileError(
                f"The private key {path} is an RSA key of {loaded.key_size} bits, and OpenSSH "
                f"requires at least {_SMALLEST_RSA}",
                hint=_NEW_KEY,
            )
        key = paramiko.RSAKey(key=loaded)
    elif isinstance(loaded, ec.EllipticCurvePrivateKey):
        if loaded.curve.name not in ("secp256r1", "secp384r1", "secp521r1"):
            raise _unusable(
                path, f"is on the curve {loaded.curve.name}, which SSH does not support"
            )
        key = paramiko.ECDSAKey(vals=(loaded, loaded.public_key()))
    elif isinstance(loaded, ed25519.Ed25519PrivateKey):
        form = PrivateFormat.OpenSSH
    elif isinstance(loaded, dsa.DSAPrivateKey):
        _check_kind(path, "ssh-dss")
    else:
        raise _unusable(path, "is of a kind that SSH does not support")
    content = loaded.private_bytes(Encoding.PEM, form, NoEncryption())
    if form is PrivateFormat.OpenSSH:
        key = paramiko.Ed25519Key.from_private_key(StringIO(content.decode()))
    return PrivateKey(f"{key.get_name()} {key.get_base64()}", key, content)


def _check_kind(path: Path, kind: str) -> None:
    """Raise :class:`KeyFileError` for a type of key that cannot be used from a file."""
    if kind == "ssh-dss":
        raise _unusable(path, "is a DSA key, which SSH servers no longer accept")
    if kind.startswith("sk-"):
        raise KeyFileError(
            f"The private key {path} is in a hardware key, which asks for a touch at each login",
            hint="Use another key, or add this one to the SSH agent and name no key.",
        )


def _unusable(path: Path, why: str) -> KeyFileError:
    return KeyFileError(f"The private key {path} {why}", hint=_NEW_KEY)


def _no_private_key(path: Path, content: bytes) -> KeyFileError:
    """Return the error for a file that holds something else, and say what if it is known."""
    begun = content.lstrip()[:200]
    if begun.startswith(b"PuTTY-User-Key-File"):
        return KeyFileError(
            f"{path} is a PuTTY key, which OpenSSH cannot read",
            hint=f"Convert it: puttygen {shlex.quote(str(path))} -O private-openssh -o NEW_FILE",
        )
    if b"-cert-v01@openssh.com " in begun or begun.startswith(b"-----BEGIN CERTIFICATE"):
        return KeyFileError(
            f"{path} holds a certificate, not a private key",
            hint="Give the private key that it belongs to.",
        )
    meant = f"Did you mean {path.with_suffix('')}?" if path.suffix == ".pub" else None
    return KeyFileError(f"{path} holds no private key", hint=meant)


def _public_beside(path: Path) -> str:
    """Return the type and text of the public key in the file beside a private one, or ""."""
    try:
        words = path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").split()[:2]
    except (OSError, ValueError):
        return ""
    return " ".join(words) if len(words) == 2 else ""
