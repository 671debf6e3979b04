"""Files for nobody else to read: keys, and the host keys that are pinned."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from ecsmachine.errors import MachineError
from ecsmachine.system import files, os_errors

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from pathlib import Path


class KeyFileError(MachineError):
    """A private key cannot be used: unreadable, too open, of an unknown kind."""


class NotWrittenError(MachineError):
    """A file, ``path``, cannot be written; the hint says what to do about it there.

    Whoever knows another way adds it (:meth:`or_else`).
    """

    def __init__(self, path: str | os.PathLike[str], error: OSError):
        self.path = os.fspath(path)
        self.refusal = error
        super().__init__(
            f"{self.path} cannot be written: {error.strerror or error}",
            hint=os_errors.sentence(error, path) or None,
        )

    def or_else(self, other: str) -> NotWrittenError:
        """Add another way out, as a clause: ``name another file``. Returns the error itself."""
        self.hint = os_errors.sentence(self.refusal, self.path, other)
        return self


def check_private(path: str | os.PathLike[str]) -> None:
    """Raise :class:`KeyFileError` if others than its owner may read or change a private key.

    Whatever its kind (of SSH, of a CA, of an engine or its client): somebody may have it, or may
    have put theirs in its place. What is no file would be waited for, or have no end. What is not
    there is left to whoever reads it.
    """
    try:
        status = os.stat(path)
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(
            f"The private key {path} is not a plain file", hint="Replace it with the key file."
        )
    found = files.openness(path, status)
    if found is not None:
        how, mend = found
        raise KeyFileError(
            f"The permissions of the private key {path} are too open: {how}", hint=mend
        )


def check_login_key(path: str | os.PathLike[str]) -> None:
    """As :func:`check_private`, and raise :class:`KeyFileError` for a key that cannot be read.

    The programs that read it say only that the host did not let them in.
    """
    check_private(path)
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise KeyFileError(
            f"Cannot read the private key {os.fspath(path)}: {error.strerror}",
            hint=os_errors.sentence(error, path) or "Restore it from a backup.",
        ) from error


@contextmanager
def replacing(
    path: Path,
    content: bytes,
    mode: int = 0o600,
    *,
    within: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[None]:
    """Write a file beside its place, and move it there once the block has come to its end.

    The content is on disk (fsync of file and folder) afterwards. What fails of it, with
    :class:`OSError`, does so ``within`` that context; before the block, the block is not begun.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with within(), os.fdopen(files.create(temporary, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield
        with within():
            files.move(temporary, path)
            files.sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all, and on disk when this returns.

    Raises :class:`OSError`.
    """
    with replacing(path, content):
        pass
