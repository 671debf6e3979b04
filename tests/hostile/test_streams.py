"""Standard input, output and error that are closed, full or gone: what was begun is brought to its
end, the exit code says what became of it, and nobody ever reads a traceback."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loaded_program import Process

DRIVER = ("-d", "none", "--url", "tcp://127.0.0.1:1")
CREATE = ("create", *DRIVER, "new")

WORK = {CREATE: 0, ("rm", "-y", "old"): 0, ("create", *DRIVER, "--count", "3", "many"): 0}
"""Commands whose exit code says what became of work, whoever reads of it."""

AS_LINES = (*CREATE, "--json=lines")

SHOWN = (
    *(("ls",), ("inspect", "old"), ("rm", "--help"), ("completion", "bash"), ("version",)),
    *(("ls", "--json"), ("ls", "--json=lines"), ("ls", "--watch"), ("ls", "--watch", "--json")),
    *(("plan", "--schema"), ("ip", "old"), ("help", "ssh"), AS_LINES),
)
"""Commands that are there to print."""

WRONG = {("ip", "nope"): 1, ("rm", "old"): 2}
"""Commands that fail: the last one asks, and nobody answers."""

FULL, GONE, CLOSED = "full", "gone", "closed"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with a machine and a CA, so that each command makes and changes little; a copy."""
    path = tmp_path_factory.mktemp("made") / "store"
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", "-s", str(path), "create", *DRIVER, "old"],
        check=False,
        env={**os.environ, "MACHINE_STORAGE_PATH": str(path)},
        stdout=subprocess.DEVNULL,
    )
    assert done.returncode == 0
    return path, Path(shutil.copytree(path, tmp_path_factory.mktemp("copy") / "store"))


@pytest.fixture
def store(made: tuple[Path, Path]) -> Path:
    """That store as it was, with nothing beside it; it has paths of its own in it."""
    path, copy = made
    shutil.rmtree(path.parent)
    return Path(shutil.copytree(copy, path))


@pytest.fixture
def again(store: Path) -> Callable[[], None]:
    """Bring the store back to what it was."""
    kept = store.with_name("kept")
    shutil.copytree(store, kept)

    def bring() -> None:
        shutil.rmtree(store)
        shutil.copytree(kept, store)

    return bring


class Ran:
    """One run of the program, whose streams are as they are said to be."""

    def __init__(self, store: Path, *words: str, **streams: str):
        def close() -> None:
            for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
                if streams.get(name) == CLOSED:
                    os.close(descriptor)

        opened = (
            os.open(os.devnull, os.O_RDONLY),
            _end(streams.get("stdout"), store.with_name("out")),
            _end(streams.get("stderr"), store.with_name("err")),
        )
        environment = {**os.environ, "MACHINE_STORAGE_PATH": str(store), "SHELL": "/bin/sh"}
        if CLOSED in streams.values():  # which the interpreter finds when it starts
            self.code = subprocess.run(
                [sys.executable, "-m", "ecsmachine", *words],
                **dict(zip(("stdin", "stdout", "stderr"), opened, strict=True)),  # type: ignore[call-overload]
                preexec_fn=close,
                check=False,
                timeout=60,
                env=environment,
            ).returncode
        else:
            forked = Process(words, environment=environment, streams=opened)
            self.code = forked.wait(60).returncode
        for descriptor in opened:
            os.close(descriptor)
        self.out = store.with_name("out").read_text()
        self.err = store.with_name("err").read_text()


def _end(kind: str | None, path: Path) -> int:
    """Open what a stream is written to: a file, unless it is of a kind that takes nothing."""
    path.write_text("")
    if kind == FULL:
        return os.open("/dev/full", os.O_WRONLY)
    if kind == GONE:
        reading, writing = os.pipe()
        os.close(reading)
        return writing
    return os.open(path, os.O_WRONLY | os.O_APPEND)


TOLD_OF = {FULL: 1, GONE: 141}
"""What a command leaves with that could not print; 141 is as if SIGPIPE had ended it."""

FULL_DISK = "Standard output cannot be written: No space left on device"
KINDS = [
    {"stdout": out, "stderr": err}
    for out, err in ((FULL, ""), (GONE, ""), ("", FULL), (GONE, GONE), (FULL, FULL))
]


