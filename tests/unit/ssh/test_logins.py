"""Keys in every form, and agents, against OpenSSH's own server; by paramiko and by OpenSSH."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecsmachine.drivers.login_key import check_login_key, copy_login_key
from ecsmachine.errors import MachineError, PreCreateCheckError
from ecsmachine.ssh import openssh_key, private_keys
from ecsmachine.ssh.connection import AuthenticationError, connect
from ecsmachine.ssh.private_files import KeyFileError
from ecsmachine.ssh.target import SSHTarget

from .openssh_server import (
    SSHD,
    OpenSSHServer,
    check_login,
    keygen,
    openssh_server,
    ssh_agent,
)

pytestmark = pytest.mark.skipif(
    not (SSHD and shutil.which("ssh") and shutil.which("ssh-agent")), reason="no OpenSSH"
)

PASSPHRASE = "a passphrase"

ONE_ROUND = ("-a", "1")
"""Of what makes a key of a passphrase: more take longer, and nothing else."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSSHServer]:
    with openssh_server(tmp_path_factory.mktemp("host") / "dev1", "MaxAuthTries 4") as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the agent nor the keys of whoever runs the tests."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ssh_agent() as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        yield


def add(*arguments: str | Path) -> None:
    subprocess.run(["ssh-add", "-q", *map(str, arguments)], check=True, capture_output=True)


def add_with_passphrase(key: Path, tmp_path: Path) -> None:
    asking = tmp_path / "askpass"
    asking.write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
    asking.chmod(0o700)
    subprocess.run(
        ["ssh-add", "-q", str(key)],
        env={**os.environ, "SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force"},
        check=True,
        capture_output=True,
    )


def openssl(path: Path, command: str, *arguments: str) -> Path:
    words = ["openssl", command, "-out", str(path), *arguments]
    subprocess.run(words, check=True, capture_output=True)
    path.chmod(0o600)
    return path


