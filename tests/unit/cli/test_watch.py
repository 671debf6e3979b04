"""``ls --watch``: drawn in place on a terminal, block after block in a pipe, until Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from ecsmachine.cli.commands import listing
from ecsmachine.cli.display.printer import captured, show, warn
from tests.unit.cli.conftest import Program
from tests.unit.terminals import begin_on_terminal, begun_in_pipe, run_in_pipe, seen, terminal

OFTEN = ("ls", "--watch", "--interval", "0.5")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"MACHINE_STORAGE_PATH": str(tmp_path / "store")}


def add(environment: dict[str, str], *names: str) -> None:
    """Make machines of the driver ``none``, at which nobody answers."""
    words = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", *names]
    assert run_in_pipe(*words, environment=environment).returncode == 0


def test_on_a_terminal_it_is_drawn_in_place(environment: dict[str, str]) -> None:
    add(environment, "dev1")
    with terminal() as (stream, written):
        process = begin_on_terminal(stream, *OFTEN, "-o", "NAME,DRIVER", environment=environment)
        written.until("dev1")
        add(environment, "dev2")
        written.until("dev2")
        written.until("dev2")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert seen(written.whole()) == ["NAME   DRIVER", "dev1   none", "dev2   none"]


def test_what_is_taller_than_the_terminal_is_cut(environment: dict[str, str]) -> None:
    add(environment, "dev{1..6}")
    low = {**environment, "LINES": "5"}
    with terminal() as (stream, written):
        process = begin_on_terminal(stream, *OFTEN, "-o", "NAME", environment=low)
        written.until("… 4 more")
        written.until("… 4 more")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        assert seen(written.whole()) == ["NAME", "dev1", "dev2", "… 4 more"]


def test_a_warning_is_drawn_with_the_rest_and_stays_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        warn(f"dev{looks} is still charged")
        if looks == 3:
            raise KeyboardInterrupt
        show(f"NAME\ndev{looks}")

    monkeypatch.setattr("time.sleep", lambda _: None)
    with terminal() as (stream, written):
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, stream)
        # a warning takes two rows
        monkeypatch.setenv("COLUMNS", "20")
        monkeypatch.setenv("TERM", "xterm")
        with pytest.raises(KeyboardInterrupt):
            listing._watch(look, 1)
        monkeypatch.undo()
        stream.close()
        told = written.whole()
    up = "\x1b[4A\r\x1b[J"
    plain = re.sub(r"\x1b\[[0-9]+m", "", told).replace("\r\n", "\n")
    warned = "Warning: dev{} is still charged\n"
    assert plain == (
        f"\r\x1b[JNAME\ndev1\n{warned.format(1)}{up}NAME\ndev2\n{warned.format(2)}"
        f"{warned.format(3)}"
    )


def test_in_a_pipe_block_follows_block(environment: dict[str, str]) -> None:
    add(environment, "dev1")
    with begun_in_pipe(*OFTEN, "-q", environment=environment) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(4)] == ["dev1\n", "\n", "dev1\n", "\n"]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, "")
        assert "\x1b" not in rest


def test_as_json_it_is_a_line_a_machine(environment: dict[str, str]) -> None:
    add(environment, "dev1")
    with begun_in_pipe(*OFTEN, "--json", environment=environment) as process:
        assert process.stdout is not None
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert [(each["Event"], each["Name"]) for each in events] == [("row", "dev1")] * 2


def test_who_reads_no_more_ends_it(environment: dict[str, str]) -> None:
    with begun_in_pipe(*OFTEN, environment=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 141


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--interval", "3"], "--interval can only be used with --watch"),
        (["--watch", "--orphans"], "--orphans cannot be used with --watch"),
        (["--orphans", "--filter", "name=a"], "--orphans cannot be used with --filter"),
        (["--orphans", "-o", "NAME"], "--orphans cannot be used with --output"),
        (["--orphans", "-f", "{{.Name}}"], "--orphans cannot be used with --format"),
        (["--watch", "--interval", "0.1"], "--interval"),
        (["--watch", "-o", "NOPE"], 'there is no column "NOPE"'),
    ],
)
def test_what_does_not_go_together(words: list[str], said: str, program: Program) -> None:
    result = program("ls", *words)
    assert result.code == 2
    assert said in result.err


def test_what_is_kept_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert captured(lambda: show("a\tb")) == "a\tb\n"
    with pytest.raises(ZeroDivisionError):
        captured(lambda: 1 / 0)
    show("seen")
    assert capsys.readouterr().out == "seen\n"
