from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecsmachine import __version__
from ecsmachine.cli.app import run
from ecsmachine.cli.arguments.create_options import SSH
from ecsmachine.cli.arguments.engine_options import ENGINE
from ecsmachine.errors import MachineError
from ecsmachine.machine.store import Store
from tests.unit.terminals import Typed, begin_in_front, terminal


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


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"], ["h"]])
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
        (["frobnicate"], "'frobnicate' is not a command of ecsmachine"),
        (["--frobnicate"], "--frobnicate"),
        (["rm", "--frobnicate"], "--frobnicate"),
        (["statsu"], "Did you mean status? See 'ecsmachine --help'."),
        (
            ["swarm", "update", "--role", "boss", "dev1"],
            "Error: Invalid value for '--role': 'boss' is not one of 'manager', 'worker'. "
            "See 'ecsmachine swarm update --help'.",
        ),
        (["swarm", "joni"], "Did you mean join? See 'ecsmachine swarm --help'."),
        (["help", "swarm", "joni"], "Did you mean join?"),
        (["help", "ssh", "dev1"], "'ecsmachine ssh' has no command 'dev1'"),
        (["create", "--engine-lable", "a=b", "a"], "Did you mean --engine-label?"),
        (["create", "-d", "none", "--aliyunecs-region", "x", "a"], "give -d aliyunecs"),
        (["bake", "--generic-ip-address", "x", "a"], "give -d generic"),
        (["rm"], "Expected to get one or more machine names"),
        (["create"], "No machine name specified"),
        (["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a", "b_"], "b_"),
        (["create", "--count", "2", "a", "b"], "--count takes exactly one name"),
        (["create", "--resume", "--count", "2", "a"], "--count cannot be used with --resume"),
        (["create", "--resume", "--engine-label", "a=b", "a"], "--engine-label cannot be used"),
        (["create", "web-{1..2000}"], "more than 1000"),
        (["create", "--dry-run", "a", "b"], "--dry-run is for one machine"),
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


