"""The engine's options as a host has them: read back from the unit that provisioning writes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from ecsmachine.provision.base import EngineOptions, HostConnection
from ecsmachine.provision.engine import (
    CONFIGURATION_VARIABLE,
    DROP_IN_PATH,
    LIST_FLAGS,
    SWITCHES,
    TEXT_FLAGS,
)
from ecsmachine.provision.shell import as_root

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
_TEXTS = {"--storage-driver": "storage_driver", **TEXT_FLAGS}
_OURS = ("-H", "--host", "--tlscacert", "--tlscert", "--tlskey")
"""The flags, each with a value, that provisioning writes for every machine."""


def read_engine_options(host: HostConnection) -> EngineOptions:
    """Return the options that the host's engine was configured with; defaults where it was not."""
    answer = host.run(
        as_root(f"cat {shlex.quote(DROP_IN_PATH)} 2>/dev/null || :", host.user), timeout_s=60
    )
    return engine_options(answer.stdout)


def engine_options(drop_in: str) -> EngineOptions:
    """Return the options in the text of a unit that we, or Docker Machine, wrote.

    A flag that is one word with its value was given with ``--engine-opt``.
    """
    options = EngineOptions()
    command: list[str] = []
    for line in drop_in.splitlines():
        key, _, value = line.strip().partition("=")
        if key == "ExecStart" and value:
            command = list(_words(value, command_line=True))
        elif key == "Environment" and value:
            variables = _words(value, command_line=False)
            ours = f"{CONFIGURATION_VARIABLE}="
            options.env = [variable for variable in variables if not variable.startswith(ours)]
    words = iter(command[1:])
    for word in words:
        if word in _OURS:
            next(words, "")
        elif word in LIST_FLAGS:
            value = next(words, "")
            if word != "--label" or not value.startswith("provider="):
                known = getattr(options, LIST_FLAGS[word]) or []
                setattr(options, LIST_FLAGS[word], [*known, value])
        elif word in _TEXTS:
            setattr(options, _TEXTS[word], next(words, ""))
        elif word in SWITCHES:
            setattr(options, SWITCHES[word], True)
        elif word.startswith("--") and word != "--tlsverify":
            options.arbitrary_flags.append(word.removeprefix("--"))
    return options


def _words(text: str, *, command_line: bool) -> Iterator[str]:
    """Yield the words of a line of a unit, without quotes and specifiers (systemd.syntax(7))."""
    for match in _WORD.finditer(text):
        quoted, plain = match.groups()
        word = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        word = word.replace("%%", "%")
        yield word.replace("$$", "$") if command_line else word
