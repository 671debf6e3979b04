"""An OpenPGP key (RFC 4880) that signs an apt repository: as much of it as that needs.

Made with the library that the local cloud has anyway, so that no gpg is needed on the host.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.localcloud.state.records import write_private
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_MADE = 1_735_689_600  # the key's time is part of its fingerprint, and so is the same for all
_PUBLIC_KEY, _USER_ID, _SIGNATURE = 6, 13, 2
_OF_DATA, _OF_A_KEY = 0x00, 0x13
_RSA, _SHA256 = 1, 8


@dataclass(frozen=True)
class SigningKey:
    """An RSA key with the name of its owner. Its repr does not show the private key."""

    private: RSAPrivateKey
    owner: str

    def __repr__(self) -> str:
        return f"SigningKey({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """40 hexadecimal digits, as apt and gpg print them."""
        return self._fingerprint().hex().upper()

    def public_key(self) -> str:
        """Return the public key for ``signed-by``, in ASCII."""
        owner = self.owner.encode()
        certified = b"".join((self._key_for_hash(), b"\xb4", len(owner).to_bytes(4, "big"), owner))
        packets = (
            _packet(_PUBLIC_KEY, self._key_body()),
            _packet(_USER_ID, owner),
            self._signature(_OF_A_KEY, certified, _subpacket(27, b"\x03"), _MADE),
        )
        return _armoured("PGP PUBLIC KEY BLOCK", b"".join(packets))

    def sign(self, data: bytes) -> str:
        """Return a detached signature of some data, in ASCII."""
        signature = self._signature(_OF_DATA, data, b"", int(time.time()))
        return _armoured("PGP SIGNATURE", signature)

    def _key_body(self) -> bytes:
        numbers = self.private.public_key().public_numbers()
        head = b"\x04" + _MADE.to_bytes(4, "big") + bytes([_RSA])
        return head + _number(numbers.n) + _number(numbers.e)

    def _key_for_hash(self) -> bytes:
        body = self._key_body()
        return b"\x99" + len(body).to_bytes(2, "big") + body

    def _fingerprint(self) -> bytes:
        return hashlib.sha1(self._key_for_hash()).digest()  # noqa: S324 (RFC 4880, 12.2)

    def _signature(self, kind: int, data: bytes, more: bytes, when: int) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        fingerprint = self._fingerprint()
        hashed = (
            _subpacket(2, when.to_bytes(4, "big")) + _subpacket(33, b"\x04" + fingerprint) + more
        )
        head = bytes([4, kind, _RSA, _SHA256]) + len(hashed).to_bytes(2, "big") + hashed
        signed = data + head + b"\x04\xff" + len(head).to_bytes(4, "big")
        issuer = _subpacket(16, fingerprint[-8:])
        number = int.from_bytes(self.private.sign(signed, PKCS1v15(), SHA256()), "big")
        return _packet(
            _SIGNATURE,
            head
            + len(issuer).to_bytes(2, "big")
            + issuer
            + hashlib.sha256(signed).digest()[:2]
            + _number(number),
        )


def signing_key(file: Path, owner: str) -> SigningKey:
    """Return the key in a file that only its owner can read; create it if there is none."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    if path_exists(file):
        private = serialization.load_pem_private_key(file.read_bytes(), None)
        if isinstance(private, rsa.RSAPrivateKey):
            return SigningKey(private, owner)
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(file, pem)
    return SigningKey(private, owner)


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0x80 | tag << 2 | 2]) + len(body).to_bytes(4, "big") + body


def _subpacket(kind: int, body: bytes) -> bytes:
    return bytes([len(body) + 1, kind]) + body


def _number(value: int) -> bytes:
    bits = value.bit_length()
    return bits.to_bytes(2, "big") + value.to_bytes((bits + 7) // 8, "big")


def _armoured(kind: str, data: bytes) -> str:
    text = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    check = base64.b64encode(_crc24(data).to_bytes(3, "big")).decode()
    return f"-----BEGIN {kind}-----\n\n{text}\n={check}\n-----END {kind}-----\n"


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc
