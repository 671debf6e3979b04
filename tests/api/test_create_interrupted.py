"""A create that is interrupted, at moments at which a signal handler must not break into it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.state.settings import Delays
from tests.api.driver_rig import Rig, rig_in

INTERRUPTED = """
import os, signal, sys, threading
from ecsmachine.cli import app

begin, handler_of = threading.Thread.start, app._interrupt
made = []  # what has been written into the journal
sent, handled = threading.Event(), threading.Event()

def start(thread):
    begin(thread)
    if made and thread.name.startswith("ThreadPoolExecutor"):
        made.clear()
        os.kill(os.getpid(), signal.SIGINT)  # it runs, and whoever begun it does not know it yet
        sent.set()

def noted(session):
    handle = handler_of(session)

    def interrupt(*signal):
        try:
            handle(*signal)
        finally:
            handled.set()

    return interrupt

def checkpoint(point):
    if sent.is_set():  # beside other work the main thread may be late, and all be done by then
        handled.wait()
    if point == os.environ["BEFORE"]:
        made.append(point)

threading.Thread.start, app._interrupt = start, noted
sys.exit(app.run(sys.argv[1:], dict(os.environ), checkpoint))
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path, Delays()) as rig:
        rig.instance_type = ""  # threads begin as soon as there is a journal: they look for one
        yield rig


def create(
    rig: Rig, script: str, *names: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, "create", "--no-provision", *names],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=90,
        env={**rig.program_environment(), **environment},
    )


@pytest.mark.parametrize("names", [["dev1"], ["web-1", "web-2"]])
def test_a_thread_that_was_just_begun_writes_nothing_after_the_undo(
    names: list[str], rig: Rig
) -> None:
    done = create(rig, INTERRUPTED, *names, BEFORE="after journal begin")
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "Error: Interrupted"
    whole = [name for name in names if f"{name}: made" in done.stdout]  # before it was interrupted
    left = (rig.store / "machines").iterdir()
    assert sorted(path.name for path in left) == whole, done.stdout
    assert rig.left().get("instances", 0) == len(whole)
    assert whole or rig.left() == {}
