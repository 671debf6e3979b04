"""Where a local cloud keeps its files, and the names it uses in the kernel."""

from __future__ import annotations

import hashlib
import os
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


class CloudPaths:
    """The files of one cloud. All is below ``root``, which only its owner can enter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.id = cloud_id(root)
        """The cloud's id, part of each of its names in the kernel."""
        self.link = f"ecs-{self.id}"
        """The host's end of the link to the cloud's router (at most 15 characters)."""
        self.group = f"ecsmachine-{self.id}"
        """The control group (or systemd slice) all guests run below."""
        self.mark = f"{MARK}={root}"
        """The environment entry that identifies the cloud's own processes."""
        self.daemon_file = root / "daemon.json"
        """Process id, start time, addresses and port of the running daemon (JSON)."""
        self.settings_file = root / "settings.json"
        """The data that stays from one ``up`` to the next: port, addresses, kind of guests."""
        self.state_file = root / STATE_FILE
        """The state of the API (SQLite)."""
        self.faults_file = root / "faults.sqlite"
        """The injected faults (SQLite)."""
        self.mirror_key = root / "mirror-key.pem"
        """The private key that signs the mirror's tree of Docker's packages."""
        self.log = root / "daemon.log"
        """The daemon's log."""
        self.namespaces = root / "namespaces"
        """The network namespaces, each bound to a file."""
        self.router = self.namespaces / "router"
        """The network namespace of the cloud's router."""
        self.instances = root / "instances"
        """A folder for each instance that has a guest."""
        self.disks = root / "disks"
        """The files behind the data disks."""
        self.snapshots = root / "snapshots"
        """The files of the snapshots."""
        self.registry = root / "registry"
        """The registry's settings and its images."""
        self.clusters = root / "clusters"
        """A folder for each cluster of Container Service: its machines and certificates."""

    @classmethod
    def of(cls, root: Path) -> CloudPaths:
        """Return the paths of the cloud in ``root``, made absolute."""
        return cls(Path(os.path.realpath(with_home(root))))  # a loop of links stays one
