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
    codename: str = ""

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

    ``refresh`` fetches the lists of packages; ``versions`` prints those of a package, the newest
    first, ``at`` what names a package in a version, and ``install_at`` installs such, older ones
    too. ``add_repository`` adds the source ``$1`` of Docker's packages for the system ``$2`` in the
    release ``$3``, whose key is in ``$work/key.asc``; ``drop_repository`` removes it again.
    ``docker_key`` is the key's fingerprint, and ``docker_key_path`` where a source has the key.
    """

    name: str
    install: Callable[..., str]
    upgrade: str
    owner: str
    is_installed: str
    refresh: str
    versions: str
    at: str
    install_at: str
    add_repository: str = ""
    drop_repository: str = ""
    docker_key: str = ""
    docker_key_path: str = ""
    unreachable: str | None = None
    engine_needs: str = ""


@dataclass(frozen=True)
class Provisioner:
    """What differs between families of systems.

    ``ids`` are matched with ID of /etc/os-release, ``like`` with the words of ID_LIKE.
    ``engine_command`` is how the engine is named in its unit before it is installed.
    ``docker_release`` returns which of Docker's packages suit a system: the folder of the system
    and the release in it, such as ("debian", "bookworm"). Without it the system has an engine of
    its own, which the commands of ``own_engine`` install. ``script``: the script of get.docker.com
    knows the system. ``socket``: the engine's packages bring docker.socket.
    """

    name: str
    ids: tuple[str, ...]
    packages: PackageManager
    like: tuple[str, ...] = ()
    engine_command: str = "/usr/bin/dockerd"
    storage_driver: str = "overlay2"
    docker_release: Callable[[OperatingSystem], tuple[str, str]] | None = None
    own_engine: Callable[[OperatingSystem], str] | None = None
    script: bool = False
    socket: bool = True
