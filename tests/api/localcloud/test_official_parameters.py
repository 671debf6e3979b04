"""Every official parameter of every action is read, refused by name, or known to have no effect.

The requests, and the cloud that they are sent to, are those of ``scripts/measure_api``.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.actions import PRODUCTS
from ecsmachine.localcloud.actions.unsupported import (
    UNSUPPORTED,
    WITHOUT_EFFECT,
    unsupported,
    without_effect,
)
from ecsmachine.localcloud.protocol.official import COMMON, official_actions, plain_name

MEASURE = Path(__file__).parents[3] / "scripts" / "measure_api"
OF_THE_SERVER = ("ClientToken", "DryRun")
ACTIONS = [
    (version, action)
    for version, actions in PRODUCTS.items()
    for action in actions
    if action in official_actions(version)
]


@dataclass
class Bench:
    """A cloud with one of everything, and the measure's modules."""

    probe: Any
    scene: Any
    modules: dict[str, Any]

    def facts(self, version: str, action: str) -> Any:
        return self.modules["official"].facts(version, action, None)

    def ways(self, facts: Any) -> list[dict[str, Any]]:
        base = self.modules["scene"].base_of(facts, self.scene)
        merged = self.modules["parameters"].merged
        return [merged(base, way) for way in self.modules["scene"].ways_of(facts, self.scene)]

    def value(self, facts: Any, parameter: Any) -> Any:
        named = self.modules["scene"].values_by_name(self.scene)
        return self.modules["parameters"].right_values(facts, parameter, named)[0]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    logging.getLogger("ecsmachine.localcloud").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MEASURE))
        names = ("official", "cloud", "scene", "parameters")
        modules = {name: importlib.import_module(name) for name in names}
        with modules["cloud"].probed_cloud(tmp_path_factory.mktemp("cloud")) as probe:
            yield Bench(probe, modules["scene"].furnish(probe), modules)
        for name in names:
            del sys.modules[name]
    logging.getLogger("ecsmachine.localcloud").setLevel(logging.NOTSET)


@pytest.mark.parametrize(("version", "action"), ACTIONS)
def test_nothing_is_passed_over_in_silence(bench: Bench, version: str, action: str) -> None:
    official = official_actions(version)[action]
    facts = bench.facts(version, action)
    ways = bench.ways(facts)
    passed_over = []
    for parameter in facts.parameters.values():
        name = plain_name(parameter.name)
        if name in {*without_effect(action, official), *COMMON, *OF_THE_SERVER}:
            continue
        asked = {parameter.name: bench.value(facts, parameter)}
        if name in unsupported(action, official):
            outcome = bench.probe.ask(version, action, {**ways[0], parameter.name: "x"})
            assert outcome.code == "UnsupportedParameter"
        elif not any(
            parameter.name in bench.probe.ask(version, action, {**way, **asked}).read
            for way in ways
        ):
            passed_over.append(parameter.name)
    assert not passed_over, (
        "none of these is read, where requests as in scripts/measure_api/scene.py have them; "
        "implement them, or name them in actions/unsupported.py"
    )


def test_every_official_name_is_known() -> None:
    strange = [
        (version, action)
        for version, actions in PRODUCTS.items()
        for action in actions
        if action not in official_actions(version)
    ]
    # SLB and VPC answer to both spellings; the location service is not published.
    assert strange == [("2016-04-28", "UntagResources"), ("2015-06-12", "DescribeEndpoints")]


def test_every_pattern_is_of_a_parameter() -> None:
    official = [(action, official_actions(version)[action]) for version, action in ACTIONS]
    for find, table in ((unsupported, UNSUPPORTED), (without_effect, WITHOUT_EFFECT)):
        found = {(action, name) for action, its in official for name in find(action, its)}
        for pattern in (each for group in table.values() for each in group):
            of, _, name = pattern.rpartition(":")
            assert any(fnmatchcase(a, of or "*") and fnmatchcase(n, name) for a, n in found), (
                pattern
            )
