"""What a driver takes on the command line, the store can read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.hypothesis_profiles  # noqa: F401 (they are registered by being imported)
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.options import Option, OptionValue
from ecsmachine.errors import MachineError

ENVIRONMENT = {"ECS_ACCESS_KEY_ID": "a", "ECS_ACCESS_KEY_SECRET": "b", "HOME": "/nowhere"}
CONTEXT = DriverContext("dev1", Path("/store"), Path("/store/machines/dev1"), "s", ENVIRONMENT)
TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        *(
            "h",
            "192.0.2.7",
            "fe80::1%eth0",
            "-x",
            "a b",
            "x\ny",
            "tcp://h:1",
            "http://h",
            "a/b",
            "..",
        ),
        *("cn-hangzhou", "a.b", "é", "*", "%h", "$x", "a=b", "\x1b[0m", "xfs", "10.0.0.0/8", "a:b"),
        *(
            "http://127.0.0.1:1",
            "tcp://[::1]:1",
            "tcp://u:p@h:1",
            "x" * 300,
            "a_b",
            "A",
            "1",
            "~/x",
        ),
    ]
)
GIVEN: dict[str, dict[str, OptionValue]] = {
    "generic": {"generic-ip-address": "h"},
    "none": {"url": "tcp://h:1"},
    "aliyunecs": {},
}


def value_of(option: Option) -> st.SearchStrategy[OptionValue]:
    if option.kind == "bool":
        return st.booleans()
    if option.kind == "int":
        return st.integers(-5, 70000)
    return st.lists(TEXTS, max_size=2) if option.kind == "list" else TEXTS


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_taken_can_be_read_again(name: str) -> None:
    options = registry.options_of(name)
    defaults = {option.name: option.default for option in options} | GIVEN[name]
    taken = 0

    @given(st.data())
    def attempt(data: st.DataObject) -> None:
        nonlocal taken
        for option in options:
            values = {**defaults, option.name: data.draw(value_of(option), option.name)}
            try:
                config = registry.new(name, CONTEXT, values).config()
            except MachineError:
                continue
            taken += 1
            stored = json.loads(json.dumps(config))
            assert registry.load(name, CONTEXT, stored).config() == stored

    attempt()
    assert taken
