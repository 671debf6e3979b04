"""The value of a key: lists, maps, numbers and booleans in YAML's own form, as an option's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.cli.machines_file.variables import Variables
from ecsmachine.documents.yaml_text import Problems, entries_in, is_null, items_in, line_of, text_in
from ecsmachine.drivers.options import Option, OptionValue
from ecsmachine.suggestions import instead_of
from ecsmachine.system.files import file_exists, folder_exists, path_exists
from ecsmachine.system.folders import with_home

if TYPE_CHECKING:
    from ecsmachine.documents.yaml_text import Node

_LONGEST_NUMBER = 18


class Values:
    """Reads values; what is wrong with one is noted, and None returned.

    Paths are relative to ``folder``, that of the file.
    """

    def __init__(self, folder: Path, variables: Variables, problems: Problems):
        self._folder = folder
        self._variables = variables
        self._problems = problems

    def of_option(self, option: Option, key: str, node: Node) -> OptionValue:
        """Return the value of an option."""
        if option.kind == "list":
            return self.texts(key, node, pairs=option.pairs)
        if option.kind == "int":
            return self.number(key, node)
        if option.kind == "bool":
            return self.flag(key, node)
        text = self.text(key, node)
        if text and option.choices and text not in option.choices:
            hint = instead_of(text, option.choices)
            self._problems.add(line_of(node), f'{key}: "{text}" is not known', hint)
        if text and (option.private_key or option.file):
            return str(self.path(text))
        return text

    def path(self, text: str) -> Path:
        """Return a path of this computer."""
        return self._folder / with_home(text)

    def text(self, key: str, node: Node) -> str | None:
        """Return a text, with its variables filled in."""
        text = text_in(node)
        if text is None:
            self._problems.add(line_of(node), *_why_no_text(key, node))
            return None
        return self._variables.fill(text, line_of(node))

    def number(self, key: str, node: Node, least: int | None = None) -> int | None:
        """Return a whole number, as people write one: without zeros before it, in tens."""
        text = self.text(key, node)
        if text is None:
            return None
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)", text):
            plain = text.lstrip("0")
            hint = f"Write {plain}." if plain.isdecimal() and plain.isascii() else ""
            self._problems.add(line_of(node), f'{key}: "{text}" is not a whole number', hint)
            return None
        if len(text) > _LONGEST_NUMBER:
            self._problems.add(line_of(node), f"{key}: the number is too large")
            return None
        if least is not None and int(text) < least:
            self._problems.add(line_of(node), f"{key}: {text} is less than {least}")
            return None
        return int(text)

    def flag(self, key: str, node: Node) -> bool | None:
        """Return whether it is true."""
        text = self.text(key, node)
        if text is None or text in ("true", "false"):
            return None if text is None else text == "true"
        self._problems.add(line_of(node), f'{key}: "{text}" is neither true nor false')
        return None

    def texts(self, key: str, node: Node, *, pairs: bool = False) -> list[str] | None:
        """Return a list of texts; one alone is a list of one, an object one of ``key=value``."""
        entries = entries_in(node, self._problems)
        if entries is not None and pairs:
            texts = {
                name: self.text(f"{key}: {name}", value) for name, (_, value) in entries.items()
            }
            return [f"{name}={text}" for name, text in texts.items() if text is not None]
        if entries is not None:
            self._problems.add(line_of(node), f"{key} is a list, not an object", "Write [a, b].")
            return None
        items = items_in(node)
        found = [self.text(key, each) for each in ([node] if items is None else items)]
        return [text for text in found if text is not None]

    def copies(self, node: Node) -> tuple[tuple[Path, str], ...]:
        """Return what is copied: an object from: to, or a list of texts from:to."""
        entries = entries_in(node, self._problems)
        if entries is not None:
            given = [
                (self._variables.fill(source, line), self.text(f"copy: {source}", value), line)
                for source, (line, value) in entries.items()
            ]
        else:
            items = items_in(node)
            given = []
            for each in [node] if items is None else items:
                text = self.text("copy", each)
                if text is not None:
                    source, _, place = text.rpartition(":")
                    given.append((source or text, place if source else "", line_of(each)))
        copies = []
        for source, there, line in given:
            if there is None:
                continue
            path = self.path(source)
            if not source or not there.startswith("/"):
                self._problems.add(
                    line, f'copy: "{source}" has no target on the host', "Write from: /to/there."
                )
            elif not path_exists(path):
                self._problems.add(line, f"copy: there is no {path}")
            elif not (file_exists(path) or folder_exists(path)):
                self._problems.add(line, f"copy: {path} is neither a file nor a folder")
            else:
                copies.append((path, there))
        return tuple(copies)


def _why_no_text(key: str, node: Node) -> tuple[str, str]:
    """Return why a value is no text, and what to do about it."""
    if is_null(node):
        return f"{key} has no value", "Leave the line out, or give one."
    if items_in(node) is not None:
        return f"{key} has several values, and takes one", ""
    return f"{key} has an object in place of a text", "Put a text that contains a colon in quotes."
