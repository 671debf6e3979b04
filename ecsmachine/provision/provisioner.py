"""What differs between families of systems: data, and functions that return shell commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class OperatingSystem:
    """What /etc/os-release says (os-release(5))."""

    id: str
    like: tuple[str, ...] = ()
    version: str = ""
    pretty_name: str = ""

    @property
    def major(self) -> str:
        """The first number of the version: 8 of 8.10."""
        return self.version.partition(".")[0]


@dataclass(frozen=True)
class PackageManager:
    """How packages are installed and upgraded; all are lines of ``sh`` that root runs.

    Locks of other package managers are waited for. ``upgrade``, ``owner`` and ``is_installed``
    find their packages, or the path of a file, in ``"$@"``; ``owner`` prints the name of the
    package that the file belongs to. ``unreachable`` is what it prints when it goes on without
    a source of packages that did not answer. ``engine_needs`` installs what the engine needs and
    no package of it brings.
    """

    name: str
    install: Callable[..., str]
    upgrade: str
    owner: str
    is_installed: str
    unreachable: str | None = None
    engine_needs: str = ""


@dataclass(frozen=True)
class Provisioner:
    """What differs between families of systems.

    ``ids`` are matched with ID of /etc/os-release, ``like`` with the words of ID_LIKE.
    ``engine_command`` is how the engine is named in its unit before it is installed.
    ``engine_install`` returns the commands that install the engine where the script of
    get.docker.com knows the system not; None leaves it to the script. ``socket``: the engine's
    packages bring docker.socket.
    """

    name: str
    ids: tuple[str, ...]
    packages: PackageManager
    like: tuple[str, ...] = ()
    engine_command: str = "/usr/bin/dockerd"
    storage_driver: str = "overlay2"
    engine_install: Callable[[OperatingSystem], str] | None = None
    socket: bool = True
