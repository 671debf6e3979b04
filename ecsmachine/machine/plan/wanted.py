"""What a file wants a machine to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ecsmachine.machine.create_request import CreateRequest


@dataclass(frozen=True)
class Setup:
    """What is done on a host once the machine is made: files copied there, then commands run.

    A copy is of a path here to one there; each command is a script of the login user's shell.
    """

    copies: tuple[tuple[Path, str], ...] = ()
    commands: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.copies or self.commands)


@dataclass(frozen=True)
class Wanted:
    """A machine that a file names: the create that would make it, and what follows that.

    ``group`` is the name in the file: web for web-1, web-2, …
    """

    request: CreateRequest
    group: str
    setup: Setup = field(default_factory=Setup)

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.request.name