@pytest.mark.parametrize("streams", KINDS, ids=str)
def test_what_cannot_be_written(
    store: Path, again: Callable[[], None], streams: dict[str, str]
) -> None:
    out = streams["stdout"]
    for words, code in WORK.items():
        ran = Ran(store, *words, **streams)
        assert ran.code == code, (words, ran.err)
        assert (store / "machines" / "old").exists() == ("rm" not in words)
        assert (store / "machines" / "new" / "config.json").exists() == (words == CREATE)
        if out and not streams["stderr"]:
            said = f"Warning: {FULL_DISK}. The work continues.\n" if out == FULL else ""
            assert ran.err == said
        again()
    for words in SHOWN:
        if not out and "--watch" in words:
            continue  # has no end
        ran = Ran(store, *words, **streams)
        assert ran.code == TOLD_OF.get(out, 0), (words, ran.err)
        if words == AS_LINES:
            assert (store / "machines" / "new" / "config.json").exists()
        elif out and not streams["stderr"]:
            assert ran.err == (f"Error: {FULL_DISK}\n" if out == FULL else "")
    for words, code in WRONG.items():
        ran = Ran(store, *words, **streams)
        assert ran.code == code, (words, ran.err)
        if not streams["stderr"]:
            assert ran.err.splitlines()[-1].startswith("Error: ")
            assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "closed",
    [
        names
        for count in (1, 2, 3)
        for names in itertools.combinations(("stdin", "stdout", "stderr"), count)
    ],
    ids=" ".join,
)
def test_what_is_closed_is_as_dev_null(
    store: Path, again: Callable[[], None], closed: tuple[str, ...]
) -> None:
    streams = dict.fromkeys(closed, CLOSED)
    for words, code in ((CREATE, 0), (SHOWN[0], 0), (("rm", "old"), 2)):
        usual = Ran(store, *words)
        again()
        ran = Ran(store, *words, **streams)
        assert ran.code == usual.code == code, (words, ran.err)
        if "stdout" in closed:
            assert ran.out == ""
        elif words in SHOWN:
            assert ran.out == usual.out
        if "stderr" in closed:
            assert ran.err == ""
        else:
            assert ran.err == usual.err
        for path in (store / "machines").glob("*/*"):
            # no file of the store has become standard output, error or input
            assert path.read_bytes()[:1] in (b"{", b"-"), path
        again()


AS_DOCKER_MACHINE = (  # by that name answers are taken from what is no terminal, too
    "import os, sys; from ecsmachine.cli.app import run; "
    "sys.exit(run(sys.argv[1:], os.environ, name='docker-machine'))"
)


@pytest.mark.parametrize("kind", ["for writing alone", "no text", "a line without end"])
def test_an_answer_that_is_none(store: Path, kind: str) -> None:
    file = store.with_name("answer")
    file.write_bytes(b"\xff\x00\x1b\n" if kind == "no text" else b"nn" * 1_000_000)
    descriptor = os.open(file, os.O_WRONLY if kind == "for writing alone" else os.O_RDONLY)
    done = subprocess.run(
        [sys.executable, "-c", AS_DOCKER_MACHINE, "rm", "old"],
        stdin=descriptor,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MACHINE_STORAGE_PATH": str(store)},
    )
    os.close(descriptor)
    answered = kind in ("no text", "a line without end")
    said = "" if answered else "There is no answer: standard input has ended\n"
    assert (done.returncode, done.stderr) == (0 if answered else 1, said)
    assert (store / "machines" / "old").exists()


