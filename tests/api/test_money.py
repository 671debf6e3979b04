"""What machines cost: told before they are made, kept, shown, and ended, as a user runs it."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from ecsmachine.cli.app import run
from tests.api.driver_rig import Rig

PART = "instance 0.1552, system disk 0.05556"


@pytest.fixture
def rig(rig: Rig) -> Rig:
    rig.instance_type = ""
    return rig


def call(rig: Rig, *arguments: str) -> int:
    return run(list(arguments), {**rig.program_environment(), "MACHINE_DOCKER_INSTALL_URL": ""})


def create(rig: Rig, name: str, *arguments: str) -> int:
    return call(rig, "create", "--no-provision", *arguments, name)


def rows(rig: Rig, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """Return what ``ls --json`` says of each machine; nothing is asked of the cloud for prices."""
    capsys.readouterr()
    asked = rig.front.asked["DescribePrice"]
    assert call(rig, "ls", "--json") == 0
    assert rig.front.asked["DescribePrice"] == asked
    return {row["Name"]: row for row in json.loads(capsys.readouterr().out)}


def config(rig: Rig, name: str) -> dict[str, Any]:
    path = rig.store / "machines" / name / "config.json"
    return dict(json.loads(path.read_text())["Driver"])


def let_time_pass(rig: Rig, name: str, hours: int) -> None:
    """Let the machine's ledger begin so much earlier."""
    path = rig.store / "machines" / name / "config.json"
    stored = json.loads(path.read_text())
    since = stored["Driver"]["Cost"]["Since"]
    stored["Driver"]["Cost"]["Since"] = re.sub(
        r"^\d{4}-\d\d-\d\dT\d\d", lambda found: _earlier(found[0], hours), since
    )
    path.write_text(json.dumps(stored))


def _earlier(hour: str, hours: int) -> str:
    from datetime import datetime, timedelta

    return (datetime.fromisoformat(f"{hour}:00") - timedelta(hours=hours)).isoformat()[:13]


