"""What is shown on a terminal: steps with their times, and colours; and what a pipe gets."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ecsmachine.cli.display.libraries import logged_on_standard_error, silence_libraries
from ecsmachine.cli.display.progress import _Rows, duration, for_each, steps
from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine.store import Store
from tests.unit.terminals import run_in_pipe, run_on_terminal, seen, terminal

RED, GREEN = "\x1b[31m", "\x1b[32m"
CREATE = ("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1")
TIME = r"\d\.\d s"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"MACHINE_STORAGE_PATH": str(tmp_path / "store")}


@pytest.fixture
def damaged(environment: dict[str, str]) -> None:
    """A store with a machine that cannot be read."""
    folder = Path(environment["MACHINE_STORAGE_PATH"]) / "machines" / "broken"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")


def on_terminal(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> list[str]:
    """Return what is seen after work in this process, whose standard output is a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with terminal() as (stream, written):
        monkeypatch.setattr(sys, "stdout", stream)
        work()
        monkeypatch.undo()
        stream.close()
        return seen(written.whole())


def test_a_create_shows_its_steps_with_their_times(environment: dict[str, str]) -> None:
    code, text = run_on_terminal(*CREATE, environment=environment)
    assert code == 0, text
    *_, checks, making, total, last = seen(text)
    assert re.fullmatch(rf"✓ Running pre-create checks\.\.\. {TIME}", checks)
    assert re.fullmatch(rf"✓ Creating machine\.\.\. {TIME}", making)
    assert re.fullmatch(rf"  Done in {TIME}", total)
    assert last == "To see how to connect Docker to this machine, run: ecsmachine env dev1"
    assert f"{GREEN}✓" in text


def test_in_a_pipe_it_prints_the_lines_that_scripts_know(environment: dict[str, str]) -> None:
    done = run_in_pipe(*CREATE, environment={**environment, "FORCE_COLOR": "1"})
    assert done.stderr == ""
    certificates = Path(environment["MACHINE_STORAGE_PATH"]) / "certs"
    assert done.stdout.splitlines() == [
        f"Creating CA: {certificates / 'ca.pem'}",
        f"Creating client certificate: {certificates / 'cert.pem'}",
        "Running pre-create checks...",
        "Creating machine...",
        "To see how to connect Docker to this machine, run: ecsmachine env dev1",
    ]


def test_where_lines_cannot_be_written_over_they_are_plain(environment: dict[str, str]) -> None:
    code, text = run_on_terminal(*CREATE, environment={**environment, "TERM": "dumb"})
    assert code == 0
    assert "Running pre-create checks...\r\nCreating machine...\r\n" in text
    assert "\x1b" not in text


def test_what_debug_says_stands_between_the_steps(environment: dict[str, str]) -> None:
    script = (
        "import logging, os, sys\n"
        "from ecsmachine.cli.display import libraries\n"
        "from ecsmachine.cli.display import progress\n"
        "with libraries.logged_on_standard_error(), progress.steps() as report:\n"
        "    report('Waiting...')\n"
        "    logging.getLogger('ecsmachine.test').debug('asked')\n"
    )
    with terminal() as (stream, written):
        surroundings = {**environment, "TERM": "xterm", "PYTHONUTF8": "1", "COLUMNS": "100"}
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=stream, stderr=stream, env=surroundings
        )
        stream.close()
        assert process.wait(60) == 0
        asked, step, total = seen(written.whole())
    assert asked.endswith("ecsmachine.test: asked")
    assert step.startswith("✓ Waiting...")
    assert total.startswith("  Done in")


def test_one_warning_of_a_minute_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("ecsmachine.aliyun.transport")
    silence_libraries()
    for line in ("DescribeVpcs failed", "DescribeImages failed"):
        log.warning(line)
    assert capsys.readouterr().err == "Warning: DescribeVpcs failed.\n"
    silence_libraries()
    with logged_on_standard_error():
        log.warning("DescribeZones failed")
    assert capsys.readouterr().err.count("DescribeZones failed") == 1
    log.warning("DescribeDisks failed")
    assert capsys.readouterr().err == "Warning: DescribeDisks failed.\n"


def test_what_a_pipe_shall_not_get_it_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    with steps(only_on_terminal=True) as report:
        report("Waiting...")
    assert capsys.readouterr().out == ""


def test_the_step_that_fails_is_marked_and_the_undoing_of_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work() -> None:
        with pytest.raises(MachineError), steps() as report:
            report("Checking...")
            report("Making...")
            try:
                raise MachineError("no stock")
            except MachineError:
                report("(dev1) Removing...")
                report("Nothing is left.")
                raise

    assert [re.sub(TIME, "T", line) for line in on_terminal(monkeypatch, work)] == [
        "✓ Checking... T",
        "✗ Making... T",
        "✓ Removing... T",
        "  Nothing is left.",
    ]


def test_a_running_step_is_shown_with_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with terminal() as (stream, written):
        with steps(stream) as report:
            report("Waiting...")
        stream.close()
        assert re.search(r"\S Waiting\.\.\. (\x1b\[2m)?0 s", written.whole())


