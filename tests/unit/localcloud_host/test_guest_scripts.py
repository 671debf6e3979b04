"""What is kept of a script's output, and when it is ended; a shell stands for the guest."""

from __future__ import annotations

import os

import pytest

from ecsmachine.localcloud.host.guests import scripts
from ecsmachine.localcloud.host.guests.scripts import OUTPUT_BYTES, GuestScript, ScriptEnd
from ecsmachine.localcloud.host.programs import ProgramError


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run scripts in a shell of this host; return the names of those that are ended."""
    killed: list[str] = []
    monkeypatch.setattr(scripts, "entered", lambda init: ())
    monkeypatch.setattr(scripts, "_CLIENT", "echo begun >&2; exec sh 2>&1")
    monkeypatch.setattr(scripts, "_kill", lambda init, name, whole_tree: killed.append(name))
    return killed


def run(content: str, going: scripts.Going = lambda: True, timeout_s: int = 60) -> ScriptEnd:
    script = GuestScript("t-1", content.encode(), "root", "", timeout_s)
    return scripts.run_script(os.getpid, script, going)


def test_output_and_exit_code(killed: list[str]) -> None:
    assert run("echo out; echo err >&2; exit 3") == ScriptEnd("exited", 3, b"out\nerr\n")
    assert killed == []


@pytest.mark.parametrize("size", [OUTPUT_BYTES, OUTPUT_BYTES + 1, 3_000_000])
def test_the_end_of_much_output(killed: list[str], size: int) -> None:
    end = run(f"head -c {size - 1} /dev/zero; printf x")
    assert (len(end.output), end.output[-2:]) == (OUTPUT_BYTES, b"\0x")
    assert end.dropped == size - OUTPUT_BYTES


def test_one_that_takes_too_long(killed: list[str]) -> None:
    end = run("echo begun; exec >&- 2>&-; exec sleep 600", timeout_s=3)
    assert end == ScriptEnd("timeout", output=b"begun\n")
    assert killed == ["t-1"]


def test_one_that_is_stopped(killed: list[str]) -> None:
    asked = iter([True, True, False])
    assert run("echo begun; sleep 600", lambda: next(asked)).outcome == "stopped"
    assert killed == ["t-1"]

    def closing() -> bool:
        raise KeyError("the server stops")

    with pytest.raises(KeyError):
        run("sleep 600", closing)
    assert killed == ["t-1", "t-1"]


def test_what_is_left_in_the_background_is_not_waited_for(killed: list[str]) -> None:
    assert run("echo out; sleep 20 & exit 0") == ScriptEnd("exited", 0, b"out\n")


def test_one_that_ends_with_its_guest(killed: list[str]) -> None:
    assert run("echo out; kill -9 $$") == ScriptEnd("interrupted", output=b"out\n")


@pytest.mark.parametrize("said", ["no user", "no folder"])
def test_one_that_does_not_begin(
    killed: list[str], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(scripts, "_CLIENT", f"echo {said} >&2; exit 1")
    assert run("true") == ScriptEnd(said)  # type: ignore[arg-type]
    monkeypatch.setattr(scripts, "_CLIENT", "echo 'nsenter: no such process' >&2; exit 1")
    with pytest.raises(ProgramError, match="no such process"):
        run("true")
