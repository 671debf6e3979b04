"""Host keys: pinned at first contact, checked ever after.

The pin belongs to the machine, not to its address, which may change: the file holds one line in
the format of OpenSSH's known_hosts, under the name that :func:`alias` gives.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError
from ecsmachine.ssh.private_files import NotWrittenError, write_private

if TYPE_CHECKING:
    from ecsmachine.ssh.library import PKey


class HostKeyChangedError(MachineError):
    """The host showed another key than the one that was pinned."""


def alias(pin_path: Path) -> str:
    """Return the host name under which the pin file lists its key (OpenSSH's HostKeyAlias)."""
    return f"ecsmachine-{pin_path.parent.name}"


def pinned(pin_path: Path) -> tuple[str, str] | None:
    """Return the type and the base64 text of the pinned key, or None before first contact.

    Raises :class:`MachineError` if the file is there but cannot be read.
    """

    def fault(reason: str) -> MachineError:
        return MachineError(
            f"The host key file {pin_path} cannot be read: {reason}",
            hint="Restore it; without it the host's identity cannot be checked.",
        )

    try:
        key = parse(read_file(pin_path, fault))
    except FileNotFoundError:
        return None
    if key is None:
        raise fault("it holds no host key")
    return key


def parse(content: bytes) -> tuple[str, str] | None:
    """Return the type and the base64 text of the key in a pin file's content, if it holds one."""
    # a comment may follow, as in any file of OpenSSH
    found = re.match(rb"\s*\S+[ \t]+([a-z0-9@.-]+)[ \t]+([A-Za-z0-9+/]+={0,2})(?=\s|$)", content)
    return (found[1].decode(), found[2].decode()) if found else None


def line_of(pin_path: Path, key: tuple[str, str]) -> bytes:
    """Return the content of a pin file."""
    return f"{alias(pin_path)} {key[0]} {key[1]}\n".encode()


def fingerprint(base64_key: str) -> str:
    """Return the fingerprint of a key as ``ssh-keygen -l`` shows it (SHA256:…)."""
    digest = hashlib.sha256(base64.b64decode(base64_key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True)
class PinnedKey:
    """The key that is pinned in a file, or will be at first contact."""

    path: Path

    def types(self) -> list[str]:
        """Return the type of the pinned key, which the host is asked for."""
        known = pinned(self.path)
        return [known[0]] if known else []

    def check(self, host: str, key: PKey) -> None:
        """Pin the key at first contact; later compare it with the pin.

        Raises :class:`HostKeyChangedError` if it is another one.
        """
        known = pinned(self.path)
        if known is None:
            pin(self.path, key)
        elif known != (key.get_name(), key.get_base64()):
            raise HostKeyChangedError(
                f"The host key of {host} has changed: it shows {key.fingerprint}, not the one "
                f"pinned in {self.path}",
                hint="Somebody may be intercepting the connection, or the host was reinstalled. "
                f"If you know that it was, run: ecsmachine trust {self.path.parent.name}",
            )


def pin(pin_path: Path, key: PKey) -> None:
    """Pin a key, in place of the one that was pinned if one was."""
    try:
        write_private(pin_path, line_of(pin_path, (key.get_name(), key.get_base64())))
    except OSError as error:
        raise NotWrittenError(pin_path, error) from error
