"""The filters of ``ls``: ``--filter KEY=VALUE``, any of a key's values, all of the keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecsmachine.cli.display.go_regexp import compiled
from ecsmachine.errors import UsageError
from ecsmachine.suggestions import instead_of

KEYS = ("driver", "label", "name", "state", "swarm")


@dataclass(frozen=True)
class Filters:
    """What ``ls`` is asked to show."""

    values: Mapping[str, tuple[str, ...]]

    def needs(self, key: str) -> bool:
        """Whether there is a filter of that key."""
        return key in self.values

    @property
    def need_names_alone(self) -> bool:
        """Whether a machine's name is enough to decide."""
        return self.values.keys() <= {"name"}

    def accept_name(self, name: str) -> bool:
        """Whether one of the ``name`` filters, each a regular expression, is found in ``name``."""
        wanted = self.values.get("name")
        return not wanted or any(compiled(pattern).search(name) for pattern in wanted)

    def accept(self, key: str, value: str) -> bool:
        """Whether a driver, a state, or the master of a classic Swarm is one of those asked for.

        The case of letters does not count.
        """
        return value.lower() in map(str.lower, self.values.get(key, (value,)))

    def accept_labels(self, labels: Iterable[str]) -> bool:
        """Whether one of the engine's labels is asked for: ``KEY=VALUE``, or ``KEY`` with any."""
        wanted = self.values.get("label")
        if not wanted:
            return True
        known = {key: value.lower() for key, _, value in (text.partition("=") for text in labels)}
        return any(
            key in known and (not equals or known[key] == value.lower())
            for key, equals, value in (text.partition("=") for text in wanted)
        )


def parse(texts: Iterable[str]) -> Filters:
    """Return the filters of a command line.

    Raises :class:`UsageError` for one without ``=``, of an unknown key, or with a regular
    expression that is none.
    """
    values: dict[str, tuple[str, ...]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals:
            raise UsageError(
                f'Unsupported filter syntax: "{text}"',
                hint="A filter is like state=Running.",
                given_as="--filter",
            )
        if key not in KEYS:
            raise UsageError(
                f"Unsupported filter key '{key}'",
                hint=instead_of(key, KEYS),
                given_as="--filter",
            )
        if key == "name":
            _check_pattern(value)
        values[key] = (*values.get(key, ()), value)
    return Filters(values)


def _check_pattern(pattern: str) -> None:
    try:
        compiled(pattern)
    except re.error as error:
        raise UsageError(
            f"The filter name={pattern} is not a regular expression: {error}",
            hint="To match such characters, put a backslash before them.",
            given_as="--filter",
        ) from error
