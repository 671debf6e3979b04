"""Commands of Cloud Assistant: scripts that are kept, to be run on instances."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing, equals, like, never, newest, tagged
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.commands import Command
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request
from ecsmachine.localcloud.work.commands import BUILT_IN, PARAMETER

KINDS = ("RunShellScript", "RunBatScript", "RunPowerShellScript")
MAX_COMMANDS = 500
MAX_CONTENT = 24 * 1024
MAX_TIMEOUT_S = 24 * 3600
MAX_PARAMETERS = 20
CONTENT_TOO_LONG = Refusal("CmdContent.ExceedLimit")
EMPTY_KEY = Refusal("CmdParam.EmptyKey")


def create_command(call: Call) -> Answer:
    """CreateCommand: it is kept, and runs nowhere yet."""
    command = command_of_request(call)
    tags = tags_of_request(call.parameters)
    keep(call, command)
    put_tags(call.state, "command", command.id, command.region, tags)
    return {"CommandId": command.id}


def modify_command(call: Call) -> None:
    """ModifyCommand: for invocations from now on."""
    parameters = call.parameters
    command = call.required(call.state.commands, "CommandId")
    changes: dict[str, Any] = {}
    if parameters.given("CommandContent"):
        # There is no ContentEncoding here: it is as the command was made, in base64.
        changes["content"] = _content(parameters, "", "Base64")
        _check_parameters(changes["content"], command.has_parameters)
    for field, value, name in (
        ("name", _name(parameters), "Name"),
        ("description", _description(parameters), "Description"),
        ("working_dir", working_dir_of_request(parameters), "WorkingDir"),
        ("timeout_s", timeout_of_request(parameters), "Timeout"),
    ):
        if parameters.given(name):
            changes[field] = value
    call.state.commands.put(replace(command, **changes))


def delete_command(call: Call) -> None:
    """DeleteCommand: running invocations continue."""
    command = call.required(call.state.commands, "CommandId")
    call.state.commands.remove(command.id)


def command_of_request(call: Call) -> Command:
    """Return the command that CreateCommand or RunCommand makes; raises its refusals."""
    parameters = call.parameters
    kind = parameters.require_choice("Type", KINDS, error=refusals.of("InvalidCmdType.NotFound"))
    parameters.require("CommandContent")
    default = "Base64" if call.action == "CreateCommand" else "PlainText"
    content = _content(parameters, parameters.text("ContentEncoding"), default)
    has_parameters = parameters.boolean("EnableParameter")
    _check_parameters(content, has_parameters)
    return Command(
        id=new_id("c", call.region.id),
        region=call.region.id,
        name=_name(parameters),
        description=_description(parameters),
        kind=kind,
        content=content,
        created=timestamp(),
        working_dir=working_dir_of_request(parameters),
        timeout_s=timeout_of_request(parameters, 60),
        has_parameters=has_parameters,
        resource_group_id=parameters.text("ResourceGroupId"),
    )


def keep(call: Call, command: Command) -> None:
    """Add a command to those that are kept; raises ``CmdCount.ExceedQuota``."""
    if len(call.state.commands.in_region(command.region)) >= MAX_COMMANDS:
        raise refusals.of("CmdCount.ExceedQuota")
    call.state.commands.put(command)


def working_dir_of_request(parameters: Parameters) -> str:
    """Return ``WorkingDir``; raises ``InvalidParameter.WorkingDir``."""
    folder = parameters.text("WorkingDir")
    if len(folder) > 200 or (folder and not folder.startswith("/")) or "\0" in folder:
        raise refusals.of("InvalidParameter.WorkingDir")
    return folder


def timeout_of_request(parameters: Parameters, default: int = 0) -> int:
    """Return ``Timeout`` in seconds; raises ``InvalidTimeout.ExceedLimit``."""
    seconds = parameters.integer("Timeout", default, least=0 if not default else 1)
    if seconds > MAX_TIMEOUT_S:
        raise refusals.of("InvalidTimeout.ExceedLimit")
    return seconds


def in_encoding(call: Call, content: str) -> str:
    """Return base64 content in the ``ContentEncoding`` of a Describe request."""
    if call.parameters.text("ContentEncoding").lower() == "plaintext":
        return base64.b64decode(content).decode(errors="replace")
    return content


def _content(parameters: Parameters, encoding: str, default: str) -> str:
    """Return the content in base64; ``default`` is the encoding where none is named, or a wrong."""
    text = parameters.text("CommandContent")
    if encoding.lower() not in ("plaintext", "base64"):
        encoding = default
    if encoding.lower() == "base64":
        try:
            base64.b64decode(text, validate=True)
        except ValueError:
            raise refusals.of("CmdContent.DecodeError") from None
    else:
        text = base64.b64encode(text.encode()).decode()
    if len(text) > MAX_CONTENT:
        raise CONTENT_TOO_LONG()
    return text


def _check_parameters(content: str, has_parameters: bool) -> None:
    if not has_parameters:
        return
    names = parameter_names(content)
    if len(names) > MAX_PARAMETERS:
        raise refusals.of("CmdParamCount.ExceedLimit")
    for name in names:
        if not name:
            raise EMPTY_KEY()
        if len(name) > 64:
            raise refusals.of("CmdParamName.ExceedLimit")
        if not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
            raise refusals.of("CmdParam.InvalidParamName")


def parameter_names(content: str) -> list[str]:
    """Return the parameters of a command that are no built-in ones, as they are written."""
    text = base64.b64decode(content).decode(errors="replace")
    found = [match[1].strip() for match in PARAMETER.finditer(text)]
    own = {name.lower(): name for name in found if name.lower() not in BUILT_IN}
    return list(own.values())


def _name(parameters: Parameters) -> str:
    return _bounded(parameters, "Name", 128, "CmdName", "name")


def _description(parameters: Parameters) -> str:
    return _bounded(parameters, "Description", 512, "CmdDesc", "description")


def _bounded(parameters: Parameters, name: str, most: int, code: str, what: str) -> str:
    text = parameters.text(name)
    if len(text) > most:
        message = f"The length of the command {what} exceeds the upper limit."
        raise ApiError(f"{code}.ExceedLimit", message, 403)
    return text


def _view(call: Call, command: Command) -> dict[str, Any]:
    names = parameter_names(command.content) if command.has_parameters else []
    return {
        **api_fields(command, "Command"),
        "CommandContent": in_encoding(call, command.content),
        "ParameterNames": {"ParameterName": names},
        "ParameterDefinitions": {
            "ParameterDefinition": [
                {
                    **fixed("CommandParameter"),
                    "ParameterName": name,
                }
                for name in names
            ]
        },
        "InvokeTimes": sum(i.command.id == command.id for i in call.state.invocations),
        "Tags": ecs_tags(call.state.commands.tags(command.id)),
    }


COMMANDS = Listing(
    Command,
    "Commands.Command",
    newest(lambda state: state.commands),
    _view,
    (
        equals("CommandId", "id"),
        like("Name", "name"),
        like("Description", "description"),
        equals("Type", "kind", KINDS),
        equals("ResourceGroupId", "resource_group_id"),
        never("Provider"),
        tagged("command"),
    ),
    paging=page,
    most=50,
)