def changed(path: Path, change: bytes, to: bytes) -> Path:
    path.write_bytes(path.read_bytes().replace(change, to))
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "openssh ed25519": lambda path: keygen(path, "-t", "ed25519"),
    "openssh rsa": lambda path: keygen(path, "-t", "rsa", "-b", "2048"),
    "openssh ecdsa 521": lambda path: keygen(path, "-t", "ecdsa", "-b", "521"),
    "pem rsa": lambda path: keygen(path, "-t", "rsa", "-b", "2048", "-m", "PEM"),
    "pem ecdsa": lambda path: keygen(path, "-t", "ecdsa", "-b", "384", "-m", "PEM"),
    "pkcs8 rsa": lambda path: keygen(path, "-t", "rsa", "-b", "2048", "-m", "PKCS8"),
    "pkcs8 ecdsa": lambda path: keygen(path, "-t", "ecdsa", "-m", "PKCS8"),
    "pkcs8 ed25519": lambda path: openssl(path, "genpkey", "-algorithm", "ed25519"),
    "rsa of 1024 bits": lambda path: openssl(path, "genrsa", "1024"),
    "with its parameters before it": lambda path: openssl(
        path, "ecparam", "-name", "prime256v1", "-genkey"
    ),
    "crlf": lambda path: changed(keygen(path, "-t", "ed25519"), b"\n", b"\r\n"),
    "crlf pem": lambda path: changed(
        keygen(path, "-t", "rsa", "-b", "2048", "-m", "PEM"), b"\n", b"\r\n"
    ),
    "cr": lambda path: changed(keygen(path, "-t", "ed25519"), b"\n", b"\r"),
    "blanks at the ends": lambda path: changed(keygen(path, "-t", "ed25519"), b"\n", b" \t\n"),
    "no end of the last line": lambda path: (
        changed(keygen(path, "-t", "ed25519"), b"KEY-----\n", b"KEY-----")
        and changed(path, b"BEGIN OPENSSH PRIVATE KEY-----", b"BEGIN OPENSSH PRIVATE KEY-----\n")
    ),
    "a byte order mark": lambda path: changed(
        keygen(path, "-t", "ed25519"), b"-----BEGIN", b"\xef\xbb\xbf-----BEGIN"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_of_any_form_logs_in_by_paramiko_and_by_openssh(
    form: str, host: OpenSSHServer, tmp_path: Path
) -> None:
    source = FORMS[form](tmp_path / "theirs")
    public = check_login_key(source, "--generic-ssh-key", {})
    copy = copy_login_key(source, public, tmp_path / "dev1", {})
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    host.authorize(public)
    check_login(host.target(copy), host.pin_path)


@pytest.mark.parametrize("cipher", ["", *sorted(openssh_key._CIPHERS)])
def test_a_key_with_a_passphrase_that_was_asked_for(
    cipher: str, host: OpenSSHServer, tmp_path: Path
) -> None:
    chosen = ["-Z", cipher, *ONE_ROUND] if cipher else []
    source = keygen(tmp_path / "theirs", "-t", "ed25519", *chosen, passphrase=PASSPHRASE)
    check_passphrase(source, host, tmp_path)


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
def test_a_pem_key_with_a_passphrase(form: str, host: OpenSSHServer, tmp_path: Path) -> None:
    source = keygen(
        tmp_path / "theirs", "-t", "rsa", "-b", "2048", "-m", form, passphrase=PASSPHRASE
    )
    check_passphrase(source, host, tmp_path)


def check_passphrase(source: Path, host: OpenSSHServer, tmp_path: Path) -> None:
    with pytest.raises(PreCreateCheckError, match="has a passphrase") as raised:
        check_login_key(source, "--generic-ssh-key", {})
    assert f"ssh-add {source}" in (raised.value.hint or "")
    with pytest.raises(PreCreateCheckError, match="it has another passphrase"):
        check_login_key(source, "--generic-ssh-key", {source: "wrong"})
    known = {source: PASSPHRASE}
    public = check_login_key(source, "--generic-ssh-key", known)
    copy = copy_login_key(source, public, tmp_path / "dev1", known)
    host.authorize(public)
    check_login(host.target(copy), host.pin_path)


@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_a_locked_key_that_the_agent_holds(
    form: str, host: OpenSSHServer, tmp_path: Path, agent: None
) -> None:
    words = ("-t", "rsa", "-b", "2048", "-m", form, *ONE_ROUND)
    source = keygen(tmp_path / "theirs", *words, passphrase=PASSPHRASE)
    add_with_passphrase(source, tmp_path)
    public = check_login_key(source, "--generic-ssh-key", {})
    copy = copy_login_key(source, public, tmp_path / "dev1", {})
    host.authorize(public)
    assert b"ENCRYPTED" in copy.read_bytes() or form == "RFC4716"
    check_login(host.target(copy), host.pin_path)
    subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True)
    with pytest.raises(KeyFileError, match="has a passphrase"):
        connect(host.target(copy), host.pin_path)


UNUSABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "DSA": (lambda path: keygen(path, "-t", "dsa"), "is a DSA key"),
    "PEM DSA": (lambda path: keygen(path, "-t", "dsa", "-m", "PEM"), "is a DSA key"),
    "small RSA": (lambda path: openssl(path, "genrsa", "768"), "an RSA key of 768 bits"),
    "another curve": (
        lambda path: openssl(path, "ecparam", "-name", "secp256k1", "-genkey"),
        "on the curve secp256k1",
    ),
    "Ed448": (lambda path: openssl(path, "genpkey", "-algorithm", "ed448"), "a kind that SSH"),
    "hardware": (lambda path: written(path, HARDWARE_KEY), "is in a hardware key"),
    "public": (
        lambda path: written(path, keygen(path, "-t", "ed25519").with_suffix(".pub").read_text()),
        "holds no private key",
    ),
    "certificate": (
        lambda path: written(path, "ssh-ed25519-cert-v01@openssh.com AAAA me\n"),
        "holds a certificate",
    ),
    "PuTTY": (lambda path: written(path, "PuTTY-User-Key-File-3: ssh-ed25519\n"), "PuTTY key"),
    "cut off": (
        lambda path: written(path, keygen(path, "-t", "ed25519").read_text()[:200]),
        "holds no private key",
    ),
    "damaged": (
        lambda path: changed(keygen(path, "-t", "ed25519"), b"\nb3BlbnNzaC", b"\nb3BlbnNzaD"),
        "is not a usable private key",
    ),
}