@pytest.mark.parametrize("variable", ["MACHINE_DEBUG", "MACHINE_NATIVE_SSH"])
def test_a_switch_that_is_neither_true_nor_false(
    variable: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ls"], {**environment, variable: "maybe"}) == 2
    assert f'The variable {variable} is neither true nor false: "maybe"' in one_error_line(capsys)
    assert run(["ls"], {**environment, variable: "", "DEBUG": "app:*"}) == 0


def test_rm_of_several_of_which_one_is_not_there(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        assert run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", name], environment) == 0
    capsys.readouterr()
    assert run(["rm", "-y", "nope", "a"], environment) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("About to remove a\n")
    assert captured.out.endswith("Successfully removed a\n")
    assert 'Error: Docker machine "nope" does not exist.' in captured.err
    assert run(["rm", "-f", "nope", "b"], environment) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("Successfully removed b\n")
    assert captured.err == 'Warning: Docker machine "nope" does not exist\n'
    assert run(["rm", "-f", "nope"], environment) == 0
    assert capsys.readouterr().out == ""
    assert run(["ls", "-q"], environment) == 0
    assert capsys.readouterr().out == "c\n"


def test_the_only_one_of_several_that_fails_is_named(
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = ""

    def stop(store: Store, name: str, *_: object) -> None:
        if name != "c":
            raise MachineError(said)

    def told(*names: str) -> str:
        capsys.readouterr()
        assert run(["stop", *names], environment) == 1
        return capsys.readouterr().err

    for name in "abc":
        run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", name], environment)
    monkeypatch.setattr("ecsmachine.machine.operations.stop", stop)
    said = "It is refused"
    assert told("a", "c") == "Error: a: It is refused\n"
    assert told("a") == "Error: It is refused\n"
    assert "Error: 2 of 3 machines failed" in told("a", "b", "c")
    said = 'Machine "a" is refused'
    assert told("a", "c") == 'Error: Machine "a" is refused\n'


@pytest.mark.parametrize("command", ["start", "stop", "kill", "restart", "rm"])
def test_a_missing_machine_is_exit_code_1(
    command: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "nope"], environment) == 1
    assert one_error_line(capsys) == (
        'Error: Docker machine "nope" does not exist. Use "ecsmachine ls" to list machines. '
        'Use "ecsmachine create" to add a new one.'
    )


def test_a_name_that_is_nearly_that_of_a_machine(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1"], environment) == 0
    capsys.readouterr()
    assert run(["url", "dve1"], environment) == 1
    assert one_error_line(capsys).endswith(" Did you mean dev1?")


@pytest.mark.parametrize("variable", [each.env for each in (*ENGINE, *SSH) if each.env])
def test_a_wrong_variable_is_named(
    variable: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1"]
    assert run(words, {**environment, variable: "wrong one"}) == 2
    assert variable in one_error_line(capsys)


@pytest.mark.parametrize(
    "name", ["two words", "d\u00fcrer", "", "a.b,c.d", "a.b:2376", "tcp://a.b", "[::1]"]
)
def test_a_name_that_no_certificate_can_have_is_refused_first(
    name: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "--tls-san", name, "dev1"]
    assert run(words, environment) == 2
    assert "--tls-san" in one_error_line(capsys)


def test_no_passphrase_is_asked_for_what_is_not_there(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("text")
    assert run(["import", str(tmp_path / "notes")], environment) == 1
    assert "not a machine that ecsmachine exported" in one_error_line(capsys)
    assert run(["export", "nope"], environment) == 1
    assert "does not exist" in one_error_line(capsys)


def test_a_passphrase_that_is_too_short_is_asked_for_once(
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {"Passphrase: ": "1234567"}
    monkeypatch.setattr(
        "ecsmachine.cli.commands.transfer.secret", lambda prompt, hint: answers.pop(prompt)
    )
    assert run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1"], environment) == 0
    capsys.readouterr()
    assert run(["export", "dev1"], environment) == 2
    assert "too short" in one_error_line(capsys)


def test_a_folder_that_cannot_be_used(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "cloud")
    for command in (["status"], ["env"], ["up", "--guests", "none"]):
        assert run(["local", *command], {**environment, "ECSMACHINE_LOCAL_ROOT": place}) == 1
        line = one_error_line(capsys)
        assert "Not a directory" in line and line.endswith("--root or ECSMACHINE_LOCAL_ROOT.")
        assert "Errno" not in line and "reset" not in line


def test_help_of_a_command_below_another(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["help", "swarm", "join"], environment) == 0
    asked = capsys.readouterr().out
    assert run(["swarm", "join", "--help"], environment) == 0
    assert asked == capsys.readouterr().out
    assert asked.startswith("Usage: ecsmachine swarm join ")


def test_a_link_called_docker_machine_speaks_of_itself(
    environment: dict[str, str], tmp_path: Path
) -> None:
    link = tmp_path / "docker-machine"
    link.symlink_to(Path(sys.executable).with_name("ecsmachine"))

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [link, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={**environment, "SHELL": "/bin/bash"},
        )

    made = called("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "fixed")
    assert made.stdout.endswith("run: docker-machine env fixed\n")
    assert called("env", "-u").stdout.endswith("# eval $(docker-machine env -u)\n")
    assert called("help", "ls").stdout.startswith("Usage: docker-machine ls ")
    assert 'Use "docker-machine ls" to list machines.' in called("ip", "nope").stderr
    assert "See 'docker-machine --help'." in called("frobnicate").stderr


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
    monkeypatch.setattr("sys.stdin", Typed("n\n"))
    capsys.readouterr()
    assert run(["rm", "kept"], environment) == 0
    asked = capsys.readouterr().out
    assert asked.startswith("About to remove kept\n")
    assert asked.endswith("\nAre you sure? (y/n): ")
    assert run(["rm", "kept"], environment) == 2
    assert (
        "There is no answer: standard input has ended. Confirm with -y (--yes)."
        in one_error_line(capsys)
    )
    assert (Path(environment["MACHINE_STORAGE_PATH"]) / "machines" / "kept").is_dir()


def test_a_store_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    environment = {"MACHINE_STORAGE_PATH": str(blocked / "store")}
    assert run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a"], environment) == 1
    line = one_error_line(capsys)
    assert str(blocked) in line
    assert "--storage-path" in line


def test_a_store_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a-file").touch()
    assert run(["url", "dev1"], {"MACHINE_STORAGE_PATH": str(tmp_path / "a-file")}) == 1
    line = one_error_line(capsys)
    assert line.startswith('Error: Docker machine "dev1" does not exist.')
    assert "The machine store cannot be read: " in line
    assert "--storage-path" in line


@pytest.mark.parametrize("unfit", ["a\nb", "\udcff"])
@pytest.mark.parametrize("variable", ["MACHINE_STORAGE_PATH", "MACHINE_TLS_CA_CERT"])
def test_a_path_that_no_later_command_could_read(
    variable: str,
    unfit: str,
    environment: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a"]
    assert run(command, {**environment, variable: str(tmp_path / unfit)}) == 2
    assert "has a control character, or is not UTF-8" in one_error_line(capsys)
    assert not list(tmp_path.rglob("config.json"))


@pytest.mark.skipif(os.name == "nt", reason="its names are text")
def test_machines_of_a_file_whose_path_they_cannot_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9")
    file.write_text("machines: {a: {driver: none, url: 'tcp://127.0.0.1:1'}}")
    for command in ("plan", "apply", "destroy"):
        assert run([command, "-f", str(file)], {"MACHINE_STORAGE_PATH": str(tmp_path)}) == 2
        assert "has a control character, or is not UTF-8" in one_error_line(capsys)


def test_an_install_url_that_is_none(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a"]
    assert run([*arguments, "--engine-install-url", "get.docker.com"], environment) == 2
    assert 'install URL "get.docker.com"' in one_error_line(capsys)
    assert not (Path(environment["MACHINE_STORAGE_PATH"]) / "machines").exists()


def test_several_machines_are_made_and_those_that_are_there_stay(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1"]
    assert run([*create, "web-2"], environment) == 0
    capsys.readouterr()
    assert run([*create, "web", "--count", "3"], environment) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("2 made, 1 existed already, in ")
    assert any(line.startswith("web-1: made (") for line in lines)
    assert any(line.startswith("web-2: exists already (") for line in lines)
    assert all(line.startswith(("web-1: ", "web-2: ", "web-3: ")) for line in lines[:-1])
    assert run([*create, "web-{2..4}", "db-{a,b}"], environment) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 made, 2 existed already, in ")
    assert run([*create, "web-2"], environment) == 1
    assert run(["ls", "-q"], environment) == 0
    assert capsys.readouterr().out.split() == ["db-a", "db-b", *(f"web-{n}" for n in range(1, 5))]


def test_a_machine_with_other_options_that_is_there_is_told(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["create", "-d", "none", "--url"]
    assert run([*create, "tcp://127.0.0.1:1", "web-1"], environment) == 0
    capsys.readouterr()
    assert run([*create, "tcp://127.0.0.1:2", "web", "--count", "2"], environment) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].startswith("1 made, 1 failed, in ")
    assert "--url tcp://127.0.0.1:1 (now tcp://127.0.0.1:2)" in captured.err


def test_patterns_stand_for_machines(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1"]
    assert run([*create, "web-{1..3}", "db", "last"], environment) == 0
    capsys.readouterr()
    assert run(["rm", "-y", "nope-*"], environment) == 1
    assert one_error_line(capsys).startswith('Error: No machine matches "nope-*"')
    assert run(["config", "web-*"], environment) == 2
    assert "There are: web-1, web-2, web-3" in one_error_line(capsys)
    assert run(["rm", "-y", "web-[12]", "d?"], environment) == 0
    assert capsys.readouterr().out.startswith("About to remove web-1, web-2, db\n")
    assert run(["rm", "-y", "web-{1..3}"], environment) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("About to remove web-3\n")
    assert 'Docker machine "web-1" does not exist' in captured.err
    assert run(["rm", "-y", "*"], environment) == 0


def test_a_damaged_machine_does_not_keep_the_others(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1"]
    assert run([*create, "web-{1..3}"], environment) == 0
    machines = Path(environment["MACHINE_STORAGE_PATH"]) / "machines"
    (machines / "web-2" / "config.json").write_text("{")
    capsys.readouterr()
    assert run(["status", "web-*"], environment) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert "web-2" in captured.err
    assert run(["ls"], environment) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert run(["rm", "-y", "web-*"], environment) == 0
    assert list(machines.iterdir()) == []


INTERRUPTED = """
import os, sys, time
from ecsmachine.cli import app
waits_at, seconds = os.environ["WAITS_AT"], float(os.environ["SECONDS"])
def checkpoint(point):
    if point == waits_at:
        os.write(1, b"here\\n")
        time.sleep(seconds)
sys.exit(app.run(sys.argv[1:], dict(os.environ), checkpoint))
"""


def waiting_create(
    store: Path, names: list[str], *, waits_at: str, seconds: float
) -> subprocess.Popen[str]:
    """Return a create of machines that all wait at a point."""
    create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", *names]
    program = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *create],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "MACHINE_STORAGE_PATH": str(store),
            "WAITS_AT": waits_at,
            "SECONDS": str(seconds),
        },
    )
    assert program.stdout
    for _ in names:
        while program.stdout.readline() != "here\n":
            pass
    return program


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_an_interrupted_create_ends_at_its_next_step_and_is_undone(
    names: list[str], tmp_path: Path
) -> None:
    program = waiting_create(tmp_path, names, waits_at="before journal begin", seconds=1)
    program.send_signal(signal.SIGINT)
    out, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert errors.splitlines() == [
        "Stopping at the next step; interrupt again to quit at once.",
        "Error: Interrupted",
    ]
    assert not list((tmp_path / "machines").iterdir()), out


def test_a_signal_that_is_sent_twice_at_once_is_one(tmp_path: Path) -> None:
    """As timeout(1) sends it: to the program, and to its process group."""
    program = waiting_create(tmp_path, ["a"], waits_at="before journal begin", seconds=1)
    program.send_signal(signal.SIGTERM)
    assert program.stderr
    assert "interrupt again to quit at once" in program.stderr.readline()
    program.send_signal(signal.SIGTERM)
    assert program.communicate(timeout=20)[1] == "Error: Interrupted\n"
    assert program.returncode == 130
    assert not list((tmp_path / "machines").iterdir())


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_a_second_interrupt_leaves_at_once_and_says_how_to_go_on(
    names: list[str], tmp_path: Path
) -> None:
    environment = {**os.environ, "MACHINE_STORAGE_PATH": str(tmp_path)}
    program = waiting_create(tmp_path, names, waits_at="before journal finish", seconds=30)
    program.send_signal(signal.SIGINT)
    assert program.stderr
    assert "interrupt again to quit at once" in program.stderr.readline()
    program.send_signal(signal.SIGTERM)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert f'"ecsmachine create --resume {" ".join(names)}" continues' in errors
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", "create", "--resume", *names],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert len(names) == 1 or done.stdout.splitlines()[-1].startswith("2 made, in ")


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize(
    ("begins", "words"),
    [
        ("(y/n)", ["rm", "waiting"]),
        ("NAME", ["ls", "--watch"]),
        ("here", ["ssh", "waiting", "echo here; sleep 60"]),
    ],
)
def test_ctrl_c_ends_the_loop_of_a_shell(begins: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "machines" / "waiting").mkdir(parents=True)
    command = shlex.join([sys.executable, "-m", "ecsmachine", "-s", str(tmp_path), *words])
    if words[0] == "ssh":  # the ssh program leaves with 255 when it is interrupted
        command = shlex.join([sys.executable, "-c", SSH_INTERRUPTED])
    script = f"for each in 1 2; do {command}; echo then $?; done"
    with terminal() as (stream, written):
        shell = begin_in_front(stream, "bash", "-c", script, environment={})
        written.until(begins)
        written.press("\x03")
        assert shell.wait(60) == -signal.SIGINT
        assert "then" not in written.whole()


SSH_INTERRUPTED = """
import sys
from ecsmachine import __main__
from ecsmachine.cli.everyday import login
from ecsmachine.ssh import kept, tethered
def ssh(this, *, name, command):
    interrupts = []
    shell = "trap 'exit 255' INT; echo here; while :; do sleep 0.05; done"
    status = tethered.run(["sh", "-c", shell], interrupts=interrupts)
    return kept.told_status(status, interrupted=bool(interrupts))
login.ssh = ssh
sys.argv = ["ecsmachine", "ssh", "waiting"]
__main__.main()
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_a_command_on_a_host_that_leaves_with_130_ends_no_loop(tmp_path: Path) -> None:
    program = SSH_INTERRUPTED.replace("echo here; while :; do sleep 0.05; done", "exit 130")
    script = f"{shlex.join([sys.executable, '-c', program])}; echo then $?"
    with terminal() as (stream, written):
        shell = begin_in_front(stream, "bash", "-c", script, environment={})
        assert shell.wait(60) == 0
        assert written.whole() == "then 130\r\n"


FAILING = """
import os, sys, time
from ecsmachine.cli import app
from ecsmachine.errors import MachineError
from ecsmachine.machine import create
undo = create.undo
def slow_undo(*arguments):
    os.write(1, b"here\\n")
    time.sleep(1)
    return undo(*arguments)
create.undo = slow_undo
def checkpoint(point):
    if point == "before journal finish":
        raise MachineError("It failed")
sys.exit(app.run(sys.argv[1:], dict(os.environ), checkpoint))
"""


def test_an_interrupt_does_not_keep_a_failed_create_from_being_undone(tmp_path: Path) -> None:
    create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a"]
    program = subprocess.Popen(
        [sys.executable, "-c", FAILING, *create],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MACHINE_STORAGE_PATH": str(tmp_path)},
    )
    assert program.stdout
    while program.stdout.readline() != "here\n":
        pass
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 1
    assert (
        "The removal continues" in errors
        and "It failed. The created resources were removed" in errors
    )
    assert not list((tmp_path / "machines").iterdir())


def test_a_terminated_program_says_so_and_leaves_with_130(tmp_path: Path) -> None:
    (tmp_path / "machines" / "waiting").mkdir(parents=True)
    keyboard, terminal = os.openpty()  # where the question waits for an answer
    program = subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", "-s", str(tmp_path), "rm", "waiting"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert program.stdout
    assert program.stdout.readline() == "About to remove waiting\n"
    program.send_signal(signal.SIGTERM)
    _, errors = program.communicate(timeout=20)
    os.close(keyboard)
    os.close(terminal)
    assert program.returncode == 130
    assert errors == "Error: Interrupted\n"


@pytest.mark.parametrize(
    "command",
    [
        ["config", "dev1"],
        ["env", "dev1"],
        ["swarm", "ls"],
        ["-s", "elsewhere", "stop", "--timeout", "5", "dev1"],
        ["apply", "--parallel", "3", "-f", "missing"],
        ["export", "dev1", "file"],
    ],
)
def test_short_commands_do_without_what_is_slow_to_import(
    command: list[str], tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from ecsmachine.cli.app import run\n"
        f"run({command!r}, {{'MACHINE_STORAGE_PATH': {str(tmp_path)!r}, 'SHELL': '/bin/sh'}})\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    modules = set(done.stderr.splitlines()[-1].split())
    assert not modules & {"pydantic", "rich", "paramiko", "requests"}


def test_without_a_terminal_a_question_is_an_error_that_names_the_option(
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "kept"], environment) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 3))
    for words in (["rm", "kept"], ["regenerate-certs", "kept"]):
        capsys.readouterr()
        assert run(words, environment) == 2
        assert "-y" in one_error_line(capsys)
    assert run(["rm", "--json", "kept"], environment) == 2
    assert '"Code": "Usage"' in capsys.readouterr().out
    assert run(["rm", "kept"], environment, name="docker-machine") == 0
    assert run(["status", "kept"], environment) == 1


def test_what_is_missing_is_made_and_what_is_there_is_compared(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["create", "--if-missing", "-d", "none", "--url", "tcp://127.0.0.1:1"]
    for _ in range(2):
        assert run([*create, "--engine-label", "a=b", "kept"], environment) == 0
    capsys.readouterr()
    assert run([*create, "--engine-label", "a=c", "kept"], environment) == 1
    assert "with other options: --engine-label" in capsys.readouterr().err
    assert run([*create[:-1], "tcp://127.0.0.1:2", "kept"], environment) == 1
    assert "--url tcp://127.0.0.1:1 (now tcp://127.0.0.1:2)" in capsys.readouterr().err
    assert run(["rm", "-y", "kept"], environment) == 0
    assert run(["rm", "-y", "kept"], environment) == 1
    assert run(["rm", "-y", "--if-exists", "kept", "no*"], environment) == 0
