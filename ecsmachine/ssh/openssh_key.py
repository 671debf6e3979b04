"""OpenSSH's own format of private keys: what it holds, and without its passphrase.

Source: PROTOCOL.key and PROTOCOL.chacha20poly1305 of OpenSSH. All of ``ssh -Q cipher`` are read;
the libraries below know three of them.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

_MAGIC = b"openssh-key-v1\0"
_MOST_ROUNDS = 10_000
"""How much work a file may ask for; ``ssh-keygen -a`` takes 16 unless told otherwise."""


class WrongPassphraseError(ValueError):
    """The passphrase is not that of the key."""


@dataclass(frozen=True)
class OpenSSHKey:
    """A key as the file has it: ``sealed`` is the private part, ``tag`` what authenticates it."""

    cipher: bytes
    kdf: bytes
    kdf_options: bytes
    public: bytes
    sealed: bytes
    tag: bytes

    @property
    def is_encrypted(self) -> bool:
        """Whether it has a passphrase."""
        return self.cipher != b"none"

    @property
    def kind(self) -> str:
        """The type of the key, such as ``ssh-ed25519``."""
        return _string(self.public)[0].decode("ascii", "replace")


def parse(base64_text: bytes) -> OpenSSHKey:
    """Return the key of a file's base64 lines. Raises ``ValueError`` for what is none."""
    content = base64.b64decode(b"".join(base64_text.split()), validate=True)
    if not content.startswith(_MAGIC):
        raise ValueError("it does not begin like an OpenSSH key")
    rest = content[len(_MAGIC) :]
    cipher, rest = _string(rest)
    kdf, rest = _string(rest)
    kdf_options, rest = _string(rest)
    if rest[:4] != b"\0\0\0\1":
        raise ValueError("it does not hold one key")
    public, rest = _string(rest[4:])
    sealed, tag = _string(rest)
    return OpenSSHKey(cipher, kdf, kdf_options, public, sealed, tag)


def decrypted(key: OpenSSHKey, passphrase: str) -> OpenSSHKey:
    """Return the key without its passphrase.

    Raises :class:`WrongPassphraseError`, and ``ValueError`` for a cipher that OpenSSH has not.
    """
    import bcrypt

    name = key.cipher.decode("ascii", "replace")
    if name not in _CIPHERS or key.kdf != b"bcrypt":
        raise ValueError(f"its cipher {name} is unknown")
    key_size, iv_size, tag_size, opened = _CIPHERS[name]
    salt, rest = _string(key.kdf_options)
    (rounds,) = struct.unpack(">I", rest)
    if not 0 < rounds <= _MOST_ROUNDS or len(key.tag) != tag_size:
        raise ValueError("its encryption is not well-formed")
    derived = bcrypt.kdf(
        passphrase.encode(), salt, key_size + iv_size, rounds, ignore_few_rounds=True
    )
    private = opened(derived[:key_size], derived[key_size:], key.sealed, key.tag)
    if private[:4] != private[4:8]:
        raise WrongPassphraseError
    return replace(key, cipher=b"none", kdf=b"none", kdf_options=b"", sealed=private, tag=b"")


def pem(key: OpenSSHKey) -> bytes:
    """Return the key as a file has it."""
    parts = (key.cipher, key.kdf, key.kdf_options)
    content = b"".join((_MAGIC, *map(_packed, parts), b"\0\0\0\1", _packed(key.public)))
    text = base64.b64encode(content + _packed(key.sealed) + key.tag)
    lines = [text[begin : begin + 70] for begin in range(0, len(text), 70)]
    edges = [b"-----%s OPENSSH PRIVATE KEY-----" % word for word in (b"BEGIN", b"END")]
    return b"\n".join((edges[0], *lines, edges[1], b""))


_Opened = Callable[[bytes, bytes, bytes, bytes], bytes]


def _with_aes_ctr(key: bytes, iv: bytes, sealed: bytes, tag: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.CTR(iv)).decryptor().update(sealed)


def _with_aes_cbc(key: bytes, iv: bytes, sealed: bytes, tag: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor().update(sealed)


def _with_3des(key: bytes, iv: bytes, sealed: bytes, tag: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    return Cipher(TripleDES(key), modes.CBC(iv)).decryptor().update(sealed)


def _with_aes_gcm(key: bytes, iv: bytes, sealed: bytes, tag: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(iv, sealed + tag, None)
    except InvalidTag:
        raise WrongPassphraseError from None


def _with_chacha20(key: bytes, iv: bytes, sealed: bytes, tag: bytes) -> bytes:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    def stream(block: int) -> Cipher[None]:
        # a 64-bit counter, then a nonce of zeros: the first packet
        return Cipher(algorithms.ChaCha20(key[:32], struct.pack("<QQ", block, 0)), None)

    try:
        Poly1305.verify_tag(stream(0).encryptor().update(bytes(32)), sealed, tag)
    except InvalidSignature:
        raise WrongPassphraseError from None
    return stream(1).decryptor().update(sealed)


_CIPHERS: dict[str, tuple[int, int, int, _Opened]] = {
    "3des-cbc": (24, 8, 0, _with_3des),
    **{f"aes{bits}-cbc": (bits // 8, 16, 0, _with_aes_cbc) for bits in (128, 192, 256)},
    **{f"aes{bits}-ctr": (bits // 8, 16, 0, _with_aes_ctr) for bits in (128, 192, 256)},
    **{f"aes{bits}-gcm@openssh.com": (bits // 8, 12, 16, _with_aes_gcm) for bits in (128, 256)},
    "chacha20-poly1305@openssh.com": (64, 0, 16, _with_chacha20),
}
"""By name: the sizes of key, initialization vector and tag in bytes, and what decrypts."""


def _string(content: bytes) -> tuple[bytes, bytes]:
    """Return the string that a content begins with, and what follows."""
    end = 4 + int.from_bytes(content[:4], "big")
    if len(content) < end:
        raise ValueError("it is cut off")
    return content[4:end], content[end:]


def _packed(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