HARDWARE_KEY = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAASgAAABpzay1zc2gtZWQyNTUx
OUBvcGVuc3NoLmNvbQAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAARzc2g6AAAA
AAAA
-----END OPENSSH PRIVATE KEY-----
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_file_of_beginnings_of_keys_is_read_once(tmp_path: Path) -> None:
    path = written(tmp_path / "theirs", "-----BEGIN PRIVATE KEY-----\n" * 37_000)
    begun = time.process_time()
    with pytest.raises(PreCreateCheckError, match="private key"):
        check_login_key(path, "--generic-ssh-key", {})
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_key_that_cannot_be_used_is_said_in_a_line(kind: str, tmp_path: Path) -> None:
    make, said = UNUSABLE[kind]
    path = make(tmp_path / "theirs")
    with pytest.raises(PreCreateCheckError, match=said) as raised:
        check_login_key(path, "--generic-ssh-key", {})
    assert "\n" not in raised.value.message
    assert raised.value.hint


def test_a_key_is_parsed_once(
    host: OpenSSHServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "key", "-t", "ed25519")
    loaded = private_keys.load(key)
    assert private_keys.load(key) is loaded
    keygen(tmp_path / "other", "-t", "ed25519").replace(key)
    assert private_keys.load(key).public != loaded.public


def test_an_agent_with_many_keys_some_unusable(
    host: OpenSSHServer, tmp_path: Path, agent: None
) -> None:
    """One whose certificate nobody accepts, one that asks in vain, and then the one that fits."""
    authority = keygen(tmp_path / "authority", "-t", "ed25519")
    certified = keygen(tmp_path / "certified", "-t", "ed25519")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "root", f"{certified}.pub"],
        check=True,
        capture_output=True,
    )
    (tmp_path / "certified.pub").unlink()
    add(certified)  # with its certificate
    unconfirmed = keygen(tmp_path / "unconfirmed", "-t", "ed25519")
    add("-c", unconfirmed)  # the agent refuses to sign: nobody confirms
    fitting = keygen(tmp_path / "fitting", "-t", "rsa", "-b", "2048")
    add(fitting)
    host.authorize(*(Path(f"{key}.pub").read_text().strip() for key in (unconfirmed, fitting)))
    with connect(host.target(), host.pin_path) as connection:
        assert connection.run("echo in").stdout == "in\n"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_certificate_in_the_agent(kind: str, tmp_path: Path, agent: None) -> None:
    authority = keygen(tmp_path / "authority", "-t", "ed25519")
    key = keygen(tmp_path / "key", "-t", kind)
    with openssh_server(tmp_path / "dev1", f"TrustedUserCAKeys {authority}.pub") as server:
        user = server.target().user
        subprocess.run(
            ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", user, f"{key}.pub"],
            check=True,
            capture_output=True,
        )
        add(key)
        check_login(server.target(), server.pin_path)


def test_a_login_that_the_host_ends_is_told_as_that(
    host: OpenSSHServer, tmp_path: Path, agent: None
) -> None:
    for number in range(6):
        add(keygen(tmp_path / f"key{number}", "-t", "ed25519"))
    host.authorize()
    with pytest.raises(AuthenticationError, match="Too many authentication failures") as raised:
        connect(host.target(), host.pin_path)
    assert "does not answer" not in raised.value.message
    assert "ssh-add -d" in (raised.value.hint or "")


def test_own_keys_are_tried_after_those_of_the_agent(
    host: OpenSSHServer, tmp_path: Path, agent: None
) -> None:
    add(keygen(tmp_path / "other", "-t", "ed25519"))
    own = keygen(Path(os.environ["HOME"]) / ".ssh" / "id_ed25519", "-t", "ed25519")
    host.authorize(Path(f"{own}.pub").read_text())
    with connect(host.target(), host.pin_path) as connection:
        assert connection.run("echo in").stdout == "in\n"


def test_an_agent_that_is_none(
    host: OpenSSHServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nobody"))
    with pytest.raises(MachineError, match="does not accept the login"):
        connect(host.target(), host.pin_path)


def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="SSH does not answer"):
        connect(SSHTarget("127.0.0.1", 1, "root"), tmp_path / "known_hosts")
