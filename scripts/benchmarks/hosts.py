"""Hosts near and far: logins, and what a way of 25 and 100 ms makes of commands."""

from __future__ import annotations

import re
import time
from functools import partial

from ground import PROGRAM, Ground, Run, run
from lines import Figure, line

_GROUP = "hosts"
_DELAYS_MS = (0, 25, 100)
_SHARED = "MACHINE_SSH_CONTROL_PERSIST"
_SSH = ("ssh", "dev", "true")


def _peer(ground: Ground) -> str:
    if ground.peer is None:
        raise LookupError
    return ground.peer


@line(_GROUP, "the first ssh, of Docker Machine's", 0.9)
def first_ssh(ground: Ground) -> Figure:
    ours = {**ground.dev.environment, _SHARED: "1"}
    # the connection of the run before is over
    return ground.in_pairs(
        [PROGRAM, *_SSH],
        ours,
        [_peer(ground), *_SSH],
        ground.far.theirs_near,
        between=lambda: time.sleep(1.2),
    )


@line(_GROUP, "the second ssh within a minute, of Docker Machine's", 0.35)
def second_ssh(ground: Ground) -> Figure:
    ground.dev.run(*_SSH)
    theirs = [_peer(ground), *_SSH]
    return ground.in_pairs([PROGRAM, *_SSH], ground.dev.environment, theirs, ground.far.theirs_near)


@line(_GROUP, "the second ssh within a minute, of the first")
def second_of_first(ground: Ground) -> Figure:
    ground.dev.run(*_SSH)
    alone = {**ground.dev.environment, _SHARED: "0"}
    return ground.in_pairs([PROGRAM, *_SSH], ground.dev.environment, [PROGRAM, *_SSH], alone)


def _at_a_distance(words: tuple[str, ...], delay_ms: int, ground: Ground) -> Figure:
    """Return the seconds of a command, with the turns that it took and Docker Machine's beside."""
    far = ground.far
    far.set_delay(delay_ms)
    try:
        far.turns()
        ours = {**far.ours, _SHARED: "0"}
        taken = run([PROGRAM, *words], ours).wall_s
        beside = f"s; {far.turns()} turns"
        if ground.peer is not None:
            theirs = run([ground.peer, *words], far.theirs).wall_s
            beside += f"; Docker Machine {theirs:.2f} s, {far.turns()} turns"
        return Figure(taken, beside)
    finally:
        far.set_delay(0)


for _words, _limit in (
    (_SSH, None),
    (("env", "dev"), 0.6),
    (("status", "dev"), None),
    (("ls",), None),
):
    for _delay in _DELAYS_MS:
        line(_GROUP, f"{' '.join(_words)}, {_delay} ms away", _limit if _delay == 100 else None)(
            partial(_at_a_distance, _words, _delay)
        )


def turns(done: Run) -> int:
    """Return how often a command has waited for hosts, as it tells with ``--debug``."""
    return sum(map(int, re.findall(r": (\d+) turns over SSH$", done.output, re.MULTILINE)))


def _turns(words: tuple[str, ...], ground: Ground) -> Figure:
    done = ground.dev.run("--debug", *words)
    return Figure(turns(done), f"({done.wall_s:.1f} s)")


for _work in (
    *("provision dev", "regenerate-certs -f dev", "config set dev --engine-label bench=1"),
    "upgrade dev",
):
    line("turns", f"{_work}: turns over SSH", 25)(partial(_turns, tuple(_work.split())))
