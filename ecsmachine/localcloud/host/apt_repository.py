"""An apt repository of package files that are there, and what makes a guest's apt use it.

The format is that of https://wiki.debian.org/DebianRepository/Format.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path

from ecsmachine.localcloud.host.openpgp import SigningKey
from ecsmachine.localcloud.host.packages import Package, manifest_path, read_manifest
from ecsmachine.localcloud.host.programs import run

_COMPONENT = "main"
_SIGNED = "Release.gpg"


def sources_list(url: str, suite: str) -> str:
    """Return a sources.list with the repository of one release at ``url``, and no other.

    The repository has no signature: it is only reached over the cloud's own network, and
    guests have their installer from the same place.
    """
    return f"deb [trusted=yes] {url} {suite} {_COMPONENT}\n"


def apt_configuration(*hosts: str) -> str:
    """Return an apt.conf that reaches the repository without the proxies of the host.

    They are in the base image, where the host's apt has any.
    """
    return "".join(f'Acquire::http::Proxy::{host} "DIRECT";\n' for host in hosts)


@dataclass(eq=False, repr=False)
class AptRepository:
    """The indexes of one release's repository; its methods may be called from any thread.

    ``folders`` hold the packages, each with its list. They are looked into when an index is
    first asked for, so that a repository which nobody uses costs nothing.
    ``tree`` is the path that the repository begins at, ``pool`` the folder in it with the packages.
    With a ``key`` it is signed.
    """

    suite: str
    architecture: str
    folders: Sequence[Path]
    component: str = _COMPONENT
    tree: str = ""
    pool: str = ""
    key: SigningKey | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _indexes: Mapping[str, bytes] | None = None

    def index(self, path: str) -> bytes | None:
        """Return the index at a path such as ``/dists/bookworm/Release``; None: there is none.

        Raises ``LocalCloudError`` if a package cannot be read.
        """
        if self.key is not None and path == f"{self.tree}/gpg":
            return self.key.public_key().encode()
        root = f"{self.tree}/dists/{self.suite}/"
        if not path.startswith(root):
            return None
        with self._lock:
            if self._indexes is None:
                self._indexes = self._make()
            return self._indexes.get(path.removeprefix(root))

    def _make(self) -> dict[str, bytes]:
        files = {
            package.file: (folder, package)
            for folder in self.folders
            for package in read_manifest(folder)
        }
        stanzas = [_stanza(folder, package, self.pool) for folder, package in files.values()]
        packages = "\n".join(stanzas).encode()
        name = f"{self.component}/binary-{self.architecture}/Packages"
        indexes = {name: packages, f"{name}.gz": gzip.compress(packages, mtime=0)}
        # That of the newest packages: apt refuses an index that is older than the one it has.
        newest = max(manifest_path(folder).stat().st_mtime for folder in self.folders)
        release = self._release(newest, indexes).encode()
        signed = {} if self.key is None else {_SIGNED: self.key.sign(release).encode()}
        return {**indexes, "Release": release, **signed}

    def _release(self, date: float, indexes: Mapping[str, bytes]) -> str:
        hashes = "".join(
            f" {sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in indexes.items()
        )
        return (
            "Origin: ecsmachine\n"
            "Label: local cloud\n"
            f"Suite: {self.suite}\n"
            f"Codename: {self.suite}\n"
            f"Date: {formatdate(date, usegmt=True)}\n"
            f"Architectures: {self.architecture}\n"
            f"Components: {self.component}\n"
            f"SHA256:\n{hashes}"
        )


def _stanza(folder: Path, package: Package, pool: str) -> str:
    """Return the entry of a package in a Packages index: its fields, and those of its file."""
    control = run(["dpkg-deb", "--field", str(folder / package.file)]).rstrip("\n")
    place = f"{pool}/{package.file}" if pool else package.file
    return f"{control}\nFilename: {place}\nSize: {package.size}\nSHA256: {package.sha256}\n"
