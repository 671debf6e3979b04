"""Real guests: each is a Linux system, booted by systemd-nspawn.

A guest's supervisor (supervise.sh) and all its processes run in the guest's control group
and continue when the daemon ends. The next daemon finds them there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path

from ecsmachine.localcloud.catalog.images import SUITES
from ecsmachine.localcloud.host import control_groups
from ecsmachine.localcloud.host.balancers import RouterOfBalancers
from ecsmachine.localcloud.host.capacity import needs, shortage
from ecsmachine.localcloud.host.control_groups import (
    GuestGroups,
    Limits,
    hierarchies_of_host,
    memory_kills,
)
from ecsmachine.localcloud.host.firewall import Firewall
from ecsmachine.localcloud.host.firewall import nft_script as firewall_script
from ecsmachine.localcloud.host.guests import console, scripts
from ecsmachine.localcloud.host.guests.base import (
    BalancerNetwork,
    GuestDisk,
    GuestError,
    GuestInterface,
    GuestSpec,
)
from ecsmachine.localcloud.host.guests.boot_script import boot_script
from ecsmachine.localcloud.host.guests.data_disks import DataDisks
from ecsmachine.localcloud.host.guests.fault_rules import FaultRules
from ecsmachine.localcloud.host.guests.faults import NO_FAULTS, GuestFaults, SshDrop
from ecsmachine.localcloud.host.guests.guest_folder import GuestFolder, as_guest_error, record_of
from ecsmachine.localcloud.host.guests.guest_processes import (
    entered_guest,
    entrance,
    init_pid,
    shut_down,
    wait_for_init,
)
from ecsmachine.localcloud.host.guests.layers import ENGINE_PARTS, Layers
from ecsmachine.localcloud.host.guests.leftovers import remove_traces_of_nspawn, unmount_root_disks
from ecsmachine.localcloud.host.guests.links import FILE, SCRIPT, Links
from ecsmachine.localcloud.host.guests.plugging import plug, unplug
from ecsmachine.localcloud.host.guests.root_disk import (
    RootDisk,
    personalize,
    rename,
    tell_of_cloud,
    use_repository,
    write_credentials,
)
from ecsmachine.localcloud.host.guests.snapshots import Snapshots
from ecsmachine.localcloud.host.mounts import detach_loops_below, remove_tree
from ecsmachine.localcloud.host.network import Network, link_name
from ecsmachine.localcloud.host.paths import CloudPaths
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.files import folder_exists, path_exists

_log = logging.getLogger("ecsmachine.localcloud")


class NspawnGuests:
    """The guests of one cloud (see :class:`~ecsmachine.localcloud.host.guests.base.Guests`).

    ``bases`` are the base images for new guests, by their release and the usual one first; guests
    that are there keep the one they have. ``source_key`` is the fingerprint of the mirror's key,
    ``registry`` the URL of the cloud's registry.
    """

    runs_scripts = True

    def __init__(
        self,
        paths: CloudPaths,
        bases: Mapping[str, Path],
        network: Network,
        groups: GuestGroups,
        *,
        source_key: str | None = None,
        registry: str | None = None,
    ):
        self._paths = paths
        self._bases = bases
        self._network = network
        self._links = Links(network, paths.router)
        self._groups = groups
        self._source_key = source_key
        self._registry = registry
        self._snapshots = Snapshots(paths.snapshots)
        self._layers = Layers(self._snapshots, paths.snapshots, paths.instances)
        self._disks = DataDisks(paths.disks, self._snapshots)
        self._needs = needs(paths.root, groups=hierarchies_of_host().all)
        self._faults = FaultRules(network)
        self._locks: dict[str, threading.RLock] = {}
        self._locks_guard = threading.Lock()

    # -- the Guests protocol --------------------------------------------------------------

    def create(self, spec: GuestSpec) -> None:
        """Make the root disk and the data disks."""
        with self._guest(spec.instance_id) as guest:
            if guest.is_made:
                return
            unmount_root_disks(guest.path)  # of a guest that was half made
            release, base = self._base_of(spec)
            disk = RootDisk(base, guest.path)
            disk.create(free_mib=spec.faults.free_mib)
            if spec.root_snapshot_id:
                self._load_root(disk, spec.root_snapshot_id)
                disk.forget_first_boot()
            personalize(disk, spec)
            use_repository(disk, str(self._network.plan.gateway), SUITES[release])
            tell_of_cloud(disk, key=self._source_key, registry=self._registry)
            if spec.faults.free_mib is not None:
                disk.fill_up(spec.faults.free_mib)
            for data_disk in spec.disks:
                self._disks.create(data_disk)
            guest.keep(record_of(spec, str(base)))

    def start(self, spec: GuestSpec) -> None:
        """Boot the guest and return once its systemd runs."""
        with self._guest(spec.instance_id) as guest:
            if init_pid(self._groups, spec.instance_id) is not None:
                return
            record = guest.load()
            self._take_down(spec.instance_id)
            if (record.hostname, record.private_ip) != (spec.hostname, spec.private_ip):
                rename(self._root_disk(guest), spec, old_address=record.private_ip)
            guest.keep(record_of(spec, record.base))
            try:
                self._bring_up(spec, guest, Path(record.base))
            except BaseException:
                with suppress(LocalCloudError):
                    self._take_down(spec.instance_id)
                raise

    def stop(self, instance_id: str, *, force: bool) -> None:
        """Shut the guest down, or pull the plug."""
        with self._guest(instance_id) as guest:
            if not path_exists(guest.path):
                return
            self._tell_death(instance_id)
            if not force:
                shut_down(self._groups, guest)
            self._take_down(instance_id)

    def delete(self, instance_id: str) -> None:
        """Remove the guest with its root disk."""
        with self._guest(instance_id) as guest:
            if not path_exists(guest.path):
                return
            self._tell_death(instance_id)
            self._take_down(instance_id)
            remove_tree(guest.path)
            self._layers.sweep()

    def create_disk(self, disk: GuestDisk) -> None:
        """Make the file behind a data disk."""
        with as_guest_error(f"disk {disk.disk_id}"):
            self._disks.create(disk)

    def delete_disk(self, disk_id: str) -> None:
        """Remove the file behind a data disk."""
        with as_guest_error(f"disk {disk_id}"):
            self._disks.delete(disk_id)

    def plug_disk(self, instance_id: str, disk: GuestDisk) -> None:
        """Give a disk to a running guest, and to its next boots."""
        with self._guest(instance_id) as guest:
            if not self._groups.processes(instance_id):
                return
            device = self._disks.attach(disk)
            record = guest.load()
            ids = dict.fromkeys((*record.disk_ids, disk.disk_id))
            guest.keep(replace(record, disk_ids=tuple(ids)))
            guest.keep_disks({**guest.load_disks(), disk.device: device})
            if (init := entered_guest(self._groups, guest)) is not None:
                plug(init, disk.device, device)

    def unplug_disk(self, instance_id: str, disk_id: str) -> None:
        """Take a disk from a running guest."""
        with self._guest(instance_id) as guest:
            if not self._groups.processes(instance_id):
                return
            record, gone = guest.load(), self._disks.devices(disk_id)
            rest = {
                name: device for name, device in guest.load_disks().items() if device not in gone
            }
            guest.keep_disks(rest)
            if (init := entered_guest(self._groups, guest)) is not None:
                for device in gone:
                    unplug(init, device)
            self._disks.detach(disk_id)
            ids = tuple(one for one in record.disk_ids if one != disk_id)
            guest.keep(replace(record, disk_ids=ids))

    def snapshot_disk(self, snapshot_id: str, disk_id: str) -> None:
        """Create a snapshot of a data disk."""
        with as_guest_error(f"snapshot {snapshot_id}"):
            self._disks.snapshot(snapshot_id, disk_id)

    def snapshot_root(self, snapshot_id: str, instance_id: str) -> None:
        """Create a snapshot of a guest's root disk."""
        with self._guest(instance_id) as guest:
            parts = [*self._root_disk(guest).parts, *((guest.path, n) for n in ENGINE_PARTS)]
            self._snapshots.save_parts(snapshot_id, parts)

    def restore_root(self, instance_id: str, snapshot_id: str) -> None:
        """Let a stopped guest's root disk be as it was kept."""
        with self._guest(instance_id) as guest:
            self._load_root(self._stopped_disk(guest), snapshot_id)
            self._layers.sweep()

    def copy_snapshot(self, snapshot_id: str, source_id: str) -> None:
        """Keep a copy of a snapshot."""
        with as_guest_error(f"snapshot {snapshot_id}"):
            self._snapshots.copy(snapshot_id, source_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot."""
        with as_guest_error(f"snapshot {snapshot_id}"):
            self._snapshots.delete(snapshot_id)
            self._layers.sweep()

    def console_output(self, instance_id: str) -> bytes:
        """Return the end of the console of a guest since its boot."""
        return console.end_of(self._folder(instance_id).console)

    def usage(self, instance_id: str) -> control_groups.Usage | None:
        """Return the resource use in the guest's control group."""
        return control_groups.usage(self._groups.folders(instance_id))

    def set_public_ip(self, instance_id: str, public_ip: str | None) -> None:
        """Give the guest a public address, or take it away."""
        with self._guest(instance_id) as guest:
            record = guest.load()
            if record.public_ip is not None and record.public_ip != public_ip:
                self._network.unpublish(record.public_ip, record.private_ip)
            guest.keep(replace(record, public_ip=public_ip))
            if public_ip is not None and self._groups.processes(instance_id):
                self._network.publish(public_ip, record.private_ip)

    def set_interfaces(self, instance_id: str, interfaces: Sequence[GuestInterface]) -> None:
        """Give the guest these network interfaces, and take others away."""
        with self._guest(instance_id) as guest:
            before, after = guest.interfaces(), tuple(interfaces)
            # Kept first: the guest may boot anew at any moment. And kept of one that is stopped:
            # what it had may be another guest's when it starts.
            guest.keep(replace(guest.load(), interfaces=after))
            namespace = self._namespace(instance_id)
            self._links.take(namespace, before, after)
            if self._groups.processes(instance_id):
                self._links.add(guest.path, namespace, after)

    def set_firewall(self, firewall: Firewall) -> None:
        """Replace the rules of the security groups."""
        with as_guest_error("firewall"):
            self._network.load_rules(firewall_script(firewall))

    def balancer_network(self) -> BalancerNetwork:
        """Return the router, where load balancers have their addresses."""
        return RouterOfBalancers(self._network, self._paths.router)

    def set_ssh_drops(self, instance_id: str, drops: Sequence[SshDrop]) -> None:
        """Let connections to a running guest's SSH break off in these ways, and no other."""
        with self._guest(instance_id) as guest:
            if self._groups.processes(instance_id):
                private_ip = guest.load().private_ip
                self._faults.set(instance_id, private_ip, GuestFaults(ssh_drops=tuple(drops)))

    def take_ssh_drops(self) -> dict[int, int]:
        """Return how many connections broke off since the last call, by the fault's id."""
        return self._faults.take_drops()

    def set_credentials(
        self, instance_id: str, *, password: str | None, public_keys: Sequence[str]
    ) -> None:
        """Change root's password or authorized keys in a stopped guest."""
        with self._guest(instance_id) as guest:
            disk = self._stopped_disk(guest)
            write_credentials(disk, password=password, public_keys=public_keys)

    def run_script(
        self, instance_id: str, script: scripts.GuestScript, going: scripts.Going
    ) -> scripts.ScriptEnd:
        """Run a script in a running guest, without a lock: the guest may be stopped during it."""
        with as_guest_error(instance_id):
            guest = self._folder(instance_id)
            return scripts.run_script(lambda: entrance(self._groups, guest), script, going)

    def end_script(self, instance_id: str, name: str) -> None:
        """End a script of an earlier daemon, if it still runs."""
        with as_guest_error(instance_id):
            scripts.end_script(entrance(self._groups, self._folder(instance_id)), name)

    def running(self) -> set[str]:
        """Return the ids of the instances whose guests run now."""
        return self._groups.running()

    def take_death(self, instance_id: str) -> str:
        """Return why a guest came to its end, as its supervisor has written it down, once."""
        if self._groups.processes(instance_id):
            return ""
        folder = self._folder(instance_id).path
        return console.take_death(folder, memory_kills(self._groups.folders(instance_id)))

    def shortage(self, number: int) -> str:
        """Return what the host lacks for this many more guests."""
        return shortage(number, self._needs)

    def stop_all(self) -> list[str]:
        """Stop all guests, several at once; return the ids of those that ran."""
        ran = sorted(self.running())
        folders = self._paths.instances
        known = sorted(p.name for p in folders.iterdir()) if folder_exists(folders) else []
        with ThreadPoolExecutor(max_workers=16) as pool:
            list(pool.map(lambda name: self.stop(name, force=False), known))
        self._groups.remove_all()
        return ran

    # -- inside ---------------------------------------------------------------------------

    def _folder(self, instance_id: str) -> GuestFolder:
        return GuestFolder(instance_id, self._paths.instances / instance_id)

    def _root_disk(self, guest: GuestFolder) -> RootDisk:
        disk = RootDisk(Path(guest.load().base), guest.path)
        disk.attach()
        return disk

    def _stopped_disk(self, guest: GuestFolder) -> RootDisk:
        if self._groups.processes(guest.instance_id):
            raise GuestError(f"{guest.instance_id} runs: its disk cannot be changed.")
        unmount_root_disks(guest.path)  # of a guest that switched itself off
        return self._root_disk(guest)

    def _load_root(self, disk: RootDisk, snapshot_id: str) -> None:
        self._layers.give(snapshot_id, disk.folder)
        disk.empty()
        self._snapshots.load_parts(snapshot_id, disk.folder, ENGINE_PARTS)

    @contextmanager
    def _guest(self, instance_id: str) -> Iterator[GuestFolder]:
        """Hold a guest against other calls; its folder. Errors come out as GuestError."""
        with self._locks_guard:
            lock = self._locks.setdefault(instance_id, threading.RLock())
        with lock, as_guest_error(instance_id):
            yield self._folder(instance_id)

    def _base_of(self, spec: GuestSpec) -> tuple[str, Path]:
        try:
            release = spec.release or next(iter(self._bases))
            return release, self._bases[release]
        except (KeyError, StopIteration):
            raise GuestError(f"There is no base image of {spec.release}.") from None

    def _bring_up(self, spec: GuestSpec, guest: GuestFolder, base: Path) -> None:
        if not folder_exists(base):
            raise GuestError(f"The base image {base} that the guest was made from is gone.")
        disk = RootDisk(base, guest.path)
        disk.mount()
        guest.keep_disks({d.device: self._disks.attach(d) for d in spec.disks})
        binds = {f"/var/lib/{part}": guest.path / part for part in ("docker", "containerd")}
        for source in binds.values():
            source.mkdir(mode=0o710, exist_ok=True)
        for file in (guest.console, guest.stop_file, guest.ended_file):
            file.unlink(missing_ok=True)
        guest.settings.write_text(
            boot_script(
                spec,
                self._settings(guest),
                machine=self._machine_name(spec.instance_id),
                root=disk.mounted,
                binds=binds,
            )
        )
        # A copy: sh reads a script while it runs, and the one in the package may be updated.
        script = guest.path / "supervise.sh"
        script.unlink(missing_ok=True)
        script.write_text(
            resources.files(__package__).joinpath("supervise.sh").read_text(encoding="utf-8")
        )
        self._links.prepare(guest.path, guest.interfaces())
        if spec.public_ip is not None:
            self._network.publish(spec.public_ip, spec.private_ip)
        if spec.faults != NO_FAULTS:
            self._faults.set(spec.instance_id, spec.private_ip, spec.faults)
        limits = Limits(cpu=spec.cpu, memory_mib=spec.memory_mib)
        argv = ["/bin/sh", str(script), str(guest.settings)]
        self._groups.spawn(spec.instance_id, argv, limits, guest.console)
        wait_for_init(self._groups, guest)

    def _tell_death(self, instance_id: str) -> None:
        if why := self.take_death(instance_id):
            _log.error("instance %s died: %s", instance_id, why)

    def _settings(self, guest: GuestFolder) -> dict[str, object]:
        unified = self._groups.folders(guest.instance_id).unified
        return {
            "router": self._paths.router,
            "namespace": self._namespace(guest.instance_id),
            "gateway": self._network.plan.gateway,
            "interfaces": guest.path / FILE,
            "plug": guest.path / SCRIPT,
            "unified_group": unified if unified is not None else "",
            "disks": guest.disks,
            "stop_file": guest.stop_file,
            "ended": guest.ended_file,
        }

    def _machine_name(self, instance_id: str) -> str:
        """Return the name systemd-nspawn knows a guest by on the host."""
        return f"{self._paths.link}-{link_name(instance_id)}"

    def _take_down(self, instance_id: str) -> None:
        """Remove all that a guest has in the kernel, whether it runs or not."""
        guest = self._folder(instance_id)
        if path_exists(guest.path):
            guest.stop_file.touch()
            if self._groups.processes(instance_id):
                console.note_end(guest.path)
        self._groups.kill(instance_id)
        if guest.was_plugged_in:
            with suppress(GuestError):
                self._links.remove(self._namespace(instance_id), guest.interfaces())
            self._faults.forget(instance_id)
        unmount_root_disks(guest.path)
        detach_loops_below(guest.path)
        remove_traces_of_nspawn(self._machine_name(instance_id))
        with suppress(GuestError):
            record = guest.load()
            for disk_id in record.disk_ids:
                self._disks.detach(disk_id)
            if record.public_ip is not None and guest.was_plugged_in:
                self._network.unpublish(record.public_ip, record.private_ip)

    def _namespace(self, instance_id: str) -> Path:
        return self._paths.namespaces / instance_id
