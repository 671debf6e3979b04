"""Variables of the environment in a file: ``${NAME}``, ``${NAME:-default}``; ``$$`` is ``$``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ecsmachine.documents.yaml_text import Problems

# none of them reads a text, which others may have written, to its end once for each "$"
_VARIABLE = re.compile(r"\$(?:\$|\{([^}]*)(\}?))")
_NAMED = r"(?<!\$)\$+\{?\w+(:-)?|\}"
_REFERENCE = re.compile(rf"\$\([^)]*\)|{_NAMED}")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:-)(.*))?", re.DOTALL)


def without_references(text: str) -> str:
    """Return a text without the variables and commands whose values it names; defaults stay."""
    if "$" not in text:
        return text
    end = text.rfind(")") + 1
    return _REFERENCE.sub("", text[:end]) + re.sub(_NAMED, "", text[end:])


class Variables:
    """Fills in the variables of texts; a ``$`` before anything else stays, for a host's shell.

    What is in one of ``secret`` does not belong in a file, and is not filled in.
    """

    def __init__(
        self, values: Mapping[str, str], secret: Collection[str], problems: Problems
    ) -> None:
        self._values = values
        self._secret = secret
        self._problems = problems

    def fill(self, text: str, line: int) -> str:
        """Return a text with its variables filled in; what is wrong with one is noted."""
        if "$" not in text:
            return text
        return _VARIABLE.sub(lambda found: self._value(found, line), text)

    def _value(self, found: re.Match[str], line: int) -> str:
        if found[0] == "$$":
            return "$"
        inside = _INSIDE.fullmatch(found[1]) if found[2] else None
        if inside is None:
            self._problems.add(
                line,
                f"{found[0] if found[2] else '${'} is not a variable",
                "Write ${NAME} or ${NAME:-default}; write $${ for a literal ${.",
            )
            return ""
        name, has_default, default = inside.groups()
        if name in self._secret:
            self._problems.add(
                line,
                f"{name} is a secret, and does not belong in a file",
                "Leave it out: the variable is read anyway.",
            )
            return ""
        value = self._values.get(name, "")
        if value or has_default:
            return value or default
        if name in self._values:
            return ""
        self._problems.add(
            line, f"the variable {name} is not set", f"Set it, or write ${{{name}:-default}}."
        )
        return ""
