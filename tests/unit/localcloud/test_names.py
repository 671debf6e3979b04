from __future__ import annotations

import pytest

from ecsmachine.localcloud.protocol.names import (
    valid_description,
    valid_host_name,
    valid_name,
    valid_password,
)


@pytest.mark.parametrize("password", ["Abcdef12", "abc12345!", "ABC12345-", "Aa1()`~!@#$%^&*-_+="])
def test_good_passwords(password: str) -> None:
    assert valid_password(password)


@pytest.mark.parametrize(
    "password",
    ["", "Abc123!", "A1!" + "a" * 28, "abcdefgh1", "ABCDEFGH", 'Abc123"45', "Abc123\\45",
     "Abc123 45", "Abcdé1234"],
)  # fmt: skip
def test_bad_passwords(password: str) -> None:
    assert not valid_password(password)


@pytest.mark.parametrize("name", ["ab", "web-1", "机器", "a.b:c_d", "a" * 128])
def test_good_names(name: str) -> None:
    assert valid_name(name)


@pytest.mark.parametrize("name", ["a", "1a", "_a", "http://a", "a b", "a" * 129, "a/b", "-a"])
def test_bad_names(name: str) -> None:
    assert not valid_name(name)


@pytest.mark.parametrize("name", ["dev1", "a.b", "web-1.example", "1web", "A" * 64])
def test_good_host_names(name: str) -> None:
    assert valid_host_name(name)


@pytest.mark.parametrize("name", ["a", "-a", "a-", "a..b", "a--b", "a_b", "a" * 65, ".a", "a b"])
def test_bad_host_names(name: str) -> None:
    assert not valid_host_name(name)


def test_descriptions() -> None:
    assert valid_description("for tests")
    assert not valid_description("x")
    assert not valid_description("https://example.com")
