"""Where files of settings are, who may have written them, and what they say.

Every command reads the user's file, so that nothing but it is loaded where there is none. The file
of a project is read by ``create`` and ``settings`` alone.
"""

from __future__ import annotations

import os

from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.folders import home, with_home

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

VARIABLE = "ECSMACHINE_CONFIG"
"""Names another file than the user's own; ``off`` for none, and none of a project."""

PROJECT = "ecsmachine.toml"
_LONGEST = 256 << 10


class File:
    """A file of settings that was read and checked: what it holds, and in which line."""

    def __init__(self, path: str, content: dict[str, Any], text: bytes, *, project: bool):
        self.path = path
        self.project = project
        self.content = content
        self._text = text

    def where(self, key: tuple[str, ...]) -> str:
        """Return ``FILE:LINE`` of a key, or of the table around it."""
        from ecsmachine.documents.toml import lines_of

        lines = lines_of(self._text)
        while key and key not in lines:
            key = key[:-1]
        return f"{self.path}:{lines[key]}" if key else self.path


def home_of(environment: Mapping[str, str]) -> str:
    """Return the user's home folder; "" if nothing names it."""
    return home(environment) or ""


def user_path(environment: Mapping[str, str]) -> str:
    """Return where the user's file is, if there is one; "" where it is switched off."""
    given = environment.get(VARIABLE)
    if given:
        return "" if _is_off(given) else os.path.abspath(with_home(given))
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):  # the specification says to ignore it
        home = home_of(environment)
        folder = os.path.join(home, ".config") if home else ""
    return os.path.join(folder, "ecsmachine", "config.toml") if folder else ""


def user_file(environment: Mapping[str, str], commands: Iterable[str]) -> File | None:
    """Return the user's file; None if there is none. Raises :class:`MachineError`."""
    path = user_path(environment)
    found = read(path, commands, project=False) if path else None
    if found is None and path and environment.get(VARIABLE):
        raise UsageError(
            f"There is no {path}, which {VARIABLE} names", hint="Correct it, or unset it."
        )
    return found


def project_path(environment: Mapping[str, str]) -> str:
    """Return where the project's file is: here, or above, within the home folder or a repository.

    "" if there is none.
    """
    if _is_off(environment.get(VARIABLE, "")):
        return ""
    try:
        folder, home = os.getcwd(), home_of(environment)
    except OSError:  # it was removed
        return ""
    while True:
        path = os.path.join(folder, PROJECT)
        if os.path.lexists(path):
            return path
        above = os.path.dirname(folder)
        if folder in (above, home) or os.path.lexists(os.path.join(folder, ".git")):
            return ""
        folder = above


def read(path: str, commands: Iterable[str], *, project: bool) -> File | None:
    """Return a file; None if there is none. Raises :class:`MachineError` if anything is wrong."""
    try:
        os.stat(path)
    except FileNotFoundError:
        if not os.path.islink(path):
            return None
    except (NotADirectoryError, PermissionError):
        return None  # nor is the folder the user's, as with the home folder that sudo leaves
    except OSError:
        pass  # told when it is read
    from ecsmachine.cli.settings import keys
    from ecsmachine.documents.text import read_file
    from ecsmachine.documents.toml import parse_toml

    def fault(reason: str) -> MachineError:
        return MachineError(
            f"The settings in {path} cannot be used: {reason}",
            hint=f"Correct them, or set {VARIABLE}=off to ignore them.",
        )

    text = read_file(path, fault, longest=_LONGEST, accept=lambda status: _check(path, status))
    found = File(path, parse_toml(text, fault), text, project=project)
    try:
        keys.check(found.content, commands, project=project)
    except keys.FaultError as error:
        where = found.where(error.path)
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from None
    return found


def _is_off(given: str) -> bool:
    return given in ("off", os.devnull)


def _check(path: str, status: os.stat_result) -> None:
    """Raise :class:`MachineError` for a file that somebody else may have written."""
    from ecsmachine.system.files import openness, user_id

    user = user_id()
    if user is not None and status.st_uid not in (user, 0):
        import shlex

        raise MachineError(
            f"The settings in {path} belong to another user ({status.st_uid}), and are ignored",
            hint=f"If they are right, make them yours: sudo chown {user} {shlex.quote(path)}; or "
            f"set {VARIABLE}=off to ignore them.",
        )
    found = openness(path, status, reading=False)
    if found is not None:
        how, mend = found
        raise MachineError(f"Others can write the settings in {path}: {how}", hint=mend)
