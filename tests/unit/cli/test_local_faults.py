"""``local fault`` as it is typed, on the folder of a cloud that is not up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecsmachine.cli.app import run
from ecsmachine.localcloud.host.settings import CloudSettings, GuestKind
from ecsmachine.localcloud.state import records


def cloud(root: Path, guests: GuestKind = "nspawn") -> dict[str, str]:
    root.mkdir()
    records.write(root / "settings.json", CloudSettings(guests, 1234, "198.18.1.0/24"))
    return {"ECSMACHINE_LOCAL_ROOT": str(root)}


def test_added_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = cloud(tmp_path / "cloud")

    def fault(*arguments: str) -> str:
        assert run(["local", "fault", *arguments], environment) == 0
        return capsys.readouterr().out

    assert fault("add", "error", "--action", "Run*", "--code", "InternalError", "--nth=2") == "1\n"
    assert fault("add", "ssh-late", "--instance", "web*", "--seconds", "1.5") == "2\n"
    rows = [line.split() for line in fault("ls").splitlines()]
    assert rows == [
        ["ID", "KIND", "OF", "WHAT", "WHEN", "STRUCK"],
        ["1", "error", "Run*", "InternalError", "number", "2", "0"],
        ["2", "ssh-late", "web*", "1.5", "s", "always", "0"],
    ]
    listed = json.loads(fault("ls", "--json"))
    assert [each["Kind"] for each in listed] == ["error", "ssh-late"]
    assert listed[0].items() >= {"Id": 1, "Code": "InternalError", "Struck": 0}.items()
    assert run(["local", "status"], environment) == 0
    assert "Faults:     2 (see: ecsmachine local fault ls)\n" in capsys.readouterr().out
    fault("rm", "1")
    assert [each["Id"] for each in json.loads(fault("ls", "--json"))] == [2]
    fault("rm", "--all")
    assert json.loads(fault("ls", "--json")) == []
    assert run(["local", "status"], environment) == 0
    assert "Faults" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", "bogus"], 2, 'There is no fault "bogus"'),
        (["add", "error"], 2, "The fault error needs --code"),
        (
            ["add", "delay", "--seconds", "1", "--code", "X"],
            2,
            "The fault delay has no option --code",
        ),
        (["add", "throttle"], 2, "The fault throttle needs --rate"),
        (["add", "disk-full", "--free-mib", "-1"], 2, "--free-mib must not be negative"),
        (["add", "delay", "--seconds", "0"], 2, "--seconds must be above 0"),
        (["add", "error", "--code", "X", "--status", "1"], 2, "--status must be an HTTP status"),
        (["add", "ssh-drops"], 2, "needs --seconds, --bytes or --connection"),
        (["rm"], 2, "--all"),
        (["rm", "1", "--all"], 2, "--all"),
        (["rm", "9"], 1, "There is no fault 9"),
        (["add", "never-boots"], 2, "needs guests"),
        (["add", "cut-after", "--action", "RunInstance"], 2, "Did you mean RunInstances"),
        (["add", "cut-after", "--region", "cn-hangzou"], 2, "Did you mean cn-hangzhou"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    environment = cloud(tmp_path / "cloud", "none")
    assert run(["local", "fault", *arguments], environment) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1


def test_without_a_cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"ECSMACHINE_LOCAL_ROOT": str(tmp_path / "none")}
    assert run(["local", "fault", "ls"], environment) == 1
    assert "There is no local cloud in" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["local", "fault", "add", "--help"], {}) == 0
    assert "ecsmachine local fault add throttle --rate 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("fault add bogus", 'There is no fault "bogus"'),
        ("fault add no-stok --zone cn-hangzhou-h", "Did you mean no-stock?"),
        ("fault add error", "The fault error needs --code"),
        ("fault add no-stock --instance-type ecs.g6.larg", "Did you mean ecs.g6.large"),
        ("fault add cut-after --action RunInstance", "Did you mean RunInstances?"),
        ("registry push none.tar nginx:1", "none.tar: No such file"),
        ("run none-such-program", 'There is no program "none-such-program"'),
        ("up --guests none --seed none.yaml", "The seed none.yaml cannot be read"),
        ("up --guests none --listen nowhere", "nowhere"),
        ("up --guests none --delay pendin=1", "Did you mean pending?"),
        ("logs i-x --requests", "An instance has no requests"),
        ("fault rm", "Give the ids of faults"),
    ],
)
def test_arguments_are_looked_at_before_the_cloud_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    environment = {"ECSMACHINE_LOCAL_ROOT": str(tmp_path / "cloud"), "PATH": ""}
    assert run(["local", *arguments.split()], environment) != 0
    told = capsys.readouterr().err
    assert (said in told, "There is no local cloud" in told) == (True, False), told
    assert not (tmp_path / "cloud").exists()


def test_no_zone_is_suggested_that_is_not_near(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["local", "fault", "add", "no-stock", "--zone", "cn-nowhere"], {}) == 2
    told = capsys.readouterr().err
    assert "There is no zone cn-nowhere" in told and "Did you mean" not in told
