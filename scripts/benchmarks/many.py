"""Many machines: made and removed at once, asked for together, and listed."""

from __future__ import annotations

import json
import shutil
import socket
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial

from ground import Cloud, Ground
from lines import Figure, line

_GROUP = "many"
_CREATE = ("create", "-d", "aliyunecs")
_BARE = (*_CREATE, "--no-provision")


@cache
def _one(cloud: Cloud, *words: str) -> float:
    """Return the seconds of a create of one machine."""
    taken = []
    for _ in range(3):
        taken.append(cloud.run(*words, "one").wall_s)
        cloud.run("rm", "-y", "one")
    return statistics.median(taken)


def _at_once(count: int, guests: bool, ground: Ground) -> Figure:
    cloud, words = (ground.cloud, _CREATE) if guests else (ground.empty_cloud, _BARE)
    one_s = _one(cloud, *words)
    done = cloud.run(*words, "web", "--count", str(count))
    cloud.run("rm", "-y", "web-*")
    times = f"{done.wall_s:.1f} s / {one_s:.1f} s; {done.cpu_s:.1f} s of CPU"
    return Figure(done.wall_s / one_s, f"({times})")


for _count, _guests, _limit in ((20, False, 2), (100, False, 5), (8, True, 4)):
    _what = "with guests and engines" if _guests else "without guests"
    line(_GROUP, f"create of {_count} {_what}, of one", _limit)(partial(_at_once, _count, _guests))


@cache
def _crowd(ground: Ground, count: int = 250) -> Cloud:
    """Return a cloud without guests, of so many machines and their store."""
    cloud = ground.new_cloud("none")
    cloud.run(*_BARE, "crowd", "--count", str(count))
    return cloud


def _asked(command: str, ground: Ground) -> Figure:
    cloud = _crowd(ground)
    cloud.api.reset()
    done = cloud.run(command, "*")
    return Figure(cloud.api.requests, f"({done.wall_s:.2f} s)")


for _command in ("status", "ip", "url"):
    line(_GROUP, f'{_command} "*" of 250 machines: requests', 5)(partial(_asked, _command))


@line(_GROUP, "rm of 70 machines: requests for each", 2.2)
def removal(ground: Ground) -> Figure:
    cloud = ground.empty_cloud
    cloud.run(*_BARE, "gone", "--count", "70")
    cloud.api.reset()
    done = cloud.run("rm", "-y", "gone-*")
    return Figure(cloud.api.requests / 70, f"({cloud.api.requests} in {done.wall_s:.1f} s)")


@contextmanager
def _listed(ground: Ground, count: int, silent: int = 0) -> Iterator[Cloud]:
    """Give a cloud whose store has machines that are only URLs; at some of them nobody speaks."""
    cloud = ground.empty_cloud
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        there = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        cloud.run("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "m0")
        first = cloud.store / "machines" / "m0"
        config = json.loads((first / "config.json").read_text())
        for number in range(count):
            folder = first.with_name(f"m{number}")
            if number:
                shutil.copytree(first, folder)
            config["Name"] = config["Driver"]["MachineName"] = folder.name
            config["Driver"]["URL"] = there if number < silent else "tcp://127.0.0.1:1"
            (folder / "config.json").write_text(json.dumps(config))
        try:
            yield cloud
        finally:
            for number in range(count):
                shutil.rmtree(first.with_name(f"m{number}"))


@line(_GROUP, "ls of 500 machines, in seconds", 2)
def listing(ground: Ground) -> Figure:
    with _listed(ground, 500) as cloud:
        done = cloud.run("ls")
    return Figure(done.wall_s, f"({done.cpu_s:.2f} s of CPU)")


@line(_GROUP, "ls of 500 machines, in MiB", 150)
def listing_memory(ground: Ground) -> Figure:
    with _listed(ground, 500) as cloud:
        return Figure(cloud.peak_mib("ls"))


@line(_GROUP, "ls -t 2 of 100 machines of which 50 are silent, in seconds", 2.5)
def silent(ground: Ground) -> Figure:
    with _listed(ground, 100, silent=50) as cloud:
        return Figure(cloud.run("ls", "-t", "2").wall_s)
