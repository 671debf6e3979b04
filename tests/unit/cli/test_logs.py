"""``logs``: lines of engines and consoles, of one machine and of several; hosts that stand in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.errors import UsageError
from ecsmachine.machine import logs
from ecsmachine.machine.logs import new_lines, since
from ecsmachine.machine.store import Store
from ecsmachine.ssh.private_files import write_private
from tests.unit.cli.conftest import Program
from tests.unit.cli.test_json import documented, fields
from tests.unit.ssh.conftest import LoopbackServer
from tests.unit.stand_ins import ToldDriver, add_machine, register_told_driver

HOSTILE = "\\033[2J\\033]0;title\\007\\nError: forged\\r\\nlast"


class ToldHost(ToldDriver):
    """A driver whose machines have a host and a console."""

    provisions = True
    shown: list[str]

    def console(self, *, only_end: bool = False) -> str:
        return self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands in for journalctl on the host, to be written by a test."""
    folder = tmp_path / "programs"
    folder.mkdir()
    script = folder / "journalctl"
    script.write_text('#!/bin/sh\necho "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return script


@pytest.fixture
def hosts(store: Store, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Machines ``a`` and ``bb`` whose host is the SSH server of the tests."""
    register_told_driver(monkeypatch, ToldHost)
    for name in ("a", "bb"):
        made = add_machine(
            store, name, SSHPort=server.port, SSHUser="root", URL="tcp://127.0.0.1:2376"
        )
        key = (server.folder / "id_rsa").read_bytes()
        write_private(made.directory / "id_rsa", key)
    return store


def test_what_is_asked_of_the_journal(program: Program, hosts: Store, journal: Path) -> None:
    base = "-u docker.service --no-pager -q -o short-iso"
    assert program("logs", "a").lines == [f"{base} -n 100"]
    assert program("logs", "-n", "7", "a").lines == [f"{base} -n 7"]
    assert program("logs", "--engine", "--since", "10m", "a").lines == [
        f"{base} -n all --since -10m"
    ]


def test_lines_of_several_machines_have_their_names(
    program: Program, hosts: Store, journal: Path
) -> None:
    journal.write_text("#!/bin/sh\necho one; echo two\n")
    assert program("logs", "a", "bb").lines == ["a  | one", "a  | two", "bb | one", "bb | two"]
    rows = json.loads(program("logs", "--json", "bb", "a").out)
    assert rows == [{"Name": name, "Line": line} for name in ("bb", "a") for line in ("one", "two")]
    events = [json.loads(line) for line in program("logs", "--json=lines", "a").lines]
    assert [(each["Event"], each["Name"], each["Line"]) for each in events] == [
        ("row", "a", "one"),
        ("row", "a", "two"),
    ]


def test_followed_until_it_ends(program: Program, hosts: Store, journal: Path) -> None:
    journal.write_text("#!/bin/sh\necho $*; exit 1\n")
    result = program("logs", "-f", "a", "bb")
    assert result.code == 1
    assert sorted(line[:4] for line in result.lines) == ["a  |", "bb |"]
    assert all(line.endswith(" -n 100 -f") for line in result.lines)
    assert "2 of 2 machines failed" in result.err


def test_one_that_cannot_be_read_leaves_the_others_alone(
    program: Program, hosts: Store, journal: Path
) -> None:
    add_machine(hosts, "off", State="Stopped", SSHPort=1, SSHUser="root")
    result = program("logs", "off", "a")
    assert result.code == 1
    assert result.lines[0].startswith("a   | -u docker.service")
    assert 'Host "off" is not running' in result.err
    told = json.loads(program("logs", "--json", "off", "a").out)
    assert [each["Machine"] for each in told["Errors"]] == ["off"]
    assert [each["Name"] for each in told["Result"]] == ["a"]


def test_a_host_without_a_journal(
    program: Program, hosts: Store, journal: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    journal.unlink()
    shells = journal.parent
    for name in ("sh", "tail", "base64"):
        (shells / name).symlink_to(Path("/usr/bin") / name)
    monkeypatch.setenv("PATH", str(shells))
    result = program("logs", "a")
    assert (result.code, result.lines) == (1, [result.lines[0]])
    assert "neither a journal nor a log file" in result.err
    log = tmp_path / "docker.log"
    log.write_text("1\n2\n3\n")
    monkeypatch.setattr(logs, "_FILES", (str(log),))
    assert program("logs", "-n", "2", "a").lines == ["2", "3"]
    assert "--since needs a journal" in program("logs", "--since", "1h", "a").err


def test_what_a_host_says_is_shown_and_not_obeyed(
    program: Program, hosts: Store, journal: Path
) -> None:
    journal.write_text(f"#!/bin/sh\nprintf '{HOSTILE}'; exit 3\n")
    for words in (["a"], ["a", "bb"], ["-f", "a"], ["--json", "a"], ["--json=lines", "a"]):
        result = program("logs", *words)
        assert result.code == 1
        assert not {"\x1b", "\x07", "\r"} & set(result.out + result.err)
        assert "Error: last" in result.err or "failed" in result.err


def test_a_line_without_an_end(program: Program, hosts: Store, journal: Path) -> None:
    journal.write_text("#!/bin/sh\nhead -c 200000 /dev/zero | tr '\\0' x\n")
    lines = program("logs", "a").lines
    assert [len(line) for line in lines] == [65536, 65536, 65536, 200000 - 3 * 65536]


def test_the_console(program: Program, hosts: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_CONSOLE_EVERY_S", 0.01)
    monkeypatch.setattr(ToldHost, "shown", ["1\n2\n3\x1b[2J\n"], raising=False)
    assert program("logs", "--console", "a").lines == ["1", "2", "3\\u001b[2J"]
    assert program("logs", "--console", "-n", "1", "a").lines == ["3\\u001b[2J"]
    assert program("logs", "--console", "-n", "0", "a").lines == []


def test_a_driver_without_a_host_or_console(program: Program, store: Store) -> None:
    assert program("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "fixed").code == 0
    assert "somebody else's" in program("logs", "fixed").err
    assert "has no console" in program("logs", "--console", "fixed").err


@pytest.mark.parametrize(
    "words",
    [
        ("--console", "--since", "1h"),
        ("--console", "--engine"),
        ("--since", "yesterday evening"),
        ("--since", "-n"),
        ("-n", "-1"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], program: Program, hosts: Store) -> None:
    result = program("logs", *words, "a")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: ")


def test_a_pipe_that_closes_and_an_interrupt(hosts: Store, journal: Path) -> None:
    journal.write_text("#!/bin/sh\nwhile echo line; do :; done\n")
    environment: dict[str, Any] = {**os.environ, "MACHINE_STORAGE_PATH": str(hosts.path)}
    # its driver is one of the tests' own
    program = (
        "import sys, pytest; from tests.unit.cli.test_logs import *; "
        "from tests.unit.stand_ins import register_told_driver; "
        "register_told_driver(pytest.MonkeyPatch()); ToldDriver.provisions = True; "
        "from ecsmachine.cli.display.streams import take_over; take_over(); "
        "from ecsmachine.cli.app import run; "
        "sys.exit(run(['logs', '-f', 'a', 'bb'], dict(os.environ)))"
    )
    for end in ("close", "interrupt"):
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[3],
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline().endswith("| line\n")
            if end == "close":
                process.stdout.close()
            else:
                process.send_signal(signal.SIGINT)
                process.stdout.read()
            error = process.stderr.read()
            code = process.wait(60)
        assert "Traceback" not in error
        assert code == (130 if end == "interrupt" else 141), error


@pytest.mark.parametrize(
    ("text", "told"),
    [("10m", "-10m"), ("3d", "-3d"), ("1970-01-01T00:01:40Z", "@100"), ("1970-01-02", "@")],
)
def test_times(text: str, told: str) -> None:
    assert since(text).startswith(told)


@pytest.mark.parametrize(
    "text",
    ["", "0m", "10", "m", "10m; rm -rf /", "99999999s", "-1h", "2030", "0001-01-01", "0000-01-01"],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError):
        since(text)


@pytest.mark.parametrize(
    ("seen", "now", "new"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abcde", "cdefg", "fg"),
        ("abcde", "xyz", "xyz"),
        ("aaa", "aaaa", "a"),
        ("abcabc", "bcabcd", "d"),
    ],
)
def test_what_is_new_on_a_console(seen: str, now: str, new: str) -> None:
    assert new_lines(list(seen), list(now)) == list(new)


def test_the_fields_are_documented(program: Program, hosts: Store, journal: Path) -> None:
    assert fields(json.loads(program("logs", "--json", "a").out)) == documented("### logs\n")
