"""Every-day commands in a plain form: read by a table, without the weight of typer.

A form is plain if every flag stands as help writes it, each at most once (``--filter`` as often as
wanted), and every other word is the name of a machine. Whatever is not plain, and whatever the
environment changes of how a command runs, is left to typer, which does the same with it.
"""

from __future__ import annotations

import os

from ecsmachine.cli.arguments.context import Session, configure
from ecsmachine.cli.display.cleaning import is_plain

_SWITCH, _TEXT, _TEXTS, _SECONDS = "switch", "text", "texts", "seconds"
_JSON = {"--json": ("json", _SWITCH)}
_TIMEOUT = {"--timeout": ("timeout", _SECONDS), "-t": ("timeout", _SECONDS)}
_FORMAT = {"--format": ("format_", _TEXT), "-f": ("format_", _TEXT)}
_SWARM = {"--swarm": ("swarm", _SWITCH)}
_MANY = 1 << 20

COMMANDS: dict[str, tuple[str, dict[str, tuple[str, str]], str, int]] = {
    "active": ("looks", _TIMEOUT | _JSON, "", 0),
    "config": ("connection", _SWARM | _JSON, "names", 1),
    "env": (
        "connection",
        {
            **(_SWARM | _JSON),
            "--shell": ("shell", _TEXT),
            "--unset": ("unset", _SWITCH),
            "-u": ("unset", _SWITCH),
            "--no-proxy": ("no_proxy", _SWITCH),
        },
        "names",
        1,
    ),
    "inspect": ("looks", _FORMAT | _JSON, "name", 1),
    "ip": ("looks", _JSON, "names", _MANY),
    "ls": (
        "ls",
        {
            **(_TIMEOUT | _FORMAT | _JSON),
            "--quiet": ("quiet", _SWITCH),
            "-q": ("quiet", _SWITCH),
            "--filter": ("filters", _TEXTS),
            "--output": ("output", _TEXT),
            "-o": ("output", _TEXT),
            "--sort": ("sort", _TEXT),
        },
        "",
        0,
    ),
    "prompt": ("looks", _JSON, "", 0),
    "status": ("looks", _JSON, "names", _MANY),
    "url": ("looks", _JSON, "names", _MANY),
    "version": ("looks", _JSON, "name", 1),
}
"""The module of each command, its flags (the parameter and the kind of each), the parameter that
takes names, and how many of them there may be. What typer has beside it is not plain."""

_BELOW_CONFIG = ("set", "unset", "show")
"""Words after ``config`` that are commands of their own."""


def read(arguments: list[str], session: Session) -> dict[str, object] | None:
    """Return the parameters of a command line that is plain; None for one that is not."""
    if not arguments or session.debug or _changes_how_it_runs(session):
        return None
    if session.settings.has_options(arguments[0]):
        return None
    return _read(arguments[0], arguments[1:])


def run(command: str, session: Session, found: dict[str, object]) -> object:
    """Run a command with the parameters that were read. Raises and returns as the command does."""
    configure(session)
    name = "login" if command == "ssh" else COMMANDS[command][0]
    module = __import__(f"ecsmachine.cli.everyday.{name}", fromlist=[command])
    return getattr(module, command)(session, **found)


def suggested_names(words: list[str], current: str, session: Session) -> list[str] | None:
    """Return the machines that ``current`` may become after a command and other names.

    None if that is not what is typed.
    """
    command = words[0] if words else ""
    if current.startswith("-") or not COMMANDS.get(command, ("", {}, "", 0))[3]:
        return None
    if command == "config" or any(word.startswith("-") for word in words):
        return None
    if len(words) > COMMANDS[command][3]:
        return None
    from ecsmachine.machine.names import names_in

    names = names_in(os.path.join(session.storage, "machines"))
    return [
        name
        for name in names
        if name.startswith(current) and name not in words[1:] and is_plain(name)
    ]


def _changes_how_it_runs(session: Session) -> bool:
    variables = ("MACHINE_DEBUG", "MACHINE_NATIVE_SSH", "MACHINE_TLS_KEY_TYPE")
    return any(session.environment.get(variable) for variable in variables)


def _read(command: str, words: list[str]) -> dict[str, object] | None:
    """Return the parameters of a command, or None if the words are not plain."""
    if command == "ssh":
        # options of ssh, and a name that is none, are looked at by typer
        if not all(words[:1]) or any(word.startswith("-") for word in words[:2]) or not words:
            return None
        return {"name": words[0], "command": words[1:]}
    if command not in COMMANDS or (command == "config" and words and words[0] in _BELOW_CONFIG):
        return None
    _, flags, takes_names, most = COMMANDS[command]
    found: dict[str, object] = {}
    several: dict[str, list[str]] = {}
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            names.append(word)
            continue
        flag, equals, value = word.partition("=")
        if flag not in flags or (equals and not flag.startswith("--")):
            return None
        parameter, kind = flags[flag]
        if kind == _SWITCH:
            if equals or parameter in found:
                return None
            found[parameter] = True
            continue
        if not equals:
            value = next(rest, "-")
            if value.startswith("-"):
                return None
        if kind == _TEXTS:
            several.setdefault(parameter, []).append(value)
        elif parameter in found or (kind == _SECONDS and not _is_seconds(value)):
            return None
        else:
            found[parameter] = int(value) if kind == _SECONDS else value
    if len(names) > most or not all(names):
        return None
    found.update(several)
    if names:
        found[takes_names] = names if takes_names == "names" else names[0]
    return found


def _is_seconds(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 10
