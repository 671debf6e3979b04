"""Running commands of Cloud Assistant on instances, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.commands import (
    CONTENT_TOO_LONG,
    EMPTY_KEY,
    KINDS,
    MAX_CONTENT,
    command_of_request,
    in_encoding,
    keep,
    parameter_names,
    timeout_of_request,
    working_dir_of_request,
)
from ecsmachine.localcloud.actions.listing import Listing
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.protocol.wire import parse_json
from ecsmachine.localcloud.state import tagging
from ecsmachine.localcloud.state.commands import (
    UNDER_WAY,
    Command,
    Invocation,
    ScriptResult,
    ScriptStatus,
    Termination,
)
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.records import api_fields

MAX_INSTANCES = 100
MAX_INVOCATIONS = 1000
"""How many ended invocations are kept; the oldest are removed first."""
MAX_PARAMETERS = 10
_INSTANCE_NOT_FOUND = Refusal("InvalidInstance.NotFound")
_TOO_MANY = Refusal("InstanceIds.ExceedLimit")
_STOPPED: tuple[ScriptStatus, ...] = ("Cancelled", "Terminated")


def run_command(call: Call) -> Answer:
    """RunCommand: create and run a command; ``KeepCommand`` also keeps it."""
    command = command_of_request(call)
    if call.parameters.boolean("KeepCommand"):
        keep(call, command)
    invocation = _invoke(call, command)
    return {"CommandId": command.id, "InvokeId": invocation.id}


def invoke_command(call: Call) -> Answer:
    """InvokeCommand: a command that is kept is run; folder and time limit may be other ones."""
    command = call.required(call.state.commands, "CommandId")
    folder = working_dir_of_request(call.parameters) or command.working_dir
    timeout_s = timeout_of_request(call.parameters) or command.timeout_s
    invocation = _invoke(call, replace(command, working_dir=folder, timeout_s=timeout_s))
    return {"InvokeId": invocation.id}


def stop_invocation(call: Call) -> None:
    """StopInvocation: on some or all instances; ended ones stay unchanged."""
    parameters = call.parameters
    invocation = call.required(call.state.invocations, "InvokeId")
    ids = parameters.listed("InstanceId")
    if len(ids) > 50:
        raise _TOO_MANY()
    known = {result.instance_id: result for result in invocation.results}
    for instance_id in ids or known:
        result = known.get(instance_id)
        if result is None:
            raise _INSTANCE_NOT_FOUND()
        if result.status == "Pending":
            changes = {"status": "Cancelled", "stopped": timestamp()}
            call.lifecycle.commands.change(invocation.id, instance_id, **changes)
        elif result.status == "Running":
            call.lifecycle.commands.change(invocation.id, instance_id, status="Stopping")


def describe_invocations(call: Call) -> Answer:
    """DescribeInvocations: each with all its instances; output only on request."""
    parameters = call.parameters
    with_output = parameters.boolean("IncludeOutput")
    if with_output and not (parameters.given("InvokeId") or parameters.given("InstanceId")):
        raise missing_parameter("InvokeId")
    return _INVOCATIONS.answer(call)


def describe_invocation_results(call: Call) -> Answer:
    """DescribeInvocationResults: an entry for each instance of each invocation."""
    return {"Invocation": _RESULTS.answer(call)}


def _invoke(call: Call, command: Command) -> Invocation:
    parameters = call.parameters
    instances = _instances_of_request(call)
    if command.kind != "RunShellScript":
        raise refusals.of("InvalidInstance.NotMatch")
    user = parameters.text("Username", "root")
    if len(user) > 255:
        raise refusals.of("Username.ExceedLimit")
    values = _values_of_request(parameters, command)
    mode: Termination = parameters.choice(
        "TerminationMode",
        ("ProcessTree", "Process"),
        error=refusals.of("InvalidTerminationMode.NotFound"),
    )
    # Another mode was refused before; a lenient cloud runs it once.
    parameters.text("RepeatMode")
    tags = tagging.tags_of_request(parameters)
    now = timestamp()
    invocation = Invocation(
        id=new_id("t", command.region),
        region=command.region,
        command=command,
        created=now,
        user=user,
        working_dir=command.working_dir,
        timeout_s=command.timeout_s,
        termination=mode,
        parameters=values,
        resource_group_id=parameters.text("ResourceGroupId"),
        results=tuple(ScriptResult(instance.id, updated=now) for instance in instances),
    )
    ended = [each.id for each in call.state.invocations if not each.under_way]
    for old in ended[: max(len(ended) + 1 - MAX_INVOCATIONS, 0)]:
        call.state.invocations.remove(old)
    call.state.invocations.put(invocation)
    tagging.put_tags(call.state, "invocation", invocation.id, invocation.region, tags)
    call.lifecycle.commands.begin(invocation)
    return invocation


def _instances_of_request(call: Call) -> list[Instance]:
    ids = call.parameters.listed("InstanceId")
    wanted = tagging.tag_filter(call.parameters, "ResourceTag")
    instances = call.state.instances
    if wanted and ids:
        raise refusals.of("InvalidResourceTag.ConflictWithInstanceIds")
    if wanted:
        found = [
            instance
            for instance in instances.in_region(call.region_id)
            if tagging.has_tags(instances.tags(instance.id), wanted)
        ]
        if not found:
            raise refusals.of("InvalidResourceTag.InstanceNotFound")
    else:
        if not ids:
            raise refusals.of("MissingParam.InstanceId")
        found = [
            call.find(instances, instance_id, missing=_INSTANCE_NOT_FOUND)
            for instance_id in dict.fromkeys(ids)
        ]
    if len(found) > MAX_INSTANCES:
        raise _TOO_MANY()
    return found


def _values_of_request(parameters: Parameters, command: Command) -> dict[str, str]:
    text = parameters.text("Parameters")
    if not text:
        return {}
    wrong = refusals.of("InvalidParameter.Parameters")
    try:
        values = parse_json(text)
    except ValueError:
        raise wrong from None
    if not isinstance(values, dict):
        raise wrong
    if values and not command.has_parameters:
        raise refusals.of("Parameter.Disabled")
    if len(values) > MAX_PARAMETERS:
        raise refusals.of("ParameterCount.ExceedLimit")
    if not all(isinstance(value, str) for value in values.values()):
        raise refusals.of("ParameterType.NotSupported")
    names = [name.lower() for name in values]
    if "" in names:
        raise EMPTY_KEY()
    if any(len(name) > 64 for name in names):
        raise refusals.of("ParameterKey.ExceedLimit")
    if len(set(names)) < len(names):
        raise ApiError("ParameterKey.Duplicate", "Parameter names cannot be duplicated.", 403)
    if not set(names) <= {name.lower() for name in parameter_names(command.content)}:
        raise refusals.of("Parameter.NotMatched")
    if len(command.content) + sum(map(len, values.values())) * 4 // 3 > MAX_CONTENT:
        raise CONTENT_TOO_LONG()
    return values


def _invocation_status(results: Iterable[ScriptResult]) -> str:
    """Return the status of all instances together, in the words of today."""
    found = {result.status for result in results}
    for status in UNDER_WAY:
        if status in found:
            return status
    if found <= {*_STOPPED}:
        return "Stopped"
    if found <= {"Success", *_STOPPED}:
        return "Success"
    return "PartialFailed" if "Success" in found else "Failed"


def _older(status: str) -> str:
    """Return a status in the older words: ``InvokeStatus`` and ``InvokeRecordStatus``."""
    if status in UNDER_WAY:
        return "Running"
    if status in ("Stopped", *_STOPPED):
        return "Stopped"
    return {"Success": "Finished", "PartialFailed": "PartialFailed"}.get(status, "Failed")


def _both(status: str) -> tuple[str, str]:
    """Return a status in the words of today and the older ones: filters take either."""
    return status, _older(status)


def _told(call: Call, result: ScriptResult, *, finish: str, with_output: bool) -> dict[str, Any]:
    """Return the common fields for an instance; the actions name the end time differently."""
    return {
        **api_fields(result, "InvocationResult"),
        "Repeats": 1 if result.started else 0,
        finish: result.finished,
        "Output": in_encoding(call, result.output) if with_output else "",
    }


def _common(call: Call, invocation: Invocation) -> dict[str, Any]:
    """Return the common fields of an invocation."""
    return {
        **fixed("InvocationOrResult"),
        "InvokeId": invocation.id,
        "CommandId": invocation.command.id,
        "Username": invocation.user,
        "TerminationMode": invocation.termination,
        "Tags": tagging.ecs_tags(call.state.invocations.tags(invocation.id)),
    }


def _invocation_view(call: Call, invocation: Invocation) -> dict[str, Any]:
    command = invocation.command
    with_output = call.parameters.boolean("IncludeOutput")
    status = _invocation_status(invocation.results)
    return {
        "CommandName": command.name,
        "CommandDescription": command.description,
        "CommandType": command.kind,
        "CommandContent": in_encoding(call, command.content),
        "CreationTime": invocation.created,
        "InvocationStatus": status,
        "InvokeStatus": _older(status),
        "Parameters": json.dumps(invocation.parameters, ensure_ascii=False),
        **fixed("Invocation"),
        "Timeout": invocation.timeout_s,
        "WorkingDir": invocation.working_dir,
        **_common(call, invocation),
        "InvokeInstances": {
            "InvokeInstance": [
                {
                    **_told(call, result, finish="FinishTime", with_output=with_output),
                    "InstanceInvokeStatus": _older(result.status),
                    "CreationTime": invocation.created,
                    "UpdateTime": result.updated,
                    "Timed": False,
                }
                for result in invocation.results
            ]
        },
    }


@dataclass(frozen=True)
class _Row:
    """An invocation on one instance; ``id`` is the invocation's."""

    id: str
    invocation: Invocation
    result: ScriptResult


