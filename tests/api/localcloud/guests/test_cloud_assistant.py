"""Cloud Assistant: commands, what becomes of them, and what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.host.guests.base import GuestError
from ecsmachine.localcloud.host.guests.scripts import ScriptEnd
from ecsmachine.localcloud.service.embedded import embedded_cloud
from tests.api.localcloud.api_client import Api, until
from tests.api.localcloud.guests.served import served
from tests.unit.localcloud.recording_guests import RecordingGuests

SHELL = {"Type": "RunShellScript", "CommandContent": "echo hello"}
ENDED = ("Success", "Failed", "PartialFailed", "Stopped")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def instance(api: Api) -> str:
    return api.run(api.group())


def on(*instance_ids: str) -> dict[str, str]:
    return {f"InstanceId.{number}": each for number, each in enumerate(instance_ids, 1)}


def run(api: Api, *instance_ids: str, **more: Any) -> str:
    """Run a command; return the id of the invocation."""
    return str(api.call("RunCommand", {**SHELL, **on(*instance_ids), **more})["InvokeId"])


def invocation(api: Api, invoke_id: str, **more: Any) -> dict[str, Any]:
    (found,) = api.call("DescribeInvocations", InvokeId=invoke_id, **more)["Invocations"][
        "Invocation"
    ]
    return dict(found)


def ended(api: Api, invoke_id: str) -> dict[str, Any]:
    """Wait until a command has ended; return it."""
    until(lambda: invocation(api, invoke_id)["InvocationStatus"] in ENDED)
    return invocation(api, invoke_id, IncludeOutput=True)


def results(api: Api, **more: Any) -> list[dict[str, Any]]:
    answer = api.call("DescribeInvocationResults", more)["Invocation"]
    found: list[dict[str, Any]] = answer["InvocationResults"]["InvocationResult"]
    assert answer["TotalCount"] == len(found)
    return found


def test_a_command_that_is_run_and_gone(api: Api, guests: RecordingGuests, instance: str) -> None:
    invoke_id = run(api, instance, Name="greet", Timeout=30, WorkingDir="/srv", Username="nobody")
    told = ended(api, invoke_id)
    assert (told["InvocationStatus"], told["InvokeStatus"]) == ("Success", "Finished")
    assert (told["CommandName"], told["Timeout"], told["Username"]) == ("greet", 30, "nobody")
    assert told["CommandContent"] == b64("echo hello")
    (one,) = told["InvokeInstances"]["InvokeInstance"]
    assert (one["InstanceId"], one["ExitCode"], one["Output"]) == (instance, 0, b64("done\n"))
    (script,) = guests.scripts
    assert (script.content, script.user, script.folder) == (b"echo hello", "nobody", "/srv")
    assert (script.name, script.timeout_s, script.whole_tree) == (invoke_id, 30, True)
    (result,) = results(api, InvokeId=invoke_id, ContentEncoding="PlainText")
    assert (result["InvokeRecordStatus"], result["Output"]) == ("Finished", "done\n")
    assert result["FinishedTime"] and result["StartTime"]
    assert api.call("DescribeCommands")["TotalCount"] == 0
    (without,) = invocation(api, invoke_id)["InvokeInstances"]["InvokeInstance"]
    assert without["Output"] == ""


def test_commands_that_are_kept(api: Api, guests: RecordingGuests, instance: str) -> None:
    made = {
        "Name": "greet",
        "Description": "says hello",
        "Type": "RunShellScript",
        # CreateCommand takes base64 where nothing else is said, RunCommand plain text.
        "CommandContent": b64("echo {{ who }} {{ACS::InstanceId}}"),
        "EnableParameter": True,
        "Timeout": 120,
        "Tag.1.Key": "k",
        "Tag.1.Value": "v",
    }
    command_id = api.call("CreateCommand", made)["CommandId"]
    for chosen in ({"Name": "gr*"}, {"CommandId": command_id}, {"Tag.1.Key": "k"}):
        (told,) = api.call("DescribeCommands", chosen)["Commands"]["Command"]
        assert told["ParameterNames"]["ParameterName"] == ["who"]
        assert (told["Name"], told["Timeout"], told["Provider"]) == ("greet", 120, "User")
    for other in ({"Name": "x"}, {"Provider": "AlibabaCloud"}, {"Type": "RunBatScript"}):
        assert api.call("DescribeCommands", other)["TotalCount"] == 0
    given = {"CommandId": command_id, **on(instance)}
    invoke_id = api.call("InvokeCommand", given, Parameters='{"WHO": "Jack"}')["InvokeId"]
    assert ended(api, invoke_id)["Parameters"] == '{"WHO": "Jack"}'
    assert guests.scripts[0].content == f"echo Jack {instance}".encode()
    assert guests.scripts[0].timeout_s == 120
    again = api.call("InvokeCommand", given, Timeout=5, TerminationMode="Process")["InvokeId"]
    ended(api, again)
    assert guests.scripts[1].content == f"echo  {instance}".encode()
    assert (guests.scripts[1].timeout_s, guests.scripts[1].whole_tree) == (5, False)
    api.call("ModifyCommand", CommandId=command_id, Name="bye", CommandContent=b64("echo bye"))
    (told,) = api.call("DescribeCommands", ContentEncoding="PlainText")["Commands"]["Command"]
    assert (told["Name"], told["CommandContent"], told["InvokeTimes"]) == ("bye", "echo bye", 2)
    api.call("DeleteCommand", CommandId=command_id)
    assert api.refusal("InvokeCommand", given) == "404 InvalidCmdId.NotFound"
    assert len(results(api, CommandId=command_id)) == 2
    kept = api.call("RunCommand", {**SHELL, **on(instance)}, KeepCommand=True)["CommandId"]
    (told,) = api.call("DescribeCommands")["Commands"]["Command"]
    assert told["CommandId"] == kept


@pytest.mark.parametrize(
    ("end", "status", "older", "code", "exit_code"),
    [
        (ScriptEnd("exited", 3, b"x"), "Failed", "Failed", "ExitCodeNonzero", 3),
        (ScriptEnd("timeout", output=b"x"), "Timeout", "Failed", "ExecutionTimeout", -1),
        (ScriptEnd("interrupted"), "Failed", "Failed", "ExecutionInterrupted", -1),
        (ScriptEnd("no agent"), "Aborted", "Failed", "ClientNotRunning", -1),
        (ScriptEnd("no user"), "Invalid", "Failed", "AccountNotExists", -1),
        (ScriptEnd("no folder"), "Invalid", "Failed", "DirectoryNotExists", -1),
    ],
)
def test_how_a_command_fails(
    api: Api,
    guests: RecordingGuests,
    instance: str,
    end: ScriptEnd,
    status: str,
    older: str,
    code: str,
    exit_code: int,
) -> None:
    guests.script_end = end
    assert ended(api, run(api, instance))["InvocationStatus"] == "Failed"
    (result,) = results(api)
    assert (result["InvocationStatus"], result["InvokeRecordStatus"]) == (status, older)
    assert (result["ErrorCode"], result["ExitCode"]) == (code, exit_code)
    assert result["Output"] == base64.b64encode(end.output).decode()
    assert result["ErrorInfo"]
    assert [len(results(api, InvokeRecordStatus=each)) for each in (status, "Finished")] == [1, 0]


def test_what_nobody_has_thought_of(api: Api, guests: RecordingGuests, instance: str) -> None:
    for failure in (GuestError, KeyError):
        guests.failure = failure
        guests.failing.add("run_script")
        ended(api, run(api, instance))
        (result, *_) = results(api)
        assert (result["InvocationStatus"], result["ErrorCode"]) == ("Error", "ExecutionException")


def test_several_instances(api: Api, guests: RecordingGuests, instance: str) -> None:
    other, off = api.run(api.group("two")), api.run(api.group("three"))
    api.call("StopInstance", InstanceId=off)
    api.wait(off, "Stopped")
    guests.script_ends[other] = ScriptEnd("exited", 1)
    invoke_id = run(api, instance, other, off)
    told = ended(api, invoke_id)
    assert (told["InvocationStatus"], told["InvokeStatus"]) == ("PartialFailed", "PartialFailed")
    codes = {result["InstanceId"]: result["ErrorCode"] for result in results(api)}
    assert codes == {instance: "", other: "ExitCodeNonzero", off: "InstanceNotRunning"}
    tag = {"ResourceType": "instance", "ResourceId.1": other, "Tag.1.Key": "k", "Tag.1.Value": "v"}
    api.call("TagResources", tag)
    by_tag = {**SHELL, "ResourceTag.1.Key": "k", "ResourceTag.1.Value": "v"}
    ended(api, api.call("RunCommand", by_tag)["InvokeId"])
    assert results(api)[0]["InstanceId"] == other
    both = {**by_tag, **on(instance)}
    conflict = "400 InvalidResourceTag.ConflictWithInstanceIds"
    assert api.refusal("RunCommand", both) == conflict
    none = {**by_tag, "ResourceTag.1.Key": "none"}
    assert api.refusal("RunCommand", none) == "400 InvalidResourceTag.InstanceNotFound"


def test_stopping(api: Api, guests: RecordingGuests, instance: str) -> None:
    guests.script_gate.clear()
    invoke_id = run(api, instance)
    until(lambda: invocation(api, invoke_id)["InvocationStatus"] == "Running")
    assert invocation(api, invoke_id)["InvokeStatus"] == "Running"
    (status,) = api.call("DescribeCloudAssistantStatus", on(instance))[
        "InstanceCloudAssistantStatusSet"
    ]["InstanceCloudAssistantStatus"]
    assert (status["CloudAssistantStatus"], status["ActiveTaskCount"]) == ("true", 1)
    wrong = {"InvokeId": invoke_id, "InstanceId.1": "i-none"}
    assert api.refusal("StopInvocation", wrong) == "404 InvalidInstance.NotFound"
    assert api.refusal("StopInvocation", InvokeId="t-none") == "404 InvalidInvokeId.NotFound"
    api.call("StopInvocation", {"InvokeId": invoke_id, **on(instance)})
    assert ended(api, invoke_id)["InvokeStatus"] == "Stopped"
    (result,) = results(api)
    assert (result["InvocationStatus"], result["Output"]) == ("Terminated", b64("half"))
    assert result["StopTime"]
    api.call("StopInvocation", InvokeId=invoke_id)
    assert ended(api, invoke_id)["InvocationStatus"] == "Stopped"


def test_an_instance_that_is_released_meanwhile(
    api: Api, guests: RecordingGuests, instance: str
) -> None:
    guests.script_gate.clear()
    guests.script_end = ScriptEnd("interrupted")
    invoke_id = run(api, instance)
    until(lambda: invocation(api, invoke_id)["InvocationStatus"] == "Running")
    api.call("DeleteInstance", InstanceId=instance, Force=True)
    guests.script_gate.set()
    ended(api, invoke_id)
    assert results(api)[0]["ErrorCode"] == "InstanceReleased"


def test_a_server_that_ends_meanwhile(tmp_path: Path, guests: RecordingGuests) -> None:
    with served(tmp_path, guests) as api:
        instance_id = api.run(api.group())
        guests.script_gate.clear()
        invoke_id = run(api, instance_id)
        until(lambda: invocation(api, invoke_id)["InvocationStatus"] == "Running")
    with served(tmp_path, guests) as api:
        assert ended(api, invoke_id)["InvokeStatus"] == "Failed"
        assert results(api)[0]["ErrorCode"] == "ExecutionInterrupted"
        until(lambda: ("end_script", f"{instance_id} {invoke_id}") in guests.calls)


def test_without_guests(tmp_path: Path) -> None:
    with embedded_cloud(tmp_path) as cloud:
        api = Api(cloud)
        instance_id = api.run(api.group())
        assert ended(api, run(api, instance_id))["InvocationStatus"] == "Failed"
        assert results(api)[0]["ErrorCode"] == "ClientNotRunning"
        answer = api.call("DescribeCloudAssistantStatus")["InstanceCloudAssistantStatusSet"]
        assert answer["InstanceCloudAssistantStatus"][0]["CloudAssistantStatus"] == "false"


def test_what_is_refused(api: Api, instance: str) -> None:
    long = "x" * 25000
    base = {**SHELL, **on(instance)}
    for more, code in (
        ({"Type": "RunPerlScript"}, "404 InvalidCmdType.NotFound"),
        ({"Type": "RunBatScript"}, "400 InvalidInstance.NotMatch"),
        ({"ContentEncoding": "Base64", "CommandContent": "~"}, "400 CmdContent.DecodeError"),
        ({"CommandContent": long}, "403 CmdContent.ExceedLimit"),
        ({"Name": long}, "403 CmdName.ExceedLimit"),
        ({"Description": long}, "403 CmdDesc.ExceedLimit"),
        ({"Timeout": 86401}, "403 InvalidTimeout.ExceedLimit"),
        ({"Timeout": 0}, "400 InvalidParameter"),
        ({"WorkingDir": "tmp"}, "400 InvalidParameter.WorkingDir"),
        ({"Username": long}, "403 Username.ExceedLimit"),
        ({"InstanceId.1": ""}, "400 MissingParam.InstanceId"),
        ({"InstanceId.1": "i-none"}, "404 InvalidInstance.NotFound"),
        ({"TerminationMode": "None"}, "404 InvalidTerminationMode.NotFound"),
        ({"RepeatMode": "Period"}, "400 UnsupportedParameter"),
        ({"RepeatMode": "EveryReboot"}, "400 UnsupportedParameter"),
        ({"Frequency": "rate(5m)"}, "400 UnsupportedParameter"),
        ({"ContainerName": "web"}, "400 UnsupportedParameter"),
        ({"OssOutputDelivery": "oss://b/p"}, "400 UnsupportedParameter"),
        ({"Parameters": '{"a": "b"}'}, "400 Parameter.Disabled"),
        ({"Parameters": "a"}, "400 InvalidParameter.Parameters"),
    ):
        assert api.refusal("RunCommand", {**base, **more}) == code, more
    of = {**base, "EnableParameter": True}
    for content, given, code in (
        ("{{}}", "", "400 CmdParam.EmptyKey"),
        ("{{ a b }}", "", "400 CmdParam.InvalidParamName"),
        ("{{" + "x" * 65 + "}}", "", "403 CmdParamName.ExceedLimit"),
        ("".join(f"{{{{p{n}}}}}" for n in range(21)), "", "403 CmdParamCount.ExceedLimit"),
        ("{{a}}", '{"b": "c"}', "403 Parameter.NotMatched"),
        ("{{a}}", '{"a": 1}', "403 ParameterType.NotSupported"),
        ("{{a}}", '{"a": "1", "A": "2"}', "403 ParameterKey.Duplicate"),
        ("{{a}}", json.dumps({f"p{n}": "" for n in range(11)}), "403 ParameterCount.ExceedLimit"),
        ("{{a}}", json.dumps({"a": long}), "403 CmdContent.ExceedLimit"),
    ):
        wrong = {**of, "CommandContent": content, "Parameters": given}
        assert api.refusal("RunCommand", wrong) == code, content
    ended(api, run(api, instance, RepeatMode="Once"))
    assert api.refusal("DeleteCommand", CommandId="c-none") == "404 InvalidCmdId.NotFound"
    assert api.refusal("DescribeInvocations", IncludeOutput=True) == "400 MissingParameter"
