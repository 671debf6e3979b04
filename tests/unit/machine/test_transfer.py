"""Machines that travel: what is in the file, what is refused, what the importer gets."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.tagged import INSTANCE, TaggedResource
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine import engine_api, model, transfer
from ecsmachine.machine.adopt import AdoptRequest, adopt
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import without_secrets
from ecsmachine.ssh import host_keys
from ecsmachine.system.files import move, openness
from ecsmachine.system.names import why_not_on_windows
from tests.unit.stand_ins import add_machine, engine

PASSPHRASE = "correct horse"
REAL_COSTS = dict(transfer._SCRYPT)


@pytest.fixture(autouse=True)
def cheap_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is derived in a millisecond; the real cost is tried once below."""
    monkeypatch.setattr(transfer, "_SCRYPT", {"n": 1 << 4, "r": 8, "p": 1})


@pytest.fixture
def theirs(store: Store, tmp_path: Path) -> Store:
    return Store(tmp_path / "theirs", {})


def exported(store: Store, **told: Any) -> bytes:
    machine = add_machine(store, "dev1", SSHPort=22, SSHUser="root", **told)
    (machine.directory / "id_rsa").write_bytes(b"a private key")
    (machine.directory / "known_hosts").write_text("ecsmachine-dev1 ssh-ed25519 AAAA\n")
    return transfer.export_machine(store, "dev1", PASSPHRASE)


@pytest.fixture(autouse=True)
def told_is_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "driver_names", lambda: ("told", "generic"))


def test_a_machine_travels_with_its_keys(store: Store, theirs: Store) -> None:
    content = exported(store)
    assert b"PRIVATE" not in content and b"config.json" not in content
    assert transfer.import_machine(theirs, content, PASSPHRASE) == "dev1"
    folder = theirs.directory("dev1")
    assert (folder / "id_rsa").read_bytes() == b"a private key"
    for path in folder.iterdir():
        assert path.is_file()
        private = path.name.endswith("key.pem") or path.name == "id_rsa"
        assert not private or openness(path, path.stat()) is None


def test_its_paths_are_those_of_the_new_store(store: Store, theirs: Store) -> None:
    transfer.import_machine(theirs, exported(store), PASSPHRASE, name="new")
    text = (theirs.directory("new") / "config.json").read_text()
    assert str(store.path) not in text.replace(str(theirs.path), "")
    machine = theirs.load("new")
    assert machine.auth.ca_cert_path == theirs.directory("new") / "ca.pem"
    assert machine.auth.client_key_path == theirs.directory("new") / "key.pem"
    assert not (theirs.path / "certs").exists()


def test_its_host_key_is_pinned_under_its_new_name(store: Store, theirs: Store) -> None:
    transfer.import_machine(theirs, exported(store), PASSPHRASE, name="new")
    pin = theirs.directory("new") / "known_hosts"
    assert pin.read_text().startswith(f"{host_keys.alias(pin)} ssh-ed25519 AAAA")


def test_its_engine_answers_the_importer(store: Store, theirs: Store) -> None:
    transfer.import_machine(theirs, exported(store), PASSPHRASE)
    with engine(store.load("dev1").auth) as url:
        version = engine_api.ask_version(url, theirs.load("dev1").auth, timeout_s=5)
    assert version == "27.3.1"


def test_the_account_and_the_ca_key_stay_behind(store: Store, theirs: Store) -> None:
    content = exported(store, AccessKey="LTAI", SecretKey="Marked", SSHPassword="Marked")
    transfer.import_machine(theirs, content, PASSPHRASE)
    driver = theirs.config("dev1")["Driver"]
    assert (driver["AccessKey"], driver["SecretKey"], driver["SSHPassword"]) == ("", "", "")
    assert not list(theirs.path.rglob("ca-key.pem"))


def test_a_wrong_passphrase_is_told(store: Store, theirs: Store) -> None:
    content = exported(store)
    with pytest.raises(MachineError, match="passphrase is wrong"):
        transfer.import_machine(theirs, content, "another one")
    assert theirs.names() == []


@pytest.mark.parametrize("at", [10, 25, 60, -1])
def test_a_changed_byte_is_noticed(store: Store, theirs: Store, at: int) -> None:
    content = bytearray(exported(store))
    content[at] ^= 1
    with pytest.raises(MachineError):
        transfer.import_machine(theirs, bytes(content), PASSPHRASE)
    assert theirs.names() == []