def test_a_pipe_that_does_not_wait_is_waited_for(store: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = subprocess.Popen(
        [sys.executable, "-c", "from ecsmachine.__main__ import main; main()", "ls", "--json"],
        stdout=writing,
        env={**os.environ, "MACHINE_STORAGE_PATH": str(store)},
        # what fills the pipe before
        preexec_fn=lambda: _fill(writing),
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        content = stream.read()
    assert process.wait(60) == 0
    assert content.lstrip(b"x").startswith(b"[\n")
    assert content.endswith(b"]\n")


def _fill(writing: int) -> None:
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass


@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1", "utf-8", "undefined"])
def test_a_character_that_cannot_be_encoded_is_replaced(store: Path, encoding: str) -> None:
    config = store / "machines" / "old" / "config.json"
    label = "l=\u2713\u00e9\u6cc9\U0001f433"
    content = json.loads(config.read_text())
    content["HostOptions"]["EngineOptions"]["Labels"] = [label]
    config.write_text(json.dumps(content))
    environment = {**os.environ, "MACHINE_STORAGE_PATH": str(store), "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", "inspect", "old"],
        capture_output=True,
        check=False,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding.partition(":")[0].replace("undefined", "utf-8"))
    # whatever the output takes, JSON stays the same JSON
    assert label in json.dumps(json.loads(text), ensure_ascii=False)
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", "ip", "\u2713\U0001f433", b"\xff\x1b[31m"],
        capture_output=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    assert b"\x1b" not in done.stderr
    assert done.stderr.count(b"Error: ") == 1


def test_a_reader_that_leaves_after_the_first_line(store: Path) -> None:
    create = f"{sys.executable} -m ecsmachine {' '.join(CREATE)}"
    done = subprocess.run(
        ["bash", "-c", f"{create} | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MACHINE_STORAGE_PATH": str(store)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert (store / "machines" / "new" / "config.json").exists()


GONE_FOLDER = """
import os, sys
folder = sys.argv.pop(1)
os.chdir(folder)
os.rmdir(folder)
from ecsmachine.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("ls",), {"MACHINE_STORAGE_PATH": "relative"}),
        (("-s", "relative", "ls"), {}),
        (("--tls-ca-cert", "relative", "ls"), {}),
        (CREATE, {"MACHINE_STORAGE_PATH": "relative"}),
    ],
    ids=str,
)
def test_a_working_directory_that_is_gone(
    store: Path, tmp_path: Path, words: tuple[str, ...], environment: dict[str, str]
) -> None:
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", GONE_FOLDER, str(tmp_path / "gone"), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MACHINE_STORAGE_PATH": str(store), **environment},
    )
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("Error: The working directory no longer exists")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "module", "content", "said"),
    [
        (
            CREATE,
            "typer",
            "raise RuntimeError('two\\nlines\\x1b[31m')",
            "RuntimeError: two lines\\x1b[31m",
        ),
        (("help",), "typer", "import nothing_of_that_name", "ModuleNotFoundError: No module named"),
        (("ls",), "typer", "syntax error", None),
        (("ls",), "paramiko", "syntax error", None),
        (("ls",), "rich", "syntax error", None),
    ],
)
def test_an_installation_that_is_broken(
    store: Path, tmp_path: Path, words: tuple[str, ...], module: str, content: str, said: str | None
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{module}.py").write_text(content)
    path = os.pathsep.join((str(tmp_path / "broken"), *sys.path))
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MACHINE_STORAGE_PATH": str(store), "PYTHONPATH": path},
    )
    if said is None:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: ecsmachine cannot start: {said}")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": None, "MACHINE_STORAGE_PATH": None},
        {"COLUMNS": "\u00b2", "LINES": "-1", "TERM": "\x1b[31m"},
        {"MACHINE_DEBUG": "maybe\x1b[31m"},
        {"MACHINE_STORAGE_PATH": "/dev/null"},
        {"MACHINE_STORAGE_PATH": "/proc/self/mem/x\x1b[31m"},
        {"SHELL": "\udcff", "PATH": ""},
        {"MACHINE_TLS_KEY_TYPE": "\u202e"},
        {"PYTHONWARNINGS": "error", "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_an_environment_that_is_broken(store: Path, environment: dict[str, str | None]) -> None:
    whole = {**os.environ, "MACHINE_STORAGE_PATH": str(store), **environment}
    for words in (("rm", "-y", "old"), ("__complete", "ssh", "")):
        done = subprocess.run(
            [sys.executable, "-m", "ecsmachine", *words],
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in whole.items() if value is not None},
        )
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert "bug in ecsmachine" not in done.stderr
        if done.returncode and "rm" in words:
            assert done.stderr.count("\n") == 1, done.stderr


def test_no_umask_keeps_us_out_of_what_we_make(store: Path) -> None:
    for words in (CREATE, ("rm", "-y", "new")):
        done = subprocess.run(
            [sys.executable, "-m", "ecsmachine", "-s", str(store.with_name("fresh")), *words],
            check=False,
            stdout=subprocess.DEVNULL,
            umask=0o777,
        )
        assert done.returncode == 0
        for folder in (".", ".locks", "machines"):
            assert (store.with_name("fresh") / folder).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("number", ["SIGHUP", "SIGINT"])
def test_a_signal_that_is_ignored_stays_so(number: str, store: Path) -> None:
    """As by nohup, and in a script that runs a command with ``&``."""
    script = (
        "import os, signal, sys, threading\n"
        "from ecsmachine.cli import app\n"
        "hung_up = []\n"
        "heeded, set_handler = threading.Event(), signal.signal\n"
        "def heeding(number, handler):\n"  # by the main thread, and the work is in another
        "    return set_handler(number, lambda *told: (handler(*told), heeded.set()))\n"
        "signal.signal = heeding\n"
        "def checkpoint(point):\n"
        "    if not hung_up:\n"  # a second time would leave at once
        f"        hung_up.append(os.kill(os.getpid(), signal.{number}))\n"
        f"        signal.getsignal(signal.{number}) == signal.SIG_IGN or heeded.wait()\n"
        "sys.exit(app.run(sys.argv[1:], os.environ, checkpoint))\n"
    )

    def set_signal(ignored: bool) -> None:
        handler = signal.SIG_IGN if ignored else signal.SIG_DFL
        signal.signal(getattr(signal, number), handler)

    def run(ignored: bool) -> int:
        return subprocess.run(
            [sys.executable, "-c", script, *CREATE],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MACHINE_STORAGE_PATH": str(store)},
            preexec_fn=lambda: set_signal(ignored),
        ).returncode

    assert run(ignored=False) == 130
    assert not (store / "machines" / "new").exists()
    assert run(ignored=True) == 0
    assert (store / "machines" / "new").exists()
