"""What is meant by a name that there is not: near, or nothing; and said in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

import ecsmachine
from ecsmachine.localcloud.catalog.regions import regions
from ecsmachine.suggestions import did_you_mean, instead_of, nearest

REGIONS = [region.id for region in regions()]
ZONES = [zone.id for region in regions() for zone in region.zones]


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("regoin", ["region", "zone"], ["region"]),
        ("INSTANCE_TYPE", ["instance-type", "instance-name"], ["instance-type"]),
        ("type", ["instance-type", "prototype"], ["instance-type"]),
        ("--type", ["--instance-type", "--tag"], ["--instance-type"]),
        ("cn-hangzou", REGIONS, ["cn-hangzhou"]),
        ("runinstance*", ["RunInstances", "StopInstances"], ["RunInstances"]),
        ("statsu", ["status", "start"], ["status"]),
        ("bsh", ["bash", "zsh", "fish"], ["bash"]),
        ("shh", ["ssh", "scp", "ls"], ["ssh"]),
        ("cn-nowhere", REGIONS, []),
        ("cn-nowhere", ZONES, []),
        ("cn-*x", ZONES, []),
        ("x", ["a", "xy-z"], []),
        ("", ["a"], []),
    ],
)
def test_what_is_meant_is_near_or_nothing(word: str, known: list[str], meant: list[str]) -> None:
    assert nearest(word, known) == meant


def test_what_is_said_of_it() -> None:
    assert did_you_mean("zones", ["zone", "a"]) == "Did you mean zone?"
    assert did_you_mean("q", ["zone"]) == ""
    assert instead_of("q", ["b", "a"]) == "Use one of: b, a."
    assert instead_of("q", ["b"]) == "Use b."
    assert instead_of("bashh", ["bash"]) == "Did you mean bash?"
    assert instead_of("zfs", ["ext4", "xfs"]) == "Did you mean xfs? Use one of: ext4, xfs."
    assert instead_of("bsh", ["bash", *"abcdef"]) == "Did you mean bash?"
    assert instead_of("q", []) == ""
    assert instead_of("q", map(str, range(9)), most=2) == "Use one of: 0, 1 and 7 more."


def test_nothing_else_looks_for_what_is_near() -> None:
    package = Path(ecsmachine.__file__).parent
    others = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "get_close_matches" in path.read_text()
    ]
    assert others == ["suggestions.py"]
