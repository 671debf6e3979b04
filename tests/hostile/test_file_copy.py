"""``--native-ssh scp`` and SFTP servers that keep to no rule."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.machine.store import Store
from ecsmachine.ssh import sftp
from ecsmachine.ssh.file_copy import Place, copy
from ecsmachine.ssh.openssh import KnownHost
from tests.hostile.conftest import Bounded, add_host
from tests.hostile.hosts import FILE, FOLDER, Files, HostileHost, packet, text


class Names(Files):
    """A folder with these names, of files unless told otherwise."""

    def __init__(self, *names: bytes, mode: int = FILE):
        self._names, self._mode = names, mode

    def names(self, path: bytes, asked: int) -> list[bytes] | None:
        return [b"aa", *self._names] if asked == 0 else None

    def mode(self, path: bytes) -> int:
        return FOLDER if path.endswith(b"/d") else self._mode


class FolderAmongFiles(Files):
    def names(self, path: bytes, asked: int) -> list[bytes] | None:
        return [b"x"] if asked == 0 else None

    def mode(self, path: bytes) -> int:
        return FOLDER if path.endswith((b"/d", b"/x")) else FILE


class EndlessNames(Files):
    def names(self, path: bytes, asked: int) -> list[bytes] | None:
        return [f"{asked}-{number}".encode() for number in range(500)]


class EndlessEmptyNames(Files):
    def names(self, path: bytes, asked: int) -> list[bytes] | None:
        return [b"."] * 1000


class Loop(Files):
    """Each folder has itself in it, twice."""

    def mode(self, path: bytes) -> int:
        return FOLDER

    def names(self, path: bytes, asked: int) -> list[bytes] | None:
        return [b"a", b"b"] if asked == 0 else None


class GrowingFile(Files):
    """A file that never ends, whatever its size is said to be."""

    def __init__(self, size: int | None):
        self._size = size

    def size(self, path: bytes) -> int | None:
        return self._size

    def read(self, path: bytes, at: int, length: int) -> bytes | None:
        return b"x" * length


class TooMuch(Files):
    """Blocks that are larger than what was asked for."""

    def read(self, path: bytes, at: int, length: int) -> bytes | None:
        return b"x" * 100_000


class NoProgress(Files):
    """Blocks without anything in them."""

    def read(self, path: bytes, at: int, length: int) -> bytes | None:
        return b""


class Raw(Files):
    """Packets in the place of answers to one kind of request."""

    def __init__(self, kind: int, content: bytes):
        self.kind, self.content = kind, content

    def raw(self, kind: int, number: bytes) -> bytes | None:
        return self.content.replace(b"NUMB", number) if kind == self.kind else None


MANY = b"\xff\xff\xff\xff"
RAW = {
    "a packet of 4 GiB": Raw(17, MANY + b"\x69NUMB"),
    "a packet of 16 MiB": Raw(17, b"\x00\xff\xff\xff\x69NUMB" + bytes(200_000)),
    "a packet without anything": Raw(17, bytes(4)),
    "a packet without a number": Raw(17, b"\x00\x00\x00\x02\x69\x00"),
    "4 billion names": Raw(12, packet(104, b"NUMB", MANY)),
    "4 billion attributes": Raw(17, packet(105, b"NUMB", b"\x80\x00\x00\x00" + MANY)),
    "a name that is longer than its packet": Raw(
        12, packet(104, b"NUMB", struct.pack(">I", 1) + MANY)
    ),
    "an answer of another kind": Raw(17, packet(102, b"NUMB", text(b"x"))),
    "an answer to what was not asked": Raw(17, packet(105, b"\x7f\x7f\x7f\x7f", bytes(4)) * 1000),
    "a status that is no UTF-8": Raw(
        17, packet(101, b"NUMB", struct.pack(">I", 4) + text(b"\xff"))
    ),
    "a status without a code": Raw(17, packet(101, b"NUMB", b"")),
    "an end where a file should be": Raw(17, packet(101, b"NUMB", struct.pack(">I", 1))),
    "success in the place of names": Raw(12, packet(101, b"NUMB", bytes(12))),
    "attributes that say nothing": Raw(17, packet(105, b"NUMB", bytes(4))),
    "another protocol": Raw(1, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "version 2": Raw(1, packet(2, struct.pack(">I", 2), b"")),
}
REFUSED: dict[str, Files] = {
    "a name that goes up": Names(b"../../../tmp/ecsmachine-lies"),
    "a name that goes up one": Names(b"../x"),
    "an absolute name": Names(b"/tmp/ecsmachine-lies"),
    "a name with a slash": Names(b"aa/x"),
    "a name with a NUL": Names(b"x\0y"),
    "no name": Names(b""),
    "a name of 10,000 bytes": Names(b"x" * 10_000),
    "a device": Names(b"x", mode=stat.S_IFCHR | 0o666),
    "a pipe": Names(b"x", mode=stat.S_IFIFO | 0o666),
    "a symbolic link, even when followed": Names(b"x", mode=stat.S_IFLNK | 0o777),
    "names without end": EndlessNames(),
    "no names without end": EndlessEmptyNames(),
    "folders in themselves": Loop(),
    "a file without size and end": GrowingFile(0),
    "a file that tells no size and has no end": GrowingFile(None),
    "a file of 4 EiB": GrowingFile(1 << 62),
    "more than was asked for": TooMuch(),
    "blocks without anything": NoProgress(),
    **RAW,
}


@pytest.mark.parametrize("attack", REFUSED)
def test_a_host_that_lies_about_its_files(
    attack: str, store: Store, bounded: Bounded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(tmp_path)
    with HostileHost(REFUSED[attack]).serving() as host:
        add_host(store, host.port)
        result = bounded("--native-ssh", "scp", "-r", "dev1:/d", "in")
    assert len(result.error) < 300
    written = {path for path in tree(tmp_path) - before if not path.is_relative_to(store.path)}
    assert all(path.is_relative_to(tmp_path / "here" / "in") for path in written), written
    assert not list(Path("/tmp").glob("ecsmachine-lies*"))


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp, "_NOISE_PAUSE_S", 0.5)


@pytest.fixture
def place(store: Store, tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


def copied(files: Files, store: Store, target: Path, name: str = "dev1") -> None:
    with HostileHost(files).serving() as host:
        machine = add_host(store, host.port, name)
        known = KnownHost(machine.driver.ssh_target(), machine.known_hosts_path)
        copy(Place("/d", known), Place(str(target)), recursive=True)


def test_a_file_that_grows_is_what_it_was(store: Store, place: Path) -> None:
    copied(GrowingFile(100_000), store, place)
    assert (place / "d" / "one").stat().st_size == 100_000


def test_names_that_are_odd_but_plain_are_copied(store: Store, place: Path) -> None:
    names = (b"...", b" ", b"-rf", b"a\nb", b"\xff\xfe", b"\x1b[31m", "ö".encode(), b".", b"..")
    copied(Names(*names), store, place)
    assert {os.fsencode(path.name) for path in (place / "d").iterdir()} == {b"aa", *names[:-2]}


def test_nothing_is_written_through_a_link_that_was_there(
    store: Store, place: Path, tmp_path: Path
) -> None:
    (place / "d").mkdir()
    (tmp_path / "outside").write_text("mine")
    (place / "d" / "x").symlink_to(tmp_path / "outside")
    with pytest.raises(MachineError, match="d/x is in the way"):
        copied(Names(b"x"), store, place)
    assert (tmp_path / "outside").read_text() == "mine"
    (tmp_path / "outside").unlink()
    (tmp_path / "outside").mkdir()
    with pytest.raises(MachineError, match="d/x is in the way"):
        copied(FolderAmongFiles(), store, place, "dev2")
    assert list((tmp_path / "outside").iterdir()) == []


def test_permissions_are_never_wider_than_ones_own(store: Store, place: Path) -> None:
    copied(Names(b"x", mode=stat.S_IFREG | 0o6777), store, place)
    assert stat.S_IMODE((place / "d" / "x").stat().st_mode) == 0o777 & ~umask()


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def test_an_answer_that_does_not_come_is_not_waited_for(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp, "_ANSWER_TIMEOUT_S", 0.5)
    with pytest.raises(MachineError, match="no answer in time"):
        copied(Raw(17, b""), store, place)
