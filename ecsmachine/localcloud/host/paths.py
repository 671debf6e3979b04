"""Where a local cloud keeps its files, and the names it uses in the kernel."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.state import FILE_NAME as STATE_FILE
from ecsmachine.system.folders import with_home


def default_root() -> Path:
    """Return the folder of a person's usual local cloud."""
    from platformdirs import user_data_path

    return user_data_path("ecsmachine") / "local"


def default_cache() -> Path:
    """Return the folder of data that is costly to build and shared by all local clouds."""
    from platformdirs import user_cache_path

    return user_cache_path("ecsmachine")


def cloud_id(root: Path) -> str:
    """Return the six hexadecimal digits in a cloud's names that identify the cloud.

    They depend only on the folder's path, so that everything that a cloud left in the kernel can be
    found and removed even if its files are gone.
    """
    return hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:6]


def lock_of(root: Path) -> Path:
    """Return the file that whoever serves the cloud in a folder holds a lock on."""
    return root / f"{STATE_FILE}.lock"


# An environment entry of the daemon and the programs it starts; guests do not have it.
MARK = "ECSMACHINE_LOCAL_CLOUD"


@dataclass(frozen=True)
class CloudPaths:
    """The files of one cloud. All is below ``root``, which only its owner can enter."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> CloudPaths:
        """Return the paths of the cloud in ``root``, made absolute."""
        return cls(Path(os.path.realpath(with_home(root))))  # a loop of links stays one

    @property
    def id(self) -> str:
        """The cloud's id, part of each of its names in the kernel."""
        return cloud_id(self.root)

    @property
    def link(self) -> str:
        """The host's end of the link to the cloud's router (at most 15 characters)."""
        return f"ecs-{self.id}"

    @property
    def group(self) -> str:
        """The control group (or systemd slice) all guests run below."""
        return f"ecsmachine-{self.id}"

    @property
    def mark(self) -> str:
        """The environment entry that identifies the cloud's own processes."""
        return f"{MARK}={self.root}"

    @property
    def daemon_file(self) -> Path:
        """Process id, start time, addresses and port of the running daemon (JSON)."""
        return self.root / "daemon.json"

    @property
    def settings_file(self) -> Path:
        """The data that stays from one ``up`` to the next: port, addresses, kind of guests."""
        return self.root / "settings.json"

    @property
    def state_file(self) -> Path:
        """The state of the API (SQLite)."""
        return self.root / STATE_FILE

    @property
    def faults_file(self) -> Path:
        """The injected faults (SQLite)."""
        return self.root / "faults.sqlite"

    @property
    def mirror_key(self) -> Path:
        """The private key that signs the mirror's tree of Docker's packages."""
        return self.root / "mirror-key.pem"

    @property
    def log(self) -> Path:
        """The daemon's log."""
        return self.root / "daemon.log"

    @property
    def namespaces(self) -> Path:
        """The network namespaces, each bound to a file."""
        return self.root / "namespaces"

    @property
    def router(self) -> Path:
        """The network namespace of the cloud's router."""
        return self.namespaces / "router"

    @property
    def instances(self) -> Path:
        """A folder for each instance that has a guest."""
        return self.root / "instances"

    @property
    def disks(self) -> Path:
        """The files behind the data disks."""
        return self.root / "disks"

    @property
    def snapshots(self) -> Path:
        """The files of the snapshots."""
        return self.root / "snapshots"

    @property
    def registry(self) -> Path:
        """The registry's settings and its images."""
        return self.root / "registry"

    @property
    def clusters(self) -> Path:
        """A folder for each cluster of Container Service: its machines and certificates."""
        return self.root / "clusters"
