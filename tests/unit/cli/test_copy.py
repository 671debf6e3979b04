from __future__ import annotations

import json
import ntpath
import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from ecsmachine.cli.commands.copy import _word
from ecsmachine.machine.store import Store
from ecsmachine.ssh.file_copy import Place
from ecsmachine.system.names import why_not_on_windows
from tests.ports import refusing_port
from tests.unit.cli.conftest import Program
from tests.unit.cli.test_connect import add_host
from tests.unit.ssh.conftest import LoopbackServer
from tests.unit.stand_ins import ToldDriver, add_machine, register_told_driver

NATIVE = {"MACHINE_NATIVE_SSH": "1"}


class ToldWithReason(ToldDriver):
    """A driver that knows why a machine stopped: it was stopped."""

    def state_reason(self) -> str:
        return ""


@pytest.fixture(
    params=[
        "native",
        pytest.param(
            "program", marks=pytest.mark.skipif(not shutil.which("scp"), reason="no scp program")
        ),
    ]
)
def client(request: pytest.FixtureRequest) -> dict[str, str]:
    return NATIVE if request.param == "native" else {}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a tree to copy; the machine's files are this machine's as well."""
    tree = tmp_path / "a place" / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "one").write_bytes(os.urandom(200_000))
    (tree / "one").chmod(0o640)
    (tree / "sub" / "run").write_text("#!/bin/sh\n")
    (tree / "sub" / "run").chmod(0o755)
    return tree.parent


def test_a_file_there_and_back(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    there = server.folder / "one there"
    assert program("scp", "-q", str(here / "tree" / "one"), f"dev1:{there}", **client).code == 0
    assert there.read_bytes() == (here / "tree" / "one").read_bytes()
    assert stat.S_IMODE(there.stat().st_mode) == 0o640
    back = program("scp", "-q", f"root@dev1:{there}", f"localhost:{here / 'back'}", **client)
    assert (back.code, back.out, back.err) == (0, "", "")
    assert (here / "back").read_bytes() == there.read_bytes()


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ([], "SOURCE"),
        (["-r"], "SOURCE"),
        (["a"], "DESTINATION"),
        (["-r", "dev1:a"], "DESTINATION"),
        (["--", "-a"], "DESTINATION"),
    ],
)
def test_what_is_missing_is_named(words: list[str], missing: str, program: Program) -> None:
    told = program("scp", *words)
    assert (told.code, told.err) == (
        2,
        f"Error: Missing argument '[[USER@]MACHINE:]{missing}'. See 'ecsmachine scp --help'.\n",
    )


def test_json_names_the_machine(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    words = ["scp", "--json", str(here / "tree" / "one"), f"dev1:{server.folder / 'there'}"]
    told = json.loads(program(*words, **client).out)
    assert ([each["Name"] for each in told["Machines"]], told["Errors"]) == (["dev1"], [])
    failed = program("scp", "--json", str(here / "nothing"), "dev1:there", **client)
    told = json.loads(failed.out)
    assert failed.code != 0
    assert (told["Machines"], [each["Machine"] for each in told["Errors"]]) == ([], ["dev1"])


@pytest.mark.skipif(not (shutil.which("scp") and shutil.which("rsync")), reason="no rsync program")
def test_progress_of_rsync_is_not_in_the_json(
    program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    words = ["scp", "--json", "--delta", str(here / "tree" / "one"), f"dev1:{here / 'there'}"]
    result = program(*words)
    assert (result.code, json.loads(result.out)["Errors"]) == (0, []), result.err


@pytest.mark.skipif(not shutil.which("scp"), reason="no scp program")
def test_debug_says_what_is_connected_to_and_run(
    program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    port = refusing_port()
    add_machine(store, "closed", URL=f"tcp://127.0.0.1:{port}")
    source = str(here / "tree" / "one")
    for words, said in (
        (["scp", "-q", source, f"dev1:{here / 'copy'}"], f"running scp -3 -F .* {source} "),
        (["ssh", "dev1", "true"], rf"running ssh .* -p {server.port} .*root@127.0.0.1\n"),
        (["env", "--shell", "sh", "closed"], f"127.0.0.1:{port}: .*refused"),
    ):
        assert re.search(said, program("--debug", *words).err), words
        assert "running" not in program(*words).err


def test_folders_are_copied_with_r(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    there = server.folder / "there"
    refused = program("scp", "-q", str(here / "tree"), f"dev1:{there}", **client)
    assert refused.code == 1
    assert refused.err
    assert program("scp", "-q", "-r", str(here / "tree"), f"dev1:{there}", **client).code == 0
    assert (there / "sub" / "run").read_text() == "#!/bin/sh\n"
    assert (there / "sub" / "run").stat().st_mode & 0o100
    # into a folder that is there
    assert program("scp", "-q", "-r", str(here / "tree"), f"dev1:{there}", **client).code == 0
    assert (there / "tree" / "one").read_bytes() == (here / "tree" / "one").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_wildcards_of_a_machine(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    there, into = here / "there", here / "into"
    for name in ("a.txt", "b.txt", ".hidden.txt", "[a].log", "sub/c.txt"):
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_text(name)
    into.mkdir()

    def copied(pattern: str, *options: str) -> tuple[int, set[str]]:
        shutil.rmtree(into)
        into.mkdir()
        code = program("scp", "-q", *options, f"dev1:{there}/{pattern}", str(into), **client).code
        return code, {str(path.relative_to(into)) for path in into.rglob("*") if path.is_file()}

    assert copied("*.txt") == (0, {"a.txt", "b.txt"})
    assert copied("[!a].tx?") == (0, {"b.txt"})
    assert copied("s*/*.txt") == (0, {"c.txt"})
    assert copied("[a].log") == (0, {"[a].log"})
    assert copied("*", "-r") == (0, {"a.txt", "b.txt", "[a].log", "sub/c.txt"})
    assert copied("*") == (1, {"a.txt", "b.txt", "[a].log"})  # without -r no folders
    assert copied("z*") == (1, set())
    file = here / "tree" / "sub" / "run"
    assert program("scp", "-q", f"dev1:{there}/*.txt", str(file), **client).code == 1
    assert file.read_text() == "#!/bin/sh\n"


def test_from_one_machine_to_another(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server, "dev1")
    add_host(store, server, "dev2")
    source, target = here / "tree" / "one", server.folder / "moved"
    result = program("scp", "-q", f"dev1:{source}", f"dev2:{target}", **client)
    assert (result.code, result.err) == (0, "")
    assert target.read_bytes() == source.read_bytes()
    for name in ("dev1", "dev2"):
        assert (store.directory(name) / "known_hosts").is_file()


def test_another_host_key_is_refused(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    import paramiko

    add_host(store, server)
    words = ("scp", "-q", str(here / "tree" / "one"), f"dev1:{server.folder / 'x'}")
    assert program(*words, **client).code == 0
    (server.folder / "x").unlink()
    server.host_key = paramiko.ECDSAKey.generate()
    changed = program(*words, **client)
    assert changed.code != 0
    assert "host key" in changed.err.lower()
    assert not (server.folder / "x").exists()


def test_what_is_not_there(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    for words in ((f"dev1:{here}/nope", "."), (f"{here}/nope", f"dev1:{here}/x")):
        result = program("scp", "-q", *words, **client)
        assert (result.code != 0, result.out) == (True, "")
        assert "no such file" in result.err.lower()
    named = program("scp", f"dev1:{here}/nope", ".", **NATIVE).err
    assert f"dev1:{here}/nope: No such file" in named  # not by its address
    missing = program("scp", "nope:x", ".", **client)
    assert 'Docker machine "nope" does not exist' in missing.err
    assert program("scp", "only-one", **client).code == 2
    assert program("scp", "a", "b", "c", **client).code == 1


def test_a_machine_that_does_not_run(
    program: Program, store: Store, server: LoopbackServer
) -> None:
    port = refusing_port()
    add_host(store, server, SSHPort=port, State="Stopped")
    result = program("scp", "x", "dev1:x")
    assert (result.code, result.out) == (1, "")
    assert 'Host "dev1" is not running' in result.err


def test_a_colon_after_a_slash_is_of_a_local_path(
    program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    odd = here / "a:b"
    odd.write_text("odd")
    assert program("scp", str(odd), f"dev1:{server.folder / 'odd'}", **NATIVE).code == 0
    assert (server.folder / "odd").read_text() == "odd"


@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync program")
def test_delta_sends_what_differs(
    program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    there = server.folder / "there"
    words = ("scp", "-r", "-d", "-q", f"{here / 'tree'}/", f"dev1:{there}")
    assert program(*words).code == 0
    assert (there / "one").read_bytes() == (here / "tree" / "one").read_bytes()
    assert program(*words).code == 0


@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync program")
def test_delta_copies_what_links_lead_to_as_scp_does(
    program: Program, store: Store, server: LoopbackServer, here: Path
) -> None:
    add_host(store, server)
    (here / "tree" / "link").symlink_to("one")
    (here / "tree" / "folder").symlink_to("sub")
    there = server.folder / "linked"
    assert program("scp", "-r", "-d", "-q", f"{here / 'tree'}/", f"dev1:{there}").code == 0
    assert (there / "link").read_bytes() == (here / "tree" / "one").read_bytes()
    assert (there / "folder" / "run").is_file()


@pytest.mark.parametrize("flags", [(), ("-d",)])
def test_several_files_are_copied_into_a_folder(
    flags: tuple[str, ...],
    client: dict[str, str],
    program: Program,
    store: Store,
    server: LoopbackServer,
    here: Path,
) -> None:
    """The shell makes several words of ``*.txt``."""
    if flags and not shutil.which("rsync"):
        pytest.skip("no rsync program")
    add_host(store, server)
    there = server.folder / "several"
    there.mkdir()
    (here / "tree" / "two").write_text("2")
    words = (*flags, str(here / "tree" / "one"), str(here / "tree" / "two"))
    assert program("scp", "-q", *words, f"dev1:{there}", **client).code == 0
    assert sorted(path.name for path in there.iterdir()) == ["one", "two"]
    if not flags:
        refused = program("scp", "-q", *words, f"dev1:{there / 'two'}", **client)
        assert refused.code
        assert (there / "two").read_text() == "2"


def test_delta_between_machines_is_refused(
    program: Program, store: Store, server: LoopbackServer
) -> None:
    add_host(store, server, "dev1")
    add_host(store, server, "dev2")
    result = program("scp", "-d", "dev1:x", "dev2:x")
    assert result.code == 2
    assert "--delta" in result.err


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that write down how they were called."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sshfs", "fusermount3", "rsync"):
        (folder / name).write_text(
            '#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@" > "$CALLED"\n'
            'while [ $# -gt 0 ]; do [ "$1" = -F ] && cat "$2" >> "$CALLED"; shift; done\n'
        )
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLED", str(tmp_path / "called"))
    return tmp_path / "called"


def test_mount(program: Program, store: Store, server: LoopbackServer, recording: Path) -> None:
    add_host(store, server)
    assert program("mount", "dev1:/srv", "here").code == 0
    called = recording.read_text().splitlines()
    assert (called[0], called[3:5]) == ("sshfs", ["root@ecsmachine-dev1:/srv", "here"])
    settings = [line.strip() for line in called[5:]]
    assert f"Port {server.port}" in settings
    assert f'UserKnownHostsFile "{store.directory("dev1") / "known_hosts"}"' in settings
    assert program("mount", "dev1:/srv").code == 0
    assert recording.read_text().splitlines()[4] == "/srv"
    assert program("mount", "-u", "dev1:/srv").code == 0
    assert recording.read_text().splitlines() == ["fusermount3", "-u", "--", "/srv"]


def test_a_mount_keeps_no_secrets(
    program: Program,
    store: Store,
    server: LoopbackServer,
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sshfs = Path(shutil.which("sshfs") or "")
    sshfs.write_text('#!/bin/sh\nenv > "$CALLED"\n')
    monkeypatch.setenv("ECS_ACCESS_KEY_SECRET", "hush")
    monkeypatch.setenv("ECS_REGION", "cn-hangzhou")
    add_host(store, server)
    assert program("mount", "dev1:/srv", "here").code == 0
    assert "ECS_REGION=cn-hangzhou" in recording.read_text()
    assert "hush" not in recording.read_text()


def test_mount_of_the_default_machine(
    program: Program, store: Store, server: LoopbackServer, recording: Path
) -> None:
    assert program("mount", "/srv").code == 2
    add_host(store, server, "default")
    assert program("mount", "/srv", "here").code == 0
    assert "root@ecsmachine-default:/srv" in recording.read_text()


def test_mount_without_sshfs(
    program: Program, store: Store, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_host(store, server)
    monkeypatch.setattr("shutil.which", lambda name: None)
    result = program("mount", "dev1:/srv", "here")
    assert result.code == 1
    assert "Install the package sshfs" in result.err


@pytest.mark.skipif(not shutil.which("scp"), reason="no scp program")
def test_a_copy_that_fails_as_the_machine_has_stopped_says_so(
    program: Program,
    store: Store,
    server: LoopbackServer,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register_told_driver(monkeypatch, ToldWithReason)
    add_host(store, server, State="Stopped")
    result = program("scp", "-q", "dev1:/nowhere/at all", str(here))
    assert result.code == 1
    assert 'Machine "dev1" stopped: it has stopped' in result.err


def test_a_drive_is_no_machine_where_there_are_drives(
    client: dict[str, str],
    program: Program,
    store: Store,
    server: LoopbackServer,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_host(store, server)
    (here / "C:\\one").write_text("x")
    monkeypatch.chdir(here)
    there = server.folder / "one there"
    refused = program("scp", "-q", "C:\\one", f"dev1:{there}", **client)
    assert (refused.code, 'Docker machine "C" does not exist' in refused.err) == (1, True)
    monkeypatch.setattr("os.path.splitdrive", ntpath.splitdrive)
    if client:  # the scp program of this system knows no drives
        assert program("scp", "-q", "C:\\one", f"dev1:{there}", **client).code == 0
        assert there.read_text() == "x"
    assert _word(Place("C:\\one")) == "C:\\one"
    assert _word(Place("a:b")) == "a:b"  # of the drive A
    assert _word(Place("-a")) == "./-a"


def test_a_name_that_windows_has_not_is_left_out_there(
    program: Program,
    store: Store,
    server: LoopbackServer,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_host(store, server)
    tree = server.folder / "tree"
    tree.mkdir()
    for name in ("good", "..\\evil", "C:evil", "nul"):
        (tree / name).write_text(name)
    monkeypatch.setattr("ecsmachine.ssh.file_copy.why_no_folder", why_not_on_windows)
    result = program("scp", "-r", f"dev1:{tree}", str(here / "copied"), **NATIVE)
    assert result.code == 1
    assert "3 of 5 files and folders could not be copied" in result.err
    assert "Windows takes it for a device" in result.err
    assert [path.name for path in (here / "copied").iterdir()] == ["good"]
