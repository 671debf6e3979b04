"""What every command is handed: the store, the environment, and how it was called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from ecsmachine import __version__
from ecsmachine.cli.display import docker_machine
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.interruption import Interruption
    from ecsmachine.machine.store import Store


_COMMAND = re.compile(r"""(?<=["'(])ecsmachine |(?<=: )ecsmachine """)
"""Our name where a command begins in a text for people."""


@dataclass
class Session:
    """One run of the program.

    ``program`` is the command line, from the name that we were called by. ``certificate_paths``
    are the ``--tls-…`` options, by the names of
    :class:`~ecsmachine.machine.model.AuthOptions`. ``under_way`` names the machines whose create
    has begun and is not over, ``interruption`` ends it. ``checkpoint`` is told of every change of
    a journal, request to a cloud and command on a host.
    """

    storage_path: Path
    environment: Mapping[str, str]
    program: list[str] = field(default_factory=list)
    debug: bool = False
    native_ssh: bool = False
    certificate_paths: dict[str, Path] = field(default_factory=dict)
    tls_key_type: str = "ecdsa"
    under_way: list[str] = field(default_factory=list)
    interruption: Interruption | None = None
    checkpoint: Callable[[str], None] = lambda point: None
    _warned: set[str] = field(default_factory=set)

    @cached_property
    def store(self) -> Store:
        """The machine store; opened at first use."""
        from ecsmachine.machine.store import Store

        return Store(self.storage_path, self.environment, self.warn, self.checkpoint)

    @property
    def is_docker_machine(self) -> bool:
        """Whether we were called by Docker Machine's name."""
        return self.program[:1] == [docker_machine.NAME]

    def version_line(self) -> str:
        """Return which release this is."""
        if self.is_docker_machine:
            return docker_machine.version_line(__version__)
        return f"ecsmachine version {__version__}"

    def as_called(self, text: str) -> str:
        """Return a text in which the commands to run next have the name we were called by."""
        return _COMMAND.sub(f"{self.program[0]} ", text) if self.program else text

    def warn(self, line: str) -> None:
        """Print a warning, once however many machines it comes from."""
        from ecsmachine.cli.display.printer import warn

        if line not in self._warned:
            self._warned.add(line)
            warn(line)


def session(ctx: typer.Context) -> Session:
    """Return the session of a command's context."""
    return cast("Session", ctx.obj)


def machine_names(
    session: Session, names: list[str] | None, *, missing: Callable[[str], None] | None = None
) -> list[str]:
    """Return the names that a command was given; ``default``, if there is one, where none was.

    Braces stand for several names, and patterns for the machines that they fit. Raises
    :class:`UsageError` if no name is given and no machine is called ``default``, and
    :class:`~ecsmachine.errors.MachineError` if a pattern fits no machine, unless ``missing`` is
    told of that.
    """
    if names:
        return _named(session, names, missing)
    if session.store.exists("default"):
        return ["default"]
    raise UsageError(
        'No machine name(s) specified and no "default" machine exists',
        hint='Use "ecsmachine ls" to list machines.',
    )


def one_machine_name(session: Session, names: list[str] | None) -> str:
    """Return as :func:`machine_names` does. Raises :class:`UsageError` for more than one."""
    chosen = machine_names(session, names)
    if len(chosen) > 1:
        raise UsageError(
            "Expected one machine name as an argument", hint=f"There are: {', '.join(chosen)}."
        )
    return chosen[0]


def _named(session: Session, words: list[str], missing: Callable[[str], None] | None) -> list[str]:
    if not any(character in word for word in words for character in "{*?["):
        return words
    from ecsmachine.cli.arguments.names import expand, is_pattern, matching

    names: dict[str, None] = {}
    existing = session.store.names()
    for word in expand(words):
        try:
            found = matching(word, existing) if is_pattern(word) else [word]
        except MachineError as error:
            if missing is None:
                raise
            missing(error.message)
        else:
            names.update(dict.fromkeys(found))
    return list(names)


def existing_machine_names(session: Session, names: list[str] | None) -> list[str]:
    """Return as :func:`machine_names` does, each once, after all of them have been found.

    Raises :class:`~ecsmachine.machine.model.MachineNotFoundError` for the first that is not there.
    """
    chosen = list(dict.fromkeys(machine_names(session, names)))
    for name in chosen:
        if not session.store.exists(name):
            from ecsmachine.machine.model import MachineNotFoundError

            raise MachineNotFoundError(name)
    return chosen
