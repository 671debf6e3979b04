"""Hosts behind a jump host: OpenSSH's own servers, one of which is the way to the other."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.errors import MachineError, UsageError
from ecsmachine.ssh.connection import SSHError, connect, shown_host_key
from ecsmachine.ssh.host_keys import HostKeyChangedError
from ecsmachine.ssh.jump import JumpError, JumpHost, target_of
from ecsmachine.ssh.known_hosts import KnownHosts
from ecsmachine.ssh.stream import open_stream
from ecsmachine.ssh.target import SSHTarget

from .openssh_server import SSHD, OpenSSHServer, check_login, keygen, openssh_server, ssh_agent

pytestmark = pytest.mark.skipif(not (SSHD and shutil.which("ssh")), reason="no OpenSSH")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("key") / "id_ed25519", "-t", "ed25519")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[OpenSSHServer]:
    with openssh_server(tmp_path_factory.mktemp("host") / "dev1") as server:
        server.authorize(Path(f"{key}.pub").read_text())
        yield server


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSSHServer]:
    with openssh_server(tmp_path_factory.mktemp("jump") / "bastion") as server:
        yield server


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bastion: OpenSSHServer) -> Path:
    """The user's own key, in ``~/.ssh``, which the jump host knows."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    key = keygen(tmp_path / "home" / ".ssh" / "id_ed25519", "-t", "ed25519")
    bastion.authorize(Path(f"{key}.pub").read_text())
    return key


