"""Commands of Cloud Assistant, and what became of them on instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

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

    id: Annotated[str, "CommandId"]
    region: str
    name: Annotated[str, "Name"]
    description: Annotated[str, "Description"]
    kind: Annotated[str, "Type"]
    content: str = field(repr=False)
    created: Annotated[str, "CreationTime"]
    working_dir: Annotated[str, "WorkingDir"] = ""
    timeout_s: Annotated[int, "Timeout"] = 60
    has_parameters: Annotated[bool, "EnableParameter"] = False
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""


@dataclass(frozen=True)
class ScriptResult:
    """The outcome of a command on an instance; ``output`` is the end of its output, in base64.

    ``exit_code`` is -1 if it did not run to its end.
    """

    instance_id: Annotated[str, "InstanceId"]
    status: Annotated[ScriptStatus, "InvocationStatus"] = "Pending"
    updated: str = ""
    started: Annotated[str, "StartTime"] = ""
    finished: str = ""
    stopped: Annotated[str, "StopTime"] = ""
    exit_code: Annotated[int, "ExitCode"] = -1
    output: str = field(default="", repr=False)
    dropped: Annotated[int, "Dropped"] = 0
    error_code: Annotated[str, "ErrorCode"] = ""
    error: Annotated[str, "ErrorInfo"] = ""


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