@pytest.mark.parametrize(
    "head", [{"n": 1 << 30}, {"n": 3}, {"p": 1000}, {"salt": "x"}, {"cipher": "none"}, {"n": None}]
)
def test_a_head_that_asks_for_too_much_is_refused(
    store: Store, theirs: Store, head: dict[str, object]
) -> None:
    magic, line, sealed = exported(store).split(b"\n", 2)
    changed = json.dumps({**json.loads(line), **head}).encode()
    with pytest.raises(MachineError, match="header is damaged"):
        transfer.import_machine(theirs, b"\n".join((magic, changed, sealed)), PASSPHRASE)


def test_a_newer_format_and_another_file_are_told(theirs: Store) -> None:
    with pytest.raises(MachineError, match="newer ecsmachine"):
        transfer.import_machine(theirs, b"ecsmachine-export 2\n{}\n", PASSPHRASE)
    with pytest.raises(MachineError, match="not a machine"):
        transfer.import_machine(theirs, b"PK\x03\x04", PASSPHRASE)


def test_a_name_that_is_taken_is_refused(store: Store) -> None:
    content = exported(store)
    before = {path: path.read_bytes() for path in store.directory("dev1").iterdir()}
    with pytest.raises(MachineError, match="already exists"):
        transfer.import_machine(store, content, PASSPHRASE)
    assert {path: path.read_bytes() for path in store.directory("dev1").iterdir()} == before


def test_an_instance_that_the_store_has_is_refused(store: Store, theirs: Store) -> None:
    content = exported(store, InstanceId="i-1")
    (store.machines_path / "damaged").mkdir()
    (store.machines_path / "damaged" / "config.json").write_text("{")
    with pytest.raises(MachineError, match='i-1 is already the machine "dev1"'):
        transfer.import_machine(store, content, PASSPHRASE, name="copy")
    with pytest.raises(MachineError, match='"dev1" already exists') as raised:
        transfer.import_machine(store, content, PASSPHRASE)
    assert "nothing to import" in str(raised.value.hint)
    assert store.names() == ["damaged", "dev1"]
    assert transfer.import_machine(theirs, content, PASSPHRASE, name="copy") == "copy"


def test_of_two_imports_at_once_one_has_the_instance(
    store: Store, theirs: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = exported(store, InstanceId="i-1")
    refused: list[MachineError] = []

    def import_another() -> None:
        with pytest.raises(MachineError, match='i-1 is already the machine "one"') as raised:
            transfer.import_machine(Store(theirs.path, {}), content, PASSPHRASE, name="two")
        refused.append(raised.value)

    other = threading.Thread(target=import_another)

    def move_slowly(source: Path, target: Path) -> None:
        if target.name == "one":
            other.start()
            other.join(0.5)  # it waits
        move(source, target)

    monkeypatch.setattr(transfer, "move", move_slowly)
    assert transfer.import_machine(theirs, content, PASSPHRASE, name="one") == "one"
    other.join()
    assert len(refused) == 1
    assert theirs.names() == ["one"]
    assert not list((theirs.path / ".locks").glob(".instance*"))


def test_an_instance_is_not_adopted_as_two_machines(store: Store) -> None:
    add_machine(store, "dev1", InstanceId="i-1")
    request = AdoptRequest("other", TaggedResource(INSTANCE, "i-1", "cn-hangzhou"), {})
    nobody: Any = None
    with pytest.raises(UsageError, match='i-1 is already the machine "dev1"'):
        adopt(store, nobody, request, lambda line: None)
    assert store.names() == ["dev1"]


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".."])
def test_a_name_cannot_lead_out_of_the_store(
    store: Store, theirs: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ecsmachine.machine.transfer.without_secrets",
        lambda config: {**without_secrets(config), "Name": name},
    )
    with pytest.raises(UsageError, match="Invalid hostname"):
        transfer.import_machine(theirs, exported(store), PASSPHRASE)


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = (
        kind,
        size if kind == tarfile.REGTYPE else 0,
        "/etc/passwd",
    )
    return info


