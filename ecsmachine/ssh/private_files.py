"""Files for nobody else to read: keys, and the host keys that are pinned."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
from pathlib import Path

from ecsmachine.errors import MachineError


class KeyFileError(MachineError):
    """A private key cannot be used: unreadable, too open, of an unknown kind."""


def check_private(path: Path) -> None:
    """Raise :class:`KeyFileError` if others than its owner may read or change a private key.

    Whatever its kind (of SSH, of a CA, of an engine or its client): somebody may have it, or may
    have put theirs in its place. What is no file would be waited for, or have no end. What is not
    there is left to whoever reads it.
    """
    try:
        status = path.stat()
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(
            f"The private key {path} is not a plain file", hint="Put the key in its place."
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise KeyFileError(
            f"The permissions of the private key {path} are too open: {mode:04o}",
            hint=f"chmod 600 {shlex.quote(str(path))}",
        )


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all, and on disk when this returns.

    Raises :class:`OSError`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