def test_several_machines_are_rows_and_what_is_said_of_them_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def one(name: str, report: Report) -> None:
        report("Starting...")
        if name == "b":
            raise MachineError("no such instance")
        report("The address is another one.")

    def work() -> None:
        with pytest.raises(MachineError):
            for_each(["a", "b"], one)

    assert on_terminal(monkeypatch, work) == [
        "a: The address is another one.",
        "a  0 s  done",
        "b  0 s  failed: no such instance",
    ]


def test_of_many_machines_those_that_run_are_seen_whatever_the_height() -> None:
    console = Console(file=StringIO(), width=80, height=10)
    rows = _Rows([f"web-{number}" for number in range(1, 41)], console, with_remarks=False)

    def shown() -> list[str]:
        with console.capture() as captured:
            console.print(rows.table())
        return [line.rstrip() for line in captured.get().splitlines()]

    for number in range(1, 26):
        rows.report_for(f"web-{number}")("Creating machine...")
    for number in range(1, 24):
        rows.end(f"web-{number}", "made", 3.0)
    lines = shown()
    assert len(lines) == 9
    assert lines[-3:] == [
        "web-24  0 s  Creating machine...",
        "web-25  0 s  Creating machine...",
        "23/40",
    ]
    assert lines[0] == "web-18  3 s  made"
    rows.over = True
    assert len(shown()) == 40


def test_states_and_errors_are_coloured_on_a_terminal(
    environment: dict[str, str], damaged: None
) -> None:
    _, text = run_on_terminal("ls", environment={**environment, "COLUMNS": "1000"})
    assert f"{RED}Error\x1b[0m" in text
    plain = run_in_pipe("ls", environment=environment).stdout
    assert seen(text) == [line.rstrip() for line in plain.splitlines()]
    code, text = run_on_terminal("ip", "nobody", environment=environment)
    assert code == 1
    assert text.startswith(f"{RED}Error:\x1b[0m Docker machine")
    assert run_in_pipe("ip", "nobody", environment=environment).stderr.startswith("Error: Docker")


@pytest.mark.parametrize("how", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(
    environment: dict[str, str], damaged: None, how: dict[str, str]
) -> None:
    for words in (("ls",), ("ip", "nobody")):
        assert "\x1b" not in run_on_terminal(*words, environment={**environment, **how})[1]
    steps_shown = run_on_terminal(*CREATE, environment={**environment, **how})[1]
    assert not re.search(r"\x1b\[[\d;]*m", steps_shown)


def test_an_empty_no_color_says_nothing(environment: dict[str, str], damaged: None) -> None:
    assert RED in run_on_terminal("ls", environment={**environment, "NO_COLOR": ""})[1]


def test_no_colour_in_a_pipe_whatever_is_forced(environment: dict[str, str], damaged: None) -> None:
    forced = {**environment, "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}
    assert "\x1b" not in run_in_pipe("ls", environment=forced).stdout


def test_a_template_compares_bare_states_on_a_terminal(
    environment: dict[str, str], damaged: None
) -> None:
    form = 'table {{.Name}}\t{{if eq .State "Error"}}broken{{end}}\t{{.State}}'
    _, text = run_on_terminal("ls", "-f", form, environment=environment)
    assert seen(text)[1] == "broken   broken   Error"


def test_rich_is_imported_only_to_show_steps_on_a_terminal(store: Store) -> None:
    for words in (["ls"], ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "x"]):
        script = (
            "import sys; from ecsmachine.cli.app import run; "
            f"run({words!r}, {{'MACHINE_STORAGE_PATH': {str(store.path)!r}}}); "
            "print([name for name in sys.modules if name.startswith('rich')])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (71.8, "1 min 12 s")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_scripts_read_is_bare_data_on_a_terminal_too(environment: dict[str, str]) -> None:
    assert run_in_pipe(*CREATE, environment=environment).returncode == 0
    for words in (
        ("ls", "-q"),
        ("ls", "--json"),
        ("ls", "-f", "{{.State}}"),
        ("inspect", "dev1"),
        ("url", "dev1"),
        ("ip", "dev1"),
        ("env", "-u", "--shell", "bash"),
        ("config", "show", "dev1"),
    ):
        _, text = run_on_terminal(*words, environment=environment)
        piped = run_in_pipe(*words, environment=environment)
        printed = text.replace("\r\n", "\n")
        if "ResponseTime" not in printed:
            assert printed == piped.stdout + piped.stderr, words
        assert "\x1b" not in printed, words


def test_a_terminal_that_is_closed_is_read_no_more() -> None:
    """Its number may be another file's by then, whose content a thread would take away."""
    before = threading.active_count()
    with terminal() as (stream, _):
        somebody_has_it = os.dup(stream.fileno())
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    os.close(somebody_has_it)


def test_a_machine_is_not_exported_to_a_terminal(environment: dict[str, str]) -> None:
    assert run_in_pipe(*CREATE, environment=environment).returncode == 0
    secret = {**environment, "ECSMACHINE_PASSPHRASE": "correct horse"}
    code, text = run_on_terminal("export", "dev1", "-", environment=secret)
    (line,) = seen(text)
    assert (code, "standard output is a terminal. Name a file" in line) == (2, True)
