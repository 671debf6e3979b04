from __future__ import annotations

import pytest

from ecsmachine.cli.display.output import Duration, align


def test_columns_are_three_blanks_apart_and_five_wide_at_least() -> None:
    text = "NAME\tSTATE\tURL\na\tRunning\ttcp://198.18.0.7:2376\nlong-name\t\t\nb"
    assert align(text).split("\n") == [
        "NAME        STATE     URL",
        "a           Running   tcp://198.18.0.7:2376",
        "long-name",
        "b",
    ]
    assert align("a\tb\nc\td") == "a    b\nc    d"


def test_a_column_ends_where_a_line_does_not_have_it() -> None:
    assert align("a-long-one\tx\nplain\nb\tx").split("\n") == ["a-long-one   x", "plain", "b    x"]


def test_text_without_tabs_stays() -> None:
    assert align("") == ""
    assert align("one two\nthree") == "one two\nthree"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (7, "7ns"),
        (1_500, "1.5µs"),
        (4_213_873, "4.213873ms"),
        (1_000_000_000, "1s"),
        (1_250_000_000, "1.25s"),
        (60_000_000_000, "1m0s"),
        (3_723_500_000_000, "1h2m3.5s"),
    ],
)
def test_durations_are_shown_as_go_shows_them(nanoseconds: int, text: str) -> None:
    assert str(Duration(nanoseconds)) == text
    assert Duration.of_seconds(nanoseconds / 1e9) == nanoseconds
