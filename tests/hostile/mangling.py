"""A cloud, or anything that answers in JSON, whose values are not what they should be."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Iterator
from typing import Any

from tests.passing import Ask, PassingServer

ESCAPES = (
    "\x1b[31m",
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "\x9b1A",
    "\x1b]8;;http://x\x1b\\y",
    "\r\x1b[K",
    "\x7f\x08",
    "\u202e\u2066",
    "\u2028\u200b\ufeff",
    "\ud800",
    "\U000e0041",
    "\nError: forged\n",
    "\tforged\tcell",
    "`touch forged`$(touch forged)",
)
"""What a terminal, a shell or a reader of lines would obey."""

ODD = (
    *("null", "true", "false", "0", "-1", "1.5", "1e999", "-1e999", "NaN", "Infinity", "65536"),
    *("9" * 30, "9" * 5000, '""', '" "', '"abc"', '"1e999"', '"9999999999999999999999"', '"-1"'),
    *("[]", "{}", "[null]", '[""]', "[[]]", '{"a": {"b": []}}', "[7]", '[{"x": 1}]'),
    *("[" * 100 + "]" * 100, "[" * 100_000, '{"a":' * 70 + "1" + "}" * 70),
    *(r'"\u0000"', r'"\ud800"', r'"a\nb"', r'"\u001b[2J"', r'"\u2028"', r'"\u202e"', '"é\\n"'),
    r'"198.18.205.2\n    ProxyCommand touch @TOUCHED@"',
    r'"root\n    ProxyCommand touch @TOUCHED@"',
    r'"x\nMatch exec \"touch @TOUCHED@\""',
    *('"-oProxyCommand=touch @TOUCHED@"', '"$(touch @TOUCHED@)"', '"; touch @TOUCHED@ #"'),
    *('"../../../x"', '"/etc/passwd"', '".."', '"a/b"', '"%s%n%h"', '"*"', '"http://[::1"'),
    *(r'"fe80::1%\n x"', '"http://u:p@h/?q#f"', '"x@evil.example/"', '"' + "x" * 100_000 + '"'),
    *('"1' + "/1" * 40 + '"', '"::"', '"0.0.0.0/33"', '"9999-99-99T99:99:99Z"', '"\\\\\\\\"'),
)
"""Values in JSON that stand where others belong; @TOUCHED@ is a file that must not come to be."""


_KEPT = (b"content-type", b"date")
"""The headers of an answer that are passed on."""

_MARK = re.compile('"@@([0-9]+)@@"')


class Odd:
    """Puts :data:`ODD` values in the place of others, whatever these are."""

    def __init__(self, touched: str):
        self._tokens = [token.replace("@TOUCHED@", touched) for token in ODD]

    def __call__(self, random: random.Random, value: Any) -> Any:
        return f"@@{random.randrange(len(self._tokens))}@@"

    def text_of(self, value: Any) -> bytes:
        """Return a value as JSON, with the odd ones in it (some of which are no JSON)."""
        text = _MARK.sub(lambda mark: self._tokens[int(mark[1])], json.dumps(value))
        return text.encode()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where every value in a document is, the whole of it too."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, each in items or (enumerate(value) if isinstance(value, list) else ()):
        yield from places(each, (*path, key))


def put(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Return a copy of a document with another value in a place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


class Mangler:
    """Passes requests on, and puts escapes, or ``odd`` values, into a part of what is answered."""

    def __init__(self, target: str, seed: int, share: float, odd: Odd | None = None):
        self._odd = odd
        self._random = random.Random(seed)
        self._share = share
        self._server = PassingServer(target, self._answer)
        self.endpoint = self._server.endpoint
        self.close = self._server.close

    def _answer(self, head: bytes, body: bytes, ask: Ask) -> bytes:
        told, content = ask()
        status, *lines = told.split(b"\r\n")
        kept = [line for line in lines if line.partition(b":")[0].lower() in _KEPT]
        content = self.mangled(content)
        return b"\r\n".join((status, *kept, b"Content-Length: %d" % len(content), b"", content))

    def mangled(self, content: bytes) -> bytes:
        """Return a body with escapes in it; one that is no JSON as it is."""
        try:
            value = json.loads(content)
        except ValueError:
            return content
        mangled = self._mangle(value)
        return self._odd.text_of(mangled) if self._odd else json.dumps(mangled).encode()

    def _mangle(self, value: Any) -> Any:
        if self._odd and self._random.random() < self._share:
            return self._odd(self._random, value)
        if isinstance(value, dict):
            return {key: self._mangle(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._mangle(each) for each in value]
        if self._odd or not isinstance(value, str) or self._random.random() >= self._share:
            return value
        at = self._random.randrange(len(value) + 1)
        return value[:at] + self._random.choice(ESCAPES) + value[at:]


@contextlib.contextmanager
def mangling(target: str, seed: int, share: float, odd: Odd | None = None) -> Iterator[str]:
    """Yield the address of what stands before ``target`` and mangles a share of its texts.

    With ``odd``, values of any type are others.
    """
    mangler = Mangler(target, seed, share, odd)
    try:
        yield mangler.endpoint
    finally:
        mangler.close()
