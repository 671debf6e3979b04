"""Files whose values are not what they should be: each ends in a value, or in one clear line.

Every place of each document has every odd value once. What is read is read again after it was
written: nothing that was taken can make the next command fail.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.access_key import PUBLIC
from ecsmachine.aliyun.profiles import load as load_profile
from ecsmachine.cli.app import run
from ecsmachine.container_registry.credentials import stored_login
from ecsmachine.documents.rules import has_controls
from ecsmachine.drivers.base import Resource
from ecsmachine.errors import MachineError
from ecsmachine.machine import docker_context, sweep, transfer
from ecsmachine.machine.create_request import begun_with, resumed
from ecsmachine.machine.files import write_json
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.ssh.openssh import KnownHost, configuration
from tests.hostile.mangling import ODD, Odd, places, put

OTHER = {"IPAddress": "192.0.2.7", "SSHUser": "me", "SSHPort": 2222, "SSHKeyPath": "/k"}


def damaged(value: Any, odd: Odd) -> Iterator[bytes]:
    """Yield a document with every odd value in every place, one at a time."""
    for path in places(value):
        for number in range(len(ODD)):
            yield odd.text_of(put(value, path, f"@@{number}@@"))


def one_line(error: MachineError) -> None:
    assert error.message
    assert not has_controls(error.message), error.message
    assert len(error.message) < 1000, error.message


def tried(documents: Iterator[bytes], read: Callable[[bytes], Any]) -> Counter[str]:
    """Count how the documents ended: in a value, or in one error."""
    ends: Counter[str] = Counter()
    for content in documents:
        try:
            read(content)
        except MachineError as error:
            one_line(error)
            ends["error"] += 1
        else:
            ends["value"] += 1
    assert ends["value"]
    assert ends["error"]
    return ends


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Odd]:
    yield Odd(str(tmp_path / "touched"))
    assert not (tmp_path / "touched").exists()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    # thousands are exported: no passphrase is guessed
    monkeypatch.setattr(transfer, "_SCRYPT", {"n": 2, "r": 8, "p": 1})
    return Store(tmp_path / "store", {"HOME": str(tmp_path)})


def a_config(driver: str, **fields: Any) -> dict[str, Any]:
    """Return a configuration as Docker Machine has it."""
    options = {"Labels": ["a=b"], "Env": ["A=B"], "InstallURL": "https://x.example", "Ipv6": False}
    auth = {"CaCertPath": "/s/certs/ca.pem", "ServerCertSANs": ["x.example"], "StorePath": "/s"}
    return {
        "ConfigVersion": 3,
        "Driver": {**OTHER, "MachineName": "bad", "StorePath": "/s", **fields},
        "DriverName": driver,
        "HostOptions": {
            "EngineOptions": options,
            "SwarmOptions": {"Master": False, "Heartbeat": 0, "Overcommit": 0.5, "Host": "tcp://x"},
            "AuthOptions": auth,
        },
        "Name": "bad",
    }


CONFIGS = {
    "generic": a_config("generic", EnginePort=2376, SSHKey="/k"),
    "none": a_config("none", URL="tcp://127.0.0.1:1"),
    "other": a_config("virtualbox", Memory=1024),
    "aliyunecs": a_config(
        "aliyunecs",
        InstanceId="i-1",
        Region="cn-hangzhou",
        Zone="cn-hangzhou-h",
        Tags={"a": "b"},
        PrivateIPAddress="10.0.0.1",
        DiskSize=40,
        DiskFS="xfs",
        IoOptimized=True,
        APIEndpoint="http://127.0.0.1:7400",
        PublicKey="c3NoLXJzYSBBIGI=",
        SecretKey="s",
    ),
    "version 0": {
        "DriverName": "generic",
        "Driver": {**OTHER, "SwarmMaster": True},
        "CaCertPath": "/s/certs/ca.pem",
        "PrivateKeyPath": "/s/certs/ca-key.pem",
        "StorePath": "/s/machines/bad",
        "SwarmHost": "tcp://0.0.0.0:3376",
    },
}


def usable(machine: Machine, store: Store) -> None:
    """Do with a machine what needs no network, and see that the store can be read afterwards."""
    for ask in (machine.driver.url, machine.driver.addresses, machine.driver.data_disk):
        ask()
    try:
        lines = configuration([KnownHost(machine.driver.ssh_target(), machine.known_hosts_path)])
        assert all(line.split()[0] in _KNOWN for line in lines.splitlines() if line)
    except MachineError as error:
        one_line(error)
    store.save(machine)
    config = store.config(machine.name)
    store.save(store.load(machine.name))
    assert store.config(machine.name) == config


_KNOWN = frozenset(
    (
        *("Host", "HostName", "Port", "User", "ConnectTimeout", "HostKeyAlias", "LogLevel"),
        *("PasswordAuthentication", "ServerAliveInterval", "StrictHostKeyChecking"),
        *("UpdateHostKeys", "UserKnownHostsFile", "IdentitiesOnly", "IdentityFile"),
    )
)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration(kind: str, store: Store, odd: Odd) -> None:
    path = store.directory("bad") / "config.json"
    path.parent.mkdir(parents=True)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        usable(store.load("bad"), store)

    tried(damaged(CONFIGS[kind], odd), read)


def test_what_other_programs_keep_in_a_configuration_stays(store: Store) -> None:
    config = a_config("generic", Plugin={"a": [1, {"b": None}]})
    config["HostOptions"]["EngineOptions"]["Fork"] = "x"
    config["HostOptions"]["AuthOptions"]["Fork"] = [1]
    config["Fork"] = {"deep": {"deeper": 1.5}}
    store.directory("dev1").mkdir(parents=True)
    write_json(store.directory("dev1") / "config.json", config)
    store.save(store.load("dev1"))
    kept = json.loads((store.directory("dev1") / "config.json").read_bytes())
    assert kept["Fork"] == config["Fork"]
    assert kept["Driver"]["Plugin"] == {"a": [1, {"b": None}]}
    assert kept["HostOptions"]["EngineOptions"]["Fork"] == "x"
    assert kept["HostOptions"]["AuthOptions"]["Fork"] == [1]


JOURNAL = {
    "Version": 1,
    "CreateId": "0123456789abcdef",
    "Complete": False,
    "Adopted": False,
    "Removing": False,
    "Request": {
        "DriverName": "generic",
        "DriverOptions": {"generic-ip-address": "h", "generic-ssh-port": 22, "url": None},
        "SecretOptions": [],
        "Provision": True,
        "SwarmRole": "",
        "SwarmJoin": "",
    },
    "Resources": [
        {"kind": "instance", "token": "t", "id": None, "details": {"region": "cn-hangzhou"}},
        {"kind": "key-pair", "token": "u", "id": "k", "details": {}},
    ],
}


def test_a_journal(store: Store, odd: Odd) -> None:
    directory = store.directory("bad")
    directory.mkdir(parents=True)
    write_json(directory / "config.json", CONFIGS["generic"])

    def read(content: bytes) -> None:
        (directory / "journal.json").write_bytes(content)
        journal = store.journal("bad")
        for resource in journal.resources():
            assert isinstance(resource, Resource)
        journal.begin()
        again = store.journal("bad")
        assert again.content() == journal.content()
        if not journal.complete and not journal.adopting and journal.request:
            request = resumed(store, "bad", {})
            assert begun_with(store, "bad")
            store.new_driver(request.driver_name, "bad", request.driver_values)

    tried(damaged(JOURNAL, odd), read)


def test_a_journal_of_a_machine_that_was_dropped(store: Store, odd: Odd) -> None:
    path = store.abandoned_path / "bad-01234567.json"
    path.parent.mkdir(parents=True)
    dropped = {**JOURNAL, "Complete": True, "Machine": "bad", "Driver": {"InstanceId": "i-1"}}

    def read(content: bytes) -> None:
        path.write_bytes(content)
        FileJournal(path)
        sweep.known_regions(store)
        list(sweep._abandoned(store, "cn-hangzhou"))

    tried(damaged(dropped, odd), read)


def below(folder: Path) -> set[str]:
    """Return all files and folders in a folder."""
    return {f"{at}/{name}" for at, folders, files in os.walk(folder) for name in (*folders, *files)}


def exported(config: bytes, head: bytes = b"") -> bytes:
    """Return a file as a stranger may make one, who knows the passphrase."""
    entries = {"config.json": config, "ca.pem": b"x", "cert.pem": b"x", "key.pem": b"x"}
    content = transfer._encrypted(transfer._archive(entries), "passphrase")
    magic, line, sealed = content.split(b"\n", 2)
    return b"\n".join((magic, head or line, sealed))


@pytest.mark.parametrize("kind", ["generic", "aliyunecs"])
def test_the_configuration_in_an_export(kind: str, store: Store, odd: Odd) -> None:
    def read(content: bytes) -> None:
        before = below(store.path.parent)
        try:
            name = transfer.import_machine(store, exported(content), "passphrase")
        except MachineError:
            made = below(store.path.parent) - before
            # locks, and the folders of the store, may be new; no machine is
            assert not [path for path in made if Path(path).parent == store.machines_path], made
            assert store.names() == []
            raise
        machine = store.load(name)
        assert machine.directory == store.directory(name)
        for path in (
            *(machine.auth.ca_cert_path, machine.auth.ca_key_path, machine.auth.cert_dir),
            *(machine.auth.client_cert_path, machine.auth.client_key_path),
        ):
            assert path.is_relative_to(store.path), path
        usable(machine, store)
        store.remove(name)

    tried(damaged(CONFIGS[kind], odd), read)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("IPAddress", "198.18.205.2\n    ProxyCommand touch /tmp/x", "a host name or address"),
        ("IPAddress", "-oProxyCommand=touch /tmp/x", "a host name or address"),
        ("SSHUser", "root\n    ProxyCommand touch /tmp/x", "the name of a user"),
        ("SSHUser", 'root\nMatch exec "touch /tmp/x"', "the name of a user"),
        ("SSHPort", "22\n    ProxyCommand touch /tmp/x", "a port (1 to 65535)"),
    ],
)
def test_an_export_with_a_login_for_openssh_to_obey(
    field: str, value: str, said: str, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    file = store.path.parent / "theirs.ecsmachine"
    config = put(CONFIGS["generic"], ("Driver", field), value)
    file.write_bytes(exported(json.dumps(config).encode()))
    code, out, err = called(store, ("import", str(file)), capfd)
    assert (code, out) == (1, "")
    assert err.startswith(
        f"Error: The file holds a machine that cannot be used: config.json: Driver.{field}"
    )
    assert f"is not {said}" in err
    assert "Nothing was imported" in err
    assert store.names() == []


def test_the_head_of_an_export(store: Store, odd: Odd) -> None:
    config = json.dumps(CONFIGS["generic"]).encode()
    head = json.loads(exported(config).split(b"\n")[1])
    ends = Counter[str]()
    for content in damaged(head, odd):
        try:
            transfer.import_machine(store, exported(config, content), "passphrase")
        except MachineError as error:
            one_line(error)
            ends["error"] += 1
    assert set(ends) == {"error"}  # the head is authenticated: nothing else is taken
    assert store.names() == []


def test_a_profile_of_the_aliyun_command(tmp_path: Path, odd: Odd) -> None:
    path = tmp_path / "config.json"
    profiles = {
        "current": "default",
        "profiles": [
            {
                "name": "default",
                "mode": "AK",
                "access_key_id": "a",
                "access_key_secret": "b",
                "region_id": "cn-hangzhou",
                "expired_seconds": 900,
                "sts_token": "t",
            },
            {"name": "role", "mode": "EcsRamRole", "ram_role_name": "r"},
            {"name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "default"},
        ],
    }

    def read(content: bytes) -> None:
        path.write_bytes(content)
        found = load_profile(path, "", PUBLIC, {})
        if found is not None and found.reference == "profile:default":
            key = found.current()
            assert f"{key.access_key_id}{key.access_key_secret}".isascii()

    tried(damaged(profiles, odd), read)


def test_the_settings_of_the_docker_client(store: Store, tmp_path: Path, odd: Odd) -> None:
    docker = docker_context.DockerConfig(tmp_path / ".docker")
    docker.path.mkdir()
    settings = {"auths": {"reg.example": {"auth": "bWU6c2VjcmV0"}}, "currentContext": "x", "a": [1]}

    def read(content: bytes) -> None:
        docker.settings_path.write_bytes(content)
        login = stored_login(docker.settings_path, "https://reg.example")
        assert login is None or login.basic.isascii()
        docker_context.use(docker, "dev1")
        before, after = (json.loads(each) for each in (content, docker.settings_path.read_bytes()))
        assert after == {**before, "currentContext": "dev1"}

    tried(damaged(settings, odd), read)


def test_the_description_of_a_docker_context(store: Store, tmp_path: Path, odd: Odd) -> None:
    docker = docker_context.DockerConfig(tmp_path / ".docker")
    write = store.directory("dev1") / "config.json"
    write.parent.mkdir(parents=True)
    write_json(write, CONFIGS["generic"])
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (store.directory("dev1") / name).write_text("x")
    machine = store.load("dev1")
    docker_context.write(docker, machine, "tcp://192.0.2.7:2376")
    path = docker.meta_path("dev1") / "meta.json"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        found = docker_context.endpoint(docker, machine)
        assert found is None or not has_controls(found)
        docker_context.write(docker, machine, "tcp://192.0.2.7:2376")

    tried(damaged(json.loads(path.read_bytes()), odd), read)


TEXTS = (
    *(b"", b"\0", b"\xff\xfe", b"{", b"\n", b"x" * 5000, b"* ssh-rsa AAAA", b"a b\nc d e"),
    *(b"ecsmachine-bad ssh-rsa \x1b[2J", b"@cert-authority * ssh-rsa AAAA", "é".encode()),
)


@pytest.mark.parametrize("name", ["known_hosts", "../../.store-id", "journal.json", "config.json"])
@pytest.mark.parametrize("kind", ["text", "folder", "pipe", "loop", "device"])
def test_a_file_that_is_none(
    name: str, kind: str, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    for machine in ("bad", "good"):
        store.directory(machine).mkdir(parents=True)
        write_json(store.directory(machine) / "config.json", CONFIGS["none"])
    path = (store.directory("bad") / name).resolve()
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    for content in TEXTS if kind == "text" else (b"",):
        if kind == "text":
            path.write_bytes(content)
        for words in FLEET:
            code, out, err = called(store, words, capfd)
            clear(words, code, err)
            if words[0] == "ls" and name != "../../.store-id":
                assert any("good" in line and "Error" not in line for line in out.splitlines()), out


FLEET: tuple[tuple[str, ...], ...] = (
    *(("ls",), ("ls", "-q"), ("ls", "--json"), ("status", "*"), ("ip", "*"), ("url", "*")),
    *(("stop", "*"), ("start", "*"), ("kill", "*"), ("restart", "*"), ("upgrade", "*")),
    *(("provision", "*"), ("regenerate-certs", "-f", "*"), ("version", "*"), ("inspect", "bad")),
    *(("env", "bad"), ("config", "bad"), ("config", "show", "bad"), ("active",), ("swarm", "ls")),
    *(("context", "create", "*"), ("context", "rm", "*"), ("credentials", "show", "*")),
    *(("ssh", "bad", "true"), ("scp", "bad:/x", "y"), ("mount", "bad:/x", "/nowhere")),
    *(("trust", "-y", "bad"), ("export", "bad", "-"), ("create", "--resume", "bad")),
    *(("__complete", "ssh", ""), ("__complete", "stop", ""), ("adopt", "bad")),
)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "-x",
            "--help",
            "a\nb",
            "a b",
            "*",
            "[a]",
            "a'b",
            'a"b',
            "a;b",
            "a\\b",
            "a%b",
            "a:b",
            "a@b",
        ),
        *("\x1b[2J", "\udcff", "\u202eabc", "x" * 200, "$(touch TOUCHED)", "`touch TOUCHED`"),
        *("x\n    ProxyCommand touch TOUCHED", "a\tb", "ü"),
    ],
    ids=ascii,
)
def test_a_folder_of_any_name(
    name: str, store: Store, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monitored = tmp_path / "TOUCHED"
    for machine, kind in ((name, "generic"), ("good", "none")):
        store.directory(machine).mkdir(parents=True)
        # nothing answers there, at once
        login = {**CONFIGS[kind]["Driver"], "IPAddress": "127.0.0.1", "SSHPort": 1, "EnginePort": 1}
        config = {**CONFIGS[kind], "Driver": {**login, "URL": "tcp://127.0.0.1:1"}}
        write_json(store.directory(machine) / "config.json", config)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (store.directory(machine) / file).touch(0o600)
    for words in FLEET:
        if words[0] == "__complete" or "bad" not in " ".join(words):
            asked = words
        else:
            asked = tuple(word.replace("bad", name) for word in words)
            asked = (*asked[:-1], "--", asked[-1]) if words[-1] == "bad" else asked
        code, out, err = called(store, asked, capfd)
        clear(asked, code, err)
        if words == ("ls",):
            assert any("good" in line and "Running" in line for line in out.splitlines()), out
        if words[0] == "env" and not code:
            subprocess.run(["sh", "-c", out], cwd=tmp_path, check=True)
    try:
        host = KnownHost(
            store.load(name).driver.ssh_target(), store.directory(name) / "known_hosts"
        )
        lines = configuration([host]).splitlines()
        assert all(line.split()[0] in _KNOWN for line in lines if line), lines
        assert lines[0] == f"Host ecsmachine-{name}"
    except MachineError as error:
        assert "OpenSSH cannot be given" in error.message
    code, _, err = called(store, ("rm", "-f", "-y", "--", name), capfd)
    clear(("rm",), code, err)
    if not set(name) & set("*["):  # these are patterns
        assert store.names() == ["good"]
    assert not monitored.exists()


def called(
    store: Store, words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    home = str(store.path.parent)
    capfd.readouterr()
    code = run(
        list(words),
        {
            "MACHINE_STORAGE_PATH": str(store.path),
            "HOME": home,
            "SHELL": "/bin/sh",
            "DOCKER_CONFIG": f"{home}/.docker",
            "ECSMACHINE_PASSPHRASE": "passphrase",
        },
    )
    return code, *capfd.readouterr()


def clear(words: tuple[str, ...], code: int, err: str) -> None:
    """See that a command ended well, or with what it says in clear lines."""
    assert code in (0, 1, 2, 3), (words, code, err)
    assert "bug in ecsmachine" not in err, (words, err)
    assert "Traceback" not in err, (words, err)
    assert not code or err.strip(), words


def test_one_damaged_machine_hides_no_other(
    store: Store, capfd: pytest.CaptureFixture[str], odd: Odd
) -> None:
    for machine in ("bad", "good"):
        store.directory(machine).mkdir(parents=True)
        write_json(store.directory(machine) / "config.json", CONFIGS["none"])
    config = a_config("generic", IPAddress="198.18.205.2\n    ProxyCommand touch x")
    damages: tuple[Any, ...] = (
        config,
        put(CONFIGS["generic"], ("Driver", "SSHPort"), float("inf")),
        put(CONFIGS["generic"], ("Driver", "SSHUser"), "-oProxyCommand=x"),
        put(CONFIGS["generic"], ("DriverName",), []),
        put(CONFIGS["generic"], ("HostOptions",), "x"),
        [],
    )
    for damage in damages:
        (store.directory("bad") / "config.json").write_text(json.dumps(damage))
        for words in FLEET:
            code, out, err = called(store, words, capfd)
            clear(words, code, err)
            if words == ("ls",):
                rows = {line.split()[0]: line for line in out.splitlines()[1:]}
                assert set(rows) == {"bad", "good"}
                assert "Error" in rows["bad"]
                assert "Running" in rows["good"]
            elif words == ("ls", "--json"):
                assert {each["Name"] for each in json.loads(out)} == {"bad", "good"}
            elif words[0] in ("status", "url", "ip", "stop", "start") and "*" in words:
                # done for the good one, and the bad one is named
                assert "bad" in err, (words, err)
                assert "cannot be read" in err, (words, err)
