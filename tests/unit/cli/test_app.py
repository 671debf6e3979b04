from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecsmachine import __version__
from ecsmachine.cli.app import run


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"MACHINE_STORAGE_PATH": str(tmp_path / "store"), "HOME": str(tmp_path)}


def one_error_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("Error: ")
    return lines[0]


def test_version(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], environment) == 0
    assert capsys.readouterr().out == f"ecsmachine version {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(
    arguments: list[str], environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, environment) == 0
    out = capsys.readouterr().out
    for command in ("create", "env", "kill", "local", "ls", "rm", "ssh"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "'frobnicate' is not an ecsmachine command"),
        (["--frobnicate"], "--frobnicate"),
        (["rm", "--frobnicate"], "--frobnicate"),
        (["rm"], "Expected to get one or more machine names"),
        (["create"], "No machine name specified"),
        (["create", "a", "b"], "b"),
        (["create", "-d", "nonesuch", "a"], 'Driver "nonesuch" not found'),
        (["create", "-d", "none", "--url", "tcp://198.18.0.1:2376", "a_b"], "a_b"),
        (["start"], 'no "default" machine exists'),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str],
    said: str,
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(arguments, environment) == 2
    assert said in one_error_line(capsys)


@pytest.mark.parametrize("command", ["start", "stop", "kill", "restart", "rm"])
def test_a_missing_machine_is_exit_code_1(
    command: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "nope"], environment) == 1
    assert one_error_line(capsys) == (
        'Error: Docker machine "nope" does not exist. Use "ecsmachine ls" to list machines. '
        'Use "ecsmachine create" to add a new one.'
    )


def test_create_list_and_remove_a_machine_without_a_driver(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = "tcp://127.0.0.1:1"
    assert run(["create", "-d", "none", "--url", url, "fixed"], environment) == 0
    assert "ecsmachine env fixed" in capsys.readouterr().out
    assert run(["create", "-d", "none", "--url", url, "fixed"], environment) == 1
    assert 'Docker machine "fixed" already exists' in one_error_line(capsys)
    assert run(["rm", "-y", "fixed"], environment) == 0
    assert "Successfully removed fixed" in capsys.readouterr().out
    assert run(["rm", "-y", "fixed"], environment) == 1


def test_rm_asks_and_takes_no_for_an_answer(
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "kept"], environment) == 0
    asked = []

    def answer(question: str) -> str:
        asked.append(question)
        return "n"

    monkeypatch.setattr("builtins.input", answer)
    capsys.readouterr()
    assert run(["rm", "kept"], environment) == 0
    assert capsys.readouterr().out.startswith("About to remove kept\n")
    assert asked == ["Are you sure? (y/n): "]
    assert (Path(environment["MACHINE_STORAGE_PATH"]) / "machines" / "kept").is_dir()


def test_a_store_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    environment = {"MACHINE_STORAGE_PATH": str(blocked / "store")}
    assert run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a"], environment) == 1
    line = one_error_line(capsys)
    assert str(blocked) in line
    assert "--storage-path" in line


def test_an_install_url_that_is_none(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a"]
    assert run([*arguments, "--engine-install-url", "get.docker.com"], environment) == 2
    assert 'install URL "get.docker.com"' in one_error_line(capsys)
    assert not (Path(environment["MACHINE_STORAGE_PATH"]) / "machines").exists()


def test_a_terminated_program_says_so_and_leaves_with_130(tmp_path: Path) -> None:
    (tmp_path / "machines" / "waiting").mkdir(parents=True)
    program = subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", "-s", str(tmp_path), "rm", "waiting"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert program.stdout
    assert program.stdout.readline() == "About to remove waiting\n"
    program.send_signal(signal.SIGTERM)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert errors == "Error: Interrupted\n"
