"""Files of known hosts, as OpenSSH reads them (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.ssh.host_keys import HostKeyChangedError
from ecsmachine.ssh.private_files import NotWrittenError
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from ecsmachine.ssh.library import PKey

_LONGEST_FILE = 16 << 20


def users_files() -> list[Path]:
    """Return the files that OpenSSH looks into for this user."""
    own = Path.home() / ".ssh"
    system = Path("/etc/ssh")
    return [
        *(own / name for name in ("known_hosts", "known_hosts2")),
        *(system / name for name in ("ssh_known_hosts", "ssh_known_hosts2")),
    ]


@dataclass(frozen=True)
class KnownHosts:
    """What is known of the key of one host; a key that is new is written into the first file.

    ``name`` is as in these files: a host, or ``[HOST]:PORT``. Authorities (``@cert-authority``) are
    passed over: paramiko knows no certificates of hosts.
    """

    name: str
    files: Sequence[Path]

    def types(self) -> list[str]:
        """Return the types of the keys that are known, which the host is asked for first."""
        return [kind for marker, kind, _ in self._entries() if not marker]

    def check(self, host: str, key: PKey) -> None:
        """Compare the key that the host shows with what is known; a new one is written down.

        Raises :class:`~ecsmachine.ssh.host_keys.HostKeyChangedError` if it is another or revoked.
        """
        kind, text = key.get_name(), key.get_base64()
        entries = list(self._entries())
        if ("@revoked", kind, text) in entries:
            raise HostKeyChangedError(
                f"The host key of {host} is revoked ({key.fingerprint})",
                hint="Find out why before you log in there.",
            )
        if ("", kind, text) in entries:
            return
        if any((marker, known) == ("", kind) for marker, known, _ in entries):
            raise HostKeyChangedError(
                f"The host key of {host} has changed: it shows {key.fingerprint}, which is not "
                f"the one in {' or '.join(str(file) for file in self.files if path_exists(file))}",
                hint="Somebody may be intercepting the connection, or the host was reinstalled. "
                f'If you know that it was, run: ssh-keygen -R "{self.name}" -f FILE',
            )
        self._write_down(f"{self.name} {kind} {text}\n")

    def _write_down(self, line: str) -> None:
        path = self.files[0]
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # appended whole, beside what others append
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(line.encode())
        except OSError as error:
            raise NotWrittenError(path, error) from error

    def _entries(self) -> Iterator[tuple[str, str, str]]:
        """Yield the marker, type and text of each key that a file has for the host."""
        for path in self.files:
            try:
                with path.open("rb") as file:
                    content = file.read(_LONGEST_FILE).decode(errors="replace")
            except OSError:
                continue
            for line in content.splitlines():
                words = line.split()
                marker = words.pop(0) if line.startswith("@") and words else ""
                if len(words) >= 3 and not line.startswith("#") and _names(words[0], self.name):
                    yield marker, words[1], words[2]


def _names(patterns: str, name: str) -> bool:
    """Whether the first field of a line is of a host."""
    if patterns.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part) for part in patterns[3:].split("|"))
        except ValueError:
            return False
        return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
    found = False
    for pattern in patterns.lower().split(","):
        # brackets are of a port, and no set of characters
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if re.match(translate(plain), name.lower()):
            if pattern.startswith("!"):
                return False
            found = True
    return found
