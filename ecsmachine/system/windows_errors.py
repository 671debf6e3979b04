"""What Windows' errors of files mean: it says "denied" of a folder that is opened as a file.

It says as well that there is no file, where what should be a folder above is a file.
"""

from __future__ import annotations

import errno
import os

from ecsmachine.system.names import why_not_on_windows


def as_posix_error(error: OSError, path: str, *, folder: bool = False) -> OSError:
    """Return the error that other systems raise, for one that Windows raised of a path.

    ``folder`` says that the path itself should be that of a folder. An error whose meaning is that
    of other systems is returned as it is.
    """
    if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
        return error
    for reason in filter(None, map(why_not_on_windows, _parts(path))):
        return OSError(errno.EINVAL, reason, path)
    if _is_below_a_file(path if folder else os.path.dirname(path)):
        return OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if error.errno == errno.EACCES and not folder and os.path.isdir(path):
        return OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return error


def _parts(path: str) -> list[str]:
    """Return the names in a path, without drive, share and the dots that lead elsewhere."""
    names = os.path.splitdrive(path)[1].replace("\\", "/").split("/")
    return [name for name in names if name not in ("", ".", "..", "?")]


def _is_below_a_file(path: str) -> bool:
    """Whether what is nearest of a path, the path itself first, is no folder."""
    path = os.path.abspath(path)
    while not os.path.lexists(path):
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return not os.path.isdir(path)