@pytest.mark.parametrize(
    "evil",
    [
        entry("../outside"),
        entry("/etc/cron.d/evil"),
        entry("./config.json"),
        entry("hook.py"),
        entry("long" * 50_000),
        entry("id_rsa", tarfile.SYMTYPE),
        entry("id_rsa", tarfile.LNKTYPE),
        entry("id_rsa", tarfile.DIRTYPE),
        entry("id_rsa", tarfile.FIFOTYPE),
        entry("id_rsa", tarfile.CHRTYPE),
        entry("config.json"),
        entry("id_rsa.pub", size=300 << 10),
    ],
    ids=lambda info: f"{info.name[:20]}-{info.type.decode()}-{info.size}",
)
def test_an_archive_with_anything_else_is_refused(
    store: Store, theirs: Store, evil: tarfile.TarInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = transfer._archive

    def packed(contents: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO(pack({k: v for k, v in contents.items() if k != evil.name}))
        if evil.name == "config.json":
            buffer = io.BytesIO(pack(contents))
        with tarfile.open(fileobj=buffer, mode="a") as archive:
            archive.addfile(evil, io.BytesIO(b"x" * evil.size))
        return buffer.getvalue()

    monkeypatch.setattr(transfer, "_archive", packed)
    content = exported(store)
    before = sorted(theirs.path.parent.rglob("*"))
    with pytest.raises(MachineError, match=r"^.{,200}$"):
        transfer.import_machine(theirs, content, PASSPHRASE)
    assert theirs.names() == []
    after = sorted(theirs.path.parent.rglob("*"))
    assert [path for path in after if path not in before and "theirs" not in str(path)] == []


def test_the_file_is_not_longer_than_it_may_be(theirs: Store) -> None:
    with pytest.raises(MachineError, match="longer than 4 MiB"):
        transfer.import_machine(theirs, b"x" * (transfer.LONGEST_FILE + 1), PASSPHRASE)


def test_a_short_passphrase_is_refused(store: Store) -> None:
    add_machine(store, "dev1")
    with pytest.raises(UsageError, match="too short"):
        transfer.export_machine(store, "dev1", "1234567")


def test_who_else_accepts_the_client_certificate_is_known(store: Store) -> None:
    exported(store)
    add_machine(store, "dev2")
    assert transfer.others_of_the_same_ca(store, "dev1") == ["dev2"]


def test_the_derivation_costs_what_it_should() -> None:
    assert REAL_COSTS == {"n": 1 << 17, "r": 8, "p": 1}


def from_windows(store: Store, name: str) -> bytes:
    """Return what a machine of Windows' is exported to: backslashes, and lines that end so."""
    machine = add_machine(store, "dev1", SSHPort=22, SSHUser="root")
    config = json.loads((machine.directory / "config.json").read_text())
    folder = "C:\\Users\\Jürgen Groß\\.docker\\machine"
    text = json.dumps(config).replace(str(store.path), folder.replace("\\", "\\\\"))
    config = {**json.loads(text), "Name": name}
    config["Driver"]["SSHKeyPath"] = f"{folder}\\machines\\{name}\\id_rsa"
    contents = {file.name: file.read_bytes() for file in machine.directory.iterdir() if file.suffix}
    return transfer._encrypted(
        transfer._archive(
            {
                **{file: data for file, data in contents.items() if file in transfer._ENTRIES},
                "config.json": json.dumps(config, indent=4).replace("\n", "\r\n").encode(),
                "known_hosts": b"ecsmachine-dev1 ssh-ed25519 AAAA\r\n",
                "id_rsa": b"a private key",
            }
        ),
        PASSPHRASE,
    )


def test_a_machine_comes_from_windows(store: Store, theirs: Store) -> None:
    assert transfer.import_machine(theirs, from_windows(store, "dev1"), PASSPHRASE) == "dev1"
    folder = theirs.directory("dev1")
    config = json.loads((folder / "config.json").read_text())
    assert "C:\\" not in json.dumps(config) or str(folder).startswith("C:\\")
    assert config["Driver"]["SSHKeyPath"] == str(folder / "id_rsa")
    assert (folder / "known_hosts").read_bytes().endswith(b" ssh-ed25519 AAAA\n")
    assert theirs.load("dev1").auth.ca_cert_path == folder / "ca.pem"


def test_a_name_that_windows_has_not_is_refused_there(
    store: Store, theirs: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = from_windows(store, "aux")
    monkeypatch.setattr(model, "why_no_folder", why_not_on_windows)
    with pytest.raises(UsageError, match='"aux" cannot be used on this computer'):
        transfer.import_machine(theirs, content, PASSPHRASE)
    assert theirs.names() == []
    assert transfer.import_machine(theirs, content, PASSPHRASE, name="dev1") == "dev1"
