from __future__ import annotations

import fcntl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.provision import batch
from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.debian import APT
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.steps import installation
from ecsmachine.provision.steps.installation import LOCK_PATH, UNFINISHED_PATH, install_script
from ecsmachine.ssh.command_result import CommandResult
from tests.servers import Answering, http_server
from tests.unit.provision.recorded import situation

SCRIPTS = {
    "/good": (200, b"echo installed\n"),
    "/empty": (200, b""),
    "/page": (200, b"<!DOCTYPE html><html>"),
    "/failing": (200, b"echo half way; echo no space left >&2; exit 7\n"),
}


over = threading.Event()


class _Mirror(Answering):
    def do_GET(self) -> None:
        if self.path == "/half":
            body = f"curl -fsS http://{self.headers['Host']}/standing-still".encode()
            SCRIPTS["/half"] = (200, body)
        if self.path == "/standing-still":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            over.wait(30)
            return
        status, body = SCRIPTS.get(self.path.partition("?")[0], (404, b"not here"))
        self.answer(status, body)


@pytest.fixture
def mirror() -> Iterator[str]:
    over.clear()
    with http_server(_Mirror) as server:
        yield f"http://127.0.0.1:{server.server_port}"
        over.set()


class ThisHost:
    """Runs commands on this machine, in a folder of the test."""

    user = "root"

    def __init__(self, tmp_path: Path, path: str = "/usr/bin:/bin"):
        self.tmp_path = tmp_path
        self.path = path

    def run(
        self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
    ) -> CommandResult:
        # this machine's own engine and lock stay out of it
        script = (stdin or b"").decode()
        script = script.replace(LOCK_PATH, f"{self.tmp_path}.lock")
        script = script.replace(UNFINISHED_PATH, f"{self.tmp_path}.unfinished")
        script = script.replace("command -v dockerd", f"test -e {self.tmp_path}.engine")
        done = subprocess.run(
            ["sh", "-c", command],
            input=script,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={"PATH": self.path, "TMPDIR": str(self.tmp_path)},
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)


def install(host: ThisHost, url: str) -> None:
    """Install on a host without an engine."""
    seen = situation("debian-12", engine=EngineOptions(install_url=url))
    (action,) = installation.actions(seen)
    batch.run(host, seen, [batch.Part(installation.STEP.name, action)])


def test_a_script_is_run(mirror: str, tmp_path: Path) -> None:
    install(ThisHost(tmp_path), f"{mirror}/good")
    assert list(tmp_path.iterdir()) == []


def test_the_url_is_quoted(mirror: str, tmp_path: Path) -> None:
    install(ThisHost(tmp_path), f"{mirror}/good?a=1&b=$(touch${{IFS}}{tmp_path}/hit)&c='")
    assert list(tmp_path.iterdir()) == []


def test_a_password_in_it_is_in_no_command_line(mirror: str, tmp_path: Path) -> None:
    programs, words = tmp_path / "bin", tmp_path / "words"
    programs.mkdir()
    (programs / "curl").write_text(f'#!/bin/sh\necho "$@" >>{words}\nexec /usr/bin/curl "$@"\n')
    (programs / "curl").chmod(0o755)
    url = mirror.replace("//", '//me:sword"fish@')
    install(ThisHost(tmp_path, f"{programs}:/usr/bin:/bin"), f"{url}/good")
    assert "install.sh" in words.read_text()
    assert "fish" not in words.read_text()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/gone", "answered 404"),
        ("/empty", "answered with nothing"),
        ("/page", "answered with a web page"),
    ],
)
def test_what_is_no_script_is_not_run(path: str, said: str, mirror: str, tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match=f"{path} {said}") as raised:
        install(ThisHost(tmp_path), mirror + path)
    assert "--engine-install-url" in (raised.value.hint or "")


def test_a_mirror_that_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match=r"cannot fetch http://127\.0\.0\.1:1/"):
        install(ThisHost(tmp_path), "http://127.0.0.1:1/")


def test_a_script_that_fails_shows_what_it_printed(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match="exited with 7: no space left") as raised:
        install(ThisHost(tmp_path), f"{mirror}/failing")
    assert (raised.value.details or "").startswith("half way\nno space left")


def test_an_install_that_was_cut_short_is_done_again(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(ProvisionError):
        install(ThisHost(tmp_path), f"{mirror}/failing")
    Path(f"{tmp_path}.engine").touch()  # half of it is there
    unfinished = Path(f"{tmp_path}.unfinished")
    assert unfinished.exists()
    install(ThisHost(tmp_path), f"{mirror}/good")
    assert not unfinished.exists()


@pytest.mark.parametrize("path", ["/standing-still", "/half"])
def test_a_mirror_that_stands_still_is_given_up(
    path: str, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "STALLED_S", 1)
    with pytest.raises(ProvisionError, match=r"bytes/sec|exited with 28") as raised:
        install(ThisHost(tmp_path), mirror + path)
    assert path in raised.value.message


def test_the_script_waits_for_locks() -> None:
    script = install_script("https://get.docker.com", APT)
    assert "DPkg::Lock::Timeout" in script


def test_an_install_that_is_under_way_is_waited_for(mirror: str, tmp_path: Path) -> None:
    engine = f"{tmp_path}.engine"
    with Path(f"{tmp_path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=install, args=(ThisHost(tmp_path), f"{mirror}/failing"))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        Path(engine).touch()
    waiting.join(20)
    assert not waiting.is_alive()
    assert list(tmp_path.iterdir()) == []
