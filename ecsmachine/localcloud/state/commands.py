"""Commands of Cloud Assistant, and what became of them on instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ScriptStatus = Literal[
    "Pending",
    "Running",
    "Stopping",
    "Success",
    "Failed",
    "Timeout",
    "Error",
    "Aborted",
    "Invalid",
    "Cancelled",
    "Terminated",
]
"""The words of ``InvocationStatus`` for one instance."""
Termination = Literal["Process", "ProcessTree"]
UNDER_WAY: tuple[ScriptStatus, ...] = ("Pending", "Running", "Stopping")


@dataclass(frozen=True)
class Command:
    """A script; ``content`` is in base64, ``kind`` is RunShellScript or one for Windows."""

    id: str
    region: str
    name: str
    description: str
    kind: str
    content: str = field(repr=False)
    created: str
    working_dir: str = ""
    timeout_s: int = 60
    has_parameters: bool = False
    resource_group_id: str = ""


@dataclass(frozen=True)
class ScriptResult:
    """What became of a command on an instance; ``output`` is the end of it, in base64.

    ``exit_code`` is -1 for one that was not run to its end.
    """

    instance_id: str
    status: ScriptStatus = "Pending"
    updated: str = ""
    started: str = ""
    finished: str = ""
    stopped: str = ""
    exit_code: int = -1
    output: str = field(default="", repr=False)
    dropped: int = 0
    error_code: str = ""
    error: str = ""


@dataclass(frozen=True)
class Invocation:
    """A command that was given to instances: the command as it was then, and the results."""

    id: str
    region: str
    command: Command
    created: str
    user: str
    working_dir: str
    timeout_s: int
    termination: Termination
    parameters: dict[str, str] = field(default_factory=dict, repr=False)
    resource_group_id: str = ""
    results: tuple[ScriptResult, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether it has not ended on some instance."""
        return any(result.status in UNDER_WAY for result in self.results)