def _result_view(call: Call, row: _Row) -> dict[str, Any]:
    invocation = row.invocation
    return {
        **_told(call, row.result, finish="FinishedTime", with_output=True),
        "InvokeRecordStatus": _older(row.result.status),
        **_common(call, invocation),
    }


def _status_view(call: Call, instance: Instance) -> dict[str, Any]:
    own = [
        (invocation, result)
        for invocation in call.state.invocations
        for result in invocation.results
        if result.instance_id == instance.id
    ]
    there = instance.status == "Running" and call.lifecycle.guests.runs_scripts
    return {
        "InstanceId": instance.id,
        "CloudAssistantStatus": "true" if there else "false",
        "CloudAssistantVersion": "2.2.3.857" if there else "",
        "OSType": "Linux",
        "ActiveTaskCount": sum(result.status in UNDER_WAY for _, result in own),
        "InvocationCount": len(own),
        "LastInvokedTime": own[-1][0].created if own else "",
        "LastHeartbeatTime": timestamp() if there else "",
        "SupportSessionManager": False,
    }


_INVOCATIONS = Listing(
    Invocation,
    "Invocations.Invocation",
    by.newest(lambda state: state.invocations),
    _invocation_view,
    (
        by.equals("InvokeId", "id"),
        by.equals("CommandId", lambda call, each: each.command.id),
        by.like("CommandName", lambda call, each: each.command.name),
        by.equals("CommandType", lambda call, each: each.command.kind, KINDS),
        by.contains("InstanceId", lambda call, each: [r.instance_id for r in each.results]),
        by.contains("InvokeStatus", lambda call, each: _both(_invocation_status(each.results))),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.always("RepeatMode", "Once"),
        by.never_true("Timed"),
        by.tagged("invocation"),
    ),
    paging=page,
    most=50,
)
_RESULTS = Listing(
    _Row,
    "InvocationResults.InvocationResult",
    lambda call: [
        _Row(each.id, each, result)
        for each in call.state.invocations.in_region(call.region_id)[::-1]
        for result in each.results
    ],
    _result_view,
    (
        by.equals("InvokeId", "id"),
        by.equals("CommandId", lambda call, row: row.invocation.command.id),
        by.equals("InstanceId", lambda call, row: row.result.instance_id),
        by.contains("InvokeRecordStatus", lambda call, row: _both(row.result.status)),
        by.equals("ResourceGroupId", lambda call, row: row.invocation.resource_group_id),
        by.tagged("invocation"),
    ),
    paging=page,
    most=50,
)
STATUSES = Listing(
    Instance,
    "InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus",
    by.newest(lambda state: state.instances),
    _status_view,
    (by.one_of("InstanceId", "id", Parameters.listed), by.always("OSType", "Linux")),
    paging=page,
    most=50,
)
