"""Regular expressions in Go's syntax (RE2), as ``ls --filter name=`` takes them.

Each is read whole by Go's grammar, and written anew for Python: what Go refuses (``(?=``, ``\\1``,
``a++``) is refused in Go's words, and the rest means what it means there (``a(?i)b``, ``$``,
``[[:word:]]``). Of scripts, only the usual ones are known.
Source: the package documentation of Go's regexp/syntax, with its Perl flags.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_Ranges = list[tuple[int, int]]

_LAST = sys.maxunicode
_CLASSES = {
    "alnum": "09AZaz",
    "alpha": "AZaz",
    "ascii": "\x00\x7f",
    "blank": "\t\t  ",
    "cntrl": "\x00\x1f\x7f\x7f",
    "digit": "09",
    "graph": "!~",
    "lower": "az",
    "print": " ~",
    "punct": "!/:@[`{~",
    "space": "\t\r  ",
    "upper": "AZ",
    "word": "09AZaz__",
    "xdigit": "09AFaf",
}
"""The first and the last character of each range."""

_PERL = {"d": "09", "s": "\t\n\f\r  ", "w": "09AZaz__"}
_ESCAPES = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SCRIPTS = {
    "Any": "",
    "Arabic": "ARABIC ",
    "Cyrillic": "CYRILLIC ",
    "Greek": "GREEK ",
    "Han": "CJK UNIFIED",
    "Hangul": "HANGUL ",
    "Hebrew": "HEBREW ",
    "Hiragana": "HIRAGANA ",
    "Katakana": "KATAKANA ",
    "Latin": "LATIN ",
}
"""How the names of the characters of a script begin."""

_CATEGORIES = {
    "C": "cfos",
    "L": "lmotu",
    "M": "cen",
    "N": "dlo",
    "P": "cdefios",
    "S": "ckmo",
    "Z": "lps",
}
"""The second letters of categories, by the first, which alone stands for all of them."""

_MOST_REPEATED = 1000
_DEEPEST = 100
_REPEAT = re.compile(r"[*+?]|\{(\d+)(,?)(\d*)\}")
_GROUP = re.compile(r"\(\?(?:P?<(\w+)>|([imsU]*)(?:-([imsU]+))?([:)]))", re.ASCII)
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_HEXADECIMAL = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_PROPERTY = re.compile(r"[pP](?:(\w)|\{(\^?)(\w+)\})", re.ASCII)


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression of Go. Raises :class:`re.error` if it is none."""
    return re.compile(_Translation(pattern).whole())


