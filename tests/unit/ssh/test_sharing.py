"""One connection of OpenSSH's for several commands: begun apart, found again, and closed."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecsmachine.errors import UsageError
from ecsmachine.ssh import kept, sharing
from ecsmachine.ssh.interactive import ssh_command
from ecsmachine.ssh.openssh import KnownHost
from ecsmachine.ssh.target import SSHTarget
from tests.servers import connections

from .openssh_server import SSHD, OpenSSHServer, keygen, openssh_server

pytestmark = pytest.mark.skipif(not SSHD or not shutil.which("ssh"), reason="no OpenSSH")

PROGRAM = """
import os, sys
from pathlib import Path
from ecsmachine.ssh import kept
from ecsmachine.ssh.interactive import run_session
from ecsmachine.ssh.sharing import Persistence
from ecsmachine.ssh.target import SSHTarget
kept.BASE = sys.argv[1]
target = SSHTarget("127.0.0.1", int(sys.argv[2]), sys.argv[3], key_path=Path(sys.argv[4]))
keep = Persistence(int(sys.argv[6]), os.environ)
sys.exit(run_session(target, Path(sys.argv[5]), sys.argv[7:], keep=keep))
"""

STRICT = ("-W", "error::ResourceWarning")
"""What is left open is told of on standard error."""

SECONDS = 600
"""So long that a pipe which stays open is one that never ends."""

KEEP = sharing.Persistence(SECONDS, os.environ)

PATIENCE_S = 60


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("key") / "id_rsa", "-t", "ed25519")


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Iterator[OpenSSHServer]:
    with openssh_server(tmp_path / "dev1", "LogLevel VERBOSE") as server:
        server.authorize(Path(f"{key}.pub").read_text())
        yield server


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch, key: Path) -> Iterator[Path]:
    """Where the folder of sockets is: the path of a socket is short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(kept, "BASE", folder)
        monkeypatch.setenv(kept.VARIABLE, str(SECONDS))  # whoever runs the tests
        yield Path(folder)
        for path in sockets(Path(folder)):
            sharing._close(iter([path]), at_once=True)


def sockets(base: Path) -> list[Path]:
    return [path for path in base.glob("*/*") if path.is_socket()]


