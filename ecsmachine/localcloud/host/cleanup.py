"""Removes everything that a cloud has outside of its files, found by looking, not from records.

So it works after any crash: it asks the kernel.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from ecsmachine.localcloud.host.control_groups import guest_groups
from ecsmachine.localcloud.host.guests.leftovers import remove_traces_of_nspawn, unmount_root_disks
from ecsmachine.localcloud.host.mounts import detach_loops_below, remove_tree, unmount_below
from ecsmachine.localcloud.host.network import remove_link
from ecsmachine.localcloud.host.paths import CloudPaths, lock_of
from ecsmachine.localcloud.host.processes import kill_all
from ecsmachine.system.files import folder_exists, path_exists


def marked_processes(paths: CloudPaths) -> list[int]:
    """Return the daemon of a cloud and the programs it started, as far as they run."""
    mark = os.fsencode(paths.mark)
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parts[2]))
    return [pid for pid in found if pid != os.getpid()]


def kill_marked(paths: CloudPaths) -> None:
    """Kill a cloud's daemon, and whatever a killed daemon was about to do."""
    kill_all(partial(marked_processes, paths))


def remove_from_kernel(paths: CloudPaths) -> None:
    """Kill a cloud's processes, and remove its interfaces, namespaces, mounts and loop devices.

    Its files stay. Other clouds are not touched: everything is identified by the cloud's folder, or
    by its id. On a system without guests there is nothing to do.
    """
    if not sys.platform.startswith("linux"):
        return
    kill_marked(paths)
    if os.geteuid() != 0:
        return
    # Guests may have been about to boot again: their groups go first.
    guest_groups(paths.group).remove_all()
    remove_link(paths.link)
    # only where it mounts: its folder may be a mount itself, or have other clouds below it
    unmount_root_disks(paths.instances)
    unmount_below(paths.namespaces)
    for name in ("root", "disk"):  # which a daemon that was killed had unmounted, but not removed
        for point in paths.instances.glob(f"*/{name}"):
            with suppress(OSError):
                point.rmdir()
    for folder in (paths.instances, paths.disks):
        detach_loops_below(folder)
    for entry in Path("/run/systemd/nspawn/propagate").glob(f"{paths.link}-*"):
        remove_traces_of_nspawn(entry.name)


def remove_files(paths: CloudPaths) -> None:
    """Remove a cloud's files, and its folder unless somebody has put other things in there."""
    for folder in (
        paths.instances,
        paths.namespaces,
        paths.disks,
        paths.snapshots,
        paths.registry,
        paths.clusters,
    ):
        if folder_exists(folder):
            remove_tree(folder)
    files = [paths.daemon_file, paths.settings_file, paths.mirror_key]
    for file in (paths.log, paths.state_file, paths.faults_file):
        files += paths.root.glob(f"{file.name}*")
    for file in files:
        if folder_exists(file) and not file.is_symlink():  # somebody else's, in the place of ours
            remove_tree(file)
        else:
            file.unlink(missing_ok=True)
    with suppress(OSError):
        paths.root.rmdir()


def is_foreign(paths: CloudPaths) -> bool:
    """Return whether a cloud's folder holds things, but no cloud: it is not ours to use."""
    if not folder_exists(paths.root):
        return path_exists(paths.root)
    found = set(paths.root.iterdir())
    ours = {paths.settings_file, paths.state_file, paths.log, lock_of(paths.root)}
    return bool(found) and not found & ours


def remove_cache(cache: Path) -> None:
    """Remove the cached images and packages."""
    from ecsmachine.localcloud.host.image import remove_images

    remove_images(cache)
    for folder in ("packages", "registry"):
        shutil.rmtree(cache / folder, ignore_errors=True)
    with suppress(OSError):
        cache.rmdir()
