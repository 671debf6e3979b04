"""A guest's root disk: the base image below, and a folder with all differences above.

Between them are the layers of its snapshot, which other guests share. A cloud writes the data of a
new disk (host name, keys, password, user data) into that folder while it is not mounted.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.host import docker_ce
from ecsmachine.localcloud.host.apt_repository import apt_configuration, sources_list
from ecsmachine.localcloud.host.guests.base import GuestError, GuestSpec
from ecsmachine.localcloud.host.guests.layers import LAYERS
from ecsmachine.localcloud.host.guests.snapshots import Part
from ecsmachine.localcloud.host.mounts import (
    attach_loop,
    mount_overlay,
    mounts_below,
    remove_tree,
)
from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.state import records
from ecsmachine.system.files import folder_exists, path_exists

NON_ROOT_USER = "ecs-user"
"""The login user with ``ImageOptions.LoginAsNonRoot``."""

_NON_ROOT_ID = 1000

# Where cloud-init keeps and logs them: the places a user of ECS knows.
USER_DATA = "var/lib/cloud/instance/user-data.txt"
# data of an image for provisioners of its hosts (docs/hosts.md)
_ENGINE_KEYS = "etc/ecsmachine/engine-source-keys"
_REGISTRY_MIRRORS = "etc/ecsmachine/registry-mirrors"
_BESIDE_MIB = 64  # for data written before a limited disk is filled up


@dataclass(frozen=True)
class RootDisk:
    """A root disk: ``base`` and its layers are never written to, ``folder`` holds the rest.

    A limited disk has its own file system, in a file in that folder.
    """

    base: Path
    folder: Path

    @property
    def store(self) -> Path:
        """The folder with all differences to the base image."""
        return self.folder / "disk" if path_exists(self._limited) else self.folder

    @property
    def upper(self) -> Path:
        """The differences to the base image."""
        return self.store / "upper"

    @property
    def layers(self) -> tuple[Path, ...]:
        """The layers of its snapshot, the highest first; see
        :class:`~ecsmachine.localcloud.host.guests.layers.Layers`.
        """
        link = self.folder / LAYERS
        found = link.iterdir() if link.is_symlink() else ()
        return tuple(sorted(found, key=lambda layer: int(layer.name), reverse=True))

    @property
    def parts(self) -> list[Part]:
        """The folders that a snapshot of it keeps."""
        below = [(layer.parent.resolve(), layer.name) for layer in self.layers]
        return [(self.store, "upper"), *below]

    @property
    def mounted(self) -> Path:
        """Where the whole is seen while it is mounted."""
        return self.folder / "root"

    @property
    def _limited(self) -> Path:
        return self.folder / "disk.ext4"

    def create(self, *, free_mib: int | None = None) -> None:
        """Make an empty disk; with ``free_mib``, one that :meth:`fill_up` leaves so little of."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._limited.unlink(missing_ok=True)
        if free_mib is not None:
            with self._limited.open("wb") as file:
                file.truncate((free_mib + _BESIDE_MIB) * 2**20)
            run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(self._limited)])
            self.attach()
        for path in (self.upper, self.store / "work"):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)

    def attach(self) -> None:
        """Mount the file system of a limited disk, so that it can be written to."""
        if path_exists(self._limited) and self.store not in mounts_below(self.store):
            self.store.mkdir(exist_ok=True)
            run(["mount", attach_loop(self._limited), str(self.store)])

    def fill_up(self, free_mib: int) -> None:
        """Leave this many MiB of the disk free."""
        room = os.statvfs(self.store)
        size = room.f_bavail * room.f_frsize - free_mib * 2**20
        if size > 0 and sys.platform == "linux":
            with (self.store / "filler").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    def empty(self) -> None:
        """Let nothing differ from what lies below."""
        remove_tree(self.upper)
        self.upper.mkdir()
        self.upper.chmod(0o755)

    def forget_first_boot(self) -> None:
        """Make the next boot a first boot: without user data, and none has run."""
        known = Path(USER_DATA).parents[1]
        shutil.rmtree(self.upper / known, ignore_errors=True)
        if any(path_exists(layer / known) for layer in self.layers) and sys.platform == "linux":
            # overlayfs shows nothing of the layers below in a folder with this mark
            os.setxattr(self._make_folder(known), "trusted.overlay.opaque", b"y")

    def mount(self) -> None:
        """Mount the disk at :attr:`mounted`."""
        self.attach()
        self.mounted.mkdir(mode=0o755, exist_ok=True)
        # Left over by a mount that was cut off, it would be refused.
        work = self.store / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        lower = [*(layer.relative_to(self.folder) for layer in self.layers), self.base]
        mount_overlay(lower=lower, upper=self.upper, work=work, at=self.mounted)

    def read(self, name: str) -> str:
        """Return the text of a file as the guest sees it; "" if it is removed, or no file."""
        for layer in (self.upper, *self.layers):
            file = _inside(layer, name)
            with suppress(FileNotFoundError):
                is_file = stat.S_ISREG(file.lstat().st_mode)
                return file.read_text(errors="replace") if is_file else ""
        return (self.base / name).read_text()

    def _make_folder(self, relative: Path) -> Path:
        """Make a folder; those above it get the rights that they have below, and so does it."""
        folder = self.upper
        for part in relative.parts:
            folder = folder / part
            if not folder_exists(folder):
                folder.mkdir()
                lower = (
                    each / folder.relative_to(self.upper) for each in (*self.layers, self.base)
                )
                modes = (stat.S_IMODE(each.stat().st_mode) for each in lower if folder_exists(each))
                folder.chmod(next(modes, 0o755))
        return folder

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file; folders above it get the rights that they have below."""
        file, *_ = (_inside(layer, name) for layer in (self.upper, *self.layers))
        self._make_folder(Path(name).parent)
        data = content.encode() if isinstance(content, str) else content
        records.write_private(file, data, mode)


def _inside(layer: Path, name: str) -> Path:
    """Return the path of a file in a layer.

    Raises :class:`~ecsmachine.localcloud.host.guests.base.GuestError` if the guest has replaced a
    folder by a link: followed here, it leads to the host's own files.
    """
    path = layer
    for part in Path(name).parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise GuestError(f"/{path.relative_to(layer)} is a link in the guest.")
    return layer / name


def personalize(disk: RootDisk, spec: GuestSpec) -> None:
    """Write into a new disk what makes the guest this one and no other."""
    disk.write("etc/hostname", f"{spec.hostname}\n")
    disk.write("etc/hosts", _hosts(spec))
    disk.write("etc/machine-id", f"{secrets.token_hex(16)}\n", 0o444)
    for name, private, public in _host_keys():
        disk.write(f"etc/ssh/{name}", private, 0o600)
        disk.write(f"etc/ssh/{name}.pub", public)
    if spec.login_user != "root":
        _add_user(disk, spec.login_user)
    write_credentials(disk, password=spec.password, public_keys=spec.public_keys)
    if spec.user_data is not None:
        disk.write(USER_DATA, spec.user_data, 0o600)


def rename(disk: RootDisk, spec: GuestSpec, *, old_address: str) -> None:
    """Write the host name and the address of a guest that has other ones than before.

    In /etc/hosts the line of the old address becomes that of the new one; all others stay.
    """
    disk.write("etc/hostname", f"{spec.hostname}\n")
    lines = disk.read("etc/hosts").splitlines()
    kept = [line for line in lines if line.split()[:1] not in ([old_address], [spec.private_ip])]
    disk.write("etc/hosts", "".join(f"{line}\n" for line in [*kept, _own_line(spec)]))


def use_repository(disk: RootDisk, address: str, suite: str) -> None:
    """Let a new disk's apt have its packages from the cloud's mirror, and from nowhere else."""
    disk.write("etc/apt/sources.list", sources_list(f"http://{address}", suite))
    # After the host's own settings, which mmdebstrap has left in the image.
    disk.write("etc/apt/apt.conf.d/99ecs-mirror", apt_configuration(address, docker_ce.HOST))
    # The mirror replaces the one that hosts on ECS reach by this name.
    hosts = [line for line in disk.read("etc/hosts").splitlines() if docker_ce.HOST not in line]
    disk.write(
        "etc/hosts", "".join(f"{line}\n" for line in [*hosts, f"{address} {docker_ce.HOST}"])
    )


def tell_of_cloud(disk: RootDisk, *, key: str | None, registry: str | None) -> None:
    """Write the data of the cloud for provisioners of the host.

    ``key`` is the fingerprint of the key that signs the mirror's tree of Docker's packages,
    ``registry`` the URL of a mirror of Docker's registry.
    """
    for name, value in ((_ENGINE_KEYS, key), (_REGISTRY_MIRRORS, registry)):
        if value is not None:
            disk.write(name, f"{value}\n")


def write_credentials(disk: RootDisk, *, password: str | None, public_keys: Sequence[str]) -> None:
    """Set the login of root, or of the user that the disk has instead.

    Without a password the present one stays. As in ECS, keys without a password disable password
    logins.
    """
    user = NON_ROOT_USER if f"\n{NON_ROOT_USER}:" in disk.read("etc/passwd") else "root"
    shadow = disk.read("etc/shadow")
    if password is not None:
        hashed = hash_password(disk.base, password)
        disk.write("etc/shadow", set_hash(shadow, user, hashed), 0o640)
        os.chown(disk.upper / "etc/shadow", 0, (disk.base / "etc/shadow").stat().st_gid)
    with_password = password is not None or not public_keys
    root_login = ("yes" if with_password else "prohibit-password") if user == "root" else "no"
    disk.write(
        "etc/ssh/sshd_config.d/10-ecs.conf",
        f"PermitRootLogin {root_login}\n"
        f"PasswordAuthentication {'yes' if with_password else 'no'}\n",
    )
    keys = "".join(f"{key.strip()}\n" for key in public_keys)
    home = "root" if user == "root" else f"home/{user}"
    disk.write(f"{home}/.ssh/authorized_keys", keys, 0o600)
    (disk.upper / home / ".ssh").chmod(0o700)
    if user != "root":
        for path in (home, f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
            os.chown(disk.upper / path, _NON_ROOT_ID, _NON_ROOT_ID)


def _add_user(disk: RootDisk, name: str) -> None:
    """Add a user that may do everything with sudo, as the images of ECS do it."""
    number = _NON_ROOT_ID
    for file, line, mode in (
        ("passwd", f"{name}:x:{number}:{number}::/home/{name}:/bin/bash", 0o644),
        ("group", f"{name}:x:{number}:", 0o644),
        ("shadow", f"{name}:!:19000:0:99999:7:::", 0o640),
    ):
        disk.write(f"etc/{file}", f"{disk.read(f'etc/{file}').rstrip()}\n{line}\n", mode)
    os.chown(disk.upper / "etc/shadow", 0, (disk.base / "etc/shadow").stat().st_gid)
    disk.write(f"etc/sudoers.d/{name}", f"{name} ALL=(ALL) NOPASSWD:ALL\n", 0o440)
    (disk.upper / "home" / name).mkdir(mode=0o750, parents=True, exist_ok=True)


def hash_password(base: Path, password: str) -> str:
    """Return a password as /etc/shadow keeps it, with the image's own openssl."""
    argv = ["chroot", str(base), "openssl", "passwd", "-6", "-stdin"]
    return run(argv, stdin=f"{password}\n").strip()


def set_hash(shadow: str, user: str, hashed: str) -> str:
    """Return the text of /etc/shadow with one user's hash replaced."""
    lines = []
    for line in shadow.splitlines():
        fields = line.split(":")
        if fields[0] == user:
            fields[1] = hashed
        lines.append(":".join(fields))
    return "\n".join(lines) + "\n"


def _hosts(spec: GuestSpec) -> str:
    return (
        "127.0.0.1 localhost\n"
        "::1 localhost ip6-localhost ip6-loopback\n"
        "ff02::1 ip6-allnodes\n"
        "ff02::2 ip6-allrouters\n"
        f"{_own_line(spec)}\n"
    )


def _own_line(spec: GuestSpec) -> str:
    return f"{spec.private_ip} {spec.hostname}"


def _host_keys() -> list[tuple[str, bytes, bytes]]:
    """Make a guest's host keys: file name, private key, public key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    keys = []
    for kind, key in (
        ("ed25519", ed25519.Ed25519PrivateKey.generate()),
        ("ecdsa", ec.generate_private_key(ec.SECP256R1())),
    ):
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        keys.append((f"ssh_host_{kind}_key", private, public + b"\n"))
    return keys
