"""How a listener of a load balancer chooses, and when a server is well."""

from __future__ import annotations

from collections import Counter

import pytest

from ecsmachine.localcloud.work.balancing import Choice, Health, HealthCheck, Server

CHECK = HealthCheck(port=0, interval_s=1, timeout_s=1, rise=2, fall=3)
ONE = Server("i-1", "10.0.0.1", 80, 10)
THREE = Server("i-2", "10.0.0.2", 80, 30)
NONE = Server("i-3", "10.0.0.3", 80, 0)


@pytest.mark.parametrize(
    ("scheduler", "turns"), [("wrr", {ONE: 10, THREE: 30}), ("rr", {ONE: 20, THREE: 20})]
)
def test_turns_are_as_the_weights_say(scheduler: str, turns: dict[Server, int]) -> None:
    choice = Choice()
    chosen = Counter(choice.choose(scheduler, (ONE, THREE, NONE), "c") for _ in range(40))
    assert chosen == turns


def test_turns_are_spread_evenly() -> None:
    choice = Choice()
    chosen = [choice.choose("wrr", (ONE, THREE), "c") for _ in range(4)]
    assert chosen.count(ONE) == 1 and chosen[0] == THREE and chosen[3] == THREE


def test_the_least_loaded_gets_the_next_connection() -> None:
    choice = Choice(open={ONE: 1, THREE: 2})
    assert choice.choose("wlc", (ONE, THREE), "c") == THREE
    choice.open[THREE] = 4
    assert choice.choose("wlc", (ONE, THREE), "c") == ONE


def test_a_client_stays_with_its_server() -> None:
    choice = Choice()
    clients = [f"192.0.2.{number}" for number in range(50)]
    first = [choice.choose("sch", (ONE, THREE), client) for client in clients]
    assert [choice.choose("sch", (ONE, THREE), client) for client in clients] == first
    assert set(first) == {ONE, THREE}


def test_servers_without_a_weight_get_nothing() -> None:
    assert Choice().choose("wrr", (NONE,), "c") is None


def test_a_server_has_to_answer_or_not_several_times_in_a_row() -> None:
    health = Health()
    health.note(True, CHECK)
    assert health.well, "the first answer counts at once"
    for answered, well in (
        *((False, True), (False, True), (True, True)),
        *((False, True), (False, True), (False, False)),
        *((True, False), (False, False), (True, False), (True, True)),
    ):
        health.note(answered, CHECK)
        assert health.well is well
