"""Faults: what makes sense, when they strike, and what is counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import KINDS, Fault, FaultError, check, fault_of
from ecsmachine.localcloud.faults.requests import refusal
from ecsmachine.localcloud.service.fault_reach import reach_of


@pytest.fixture
def book(tmp_path: Path) -> Iterator[FaultBook]:
    book = FaultBook(tmp_path)
    yield book
    book.close()


def struck(book: FaultBook, calls: int) -> list[int]:
    """Return which of so many calls are struck, counted from 1."""
    return [number for number in range(1, calls + 1) if book.strike(lambda _: True)]


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"times": 2}, [1, 2]),
        ({"nth": 3}, [3]),
        ({"nth": 3, "times": 2}, [3, 4]),
    ],
)
def test_when_it_strikes(book: FaultBook, when: dict[str, int], numbers: list[int]) -> None:
    book.add(Fault("cut-before", **when))  # type: ignore[arg-type]
    assert struck(book, 6) == numbers
    (entry,) = book.entries()
    assert (entry.seen, entry.struck) == (6, len(numbers))
    assert entry.spent == bool(when)


def test_probability_is_drawn_from_the_seed(tmp_path: Path) -> None:
    drawn = []
    for number, seed in enumerate((7, 7, 8)):
        folder = tmp_path / str(number)
        folder.mkdir()
        book = FaultBook(folder)
        book.add(Fault("cut-before", probability=0.5, seed=seed))
        first = struck(book, 20)
        book.close()
        book = FaultBook(folder)  # a restart of the cloud changes nothing
        drawn.append(first + [20 + each for each in struck(book, 20)])
        book.close()
    assert drawn[0] == drawn[1] != drawn[2]
    assert 5 < len(drawn[0]) < 35


def test_another_process_changes_them_while_they_are_in_use(tmp_path: Path) -> None:
    daemon, command = FaultBook(tmp_path), FaultBook(tmp_path)
    assert struck(daemon, 1) == []
    before = daemon.changes
    fault_id = command.add(Fault("cut-before"))
    assert struck(daemon, 2) == [1, 2]
    assert daemon.changes != before
    assert [entry.struck for entry in command.entries()] == [2]
    before = daemon.changes
    assert struck(daemon, 1) == [1]
    assert daemon.changes == before
    assert command.remove(fault_id)
    assert not command.remove(fault_id)
    assert struck(daemon, 1) == []
    assert (command.add(Fault("cut-after")), command.clear(), command.clear()) == (2, 1, 0)
    daemon.close()
    command.close()
    assert (tmp_path / "faults.sqlite").stat().st_mode & 0o077 == 0


def test_a_fault_of_another_version_is_passed_over_and_said_once(
    book: FaultBook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book.add(Fault("delay", seconds=1))
    other = sqlite3.connect(tmp_path / "faults.sqlite")
    for body in ('{"kind":"delay","seconds":1,"new":2}', '{"kind":"of-a-newer-version"}', "{"):
        other.execute("INSERT INTO fault (body) VALUES (?)", (body,))
    other.commit()
    assert [entry.id for entry in book.entries()] == [1, 2]
    other.execute("UPDATE fault SET seen=1")
    other.commit()
    other.close()
    assert [entry.id for entry in book.strike(lambda _: True)] == [1, 2]
    assert [record.args[1] for record in caplog.records if record.args] == [3, 4]  # type: ignore[index]


def test_the_next_instance_stays_struck_and_no_other_is(book: FaultBook) -> None:
    fault_id = book.add(Fault("never-boots", times=1))
    assert book.strikes_instance(fault_id, "i-1")
    assert not book.strikes_instance(fault_id, "i-2")
    assert book.strikes_instance(fault_id, "i-1")
    second = book.add(Fault("never-boots", nth=2))
    assert [book.strikes_instance(second, name) for name in ("i-1", "i-2", "i-3")] == [
        False,
        True,
        False,
    ]


def test_what_is_meant() -> None:
    fault = Fault("ssh-late", instance="web*", seconds=1)
    assert fault.matches_instance("i-1", "web1")
    assert fault.matches_instance("webster", "x")
    assert not fault.matches_instance("i-1", "db1")
    assert Fault("delay", seconds=1).matches_action("DescribeRegions")
    assert not Fault("delay", action="Run*", seconds=1).matches_action("DescribeRegions")
    assert Fault("quota").matches_action("CreateVpc")
    assert not Fault("quota").matches_action("DescribeVpcs")
    stock = Fault("no-stock", zone="cn-hangzhou-?")
    assert stock.matches_type("cn-hangzhou-i", "ecs.g6.large")
    assert not stock.matches_type("cn-beijing-i", "ecs.g6.large")


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("nonsense", {}, 'There is no fault "nonsense"'),
        ("error", {}, "needs code"),
        ("error", {"code": "X", "seconds": 3.0}, "The fault error has no option seconds"),
        ("error", {"code": "X", "status": 200}, "status"),
        ("delay", {"seconds": -1.0}, "seconds must be a positive number"),
        ("delay", {"seconds": float("nan")}, "seconds must be a positive number"),
        ("throttle", {"rate": 1.0, "nth": 2}, "strikes by rate"),
        ("ssh-drops", {}, "needs seconds, bytes or connection"),
        ("ssh-drops", {"seconds": 1.0, "bytes": 5}, "one of"),
        ("cut-after", {"probability": 0.0}, "probability"),
        ("cut-after", {"times": -1}, "times"),
        ("never-boots", {"action": "RunInstances"}, "has no option action"),
    ],
)
def test_what_makes_no_sense_is_said(
    book: FaultBook, kind: Any, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(FaultError, match=said):
        book.add(Fault(kind, **values))
    assert book.entries() == []


@pytest.mark.parametrize("name", ["times", "nth", "seconds", "rate", "bytes", "connection"])
def test_a_limit_of_zero_is_not_the_same_as_none(name: str) -> None:
    with pytest.raises(FaultError, match=f"{name} must be above 0"):
        fault_of("delay", {"seconds": 1, name: 0})
    assert fault_of("disk-full", {"free_mib": 0, "seed": 0}) == Fault("disk-full")


def test_every_kind_can_be_had() -> None:
    needed: dict[str, dict[str, Any]] = {
        "error": {"code": "InternalError"},
        "delay": {"seconds": 1.0},
        "throttle": {"rate": 1.0},
        "eventual-consistency": {"seconds": 1.0},
        "ssh-late": {"seconds": 1.0},
        "ssh-drops": {"bytes": 1},
    }
    for kind in KINDS:
        fault = Fault(kind, **needed.get(kind, {}))
        check(fault)
        assert fault.where()
        assert fault.when() == "always"


@pytest.mark.parametrize(
    ("fault", "action", "status", "code"),
    [
        (Fault("error", code="ServiceUnavailable"), "X", 503, "ServiceUnavailable"),
        (Fault("error", code="InternalError"), "X", 500, "InternalError"),
        (Fault("error", code="InvalidFoo.NotFound"), "X", 404, "InvalidFoo.NotFound"),
        (Fault("error", code="Made.Up", status=418), "X", 418, "Made.Up"),
        (Fault("throttle", rate=1), "X", 400, "Throttling.User"),
        (Fault("quota"), "CreateVpc", 400, "QuotaExceeded.Vpc"),
        (Fault("quota"), "CreateSecurityGroup", 403, "QuotaExceed.SecurityGroup"),
        (Fault("no-stock"), "RunInstances", 403, "OperationDenied.NoStock"),
    ],
)
def test_how_requests_are_refused(fault: Fault, action: str, status: int, code: str) -> None:
    error = refusal(fault, action)
    assert (error.status, error.code) == (status, code)
    assert error.message


@pytest.mark.parametrize(
    ("kind", "values", "said", "hint"),
    [
        ("error", {"action": "RunInstance", "code": "X"}, "action RunInstance", "RunInstances"),
        ("error", {"action": "runinstances", "code": "X"}, "action", "Did you mean RunInstances"),
        ("delay", {"action": "Descrbe*", "seconds": 1}, "action Descrbe*", "Describe"),
        ("cut-after", {"action": "CreateCluster"}, "action", "ECS, VPC, SLB"),
        ("cut-after", {"action": "CreatePrefixList"}, "action", "the local cloud does not"),
        ("cut-after", {"action": "DescribeZones/DryRun"}, "action", "has no dry run"),
        ("quota", {"action": "CreateVcp"}, "action", "CreateVpc"),
        ("eventual-consistency", {"action": "StopInstance", "seconds": 1}, "resource-creating", ""),
        ("throttle", {"rate": 1, "region": "cn-hangzou"}, "region", "Did you mean cn-hangzhou"),
        ("no-stock", {"instance_type": "ecs.g6.larg"}, "instance type", "ecs.g6.large"),
        ("no-stock", {"instance_type": "g6.large"}, "instance type", "ecs.g6.large"),
        ("no-stock", {"zone": "cn-hangzhou"}, "zone cn-hangzhou", "cn-hangzhou-"),
        ("no-stok", {}, 'no fault "no-stok"', "Did you mean no-stock"),
        ("no-stock", {"instance_typ": "ecs.g6.large"}, "no option instance_typ", "instance_type"),
        ("delay", {"seconds": "1"}, "seconds must be a number", ""),
        ("delay", {"seconds": 1, "times": 1.5}, "times must be a whole number", ""),
        ("mirror-404", {"path": "pool/x.deb"}, "slash", "*/pool/x.deb"),
        ("never-boots", {"instance": "i-bp1abcdefghijklmnopq"}, "instance i-bp1", ""),
    ],
)
def test_one_that_can_never_strike_is_refused(
    tmp_path: Path, kind: Any, values: dict[str, Any], said: str, hint: str
) -> None:
    with (
        closing(FaultBook(tmp_path, reach_of(tmp_path, guests=True))) as book,
        pytest.raises(FaultError) as caught,
    ):
        book.add(fault_of(kind, values))
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")
    assert book_is_empty(tmp_path)


def book_is_empty(root: Path) -> bool:
    with closing(FaultBook(root)) as book:
        return not book.entries()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if Fault(kind).target != "request"])
def test_without_guests_there_are_no_faults_of_guests(tmp_path: Path, kind: Any) -> None:
    fault = Fault(kind, seconds=1) if kind.startswith("ssh") else Fault(kind)
    with (
        closing(FaultBook(tmp_path, reach_of(tmp_path, guests=False))) as book,
        pytest.raises(FaultError, match="needs guests"),
    ):
        book.add(fault)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("error", {"action": "Run*", "code": "Of.OnesOwn"}),
        ("error", {"action": "RunInstances/DryRun", "code": "X"}),
        ("cut-before", {"action": "*", "region": "cn-*"}),
        ("quota", {"action": "CreateLoadBalancer"}),
        ("no-stock", {"instance_type": "ecs.?6.*", "zone": "cn-hangzhou-[hi]"}),
        ("mirror-404", {"path": "*.deb"}),
        ("never-boots", {"instance": "to-be-made"}),
    ],
)
def test_what_can_strike_is_taken(tmp_path: Path, kind: Any, values: dict[str, Any]) -> None:
    with closing(FaultBook(tmp_path, reach_of(tmp_path, guests=True))) as book:
        assert book.add(fault_of(kind, values)) == 1
