from __future__ import annotations

import pytest

from ecsmachine.cli.arguments.names import expand, is_pattern, matching
from ecsmachine.errors import MachineError, UsageError


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["dev1"], ["dev1"]),
        (["web-{1..3}"], ["web-1", "web-2", "web-3"]),
        (["web-{08..11}"], ["web-08", "web-09", "web-10", "web-11"]),
        (["web-{3..1}"], ["web-3", "web-2", "web-1"]),
        (["{a,b}-{1..2}"], ["a-1", "a-2", "b-1", "b-2"]),
        (["a", "{a,b}", "b"], ["a", "b"]),
        (["a{b}c", "a{"], ["a{b}c", "a{"]),
    ],
)
def test_braces_stand_for_names_as_in_a_shell(words: list[str], names: list[str]) -> None:
    assert expand(words) == names


@pytest.mark.parametrize("word", ["x{1..1001}", "{1..100}{1..100}", "{1..999999999}"])
def test_braces_that_stand_for_too_many(word: str) -> None:
    with pytest.raises(UsageError, match="more than 1000 machines"):
        expand([word])


def test_patterns() -> None:
    existing = ["web-1", "web-2", "web-10", "Web-3", "db"]
    assert matching("web-*", existing) == ["web-1", "web-2", "web-10"]
    assert matching("web-?", existing) == ["web-1", "web-2"]
    assert matching("[dw]*", existing) == ["web-1", "web-2", "web-10", "db"]
    with pytest.raises(MachineError, match='No machine matches "x\\*"'):
        matching("x*", existing)
    assert [is_pattern(word) for word in ("a", "a-1.b", "a*", "a?", "[a]")] == [
        *(False, False, True, True, True)
    ]