@pytest.fixture
def agent(own_key: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """OpenSSH's home is that of the user, whatever ``HOME`` says: it gets the key by the agent."""
    with ssh_agent(own_key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        yield


@pytest.fixture
def jump(bastion: OpenSSHServer, tmp_path: Path) -> JumpHost:
    return JumpHost(bastion.target(), tmp_path / "store" / "jump_known_hosts")


def test_one_connection_to_the_jump_host_carries_all(
    jump: JumpHost, host: OpenSSHServer, bastion: OpenSSHServer, key: Path
) -> None:
    target = host.target(key, jump=jump)
    logins = (bastion.folder / "log").read_text().count("Accepted publickey")
    with connect(target, host.pin_path) as first, connect(target, host.pin_path) as second:
        results = [
            each.run("head -c 300000 /dev/zero; echo $SSH_CLIENT") for each in (first, second)
        ]
    assert [len(result.stdout) > 300000 for result in results] == [True, True]
    assert (bastion.folder / "log").read_text().count("Accepted publickey") == logins + 1
    kind, text = host.host_key.split()
    shown = shown_host_key(target, host.pin_path)
    assert (shown.get_name(), shown.get_base64()) == (kind, text)


def test_paramiko_and_openssh_know_the_jump_host_alike(
    bastion: OpenSSHServer, host: OpenSSHServer, key: Path, tmp_path: Path, agent: None
) -> None:
    """Its key is written down once, whichever meets it first."""
    own = tmp_path / "store" / "jump_known_hosts"
    own.parent.mkdir()
    written = f"[127.0.0.1]:{bastion.port} {bastion.host_key}\n"
    check_login(host.target(key, jump=JumpHost(bastion.target(), own)), host.pin_path)
    assert own.read_text() == written
    assert own.stat().st_mode & 0o777 == 0o600
    other = own.with_name("others")
    target = host.target(key, jump=JumpHost(bastion.target(), other))
    with_openssh = subprocess.run(  # the first contact is OpenSSH's
        _command(target, host.pin_path), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert with_openssh.stdout == "in\n", with_openssh.stderr
    connect(target, host.pin_path).close()
    assert [line.split()[-1] for line in other.read_text().splitlines()] == [written.split()[-1]]


def _command(target: SSHTarget, pin_path: Path) -> list[str]:
    from ecsmachine.ssh.openssh import KnownHost, configuration

    path = pin_path.with_name("ssh_config")
    path.write_text(configuration([KnownHost(target, pin_path)]))
    return ["ssh", "-F", str(path), f"ecsmachine-{pin_path.parent.name}", "echo in"]


def test_a_jump_host_that_the_user_knows_is_the_one_or_none(
    bastion: OpenSSHServer, host: OpenSSHServer, key: Path, tmp_path: Path
) -> None:
    known = tmp_path / "home" / ".ssh" / "known_hosts"
    name = f"[127.0.0.1]:{bastion.port}"
    known.write_text(f"{name} {bastion.host_key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    jump = JumpHost(bastion.target(), tmp_path / "own")
    connect(host.target(key, jump=jump), host.pin_path).close()
    assert not (tmp_path / "own").exists()
    known.write_text(f"{name} {host.host_key}\n")
    jump = JumpHost(bastion.target(), tmp_path / "own")
    with pytest.raises(HostKeyChangedError, match="has changed") as raised:
        connect(host.target(key, jump=jump), host.pin_path)
    assert str(known) in raised.value.message
    known.write_text(f"@revoked * {bastion.host_key}\n")
    with pytest.raises(HostKeyChangedError, match="is revoked"):
        connect(host.target(key, jump=jump), host.pin_path)


def test_what_is_wrong_with_a_jump_host_is_told_as_that(
    bastion: OpenSSHServer, host: OpenSSHServer, key: Path, jump: JumpHost, tmp_path: Path
) -> None:
    with pytest.raises(SSHError, match=r"1 \(through .*\): the jump host cannot connect"):
        connect(SSHTarget("127.0.0.1", 1, key_path=key, jump=jump), host.pin_path)
    bastion.authorize()
    refused = JumpHost(bastion.target(), tmp_path / "own")
    with pytest.raises(JumpError, match=r"^The jump host 127.*does not accept the login") as told:
        connect(host.target(key, jump=refused), host.pin_path)
    assert "Your own keys" in (told.value.hint or "")
    gone = JumpHost(SSHTarget("127.0.0.1", 1, "me"), tmp_path / "own")
    with pytest.raises(SSHError, match="The jump host cannot be used: SSH does not answer"):
        gone.check()


def test_a_jump_host_that_does_not_forward(
    host: OpenSSHServer, key: Path, own_key: Path, tmp_path: Path
) -> None:
    with openssh_server(tmp_path / "closed", "AllowTcpForwarding no") as closed:
        closed.authorize(Path(f"{own_key}.pub").read_text())
        jump = JumpHost(closed.target(), tmp_path / "own")
        with pytest.raises(MachineError, match=r"does not forward to 127\.0\.0\.1"):
            connect(host.target(key, jump=jump), host.pin_path)


def test_a_stream_through_a_jump_host_is_a_socket(jump: JumpHost) -> None:
    """All that is sent arrives, both ways, and so does the end."""
    sent = bytes(range(256)) * 4000

    def echo() -> None:
        with listening.accept()[0] as there:
            while data := there.recv(65536):
                there.sendall(data)
                if len(data) < 65536 and data.endswith(b"END"):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=echo, daemon=True).start()
        port = listening.getsockname()[1]
        with open_stream("127.0.0.1", port, jump=jump, timeout_s=20) as stream:
            threading.Thread(target=lambda: stream.sendall(sent + b"END"), daemon=True).start()
            found = bytearray()
            while data := stream.recv(65536):
                found += data
    assert bytes(found) == sent + b"END"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("me@bastion", ("bastion", 22, "me")),
        ("me@bastion:2222", ("bastion", 2222, "me")),
        ("me@corp@10.0.0.1:22", ("10.0.0.1", 22, "me@corp")),
        ("me@[2001:db8::1]:2222", ("2001:db8::1", 2222, "me")),
        ("me@2001:db8::1", ("2001:db8::1", 22, "me")),
    ],
)
def test_jump_hosts_as_they_are_written(text: str, expected: tuple[str, int, str]) -> None:
    target = target_of(text)
    assert (target.host, target.port, target.user) == expected
    assert target_of(target.name) == target


@pytest.mark.parametrize(
    "text", ["bastion", "@bastion", "me@", "me@-oProxyCommand=x", "me@a,me@b", "me@b:0", "a b@c"]
)
def test_what_is_no_jump_host(text: str) -> None:
    with pytest.raises(UsageError, match="--ssh-jump"):
        target_of(text)


def test_patterns_of_known_hosts(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(
        "# a comment\n\n*.example.com,!old.example.com ssh-ed25519 AAAA\n"
        "[bastion]:2222,10.0.0.? ssh-rsa BBBB me\n@cert-authority * ssh-rsa CCCC\n"
        "|1|x|y ssh-rsa DD\n"
    )
    for name, types in {
        "a.example.com": ["ssh-ed25519"],
        "old.example.com": [],
        "[bastion]:2222": ["ssh-rsa"],
        "bastion": [],
        "b": [],
        "10.0.0.7": ["ssh-rsa"],
    }.items():
        assert KnownHosts(name, [file, tmp_path / "none"]).types() == types, name


def test_the_user_of_the_tests_is_one_of_a_jump_host() -> None:
    assert target_of(f"{getpass.getuser()}@127.0.0.1").name == f"{getpass.getuser()}@127.0.0.1"
