"""What is in a guest's folder: its record, and the files of its supervisor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.host.guests import console
from ecsmachine.localcloud.host.guests.base import GuestError, GuestInterface, GuestSpec
from ecsmachine.localcloud.host.guests.links import only_interface
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state import records
from ecsmachine.system.files import path_exists
from ecsmachine.system.os_errors import reason


@dataclass(frozen=True)
class Record:
    """What is kept of a guest: its base image, its name and where it is reached."""

    base: str
    private_ip: str
    public_ip: str | None = None
    disk_ids: tuple[str, ...] = ()
    hostname: str = ""
    interfaces: tuple[GuestInterface, ...] = ()


def record_of(spec: GuestSpec, base: str) -> Record:
    """Return the record of a guest as it is asked for, made from a base image."""
    disk_ids = tuple(disk.disk_id for disk in spec.disks)
    return Record(base, spec.private_ip, spec.public_ip, disk_ids, spec.hostname, spec.interfaces)


class GuestFolder:
    """The folder of the guest of an instance, which need not be there."""

    def __init__(self, instance_id: str, path: Path) -> None:
        self.instance_id = instance_id
        self.path = path
        self.settings = path / "supervise.settings"
        """The file from which its supervisor reads how to boot it."""
        self.disks = path / "disks"
        """The file that names its data disks for its next boot: a name and a device a line."""
        self.console = path / "console.log"
        """What it has written to its console since it booted."""
        self.stop_file = path / "stop"
        """The file that tells its supervisor not to boot it again."""
        self.ended_file = path / console.ENDED
        """The file in which its supervisor writes why it came to its end."""
        self._record = path / "guest.json"

    def keep_disks(self, devices: Mapping[str, str]) -> None:
        """Write the file of its data disks, given their devices by their names in the guest."""
        lines = (f"{name} {device}\n" for name, device in devices.items())
        records.write_private(self.disks, "".join(lines).encode())

    def load_disks(self) -> dict[str, str]:
        """Return the devices by their names in the guest."""
        text = self.disks.read_text() if path_exists(self.disks) else ""
        return dict(line.split(" ", 1) for line in text.splitlines())

    @property
    def is_made(self) -> bool:
        """Whether it was made whole: the record is written last."""
        return path_exists(self._record)

    @property
    def was_plugged_in(self) -> bool:
        """Whether it has ever been booted, and so may have links, rules and addresses."""
        return path_exists(self.settings)

    def load(self) -> Record:
        """Return its record. Raises :class:`GuestError` if there is none."""
        with as_guest_error(self.instance_id):
            record = records.read(Record, self._record)
        if record is None:
            raise GuestError(f"There is no guest for {self.instance_id}.")
        return record

    def keep(self, record: Record) -> None:
        """Write its record."""
        records.write(self._record, record)

    def interfaces(self) -> tuple[GuestInterface, ...]:
        """Return its network interfaces, as its record has them. Raises as :meth:`load`."""
        record = self.load()
        return record.interfaces or (only_interface(self.instance_id, record.private_ip),)


@contextmanager
def as_guest_error(what: str) -> Iterator[None]:
    """Let what fails in a block come out as :class:`GuestError`."""
    try:
        yield
    except GuestError:
        raise
    except LocalCloudError as error:
        raise GuestError(f"{what}: {error.message}") from error
    except OSError as error:
        raise GuestError(f"{what}: {reason(error)}") from error
