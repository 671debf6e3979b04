"""``ecsmachine local …`` as far as it needs neither root nor guests."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ecsmachine.cli.app import run
from ecsmachine.localcloud.host import installation
from ecsmachine.localcloud.host.paths import CloudPaths
from ecsmachine.localcloud.host.processes import identify, is_alive
from ecsmachine.localcloud.host.settings import Running
from ecsmachine.localcloud.service.daemon import find
from ecsmachine.localcloud.state import records

Said = Callable[[], tuple[str, str]]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cloud"
    monkeypatch.setenv("ECSMACHINE_LOCAL_ROOT", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SHELL", "/bin/bash")
    return folder


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    return read


def ecsmachine(*arguments: str) -> int:
    return run(["local", *arguments], os.environ)


@pytest.fixture
def running(root: Path) -> Running:
    """A cloud that seems to be up: this very process is written down as its daemon."""
    root.mkdir()
    me = identify(os.getpid())
    assert me is not None
    running = Running(
        pid=me.pid,
        started=me.started,
        endpoint="http://127.0.0.1:9",
        guests="nspawn",
        region="cn-hangzhou",
        vpc_id="vpc-1",
        vswitch_id="vsw-1",
        access_key_id="LTAI",
        access_key_secret="s3cret'$x",
        install_url="http://198.18.7.1/install.sh",
    )
    records.write(CloudPaths.of(root).daemon_file, running)
    return running


@pytest.mark.parametrize("command", ["env", "logs", "packages"])
def test_what_needs_a_cloud_says_how_to_get_one(command: str, said: Said) -> None:
    assert ecsmachine(command) == 1
    out, err = said()
    assert out == ""
    assert err.count("\n") == 1
    assert "ecsmachine local up" in err


def test_down_and_reset_of_nothing_are_fine(said: Said) -> None:
    assert ecsmachine("down") == 0
    assert said()[0] == "The local cloud was not up.\n"
    assert ecsmachine("reset", "-y") == 0
    assert "There was no local cloud" in said()[0]
    assert ecsmachine("status") == 0
    assert "State:      down" in said()[0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_the_lines_of_env_do_what_they_should_in_the_shell_itself(
    shell: str, running: Running, said: Said
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    assert ecsmachine("env", "--shell", shell) == 0
    lines = said()[0]
    shown = subprocess.run(
        [program, "-c", f"{lines}\nenv"], capture_output=True, text=True, env={}, check=True
    ).stdout
    assert set(shown.splitlines()) >= {f"{k}={v}" for k, v in running.environment().items()}
    assert ecsmachine("env", "--shell", shell, "--unset") == 0
    undone = subprocess.run(
        [program, "-c", f"{lines}\n{said()[0]}\nenv"],
        capture_output=True,
        text=True,
        env={},
        check=True,
    ).stdout
    assert "ECS_" not in undone


def test_env_unsets_what_is_of_another_account(
    running: Running, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECS_ZONE", "cn-shanghai-b")
    monkeypatch.setenv("ECS_SECURITY_TOKEN", "token")
    monkeypatch.setenv("ENGINE_REGISTRY_MIRROR", "http://198.18.9.1:5000")
    monkeypatch.setenv("ECS_DISK_SIZE", "20")  # as good here as there
    assert ecsmachine("env") == 0
    unset = {line for line in said()[0].splitlines() if line.startswith("unset")}
    assert unset == {
        "unset ECS_SECURITY_TOKEN",
        "unset ECS_ZONE",
        "unset ENGINE_REGISTRY_MIRROR",
    }
    assert ecsmachine("env", "--json") == 0
    told = json.loads(said()[0])
    assert told["ECS_ZONE"] is None
    assert told["ECS_REGION"] == "cn-hangzhou"


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_env_keeps_the_cloud_from_proxies(
    proxy: str, running: Running, root: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write(
        CloudPaths.of(root).daemon_file, replace(running, networks=("127.0.0.1", "198.18.7.0/24"))
    )
    assert ecsmachine("env") == 0
    assert "NO_PROXY" not in said()[0].upper()
    monkeypatch.setenv(proxy, "http://proxy.example:3128")
    assert ecsmachine("env") == 0
    assert 'export NO_PROXY="127.0.0.1,198.18.7.0/24"' in said()[0]
    monkeypatch.setenv("no_proxy", "intranet, 127.0.0.1")
    assert ecsmachine("env") == 0
    lines = said()[0]
    assert 'export no_proxy="intranet,127.0.0.1,198.18.7.0/24"' in lines
    assert "NO_PROXY" not in lines


def test_env_as_json(running: Running, said: Said) -> None:
    assert ecsmachine("env", "--json") == 0
    assert json.loads(said()[0]) == running.environment()


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("powershell", '$Env:ECS_REGION = "cn-hangzhou"'),
        ("cmd", "SET ECS_REGION=cn-hangzhou"),
        ("emacs", '(setenv "ECS_REGION" "cn-hangzhou")'),
    ],
)
def test_env_for_shells_that_are_not_at_hand(
    shell: str, line: str, running: Running, said: Said
) -> None:
    assert ecsmachine("env", "--shell", shell) == 0
    assert line in said()[0].splitlines()


def test_nothing_shows_the_secret_but_env(running: Running, said: Said) -> None:
    assert ecsmachine("status") == 0
    assert ecsmachine("status", "--json") == 0
    out, err = said()
    assert running.access_key_secret not in out + err


def test_without_the_extra_the_way_to_it_is_said(
    monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None if name == "uvicorn" else True)
    monkeypatch.setattr(installation, "install_command", lambda: "do this")
    assert ecsmachine("up") == 1
    assert said()[1] == (
        "Error: The local cloud needs more packages: uvicorn. Install them with: do this\n"
    )


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, said: Said) -> None:
    (tmp_path / "file").touch()
    assert ecsmachine("up", "--guests", "none", "--root", str(tmp_path / "file" / "cloud")) == 1
    assert said()[1].splitlines()[-1].startswith(f"Error: {tmp_path}/file")


def typed(text: str) -> io.StringIO:
    """Return a terminal at which the text is typed."""
    terminal = io.StringIO(text)
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    return terminal


def test_reset_asks_and_takes_no_for_an_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    root.mkdir()
    (root / "daemon.log").touch()
    assert ecsmachine("reset") == 2
    assert "--yes" in said()[1]
    monkeypatch.setattr("sys.stdin", typed("n\n"))
    assert ecsmachine("reset") == 1
    assert root.exists()
    monkeypatch.setattr("sys.stdin", typed("y\n"))
    assert ecsmachine("reset") == 0
    assert not root.exists()


def test_the_api_alone_lives_without_root_or_guests(root: Path, said: Said) -> None:
    assert ecsmachine("up", "--guests", "none") == 0
    try:
        first = find(root)
        assert first is not None
        assert "MACHINE_DOCKER_INSTALL_URL" not in first.environment()
        assert ecsmachine("up") == 0
        assert "is already up" in said()[0]
        assert ecsmachine("up", "--guests", "nspawn") == 1
        assert "local down" in said()[1]
        assert ecsmachine("logs") == 0
        assert "serving on port" in said()[0]
        assert ecsmachine("logs", "--requests") == 0
        assert said()[0] == ""
        connection = http.client.HTTPConnection(first.endpoint[7:])
        connection.request("GET", "/?Action=A&Password=b")
        assert connection.getresponse().status == 400
        connection.close()
        assert ecsmachine("logs", "--requests") == 0
        assert re.fullmatch(
            r"[-0-9T:.]+Z  A  400 MissingParameter  \d+ ms  Password=\*\*\*\n", said()[0]
        )
        assert ecsmachine("logs", "--requests", "--json", "-n", "1") == 0
        assert json.loads(said()[0])[0]["Action"] == "A"
        assert ecsmachine("logs", "--json") == 2
        assert ecsmachine("logs", "--requests", "i-1") == 2
        said()
        assert ecsmachine("down") == 0
        assert not is_alive(first.process)
        assert ecsmachine("up") == 0
        second = find(root)
        assert second is not None
        assert second.environment() == first.environment()
    finally:
        assert ecsmachine("reset", "-y") == 0
    assert not is_alive(second.process)
    assert not root.exists()


def test_a_port_that_is_taken_at_the_next_up_is_an_error_that_says_who_holds_it(
    root: Path, said: Said
) -> None:
    assert ecsmachine("up", "--guests", "none") == 0
    running = find(root)
    assert running is not None
    assert ecsmachine("down") == 0
    port = int(running.endpoint.rpartition(":")[2])
    try:
        with socket.create_server(("127.0.0.1", port)):
            said()
            assert ecsmachine("up") == 1
            _, err = said()
            assert f"cannot listen on port {port}" in err
            if shutil.which("ss"):
                assert f"(process {os.getpid()})" in err
            assert find(root) is None
        assert ecsmachine("up") == 0
        again = find(root)
        assert again is not None
        assert again.endpoint == running.endpoint
    finally:
        assert ecsmachine("reset", "-y") == 0


def test_reset_says_which_machines_it_takes_the_ground_from(
    root: Path, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    assert ecsmachine("up", "--guests", "none") == 0
    running = find(root)
    assert running is not None
    for name, endpoint in (("web", running.endpoint), ("elsewhere", "http://127.0.0.1:1")):
        folder = tmp_path / "store/machines" / name
        folder.mkdir(parents=True)
        config = {
            "ConfigVersion": 3,
            "DriverName": "aliyunecs",
            "Driver": {"MachineName": name, "APIEndpoint": endpoint, "InstanceId": "i-1"},
        }
        (folder / "config.json").write_text(json.dumps(config))
    said()
    assert ecsmachine("reset", "-y") == 0
    out, _ = said()
    assert "run on it: web\n" in out
    assert "ecsmachine rm -f web" in out
    monkeypatch.setenv("ECS_ACCESS_KEY_ID", "LTAI")
    monkeypatch.setenv("ECS_ACCESS_KEY_SECRET", "secret")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert run(["start", "web"], os.environ) == 1
    assert "ecsmachine local up" in said()[1]


def test_a_console_is_read_without_what_a_terminal_obeys(root: Path, said: Said) -> None:
    folder = root / "instances" / "i-bp1"
    folder.mkdir(parents=True)
    (folder / "console.log").write_bytes(b"[\x1b[0;32m  OK  \x1b[0m] a\r\r\n\x1b]0;x\x07b\xff\r\n")
    assert ecsmachine("logs", "i-bp1") == 0
    assert said()[0] == "[  OK  ] a\n\\u001b]0;x\\u0007b\ufffd\n"