class _Translation:
    """A pattern, read once from its beginning."""

    def __init__(self, pattern: str):
        self._text = pattern
        self._at = 0
        self._flags: frozenset[str] = frozenset()
        self._outside = self._flags
        """The flags that hold again after the group that was opened last."""

    def whole(self) -> str:
        """Return it as Python writes it. Raises :class:`re.error`."""
        outer: list[tuple[list[str], frozenset[str]]] = []
        atoms: list[str] = []
        repeated = -1
        while self._at < len(self._text):
            begun, sign = self._at, self._text[self._at]
            repeat = _REPEAT.match(self._text, begun)
            if repeat is not None:
                self._repeat(atoms, repeat, stacked_on=repeated)
                repeated = begun
                continue
            repeated = -1
            if sign == "(":
                if self._opens_group():
                    outer.append((atoms, self._outside))
                    atoms = []
                if len(outer) > _DEEPEST:
                    raise re.error("expression nests too deeply")
            elif sign == ")":
                if not outer:
                    raise self._error("unexpected )", 0)
                inner = f"(?:{''.join(atoms)})"
                atoms, self._flags = outer.pop()
                atoms.append(inner)
                self._at += 1
            elif sign == "|":
                atoms.append("|")
                self._at += 1
            elif self._text.startswith("\\Q", begun):
                quoted, _, _ = self._text[begun + 2 :].partition("\\E")
                atoms += [self._literal(character) for character in quoted]
                self._at = min(begun + len(quoted) + 4, len(self._text))
            else:
                atoms.append(self._atom(sign))
        if outer:
            raise self._error("missing closing )", 0)
        return "".join(atoms)

    def _repeat(self, atoms: list[str], found: re.Match[str], *, stacked_on: int) -> None:
        """Let what stands before it be repeated."""
        self._at = found.end()
        lazy = self._text.startswith("?", self._at)
        self._at += lazy
        if not atoms or atoms[-1] == "|":
            raise self._error("missing argument to repetition operator", found.start())
        if stacked_on >= 0:
            raise self._error("invalid nested repetition operator", stacked_on)
        least, comma, most = found.groups()
        if least is not None:
            numbers = [int(least), int(most or least)]
            if max(numbers) > _MOST_REPEATED or numbers != sorted(numbers):
                raise self._error("invalid repeat count", found.start())
        count = found[0] if least is None else f"{{{least}{comma}{most}}}"
        atoms[-1] = f"(?:{atoms[-1]}){count}{'?' if lazy != ('U' in self._flags) else ''}"

    def _opens_group(self) -> bool:
        """Read the beginning of a group; return whether it is one, and not flags for the rest."""
        self._outside = self._flags
        begun = self._at
        if not self._text.startswith("(?", begun):
            self._at += 1
            return True
        found = _GROUP.match(self._text, begun)
        if found is None:
            self._at = min(begun + 3 + self._text.startswith("(?<", begun), len(self._text))
            raise self._error("invalid or unsupported Perl syntax", begun)
        self._at = found.end()
        name, on, off, end = found.groups()
        if name is None:
            self._flags = (self._flags | {*on}) - {*(off or "")}
        return name is not None or end == ":"

    def _atom(self, sign: str) -> str:
        """Read what stands for one character, or for a place."""
        if sign == "[":
            return self._written(self._class())
        self._at += 1
        if sign == "\\":
            return self._escaped()
        if sign == ".":
            return "(?s:.)" if "s" in self._flags else "."
        if sign == "^":
            return "(?m:^)" if "m" in self._flags else r"\A"
        if sign == "$":
            return "(?m:$)" if "m" in self._flags else r"\Z"
        return self._literal(sign)

    def _escaped(self) -> str:
        letter = self._text[self._at : self._at + 1]
        if letter and letter in "AzbB":
            self._at += 1
            return {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}[letter]
        found = self._shorthand()
        return self._written(found) if found is not None else self._literal(self._character())

    def _shorthand(self) -> _Ranges | None:
        """Read a class such as ``d`` or ``pL`` behind a backslash; None if there is none."""
        letter = self._text[self._at : self._at + 1]
        if letter.lower() in _PERL:
            self._at += 1
            ranges = _pairs(_PERL[letter.lower()])
            return ranges if letter.islower() else _complement(ranges)
        if letter not in ("p", "P"):
            return None
        begun = self._at - 1
        found = _PROPERTY.match(self._text, self._at)
        name = "" if found is None else found[1] or found[3]
        self._at = found.end() if found is not None else min(self._at + 2, len(self._text))
        if found is None or not _is_property(name):
            raise self._error("invalid character class range", begun)
        ranges = _of_property(name)
        return ranges if (letter == "p") != bool(found[2]) else _complement(ranges)

    def _character(self) -> str:
        """Read one character behind a backslash."""
        begun = self._at - 1
        letter = self._text[self._at : self._at + 1]
        if not letter:
            raise self._error("trailing backslash at end of expression", len(self._text))
        octal = _OCTAL.match(self._text, self._at)
        code = _HEXADECIMAL.match(self._text, self._at)
        if octal is not None:
            self._at = octal.end()
            return chr(int(octal[0], 8))
        if code is not None and int(code[1] or code[2], 16) <= _LAST:
            self._at = code.end()
            return chr(int(code[1] or code[2], 16))
        self._at += 1
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter.isascii() and not letter.isalnum():
            return letter
        raise self._error("invalid escape sequence", begun)

    def _class(self) -> _Ranges:
        """Read a class between brackets."""
        begun = self._at
        negated = self._text.startswith("[^", begun)
        self._at += 1 + negated
        first = self._at
        ranges: _Ranges = []
        while self._at == first or not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise self._error("missing closing ]", begun)
            posix = _POSIX.match(self._text, self._at)
            if posix is not None:
                start, self._at = self._at, posix.end()
                if posix[2] not in _CLASSES:
                    raise self._error("invalid character class range", start)
                named = _pairs(_CLASSES[posix[2]])
                ranges += _complement(named) if posix[1] else named
                continue
            if self._text.startswith("\\", self._at):
                self._at += 1
                shorthand = self._shorthand()
                if shorthand is not None:
                    ranges += shorthand
                    continue
                self._at -= 1
            ranges.append(self._range(begun))
        self._at += 1
        return _complement(ranges) if negated else ranges

    def _range(self, bracket: int) -> tuple[int, int]:
        begun = self._at
        low = high = self._member(bracket)
        if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
            self._at += 1
            high = self._member(bracket)
        if high < low:
            raise self._error("invalid character class range", begun)
        return ord(low), ord(high)

    def _member(self, bracket: int) -> str:
        sign = self._text[self._at : self._at + 1]
        if not sign:
            raise self._error("missing closing ]", bracket)
        self._at += 1
        return self._character() if sign == "\\" else sign

    def _literal(self, character: str) -> str:
        folded = "i" in self._flags and character.isalpha()
        return f"(?i:{re.escape(character)})" if folded else re.escape(character)

    def _written(self, ranges: _Ranges) -> str:
        """Return a class as Python writes it."""
        if not ranges:
            return "(?!)"
        text = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
        return f"(?i:[{text}])" if "i" in self._flags else f"[{text}]"

    def _error(self, reason: str, begun: int) -> re.error:
        end = len(self._text) if reason.startswith("missing closing") else self._at
        where = self._text[begun:end]
        return re.error(f"{reason}: `{where}`" if where else reason)


def _pairs(text: str) -> _Ranges:
    return [(ord(low), ord(high)) for low, high in zip(text[::2], text[1::2], strict=True)]


def _complement(ranges: _Ranges) -> _Ranges:
    """Return the characters that are in none of the ranges."""
    found: _Ranges = []
    after = 0
    for low, high in sorted(ranges):
        if low > after:
            found.append((after, low - 1))
        after = max(after, high + 1)
    return found if after > _LAST else [*found, (after, _LAST)]


def _is_property(name: str) -> bool:
    kind, more = name[:1], name[1:]
    return name in _SCRIPTS or (more in ("", *_CATEGORIES.get(kind, ())) and kind in _CATEGORIES)


@cache
def _of_property(name: str) -> _Ranges:
    """Return the characters of a category, or of a script, as ranges."""
    beginning = _SCRIPTS.get(name)
    found: _Ranges = []
    for code in range(_LAST + 1):
        character = chr(code)
        if beginning is None:
            has = unicodedata.category(character).startswith(name)
        else:
            has = unicodedata.name(character, "").startswith(beginning)
        if has and found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        elif has:
            found.append((code, code))
    return found
