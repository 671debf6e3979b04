"""What the operating system refuses, and what a person can do about it."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import TypeAlias

    Place: TypeAlias = str | os.PathLike[str]

FULL = (errno.ENOSPC, errno.EDQUOT)
"""A disk, or what one user may have of it, is used up."""

_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY)

_REMEDIES = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "remove other files of yours there, or raise your quota",
    errno.EROFS: "mount its file system writable",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.EIO: "check its disk",
    errno.EINVAL: "take another name",
    errno.EBUSY: "end the program that has it open",
    errno.ETXTBSY: "end the program that runs from it",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "end programs that have many files open",
    errno.EAGAIN: "raise the limit of processes (ulimit -u), or end some",
    errno.ENOLCK: "use a file system that has locks",
    errno.ENOMEM: "end programs that use much memory",
    **dict.fromkeys(_IN_THE_WAY, "move away the file in its place"),
}
_UNREAD = (errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Refusals to read that say nothing of what is there."""

_TOLD = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What programs tell in the system's words."""


def remedy(error: OSError, place: Place | None = None) -> str:
    """Return what to do about a refusal, as a clause without a capital; "" if that is unknown.

    ``place`` is the file that was to be written, if it was one.
    """
    if error.errno in (errno.EACCES, errno.EPERM) and place is not None:
        return f"correct the permissions of {_refusing(place)}"
    if error.errno == errno.ENOENT and place is not None:
        if os.path.islink(place):
            return "remove the link in its place, which leads nowhere"
        folder = os.path.dirname(os.path.abspath(place))
        return "" if os.path.isdir(folder) else f"make the folder {folder}"
    return _REMEDIES.get(error.errno or 0, "")


def sentence(error: OSError, place: Place | None = None, other: str = "") -> str:
    """Return :func:`remedy` as a sentence, or ""; ``other`` is another way out, as a clause."""
    return _sentence_of(remedy(error, place), other)


def unread(error: OSError, place: Place, other: str = "") -> str:
    """Return :func:`sentence` for what cannot be read, whatever it is; of other errors, ``other``.

    It need be neither corrected nor restored.
    """
    return _sentence_of(remedy(error, place) if error.errno in _UNREAD else "", other)


def _sentence_of(*clauses: str) -> str:
    said = ", or ".join(filter(None, clauses))
    return f"{said[0].upper()}{said[1:]}." if said else ""


def reason(error: Exception, place: Place | None = None) -> str:
    """Return why something failed, without the number of the system's error.

    The file at which it did is named, unless that is ``place``, which stands there already.
    """
    file = getattr(error, "filename", None)
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{file}: {said}" if file and str(file) != str(place) else said


def told_by(output: str) -> OSError | None:
    """Return the refusal that a program tells of in its output; None if it tells of none."""
    for number in _TOLD:
        if os.strerror(number) in output:
            return OSError(number, os.strerror(number))
    return None


def _refusing(place: Place) -> str:
    """Return the file or folder that does not let us at a path: what is above it, itself, or else
    the folder that it is in, or would be."""
    path = os.path.abspath(place)
    above = [path[:at] or os.sep for at, sign in enumerate(path) if sign == os.sep]
    for folder in above:
        if os.path.isdir(folder) and not os.access(folder, os.X_OK):
            return folder
    if os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK):
        return path
    return next((folder for folder in reversed(above) if os.path.isdir(folder)), path)