def run(
    server: OpenSSHServer,
    key: Path,
    base: Path,
    *command: str,
    stdin: str = "",
    seconds: int = SECONDS,
    pin_path: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    words = [str(server.port), server.target().user, str(key), str(pin_path or server.pin_path)]
    return subprocess.run(
        [sys.executable, *STRICT, "-c", PROGRAM, str(base), *words, str(seconds), *command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def logins(server: OpenSSHServer) -> int:
    return (server.folder / "log").read_text().count("Accepted publickey")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_second_command_uses_the_connection_of_the_first(
    server: OpenSSHServer, key: Path, base: Path
) -> None:
    for status in (0, 7, 255):
        done = run(server, key, base, f"cat; echo err >&2; exit {status}", stdin="in" * 100_000)
        assert (done.returncode, done.stdout, done.stderr) == (status, "in" * 100_000, "err\n")
    assert logins(server) == 1


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_a_connection_that_is_kept_has_no_secrets(
    server: OpenSSHServer, key: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("ECS_ACCESS_KEY_SECRET", "ECS_SECURITY_TOKEN", "ECS_SSH_PASSWORD", "my_secret")
    for name in (*secrets, "ECS_REGION"):
        monkeypatch.setenv(name, f"hush {base}")
    assert run(server, key, base, "true").returncode == 0
    kept_ones = [
        environ
        for environ in map(_environ, Path("/proc").glob("[0-9]*"))
        if f"ECS_REGION=hush {base}" in environ and "PYTEST_CURRENT_TEST" in " ".join(environ)
    ]
    (of_master,) = [each for each in kept_ones if each is not None]
    assert not [word for word in of_master if word.startswith(secrets)]


def _environ(process: Path) -> list[str]:
    """Return the variables that a process was begun with."""
    try:
        return (process / "environ").read_text(errors="replace").split("\0")
    except OSError:
        return []


def test_what_cannot_be_shared_is_not(server: OpenSSHServer, key: Path, base: Path) -> None:
    assert run(server, key, base, "-T", "echo in").stdout == "in\n"
    assert run(server, key, base, "echo in", seconds=0).stdout == "in\n"
    assert not sockets(base)
    assert logins(server) == 2


def test_a_socket_of_a_master_that_was_killed(server: OpenSSHServer, key: Path, base: Path) -> None:
    run(server, key, base, "true")
    (path,) = sockets(base)
    asking = ["ssh", *("-F", "/dev/null"), *("-O", "check"), *("-S", str(path)), "host"]
    said = subprocess.run(asking, capture_output=True, text=True)
    os.kill(int(said.stderr.partition("pid=")[2].partition(")")[0]), signal.SIGKILL)
    assert path.is_socket()
    done = run(server, key, base, "echo in")
    assert (done.returncode, done.stdout, done.stderr) == (0, "in\n", "")
    assert logins(server) == 2


def test_something_else_in_its_place(server: OpenSSHServer, key: Path, base: Path) -> None:
    run(server, key, base, "true")
    (path,) = sockets(base)
    sharing.close(server.pin_path)
    path.write_text("not a socket")
    done = run(server, key, base, "echo in")
    assert (done.returncode, done.stdout, done.stderr) == (0, "in\n", "")
    assert path.is_socket()


def test_stores_and_machines_share_nothing(
    server: OpenSSHServer, key: Path, base: Path, tmp_path: Path
) -> None:
    run(server, key, base, "true")
    other = tmp_path / "other" / "dev1"
    other.mkdir(parents=True)
    shutil.copy(server.pin_path, other)
    run(server, key, base, "true", pin_path=other / "known_hosts")
    assert len(sockets(base)) == 2
    assert logins(server) == 2
    sharing.close(server.pin_path)
    wait_until(lambda: len(sockets(base)) <= 1)
    assert len(sockets(base)) == 1


@pytest.mark.parametrize("kind", ["open to others", "a link", "a file", "somebody else's"])
def test_a_folder_that_is_not_ours_alone_is_not_used(
    kind: str, server: OpenSSHServer, key: Path, base: Path, tmp_path: Path
) -> None:
    folder = base / f"ecsmachine-ssh-{os.geteuid()}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if kind == "a link":
        folder.symlink_to(elsewhere)
    elif kind == "a file":
        folder.touch(mode=0o600)
    else:
        folder.mkdir(mode=0o700)
        if kind == "open to others":
            folder.chmod(0o710)
        elif os.geteuid() == 0:
            os.chown(folder, 12345, 12345)
        else:
            pytest.skip("only root can give a folder away")
    for _ in range(2):
        done = run(server, key, base, "echo in")
        assert (done.returncode, done.stdout, done.stderr) == (0, "in\n", "")
    assert logins(server) == 2
    assert not list(elsewhere.iterdir())
    if folder.is_dir():
        assert not list(folder.iterdir())
    sharing.close(server.pin_path)


def test_it_is_closed_when_its_last_command_has_ended(
    server: OpenSSHServer, key: Path, base: Path, tmp_path: Path
) -> None:
    begun, may_end = tmp_path / "begun", tmp_path / "may end"
    with ThreadPoolExecutor() as pool:
        command = f"touch '{begun}'; until [ -e '{may_end}' ]; do sleep 0.05; done; echo whole"
        running = pool.submit(run, server, key, base, command)
        wait_until(begun.exists)
        sharing.close(server.pin_path)
        wait_until(lambda: not sockets(base))
        assert run(server, key, base, "true").returncode == 0
        assert logins(server) == 2
        may_end.touch()
        assert running.result().stdout == "whole\n"


def test_it_can_be_closed_at_once(server: OpenSSHServer, key: Path, base: Path) -> None:
    run(server, key, base, "true")
    sharing.close(server.pin_path, at_once=True)
    assert not list(base.glob("*/*"))
    sharing.close(server.pin_path, at_once=True)


def test_more_commands_at_once_than_a_server_allows_on_one_connection(
    server: OpenSSHServer, key: Path, base: Path
) -> None:
    with ThreadPoolExecutor(13) as pool:
        several = [pool.submit(run, server, key, base, "sleep 1; echo in") for _ in range(13)]
        for each in several:
            done = each.result()
            assert (done.returncode, done.stdout, done.stderr) == (0, "in\n", "")
    assert len(sockets(base)) == 1


def test_a_host_that_does_not_answer_is_told_once(
    server: OpenSSHServer, key: Path, base: Path
) -> None:
    nobody = OpenSSHServer(server.folder, 1)
    done = run(nobody, key, base, "true")
    assert done.returncode == 255
    assert done.stderr.count("Connection refused") == 1
    assert not sockets(base)


def test_a_host_that_answers_oddly_is_told_of(server: OpenSSHServer, key: Path, base: Path) -> None:
    with connections(lambda stream: stream.sendall(b"SSH-2.0-x\r\n" + bytes(16))) as port:
        odd = OpenSSHServer(server.folder, port)
        done = run(odd, key, base, "true")
    said = f"SSH does not answer at {odd.target().user}@127.0.0.1\n"
    assert (done.returncode, done.stderr) == (255, said)


def test_a_key_that_is_not_accepted_is_told_once(
    server: OpenSSHServer, key: Path, base: Path
) -> None:
    server.authorize()
    done = run(server, key, base, "true")
    assert done.returncode == 255
    assert done.stderr.count("Permission denied") == 1


def test_a_former_address_is_led_to_no_more(server: OpenSSHServer, key: Path, base: Path) -> None:
    run(server, key, base, "true")
    target = SSHTarget("localhost", server.port, server.target().user, key_path=key)
    with ssh_command(target, server.pin_path, ["true"], keep=KEEP) as words:
        assert subprocess.run(words, stdin=subprocess.DEVNULL).returncode == 0
        wait_until(lambda: len(sockets(base)) <= 1)
        assert len(sockets(base)) == 1
    (path,) = sockets(base)
    assert path.name == sharing._name(target, server.pin_path)


def test_logins_through_others_and_with_the_agents_keys_are_not_shared(key: Path) -> None:
    class Jump:
        pass

    for target in (
        SSHTarget("127.0.0.1", key_path=key, jump=Jump()),  # type: ignore[arg-type]
        SSHTarget("127.0.0.1"),
    ):
        host = KnownHost(target, key)
        with sharing.shared(host, ["false"], KEEP) as shared:
            assert shared == sharing.Shared()


@pytest.mark.parametrize(
    ("user", "seconds", "is_shared"),
    [("root", "", True), ("ubuntu", "", False), ("ubuntu", "60", True), ("root", "0", False)],
)
def test_a_user_whose_groups_may_change_shares_only_what_was_asked_for(
    user: str, seconds: str, is_shared: bool, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "begin", lambda *_, **__: (None, None))
    target = SSHTarget("127.0.0.1", 1, user=user, key_path=key)
    keep = sharing.persistence({kept.VARIABLE: seconds})
    with sharing.shared(KnownHost(target, key.with_name("pins")), [], keep) as found:
        assert (found.socket_path is not None) is is_shared


def test_the_path_of_a_socket_is_short_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    target = SSHTarget("h" * 200, user="u" * 30, key_path=Path("/k" * 200))
    path = Path("/tmp/ecsmachine-ssh-4294967295") / sharing._name(target, Path("/p" * 300))
    assert len(f"{path}.{'x' * 16}") < 104  # ssh makes it under another name first


@pytest.mark.parametrize("text", ["-1", "1m", "1.5", "86401", "9" * 5000, "١"])
def test_a_time_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number of seconds"):
        kept.persist_s({kept.VARIABLE: text})


def test_for_how_long() -> None:
    assert [kept.persist_s({kept.VARIABLE: text}) for text in ("", "0", " 5 ")] == [60, 0, 5]
    assert kept.persist_s({}) == 60


QUICK = """
import os, sys
from ecsmachine.ssh import kept
kept.BASE = sys.argv[1]
status = kept.run(sys.argv[2], sys.argv[3:], os.environ, seconds=600)
assert not {"subprocess", "socket", "hashlib", "pathlib"} & set(sys.modules)
os._exit(99 if status is None else status)
"""


def quick(server: OpenSSHServer, base: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *STRICT, "-S", "-c", QUICK, str(base), str(server.pin_path), *command],
        input="in\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(Path(kept.__file__).parents[2])},
    )


@pytest.fixture
def begun(server: OpenSSHServer, key: Path, base: Path, tmp_path: Path) -> OpenSSHServer:
    """A server with a connection that is kept, of a machine with a configuration."""
    (server.folder / "config.json").write_text("{}")
    run(server, key, base, "true", seconds=0)  # its key is pinned
    assert run(server, key, base, "true").returncode == 0
    return server


def test_a_connection_that_is_kept_is_used_without_weight(begun: OpenSSHServer, base: Path) -> None:
    done = quick(begun, base, "cat;", "echo err >&2;", "exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n", "err\n")
    assert logins(begun) == 2


@pytest.mark.parametrize(
    "change", ["configuration", "pinned key", "key", "denied", "folder", "another machine", "full"]
)
def test_nothing_is_run_if_anything_is_not_as_it_was(
    change: str, begun: OpenSSHServer, key: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base / f"ecsmachine-ssh-{os.geteuid()}"
    if change == "configuration":
        (begun.folder / "config.json").write_text('{"a": 1}')
    elif change == "pinned key":
        begun.pin_path.write_text("dev1 ssh-ed25519 other\n")
    elif change == "key":
        key.chmod(0o644)
    elif change == "denied":
        begun.authorize()
        sharing.close(begun.pin_path)
        wait_until(lambda: not sockets(base))
    elif change == "folder":
        folder.chmod(0o755)
    elif change == "another machine":
        (record,) = folder.glob("*.ssh")
        record.write_text(record.read_text().replace("/known_hosts", "/known_host", 1))
    else:
        (lock,) = folder.glob("*.lock")
        with lock.open("r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX, kept.MOST_SESSIONS, 1)
            assert quick(begun, base, "true").returncode == 99
        return
    try:
        assert quick(begun, base, "true").returncode == 99
    finally:
        key.chmod(0o600)
        if folder.exists():
            folder.chmod(0o700)


def test_a_connection_that_has_ended_is_begun_again_without_weight(
    begun: OpenSSHServer, base: Path
) -> None:
    sharing.close(begun.pin_path)
    wait_until(lambda: not sockets(base))
    assert quick(begun, base, "exit 7").returncode == 7
    assert quick(begun, base, "exit 8").returncode == 8
    assert logins(begun) == 3
    assert not [*base.glob("*/*.text"), *base.glob("*/*.dial")]


def test_a_host_that_cannot_be_connected_to_is_told(begun: OpenSSHServer, base: Path) -> None:
    sharing.close(begun.pin_path)
    wait_until(lambda: not sockets(base))
    begun.stop()
    done = quick(begun, base, "true")
    assert done.returncode == kept.CONNECTION_FAILED
    assert "onnection refused" in done.stderr
    assert "mm_receive_fd" not in done.stderr
    assert not [*base.glob("*/*.text"), *base.glob("*/*.dial")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_end_ends_what_it_runs(
    number: signal.Signals, begun: OpenSSHServer, base: Path, tmp_path: Path
) -> None:
    pid, trace = tmp_path / "pid", tmp_path / "ended"
    script = f"echo $$ > '{pid}'; trap 'touch \"{trace}\"; exit' HUP TERM PIPE; "
    script += "while :; do echo there; sleep 0.1; done"
    words = [sys.executable, "-S", "-c", QUICK, str(base), str(begun.pin_path), script]
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(kept.__file__).parents[2])},
    ) as process:
        wait_until(pid.exists)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert ("KeyboardInterrupt" in errors) == (number == signal.SIGTERM)
        assert number == signal.SIGTERM or process.returncode == 130
    wait_until(trace.exists)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("weight", ["quick", "whole"])
def test_who_reads_does_not_wait_for_the_master(
    weight: str, number: signal.Signals, begun: OpenSSHServer, key: Path, base: Path
) -> None:
    """As in ``$(timeout 60 ecsmachine ssh … 2>&1)``: the master has standard error as well."""
    script = "echo there; exec sleep 600"
    words = [sys.executable, "-S", "-c", QUICK, str(base), str(begun.pin_path), script]
    if weight == "whole":
        place = [str(begun.port), begun.target().user, str(key), str(begun.pin_path)]
        words = [sys.executable, "-c", PROGRAM, str(base), *place, str(SECONDS), script]
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(kept.__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)  # until nobody has the pipe any more
    assert process.returncode != 0


def test_what_goes_into_one_pipe_keeps_its_order(
    begun: OpenSSHServer, base: Path, tmp_path: Path
) -> None:
    script = "for i in 1 2 3; do echo out $i; sleep 0.2; echo error $i >&2; sleep 0.2; done; exit 7"
    words = [sys.executable, "-S", "-c", QUICK, str(base), str(begun.pin_path), script]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(Path(kept.__file__).parents[2])},
    )
    lines = [f"{stream} {number}" for number in (1, 2, 3) for stream in ("out", "error")]
    assert (done.stdout.splitlines(), done.returncode) == (lines, 7)


def test_who_reads_slowly_gets_all(begun: OpenSSHServer, base: Path) -> None:
    script = "head -c 150000 /dev/zero; exit 7"
    words = [sys.executable, "-S", "-c", QUICK, str(base), str(begun.pin_path), script]
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(Path(kept.__file__).parents[2])},
    )
    assert process.stdout is not None
    first = process.stdout.read(1)
    time.sleep(2)  # all is in pipes by then
    assert len(first + process.stdout.read()) == 150_000
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 7
