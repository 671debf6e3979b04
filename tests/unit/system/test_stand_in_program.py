"""What a program that runs in our place gets of the signals that we are sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.terminals import begin_in_front, terminal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it runs on Linux alone")

RUNNING = """
import os, sys
from ecsmachine.system import stand_in_program
status = stand_in_program.run(sys.argv[1:], os.environ)
sys.exit(status if status >= 0 else 128 - status)
"""
COUNTING = """
import os, signal, time
heard = []
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda number, _: heard.append(number))
print("ready", flush=True)
while not heard:
    time.sleep(0.02)
time.sleep(0.3)
print("heard", *map(int, heard), flush=True)
os._exit(7)
"""
WORDS = [sys.executable, "-c", RUNNING, sys.executable, "-c", COUNTING]


@contextmanager
def heard(number: signal.Signals) -> Iterator[None]:
    """Begin programs that hear a signal: under nohup, or in the background, it may be ignored."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_what_we_are_sent_it_answers(number: signal.Signals) -> None:
    with heard(number):
        program = subprocess.Popen(WORDS, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with program:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        assert program.stdout.read() == f"heard {int(number)}\n"
    assert program.returncode == 7


@pytest.mark.parametrize(("key", "number"), [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)])
def test_what_a_key_sends_it_gets_once(key: str, number: signal.Signals) -> None:
    with terminal() as (stream, written):
        with heard(number):
            program = begin_in_front(stream, *WORDS, environment={})
        written.until("ready")
        written.press(key)
        assert program.wait(60) == 7
        assert written.whole().endswith(f"heard {int(number)}\r\n")


def test_what_is_ignored_stays_so() -> None:
    with subprocess.Popen(
        ["nohup", *WORDS], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ) as program:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGHUP)
        program.send_signal(signal.SIGTERM)
        assert program.stdout.read() == f"heard {int(signal.SIGTERM)}\n"


def test_how_it_ends_is_told() -> None:
    for script, code in (
        ("exit 3", 3),
        ("kill -TERM $$", 143),
        ("ulimit -c 0; kill -SEGV $$", 139),
    ):
        done = subprocess.run(
            [sys.executable, "-c", RUNNING, "sh", "-c", script], env=dict(os.environ), timeout=60
        )
        assert done.returncode == code
