"""Cloud Assistant: runs scripts in guests, and records the outcome.

The state records waiting and running scripts (Pending, Running, Stopping). If the server ends, the
next server ends the running scripts in the guests, and they have failed; it starts the waiting
ones.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.host.guests.scripts import GuestScript, Outcome, ScriptEnd
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.state.commands import Invocation, ScriptResult, ScriptStatus
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads, unchanged

PARAMETER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
"""A parameter in the text of a command."""

BUILT_IN = tuple(
    f"acs::{name}"
    for name in ("regionid", "accountid", "instanceid", "instancename", "invokeid", "commandid")
)
"""Parameters that every command has; letters of either case are the same."""

_Ending = tuple[ScriptStatus, str, str]
"""A status, and ``ErrorCode`` and ``ErrorInfo`` that go with it."""
_ENDINGS: Mapping[Outcome, _Ending] = {
    "exited": ("Success", "", ""),
    "timeout": ("Timeout", "ExecutionTimeout", "The command execution has been timeout."),
    "stopped": ("Terminated", "", ""),
    "interrupted": ("Failed", "ExecutionInterrupted", "The command task was interrupted."),
    "no agent": (
        *("Aborted", "ClientNotRunning"),
        "The aliyun service is not running on the instance.",
    ),
    "no user": ("Invalid", "AccountNotExists", "The specified account does not exist."),
    "no folder": ("Invalid", "DirectoryNotExists", "The specified directory does not exist."),
}
_NONZERO: _Ending = (*("Failed", "ExitCodeNonzero"), "The command execution exit code is not zero.")
_NOT_RUNNING: _Ending = (
    *("Aborted", "InstanceNotRunning"),
    "The specified instance was not running during task execution.",
)
_RELEASED: _Ending = (
    *("Failed", "InstanceReleased"),
    "The specified instance was released during task execution.",
)


@dataclass
class CommandWork:
    """The work on invocations. Actions call it inside their transaction."""

    state: State
    guests: Guests
    supervisor: Supervisor
    threads: Threads

    def begin(self, invocation: Invocation) -> None:
        """Run a command on its instances, on those where it is Pending."""
        for result in invocation.results:
            if result.status == "Pending":
                self._begin(invocation.id, result.instance_id)

    def recover(self) -> None:
        """Finish the work of the last server; inside a transaction."""
        for invocation in list(self.state.invocations):
            for result in invocation.results:
                if result.status in ("Running", "Stopping"):
                    stopped = result.status == "Stopping"
                    outcome: Outcome = "stopped" if stopped else "interrupted"
                    self._end(invocation.id, result.instance_id, _ENDINGS[outcome])
                    self._begin_end(invocation.id, result.instance_id)
            self.begin(invocation)

    def change(self, invocation_id: str, instance_id: str, **changes: Any) -> None:
        """Replace the record of a command on an instance."""
        with self.state.transaction():
            invocation = self.state.invocations.get(invocation_id)
            if invocation is not None:
                results = tuple(
                    replace(result, updated=timestamp(), **changes)
                    if result.instance_id == instance_id
                    else result
                    for result in invocation.results
                )
                self.state.invocations.put(replace(invocation, results=results))

    def _begin(self, invocation_id: str, instance_id: str) -> None:
        self.supervisor.begin(
            f"{invocation_id}/{instance_id}",
            f"command {invocation_id} on {instance_id}",
            lambda: self._run(invocation_id, instance_id),
            lambda reason: self._end(
                invocation_id, instance_id, ("Error", "ExecutionException", reason)
            ),
            followed=not self.guests.runs_scripts,  # how long one takes is its own affair
        )

    def _begin_end(self, invocation_id: str, instance_id: str) -> None:
        self.supervisor.begin(
            f"{invocation_id}/{instance_id}",
            f"the end of command {invocation_id} on {instance_id}",
            lambda: self.threads.run(self.guests.end_script, instance_id, invocation_id),
            unchanged,
        )

    async def _run(self, invocation_id: str, instance_id: str) -> None:
        instance = self.state.instances.get(instance_id)
        if self._result(invocation_id, instance_id, "Pending") is None:
            return  # it was cancelled
        if instance is None or instance.status != "Running":
            self._end(invocation_id, instance_id, _NOT_RUNNING)
            return
        # Work that the threads have not started waits, and may be cancelled.
        end = await self.threads.run(self._run_in_guest, invocation_id, instance)
        if end is None:
            return
        ending = _ENDINGS[end.outcome]
        if end.outcome == "exited" and end.exit_code:
            ending = _NONZERO
        now = self.state.instances.get(instance_id)
        if now is None and ending[0] != "Success":
            ending = _RELEASED
        elif now is not None and now.status != "Running" and ending[0] == "Failed":
            ending = _ENDINGS["interrupted"]
        self._end(
            invocation_id,
            instance_id,
            ending,
            exit_code=end.exit_code,
            output=base64.b64encode(end.output).decode(),
            dropped=end.dropped,
        )

    def _run_in_guest(self, invocation_id: str, instance: Instance) -> ScriptEnd | None:
        with self.state.transaction():
            found = self._result(invocation_id, instance.id, "Pending")
            if found is None:
                return None
            self.change(invocation_id, instance.id, status="Running", started=timestamp())
        invocation, _ = found
        script = GuestScript(
            name=invocation_id,
            content=script_of(invocation, instance, self.state.account.id),
            user=invocation.user,
            folder=invocation.working_dir,
            timeout_s=invocation.timeout_s,
            whole_tree=invocation.termination == "ProcessTree",
        )

        def going() -> bool:
            self.supervisor.pause(0)
            return self._result(invocation_id, instance.id, "Running") is not None

        return self.guests.run_script(instance.id, script, going)

    def _result(
        self, invocation_id: str, instance_id: str, status: ScriptStatus
    ) -> tuple[Invocation, ScriptResult] | None:
        """Return a command on an instance if it is in this status there."""
        invocation = self.state.invocations.get(invocation_id)
        for result in invocation.results if invocation is not None else ():
            if invocation is not None and result.instance_id == instance_id:
                return (invocation, result) if result.status == status else None
        return None

    def _end(self, invocation_id: str, instance_id: str, ending: _Ending, **changes: Any) -> None:
        status, code, error = ending
        at = {"stopped" if status == "Terminated" else "finished": timestamp()}
        self.change(
            invocation_id,
            instance_id,
            **{"status": status, "error_code": code, "error": error, **at, **changes},
        )


def script_of(invocation: Invocation, instance: Instance, account_id: str) -> bytes:
    """Return the script of an invocation for an instance, with its parameters put in."""
    content = base64.b64decode(invocation.command.content)
    if not invocation.command.has_parameters:
        return content
    built_in = (
        *(invocation.region, account_id, instance.id, instance.name),
        *(invocation.id, invocation.command.id),
    )
    values = {
        **dict(zip(BUILT_IN, built_in, strict=True)),
        **{name.lower(): value for name, value in invocation.parameters.items()},
    }
    text = content.decode(errors="surrogateescape")
    put_in = PARAMETER.sub(lambda match: values.get(match[1].strip().lower(), ""), text)
    return put_in.encode(errors="surrogateescape")