def test_the_price_is_said_before_anything_is_made(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(rig, "dev1") == 0
    said = capsys.readouterr()
    told = said.out + said.err
    assert f"Price: 0.2108 CNY an hour ({PART})" in told
    assert told.index("Price:") < told.index("Creating ECS instance")
    assert config(rig, "dev1")["Cost"]["Hour"] == "0.210756"
    assert rows(rig, capsys)["dev1"]["Price"] == 0.210756


def test_disks_and_bandwidth_are_in_the_price(rig: Rig) -> None:
    paid = ("PayByBandwidth", 5)
    driver = rig.driver(disk_size=100, internet_charge_type=paid[0], internet_max_bandwidth=paid[1])
    driver.pre_create_check(rig.report)
    (line,) = [line for line in rig.said if line.startswith("Price: ")]
    assert "data disk 0.1389" in line and "address 0.315" in line
    rig.said.clear()
    elastic = rig.driver(
        allocate_eip=True, internet_charge_type=paid[0], internet_max_bandwidth=paid[1]
    )
    elastic.pre_create_check(rig.report)
    (line,) = [line for line in rig.said if line.startswith("Price: ")]
    assert line.endswith("address 0.315; the elastic address is free of charge while bound)")


def test_a_subscription_is_paid_at_once(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--aliyunecs-charge-type", "PrePaid", "--aliyunecs-period", "1")
    assert create(rig, "dev1", *words) == 0
    said = capsys.readouterr()
    assert "CNY in advance, " in said.out + said.err
    row = rows(rig, capsys)["dev1"]
    assert (row["Price"], row["Cost"]) == (0.0, 75.872)
    capsys.readouterr()
    assert call(rig, "stop", "--no-charge", "dev1") == 1
    assert "stopping it saves nothing" in capsys.readouterr().err
    assert call(rig, "expire", "dev1", "8h") == 1
    assert "cannot be released earlier" in capsys.readouterr().err


def test_more_than_the_highest_price_is_refused(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("--dry-run",), ()):
        assert create(rig, "dev1", "--max-price", "0.2", *words) == 3
        said = capsys.readouterr().err
        assert "It would cost 0.2108 CNY an hour" in said
        assert "more than --max-price 0.2" in said
    assert rig.left() == {}
    rig.front.faults["DescribePrice"] = ["Forbidden.RAM"] * 15
    assert create(rig, "dev1", "--max-price", "0.3") == 3
    assert "--max-price cannot be checked" in capsys.readouterr().err
    assert create(rig, "dev1", "--max-price", "cheap") == 2
    assert "--max-price (ECS_MAX_PRICE)" in capsys.readouterr().err
    # a price as it is printed
    assert create(rig, "dev1", "--max-price", "0.2108") == 0


def test_the_next_type_must_not_cost_more_either(rig: Rig) -> None:
    driver = rig.driver()
    driver._settings = dataclasses.replace(driver._wanted(), max_price=0.22)
    driver.pre_create_check(rig.report)
    assert driver._plan is not None
    assert {place.instance_type for place in driver._plan.places} == {"ecs.t6-c1m2.large"}


def test_stopped_without_charge(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(rig, "dev1") == 0
    let_time_pass(rig, "dev1", 10)
    address = config(rig, "dev1")["IPAddress"]
    capsys.readouterr()
    assert call(rig, "stop", "--no-charge", "dev1") == 0
    said = capsys.readouterr()
    assert f"The address {address} was released" in said.out + said.err
    (instance,) = rig.cloud.state.instances
    assert (instance.stopped_mode, config(rig, "dev1")["IPAddress"]) == ("StopCharging", "")
    let_time_pass(rig, "dev1", 100)
    row = rows(rig, capsys)["dev1"]
    assert row["Price"] == 0.055556
    assert round(row["Cost"], 1) in (7.7, 7.9)  # 10 or 11 hours in full, 100 of disks
    capsys.readouterr()
    assert call(rig, "ls") == 0
    assert "still charged" not in capsys.readouterr().err
    assert call(rig, "stop", "--no-charge", "dev1") == 0
    assert call(rig, "start", "dev1") == 0
    assert rows(rig, capsys)["dev1"]["Price"] == 0.210756
    assert config(rig, "dev1")["IPAddress"]


def test_an_elastic_address_stays(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(rig, "dev1", "--aliyunecs-allocate-eip") == 0
    address = config(rig, "dev1")["IPAddress"]
    capsys.readouterr()
    assert call(rig, "stop", "--no-charge", "dev1") == 0
    said = capsys.readouterr()
    assert f"The elastic address {address} stays and is charged" in said.out + said.err
    assert config(rig, "dev1")["IPAddress"] == address


def test_a_machine_that_is_stopped_and_still_charged(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(rig, "dev1") == 0
    assert call(rig, "stop", "dev1") == 0
    capsys.readouterr()
    assert call(rig, "ls") == 0
    said = capsys.readouterr()
    assert "Stopped, but still charged: dev1 (0.2108 CNY an hour)" in said.err
    assert call(rig, "stop", "--no-charge", "dev1") == 1
    assert "start it, then stop it with --no-charge" in capsys.readouterr().err


def test_when_ecs_releases_a_machine(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(rig, "dev1", "--auto-release", "8h") == 0
    (instance,) = rig.cloud.state.instances
    first = instance.auto_release
    assert rows(rig, capsys)["dev1"]["Expires"] == first.replace("Z", ":00Z")
    assert call(rig, "expire", "dev1", "3d") == 0
    said = capsys.readouterr()
    (instance,) = rig.cloud.state.instances
    assert instance.auto_release > first
    assert "dev1 will be released at 2" in said.out + said.err
    assert call(rig, "expire", "dev1", "never") == 0
    (instance,) = rig.cloud.state.instances
    assert (instance.auto_release, rows(rig, capsys)["dev1"]["Expires"]) == ("", None)
    for words, code, error in (
        ("1m", 2, "is not a time"),
        ("0h", 2, "out of range"),
        ("", 2, "No time specified"),
    ):
        capsys.readouterr()
        assert call(rig, "expire", "dev1", words) == code
        assert error in capsys.readouterr().err
    assert create(rig, "x", "--auto-release", "8h", "--aliyunecs-auto-release-time", "9h") == 2


def test_a_machine_of_an_old_store_has_no_price(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(rig, "dev1") == 0
    path = rig.store / "machines" / "dev1" / "config.json"
    stored = json.loads(path.read_text())
    for wrong in ({"Hour": "x"}, {"Hour": "nan"}, None):
        stored["Driver"]["Cost"] = wrong and {**config(rig, "dev1")["Cost"], **wrong}
        path.write_text(json.dumps(stored))
        row = rows(rig, capsys)["dev1"]
        assert (row["Price"], row["Cost"], row["State"]) == (None, None, "Running")
        stored["Driver"]["Cost"] = {"Hour": "1"}
        path.write_text(json.dumps(stored))


def test_another_driver_charges_nothing(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(rig, "create", "-d", "none", "--url", "tcp://127.0.0.1:2376", "far") == 0
    capsys.readouterr()
    assert call(rig, "stop", "--no-charge", "far") == 1
    assert "is not charged for" in capsys.readouterr().err
    assert call(rig, "expire", "far", "8h") == 1
    assert "cannot expire" in capsys.readouterr().err
