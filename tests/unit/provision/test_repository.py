"""Sources of Docker's packages, served on this machine: keys that are refused, and what is tried.

The package manager is the test's own: it prints what it is asked for.
"""

from __future__ import annotations

import base64
import http.server
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.openpgp import SigningKey, signing_key
from ecsmachine.provision.provisioner import PackageManager
from ecsmachine.provision.repository import KEYS_PATH, NO_SOURCE, docker_commands, failures
from ecsmachine.ssh.command_result import CommandResult
from tests.servers import Answering, running

PACKAGES = PackageManager(
    "test",
    install=lambda *names: "false",
    upgrade="false",
    owner="false",
    is_installed="false",
    refresh="echo refreshing",
    versions="printf '5:%s\\n' 28.0.4-1 27.5.1-1 27.5.0-1",
    at='echo "$1=$2"',
    install_at='[ ! -e no-packages ] || { echo "E: Unable to locate package $1"; return 100; }\n'
    'echo "installing $*"',
    add_repository='echo "adding $2 $3, key of $(wc -l < "$work/key.asc") lines"\n',
    drop_repository="echo dropping",
    docker_key="0" * 40,
    docker_key_path="gpg",
)


class Source(http.server.ThreadingHTTPServer):
    """A source of packages with this for its key; None for a server without one."""

    key: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Request(Answering):
    server: Source

    def do_GET(self) -> None:
        key = self.server.key
        if key is None or self.path != "/gpg":
            self.send_error(404)
            return
        self.answer(200, key.encode())


@pytest.fixture
def source() -> Iterator[Source]:
    with running(Source(("127.0.0.1", 0), _Request)) as server:
        yield server


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key(tmp_path_factory.mktemp("key") / "key.pem", "the test")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key(tmp_path_factory.mktemp("other") / "key.pem", "another")


def install(
    folder: Path, *addresses: str, key: str = "", version: str = "", nearest_first: bool = False
) -> CommandResult:
    commands = docker_commands(
        PACKAGES,
        addresses,
        ("debian", "bookworm"),
        key=key,
        version=version,
        nearest_first=nearest_first,
    )
    done = subprocess.run(
        ["sh", "-c", commands.replace(KEYS_PATH, f"{folder}/keys")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "no_proxy": "*"},
    )
    assert done.stderr == ""
    return CommandResult(done.returncode, done.stdout, done.stderr)


BLOCK = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}-----END PGP PUBLIC KEY BLOCK-----\n"
FIVE = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"


def test_the_key_that_is_named_is_accepted(source: Source, key: SigningKey, tmp_path: Path) -> None:
    source.key = key.public_key()
    done = install(tmp_path, source.url, key=key.fingerprint)
    assert done.exit_status == 0, done.stdout
    adding, installing = done.stdout.splitlines()[1:]
    assert adding.startswith("adding debian bookworm, key of ")
    assert installing == f"installing {FIVE}"
    # blanks and line ends of another system are no matter
    source.key = "\r\nsaid before\r\n" + key.public_key().replace("\n", "\r\n")
    assert install(tmp_path, source.url, key=key.fingerprint.lower()).exit_status == 0


def test_the_hosts_image_can_name_a_key_but_not_against_ours(
    source: Source, key: SigningKey, other: SigningKey, tmp_path: Path
) -> None:
    source.key = key.public_key()
    (tmp_path / "keys").write_text(f"# ours\n{key.fingerprint}\n")
    assert install(tmp_path, source.url).exit_status == 0
    assert install(tmp_path, source.url, key=other.fingerprint).exit_status == NO_SOURCE


def test_another_key_is_refused_with_the_reason(
    source: Source, key: SigningKey, tmp_path: Path
) -> None:
    source.key = key.public_key()
    done = install(tmp_path, source.url)
    assert done.exit_status == NO_SOURCE
    assert failures(done) == {
        source.url: f"its key is {key.fingerprint}, not Docker's key, {'0' * 40}: "
        "nothing of it is used"
    }
    assert "adding" not in done.stdout
    assert "dropping" in done.stdout


def test_a_key_is_not_let_in_by_another_beside_it(
    source: Source, key: SigningKey, other: SigningKey, tmp_path: Path
) -> None:
    def packets(text: str) -> bytes:
        return base64.b64decode("".join(text.splitlines()[2:-2]))

    both = packets(key.public_key()) + packets(other.public_key())
    for text in (
        key.public_key() + other.public_key(),
        BLOCK.format(base64.encodebytes(both).decode()),
        "<html>no key</html>",
        "",
        key.public_key()[:300],
    ):
        source.key = text
        done = install(tmp_path, source.url, key=key.fingerprint)
        reason = "it answered with something else than one public key"
        assert failures(done) == {source.url: reason}, text
    source.key = BLOCK.format(base64.encodebytes(packets(key.public_key())).decode())
    assert install(tmp_path, source.url, key=key.fingerprint).exit_status == 0


def test_each_source_is_tried_and_each_reason_told(
    source: Source, key: SigningKey, tmp_path: Path
) -> None:
    nobody = "http://127.0.0.1:1"
    done = install(tmp_path, nobody, source.url)
    assert done.exit_status == NO_SOURCE
    reasons = failures(done)
    assert list(reasons) == [nobody, source.url]
    assert "curl: (7)" in reasons[nobody]
    assert "404" in reasons[source.url]
    source.key = key.public_key()
    done = install(tmp_path, nobody, source.url, key=key.fingerprint)
    assert done.exit_status == 0
    assert f"installing {FIVE}" in done.stdout
    (tmp_path / "no-packages").touch()
    done = install(tmp_path, source.url, key=key.fingerprint)
    assert failures(done) == {source.url: "E: Unable to locate package docker-ce"}
    assert "refreshing" in done.stdout


def test_the_nearest_source_comes_first(source: Source, key: SigningKey, tmp_path: Path) -> None:
    source.key = key.public_key()
    nobody = "http://127.0.0.1:1"
    done = install(tmp_path, nobody, source.url, key=key.fingerprint, nearest_first=True)
    assert done.exit_status == 0
    assert nobody not in done.stdout


def test_a_version_is_pinned(source: Source, key: SigningKey, tmp_path: Path) -> None:
    source.key = key.public_key()
    done = install(tmp_path, source.url, key=key.fingerprint, version="27.5")
    assert "installing docker-ce=5:27.5.1-1 docker-ce-cli=5:27.5.1-1 containerd.io" in done.stdout
    done = install(tmp_path, source.url, key=key.fingerprint, version="2")
    assert failures(done) == {source.url: "it has no engine 2, but: 28.0.4-1 27.5.1-1 27.5.0-1"}
