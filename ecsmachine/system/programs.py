"""Programs: where they are, and how they are called."""

from __future__ import annotations

import os
import sys

_OPENSSH = r"System32\OpenSSH"
"""Where Windows has OpenSSH, in its own folder; a short PATH may lack it."""


def find(name: str) -> str | None:
    """Return where a program is, by PATH; None if it is nowhere.

    Never in the current folder, where Windows itself looks first.
    """
    if sys.platform != "win32":
        import shutil

        return shutil.which(name)
    folders = os.environ.get("PATH", "").split(os.pathsep)
    system = os.environ.get("SYSTEMROOT", r"C:\Windows")
    endings = os.environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").lower().split(os.pathsep)
    names = [name] if name.lower().endswith(tuple(endings)) else [name + end for end in endings]
    for folder in (*folders, os.path.join(system, _OPENSSH)):
        for each in names if os.path.isabs(folder.strip('"')) else ():
            found = os.path.join(folder.strip('"'), each)
            if os.path.isfile(found):
                return found
    return None


def executable(name: str) -> str:
    """Return how a program is called so that none of the current folder is taken for it."""
    return find(name) or f"{name}.exe" if sys.platform == "win32" else name


def arguments(command_line: str) -> str | list[str]:
    """Return a command line as subprocess takes it. Raises ValueError for an open quote.

    On Windows programs split it themselves.
    """
    if sys.platform == "win32":
        return command_line
    import shlex

    return shlex.split(command_line)


def screen_is_named() -> bool:
    """Whether a variable names the screen that programs with windows have, if there is one."""
    return sys.platform.startswith("linux")
