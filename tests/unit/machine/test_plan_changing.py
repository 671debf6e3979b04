"""Changing a machine to what a file wants: in which order, and what is left to whom."""

from __future__ import annotations

import pytest

from ecsmachine.machine import changes, provisioning
from ecsmachine.machine.create_request import CreateRequest
from ecsmachine.machine.plan.changing import change
from ecsmachine.machine.plan.plan import Difference, Kind, Step
from ecsmachine.machine.plan.wanted import Wanted
from ecsmachine.machine.store import Store
from ecsmachine.provision.base import EngineOptions
from tests.unit.stand_ins import add_machine


def test_an_engine_that_is_yet_to_be_installed_has_its_options_from_the_start(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_machine(store, "dev1")
    done: list[object] = []
    monkeypatch.setattr(provisioning, "provision", lambda *_, engine: done.append(engine.labels))
    monkeypatch.setattr(changes, "change_machine", lambda *given: done.append(given[2]))
    request = CreateRequest("dev1", "none", {}, engine=EngineOptions(labels=["a=b"]))
    differences = [
        Difference("engine-label", [], ["a=b"], Kind.CHANGE),
        Difference("provision", False, True, Kind.CHANGE),
    ]
    change(store, Step("dev1", Kind.CHANGE, Wanted(request, "dev1"), "", differences), print)
    assert done == [["a=b"]]
