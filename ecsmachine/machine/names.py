"""The names of the machines in a store, and nothing else: ``ls -q`` must start fast."""

from __future__ import annotations

import errno
import os

from ecsmachine.errors import MachineError
from ecsmachine.system.files import entries

_NOTHING_THERE = (
    *(errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG),
    errno.EINVAL,  # no folder can have the name
)
"""What is said of a path at which no folder is; of others the folder cannot be looked into."""


def names_in(machines_path: str | os.PathLike[str]) -> list[str]:
    """Return the names of all machines, in natural order (``web2`` before ``web10``).

    Raises :class:`MachineError` if the folder cannot be read.
    """
    try:
        found = entries(machines_path)
    except FileNotFoundError:
        return []
    except OSError as error:
        from ecsmachine.system import os_errors

        other = "choose another folder with --storage-path or MACHINE_STORAGE_PATH"
        raise MachineError(
            f"The machine store cannot be read: {machines_path}: {error.strerror}",
            hint=os_errors.unread(error, machines_path, other),
        ) from error
    names = [entry.name for entry in found if entry.name[0] != "." and is_machine(entry)]
    return sorted(names, key=natural_key)


def is_machine(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is that of a machine, be it whole or damaged.

    One in which nothing was begun is not: a create that was killed at its start leaves it, with
    no more in it than a hidden file.
    """
    try:
        return any(entry.name[0] != "." for entry in entries(folder))
    except (OSError, ValueError) as error:
        return _may_be_there(error)


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether anything is at a path; it is where that cannot be looked at."""
    try:
        os.lstat(path)
    except (OSError, ValueError) as error:
        return _may_be_there(error)
    return True


def _may_be_there(error: OSError | ValueError) -> bool:
    """Whether a look failed for another reason than that nothing is there, or can be."""
    return isinstance(error, OSError) and error.errno not in _NOTHING_THERE


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key in which numbers count as numbers, and case does not.

    What is the beginning of another name stands before it: ``t``, ``t2``, ``t10``.
    """
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in name.lower():
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((1 << 62, character))
    return [*parts, (int(digits), "")] if digits else parts
