"""A person's standard folders, by the environment that the program was called with."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping


def with_home(path: str | os.PathLike[str]) -> str:
    """Return a path with the home folder in place of ``~``, or of ``~NAME``, at its beginning.

    A shell leaves the one in ``--option=~/path`` to us. If there is no such user, or home, the path
    is returned as it is; pathlib raises ``RuntimeError`` then.
    """
    return os.path.expanduser(path)


def home(environment: Mapping[str, str]) -> str | None:
    """Return the home folder; None where nothing says so.

    On Windows it is the system's own, where Docker's programs look, whatever HOME says in a Unix
    shell.
    """
    if sys.platform == "win32":
        drive, path = environment.get("HOMEDRIVE", ""), environment.get("HOMEPATH", "")
        return environment.get("USERPROFILE") or (drive + path if path else None)
    return environment.get("HOME") or None


def name_home(environment: MutableMapping[str, str]) -> None:
    """Set HOME where it is missing, as a login does: units of systemd have none.

    It stays so if the system does not know the user. Windows names the folder for every program.
    """
    if sys.platform == "win32" or environment.get("HOME"):
        return
    import pwd

    try:
        found = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return
    if found:
        environment["HOME"] = found


def caches(environment: Mapping[str, str]) -> str | None:
    """Return the folder of what can be made again; None where nothing says so."""
    if sys.platform == "win32":
        return environment.get("LOCALAPPDATA")
    own = home(environment)
    return environment.get("XDG_CACHE_HOME") or (f"{own}/.cache" if own else None)
