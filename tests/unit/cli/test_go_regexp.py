"""Regular expressions of Go: what they match, and what Go refuses.

The outcomes are those of Go's regexp (``regexp.Compile`` and ``MatchString``).
"""

from __future__ import annotations

import re

import pytest

from ecsmachine.cli.display.go_regexp import compiled


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("a(?i)b", "xaB", "AB"),
        ("(a(?i)b)c", "aBc", "aBC"),
        ("a(?i)b|c", "C", "A"),
        ("(?i)A(?-i)b", "ab", "aB"),
        ("(?i:a)b", "Ab", "AB"),
        ("(?i)[a-c]", "B", "D"),
        ("(?s)a.b", "a\nb", "ab"),
        ("a.b", "a-b", "a\nb"),
        ("(?m)^b$", "a\nb\nc", "ab"),
        ("^b$", "b", "b\n"),
        (r"\Ab\z", "b", "b\n"),
        ("^*a", "a", "b"),
        (r"\Qa.b\E", "a.b", "axb"),
        (r"x\Q(", "x(", "x"),
        ("(?P<n>a)(?<m>b)", "ab", "b"),
        ("(?P<n>a)|(?P<n1>b)", "b", "c"),
        ("[[:alpha:]][^[:^digit:]]", "a1", "ab"),
        ("[]a-]", "-", "b"),
        (r"[^\d\s]", "a", "1 \t"),
        (r"^[\w-]+$", "dev-1", "dev 1"),
        (r"^\s$", "\t", "\v"),
        (r"\pL\p{Nd}", "a1", "11"),
        (r"\PL", "1", "a"),
        (r"\p{^Latin}", "1", "a"),
        (r"\p{Greek}", "\u03b1", "a"),
        (r"\x41\x{42}\103\060", "ABC0", "ABC"),
        (r"a\_\-\.", "a_-.", "a_--"),
        ("^a{2,3}$", "aa", "a"),
        ("a{,2}", "a{,2}", "aa"),
        ("a{x", "a{x", "a"),
        ("(?U)^a+?$", "aa", "b"),
        ("a||b", "", None),
        ("(|a)+", "", None),
        ("(?)a", "a", "b"),
    ],
)
def test_what_matches(pattern: str, found: str, missed: str | None) -> None:
    assert compiled(pattern).search(found)
    assert missed is None or not compiled(pattern).search(missed)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("(?<=a)", "invalid or unsupported Perl syntax: `(?<=`"),
        ("(?<!a)", "invalid or unsupported Perl syntax: `(?<!`"),
        ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
        ("(?#a)", "invalid or unsupported Perl syntax: `(?#`"),
        ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?a)a", "invalid or unsupported Perl syntax: `(?a`"),
        ("(?-)a", "invalid or unsupported Perl syntax: `(?-`"),
        ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"[\b]", r"invalid escape sequence: `\b`"),
        (r"[a-\d]", r"invalid escape sequence: `\d`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("(*a)", "missing argument to repetition operator: `*`"),
        ("a|?", "missing argument to repetition operator: `?`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("(a", "missing closing )"),
        ("a)", "unexpected )"),
        ("[a", "missing closing ]: `[a`"),
        ("[]", "missing closing ]: `[]`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:x:]]", "invalid character class range: `[:x:]`"),
        (r"\p{X}", r"invalid character class range: `\p{X}`"),
        ("a\\", "trailing backslash at end of expression"),
        ("(" * 5000, "nests too deeply"),
    ],
)
def test_what_go_refuses(pattern: str, said: str) -> None:
    with pytest.raises(re.error) as caught:
        compiled(pattern)
    assert said in str(caught.value)
