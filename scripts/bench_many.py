"""Benchmarks of many machines: made at once, without guests and with them, and listed."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("ecsmachine"))
WITHOUT_GUESTS = 20
WITH_GUESTS = 8

Show = Callable[[str, str, str], None]


def measure_many(show: Show) -> None:
    """Take and print the figures of many machines at once."""
    with _cloud("none") as environment:
        create = ("create", "-d", "aliyunecs", "--no-provision")
        one = _timed(environment, *create, "one")
        many = _timed(environment, *create, "web", "--count", str(WITHOUT_GUESTS))
        _run(environment, "rm", "-y", "one", "web-*")
    show(
        f"{WITHOUT_GUESTS} machines without guests, against one",
        f"{many / one:.1f} ({many:.1f} s / {one:.1f} s)",
        "",
    )
    with _cloud("nspawn") as environment:
        one = _timed(environment, "create", "-d", "aliyunecs", "one")
        count = ("--count", str(WITH_GUESTS))
        many = _timed(environment, "create", "-d", "aliyunecs", "web", *count)
        _run(environment, "rm", "-y", "one", "web-*")
    show(
        f"{WITH_GUESTS} machines with guests and engines, against one",
        f"{many / one:.1f} ({many:.1f} s / {one:.1f} s)",
        "",
    )


def measure_listing(show: Show) -> None:
    """Take and print how long the short commands take with many machines in the store."""
    with tempfile.TemporaryDirectory(prefix="ecsmachine-bench.") as folder:
        environment = {**_clean(), "MACHINE_STORAGE_PATH": f"{folder}/store"}
        made = 0
        for count, wanted in ((1, "0.2"), (10, "0.25"), (100, "0.4")):
            for number in range(made, count):
                url = "tcp://127.0.0.1:1"
                _run(environment, "create", "-d", "none", "--url", url, f"m{number}")
            made = count
            show(
                f"ls with {count} machine{'s' if count > 1 else ''}, engine port closed",
                f"{_median(environment, 'ls'):.3f} s",
                f"<= {wanted} s",
            )
        for command in ("env", "config"):
            show(
                f"{command} of one of {made} machines",
                f"{_median(environment, command, 'm0', status=1):.3f} s",
                "<= 0.2 s",
            )
        with _silent() as url:
            for number in range(50):
                shutil.rmtree(Path(folder) / "store" / "machines" / f"m{number}")
                _run(environment, "create", "-d", "none", "--url", url, f"m{number}")
            show(
                "ls -t 2 with 100 machines of which 50 are silent",
                f"{_timed(environment, 'ls', '-t', '2'):.3f} s",
                "one timeout (2 s) and a little",
            )


@contextmanager
def _silent() -> Iterator[str]:
    """Accept connections, say nothing, and give the URL."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def _cloud(guests: str) -> Iterator[dict[str, str]]:
    """Give the environment of a new local cloud and a new store, removed at the end."""
    work = Path(tempfile.mkdtemp(prefix="ecsmachine-bench."))
    environment = {
        **_clean(),
        "ECSMACHINE_LOCAL_ROOT": str(work / "cloud"),
        "MACHINE_STORAGE_PATH": str(work / "store"),
    }
    try:
        _run(environment, "local", "up", "--guests", guests)
        for line in _run(environment, "local", "env", "--shell", "bash").splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                environment[name] = value.strip("\"'")
        if guests == "none":
            # nothing fetches it: no engine is installed there
            environment["MACHINE_DOCKER_INSTALL_URL"] = "http://127.0.0.1:1/"
        yield environment
    finally:
        _run(environment, "local", "reset", "-y")
        shutil.rmtree(work)


def _clean() -> dict[str, str]:
    prefixes = ("ECS_", "DOCKER_", "MACHINE_", "ALIBABA_CLOUD_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def _run(environment: dict[str, str], *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != status:
        raise SystemExit(f"ecsmachine {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def _timed(environment: dict[str, str], *arguments: str) -> float:
    begun = time.perf_counter()
    _run(environment, *arguments)
    return time.perf_counter() - begun


def _median(environment: dict[str, str], *arguments: str, status: int = 0) -> float:
    taken = []
    for _ in range(11):
        begun = time.perf_counter()
        _run(environment, *arguments, status=status)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
