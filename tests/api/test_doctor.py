"""What the doctor finds at the cloud, on one without guests: refusals, clocks, regions, locks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from tests.api.driver_rig import Rig, rig_in
from tests.servers import Answering, http_server


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig_in(tmp_path_factory.mktemp("doctor")) as rig:
        environment = rig.program_environment()
        assert run(["create", "-q", "--no-provision", "dev1"], environment) == 0
        yield rig
        rig.front.answers.clear()
        assert run(["rm", "-q", "-y", "dev1"], environment) == 0


@pytest.fixture
def config(rig: Rig) -> Iterator[dict[str, Any]]:
    """The configuration of the machine, which is put back; :func:`examined` writes it."""
    path = rig.store / "machines" / "dev1" / "config.json"
    before = path.read_bytes()
    yield json.loads(before)
    path.write_bytes(before)
    rig.front.answers.clear()


def examined(
    rig: Rig,
    config: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    *names: str,
    **environment: str,
) -> dict[str, dict[str, Any]]:
    """Return what each step found about the machine, or about this computer without a name."""
    (rig.store / "machines" / "dev1" / "config.json").write_text(json.dumps(config))
    capsys.readouterr()
    run(["doctor", "--json", *names], {**rig.program_environment(), **environment})
    told = json.loads(capsys.readouterr().out)
    steps = told["Machines"][0]["Steps"] if names else told["Here"]
    return {each["Step"]: each for each in steps}


def outcomes(steps: dict[str, dict[str, Any]], *names: str) -> list[str]:
    return [steps[name]["Outcome"] for name in names]


AT_THE_CLOUD = ("credentials", "clock", "account", "region", "instance", "rules for SSH")


def test_what_is_in_order(
    rig: Rig, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    steps = examined(rig, config, capsys, "dev1")
    assert outcomes(steps, *AT_THE_CLOUD) == ["ok"] * 6
    assert steps["SSH port"]["Outcome"] == "broken"
    assert "no guest of this computer has it" in steps["SSH port"]["Found"]
    assert outcomes(steps, "host key", "login", "disk space") == ["not tried"] * 3
    here = examined(rig, config, capsys)
    assert outcomes(here, "Python", "store", *AT_THE_CLOUD[:4]) == ["ok"] * 6


@pytest.mark.parametrize(
    ("variables", "step", "found", "hint"),
    [
        ({"ECS_ACCESS_KEY_ID": "LTAInobody"}, "account", "InvalidAccessKeyId", "access key"),
        ({"ECS_ACCESS_KEY_SECRET": "wrong"}, "account", "SignatureDoesNotMatch", "secret"),
        ({"ECS_ACCESS_KEY_SECRET": ""}, "credentials", "ECS_ACCESS_KEY_SECRET", "Give both"),
        (
            {"ECS_ACCESS_KEY_ID": "", "ECS_ACCESS_KEY_SECRET": ""},
            "credentials",
            "no longer in the environment",
            "ECS_ACCESS_KEY_ID",
        ),
    ],
)
def test_credentials(
    variables: dict[str, str],
    step: str,
    found: str,
    hint: str,
    rig: Rig,
    config: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = examined(rig, config, capsys, "dev1", **variables)
    assert steps[step]["Outcome"] == "broken"
    assert found in steps[step]["Found"] and hint in steps[step]["Hint"]
    assert outcomes(steps, "region", "instance", "rules for SSH") == ["not tried"] * 3
    secret = rig.environment["ECS_ACCESS_KEY_SECRET"]
    assert secret not in json.dumps(steps)
    here = examined(rig, config, capsys, **variables)
    assert here[step]["Outcome"] == "broken"


@pytest.mark.parametrize(
    ("change", "step", "found", "mend"),
    [
        ({"Region": "cn-nowhere"}, "region", 'no region "cn-nowhere"', []),
        ({"AccountId": "1234567890123456"}, "account", "the machine is of account", []),
        ({"InstanceId": ""}, "instance", "it is Not Found", ["ecsmachine rm dev1"]),
        ({"InstanceId": "i-gone"}, "instance", "was released", ["ecsmachine rm dev1"]),
        ({"IPAddress": "198.18.0.99"}, "address", "it was 198.18.0.99", ["ecsmachine start dev1"]),
    ],
)
def test_what_the_store_has_and_the_cloud_has_not(
    change: dict[str, str],
    step: str,
    found: str,
    mend: list[str],
    rig: Rig,
    config: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(change) <= set(config["Driver"])
    config["Driver"].update(change)
    steps = examined(rig, config, capsys, "dev1")
    broken = [each for each in steps.values() if each["Outcome"] == "broken"]
    assert (broken[0]["Step"], broken[0]["Mend"]) == (step, mend)
    assert found in broken[0]["Found"]


@pytest.mark.parametrize(
    ("fields", "outcome", "found"),
    [
        ({"Status": "Stopped"}, "broken", "it is Stopped"),
        ({"OperationLocks": {"LockReason": [{"LockReason": "financial"}]}}, "broken", "in debt"),
        ({"OperationLocks": {"LockReason": [{"LockReason": "security"}]}}, "broken", "security"),
        ({"OperationLocks": {"LockReason": [{"LockReason": "Recycling"}]}}, "warning", "reclaimed"),
        (
            {"InstanceChargeType": "PrePaid", "ExpiredTime": "2020-01-01T00:00Z"},
            "broken",
            "expired at 2020-01-01T00:00Z",
        ),
    ],
)
def test_the_state_of_the_instance(
    fields: dict[str, Any],
    outcome: str,
    found: str,
    rig: Rig,
    config: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    config["Driver"]["APIEndpoint"] = rig.front.endpoint
    instance = {"InstanceId": config["Driver"]["InstanceId"], "Status": "Running", **fields}
    answer = {"RequestId": "FRONT", "TotalCount": 1, "Instances": {"Instance": [instance]}}
    rig.front.answers["DescribeInstances"] = json.dumps(answer)
    steps = examined(rig, config, capsys, "dev1")
    assert steps["instance"]["Outcome"] == outcome
    assert found in steps["instance"]["Found"]


def test_a_user_who_may_not_see_regions(
    rig: Rig, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config["Driver"]["APIEndpoint"] = rig.front.endpoint
    rig.front.faults["DescribeRegions"] = ["Forbidden.RAM"]
    steps = examined(rig, config, capsys, "dev1")
    assert outcomes(steps, "region", "instance") == ["ok", "ok"]


def test_rules_of_a_prefix_list(
    rig: Rig, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config["Driver"]["APIEndpoint"] = rig.front.endpoint
    rule = {"IpProtocol": "TCP", "PortRange": "22/22", "Policy": "Accept", "Priority": 1}
    rule |= {"Direction": "ingress", "SourceCidrIp": "", "SourcePrefixListId": "pl-1"}
    permissions = {"Permissions": {"Permission": [rule]}}
    rig.front.answers["DescribeSecurityGroupAttribute"] = json.dumps(permissions)
    entries = {"Entries": {"Entry": [{"Cidr": "203.0.113.0/24"}]}}
    rig.front.answers["DescribePrefixListAttributes"] = json.dumps(entries)
    steps = examined(rig, config, capsys, "dev1")
    assert "no rule lets TCP 2376 in" in steps["rules for the engine"]["Found"]
    assert steps["rules for SSH"]["Outcome"] == "broken"


class Wrong(Answering):
    """A cloud whose clock is twenty minutes behind ours."""

    def do_GET(self) -> None:
        body = b'{"Code": "InvalidTimeStamp.Expired", "Message": "Expired.", "RequestId": "X"}'
        self.answer(400, body)

    do_POST = do_GET

    def date_time_string(self, timestamp: float | None = None) -> str:
        behind = datetime.now(timezone.utc) - timedelta(minutes=20)
        return format_datetime(behind, usegmt=True)


def test_a_clock_that_is_wrong(
    rig: Rig, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with http_server(Wrong) as server:
        config["Driver"]["APIEndpoint"] = f"http://127.0.0.1:{server.server_port}"
        steps = examined(rig, config, capsys, "dev1")
    assert steps["clock"]["Outcome"] == "broken"
    assert "s ahead of the cloud's" in steps["clock"]["Found"]
    assert "timedatectl" in steps["clock"]["Hint"]
    assert outcomes(steps, "account", "region", "instance") == ["not tried"] * 3


def test_a_network_is_let_in(
    rig: Rig, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    environment = rig.program_environment()
    capsys.readouterr()
    for _ in range(2):  # the second time it is there already
        run(["doctor", "--let-in", "203.0.113.9/24", "dev1"], environment)
        told = capsys.readouterr().out.splitlines()[0]
        assert told.startswith("TCP 22 and 2376 of security group sg-")
        assert told.endswith("are open to 203.0.113.0/24")
    (group,) = rig.cloud.state.security_groups
    assert len([rule for rule in group.rules if rule.cidr == "203.0.113.0/24"]) == 2
    for words in (["--let-in", "nowhere", "dev1"], ["--let-in", "203.0.113.9"]):
        assert run(["doctor", *words], environment) == 2
    error = capsys.readouterr().err
    assert "neither an address nor a network" in error
    assert "--let-in needs machine names" in error


def test_nothing_is_written(rig: Rig, config: dict[str, Any], tmp_path: Path) -> None:
    config["Driver"]["IPAddress"] = "198.18.0.99"
    folder = rig.store / "machines" / "dev1"
    (folder / "config.json").write_text(json.dumps(config))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run(["doctor", "dev1"], rig.program_environment()) == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
