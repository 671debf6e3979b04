"""Programs: where they are, how they are called, and begun at little weight."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

if sys.platform == "win32":
    _OPENSSH = r"System32\OpenSSH"
    """Where Windows has OpenSSH, in its own folder; a short PATH may lack it."""

    def find(name: str) -> str | None:
        """Return where a program is, by PATH; None if it is nowhere.

        Never in the current folder, where Windows itself looks first.
        """
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

    def called(name: str) -> str:
        """Return how a program is called so that none of the current folder is taken for it."""
        return find(name) or f"{name}.exe"

    def start(words: Sequence[str], environment: Mapping[str, str], said: str | None = None) -> int:
        """Begin a program that shares a connection; none does on Windows."""
        raise NotImplementedError

    def wait(process: int) -> int:
        """Wait for such a program."""
        raise NotImplementedError

    def pass_on(signal: int, process: int) -> None:
        """Pass a signal on to such a program."""
        raise NotImplementedError

else:

    def find(name: str) -> str | None:
        """Return where a program is, by PATH; None if it is nowhere."""
        import shutil

        return shutil.which(name)

    def called(name: str) -> str:
        """Return how a program is called: by its name."""
        return name

    def start(words: Sequence[str], environment: Mapping[str, str], said: str | None = None) -> int:
        """Begin a program, and return its process id. Raises :class:`OSError`.

        It has our standard streams; or none, and what it says goes to a new file ``said``.
        """
        import signal

        actions: list[tuple[int, int, str, int, int]] = []
        if said is not None:
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, said, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
            ]
        return os.posix_spawnp(
            words[0],
            list(words),
            environment,
            file_actions=actions,
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )

    def wait(process: int) -> int:
        """Wait for a program that was begun, and return its status."""
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def pass_on(signal: int, process: int) -> None:
        """Pass a signal on to a program that was begun."""
        os.kill(process, signal)
