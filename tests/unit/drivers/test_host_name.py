"""Names that every consumer can bear."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecsmachine.drivers.aliyunecs.resources.instance import _instance_name
from ecsmachine.drivers.aliyunecs.resources.key_pair import _name as key_pair_name
from ecsmachine.drivers.host_name import host_name_for, is_host_name, shortened
from ecsmachine.drivers.tagged import tag_of
from ecsmachine.machine.model import validate_name

NAMES = st.from_regex(r"\A[a-zA-Z0-9][a-zA-Z0-9\-.]{0,199}\Z")


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("a..b", "a.b"),
        ("x-", "x"),
        ("a.", "a"),
        ("a.-b", "a.b"),
        ("a-.b", "a.b"),
        ("r" * 70, "r" * 54),
        (f"{'r' * 64}.example", "r" * 54),
        ("203.0.113.7", "203.0.113.7"),
    ],
)
def test_what_no_host_can_be_called_gives_way_to_what_is_made_from_it(
    name: str, beginning: str
) -> None:
    made = host_name_for(validate_name(name))
    assert re.fullmatch(rf"{re.escape(beginning)}-[0-9a-f]{{8}}", made)


@pytest.mark.parametrize("name", ["dev1", "a", "1", "web-1.example", "a--b", "r" * 63, "A"])
def test_what_a_host_can_be_called_stays(name: str) -> None:
    assert host_name_for(name) == name


def test_machines_whose_names_differ_have_hosts_whose_names_differ() -> None:
    names = ["a.b", "a..b", "a.b.", "a.-b", "r" * 70, "r" * 71]
    assert len({host_name_for(name) for name in names}) == len(names)


@given(NAMES)
def test_every_consumer_can_bear_what_is_made(name: str) -> None:
    validate_name(name)
    host = host_name_for(name)
    assert is_host_name(host)
    assert all(0 < len(label) <= 63 for label in host.split("."))
    # RunInstances and ImportKeyPair: 2 to 128 characters, a letter first; tags: 128 at most
    for cloud_name in (_instance_name(name), key_pair_name(name, "0" * 16)):
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9:_.-]{1,127}", cloud_name)
    assert len(f"{shortened(_instance_name(name), 120)}_data") <= 128
    assert len(tag_of(name)) <= 128
