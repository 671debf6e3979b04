"""Every-day commands, against a Python that does nothing."""

from __future__ import annotations

import sys
from functools import partial

from ground import PROGRAM, Ground
from lines import Figure, line

_GROUP = "everyday"
_NAMES = ("__complete", "ip", "")

LIMITS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("version",), 2.0),
    (("ls", "-q"), 2.0),
    (_NAMES, 2.0),
    (("ip", "dev"), 3.5),
    (("url", "dev"), 3.5),
    (("inspect", "dev"), 3.5),
    (("env", "dev"), 4.5),
    (("config", "dev"), 4.5),
    (("status", "dev"), 4.5),
    (("ls",), 4.5),
)
"""Commands, and how often ``python -c pass`` may fit into each."""


def _against_python(words: tuple[str, ...], ground: Ground) -> Figure:
    return ground.against_python(*words)


for _words, _limit in LIMITS:
    _what = "completion of names" if _words == _NAMES else " ".join(_words)
    line(_GROUP, f"{_what}, of python -c pass", _limit)(partial(_against_python, _words))


@line(_GROUP, "active without a machine, of python -c pass", 2.0)
def active(ground: Ground) -> Figure:
    failing = ["sh", "-c", '"$0" active; exit 0', PROGRAM]
    other = ["sh", "-c", '"$0" -c pass; exit 0', sys.executable]
    return ground.in_pairs(failing, ground.dev.environment, other)


@line(_GROUP, "prompt with a config.toml, of python -c pass", 2.0)
def prompt(ground: Ground) -> Figure:
    path = ground.dev.work / "config.toml"
    path.write_text('region = "cn-hangzhou"\n[create]\nengine-label = ["for=bench"]\n')
    path.chmod(0o600)
    environment = {**ground.dev.environment, "ECSMACHINE_CONFIG": str(path)}
    return ground.in_pairs([PROGRAM, "prompt"], environment, [sys.executable, "-c", "pass"])


@line(_GROUP, "the most memory of these, in MiB", 30.0)
def memory(ground: Ground) -> Figure:
    peaks = {" ".join(words): ground.dev.peak_mib(*words) for words, _ in LIMITS}
    most = max(peaks, key=lambda words: peaks[words])
    return Figure(peaks[most], f"({most})")


def _against_peer(words: tuple[str, ...], ground: Ground) -> Figure:
    if ground.peer is None:
        raise LookupError
    theirs = [ground.peer, *words]
    return ground.in_pairs(
        [PROGRAM, *words], ground.dev.environment, theirs, ground.far.theirs_near
    )


for _words, _ in LIMITS[3:]:
    line(_GROUP, f"{' '.join(_words)}, of Docker Machine's")(partial(_against_peer, _words))
