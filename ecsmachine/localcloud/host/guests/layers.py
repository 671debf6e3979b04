"""The layers of root disks from snapshots: unpacked once, and shared by all guests.

A guest has a link to them in its folder. Only this link marks them as used. So they can outlive
their snapshot, and interrupted work.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from ecsmachine.localcloud.host.guests.snapshots import Snapshots
from ecsmachine.localcloud.host.mounts import remove_tree
from ecsmachine.system.files import path_exists

ENGINE_PARTS = ("docker", "containerd")
"""The folders of a root disk that are not layers: the engine has its own layers in there."""

LAYERS = "layers"
"""The link in a guest's folder. Its target has a folder per layer, 1 the lowest."""


class Layers:
    """The layers of one cloud: beside its snapshots, those of s-1 in ``s-1.layers``."""

    def __init__(self, snapshots: Snapshots, folder: Path, guests: Path):
        self._snapshots = snapshots
        self._folder = folder
        self._guests = guests
        self._lock = threading.Lock()

    def give(self, snapshot_id: str, guest: Path) -> None:
        """Let the root disk in a guest's folder lie over the layers of a snapshot."""
        with self._lock:
            layers = self._folder / f"{snapshot_id}.layers"
            if not path_exists(layers):
                new = self._folder / f".{snapshot_id}.layers"
                remove_tree(new)
                new.mkdir()
                self._snapshots.unpack(snapshot_id, new, without=ENGINE_PARTS)
                (new / "upper").rename(new / str(len(list(new.iterdir()))))
                new.rename(layers)
            link = guest / f".{LAYERS}.new"
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(layers, guest))
            link.replace(guest / LAYERS)

    def sweep(self) -> None:
        """Remove the layers that no guest uses, and that no snapshot is there for."""
        with self._lock:
            layers = self._folder.glob("*.layers")
            idle = {each.name: each for each in layers if not path_exists(each.with_suffix(""))}
            for link in self._guests.glob(f"*/{LAYERS}") if idle else ():
                with suppress(FileNotFoundError):  # its guest is being removed
                    idle.pop(link.readlink().name, None)
            for each in idle.values():
                remove_tree(each)
