"""The document of ``--json``, or the names of ``--quiet``: they alone are on standard output.

While one is made, something else stands in the place of ``sys.stdout``: what is told of work goes
to standard error (or nowhere), what is shown becomes part of the document, whoever prints it. One
document is printed at the end whatever has happened; docs/json.md says what it looks like.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from _thread import RLock

from ecsmachine.cli.display import streams
from ecsmachine.cli.display.cleaning import clean, without_passwords
from ecsmachine.cli.display.json_text import as_text
from ecsmachine.cli.table import COMMANDS
from ecsmachine.errors import MachineError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal, TextIO

    Form = Literal["document", "lines", "names"]
    """One document; a line of JSON for each event as it happens; names alone."""

_BEFORE_A_VALUE = r"-s|--?(storage-path|profile|tls-[a-z-]+)"
"""The options before a command whose values may look like one."""


class Aside:
    """What stands in the place of standard output while a document is made."""

    def __init__(self, document: Document, stream: Any):
        self.document = document
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "_stream"):  # what a descriptor cannot take is not the document's
            raise AttributeError(name)
        return getattr(self._stream, name)


class Document:
    """What goes to standard output, gathered while a command runs."""

    def __init__(self, form: Form, output: TextIO):
        self.form = form
        self._output = output
        self._result: Any = None
        self._names: dict[str, None] = {}
        self._shown: list[str] = []
        self._errors: list[Mapping[str, Any]] = []
        self._lock = RLock()

    def tell(self, line: str, machine: str = "") -> None:
        """Take a line about work on a machine, which is an event of its own; never raises."""
        if self.form == "lines":
            self._event("progress", {"Machine": machine, "Message": without_passwords(line)})

    def done(self, machine: str) -> None:
        """Take the name of a machine that what was asked for has been done to; never raises."""
        with self._lock:
            self._names[machine] = None
        if self.form == "lines":
            self._event("done", {"Machine": machine})

    def show(self, text: str) -> None:
        """Take text that the command prints, which becomes the field Output."""
        self._shown.append(text)

    def set_result(self, value: Any) -> None:
        """Take what the command was asked for, in place of the names of machines."""
        self._result = value

    def pass_on(self) -> None:
        """Print the rows of the result at once, as :meth:`row` does; another may follow.

        Raises as that does.
        """
        rows, self._result = self._result, None
        for value in rows or []:
            self.row(value)

    def row(self, value: Mapping[str, Any]) -> None:
        """Print one of a stream of results at once, as a line.

        Raises as :meth:`end` does.
        """
        self.form = "lines"
        self._event("row", value)
        self._check_written()

    def fail(self, errors: list[dict[str, Any]]) -> None:
        """Take what went wrong, as :func:`errors_of` has it."""
        self._errors += without_passwords(errors)

    def end(self, named: Sequence[str], describe: Callable[[str], dict[str, Any]]) -> None:
        """Print what is still to be printed.

        ``named`` are the machines in the order in which the command was given them, ``describe``
        says what is known of one. Raises :class:`~ecsmachine.cli.display.streams.OutputError`, or
        :class:`~ecsmachine.errors.ReaderGoneError`, if it cannot be written.
        """
        places = {name: place for place, name in enumerate(named)}
        self._names = dict.fromkeys(
            sorted(self._names, key=lambda name: places.get(name, len(places)))
        )
        if self.form == "names":
            names = self._names or _named(self._result)
            # a command that has nothing with a name was called for what it shows
            others = self._shown if self._result is None and not self._errors else []
            self._write("".join([f"{clean(name)}\n" for name in names] or others))
        elif self.form == "lines":
            for name in self._names:
                self._event("machine", describe(name))
            several = self._result if isinstance(self._result, list) else []
            for value in several:
                self._event("row", value)
            if self._result is not None and not isinstance(self._result, list):
                self._event("result", self._result)
            if self._shown:
                self._event("output", {"Output": "".join(self._shown)})
            for error in self._errors:
                self._event("error", error)
        else:
            self._write(as_text(self._whole(describe)) + "\n")
        self._check_written()

    def _whole(self, describe: Callable[[str], dict[str, Any]]) -> Any:
        """Return the document: a result as it is, unless there is an error to tell beside it."""
        if self._result is None:
            whole: dict[str, Any] = {"Machines": [describe(name) for name in self._names]}
            if self._shown:
                whole["Output"] = "".join(self._shown)
            return {**whole, "Errors": self._errors}
        if not self._errors:
            return self._result
        whole = self._result if isinstance(self._result, dict) else {"Result": self._result}
        return {**whole, "Errors": self._errors}

    def _event(self, kind: str, fields: Mapping[str, Any]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        value = {"Event": kind, "Time": now, **fields}
        self._write(json.dumps(value, ensure_ascii=False) + "\n")

    def _write(self, text: str) -> None:
        with self._lock:
            self._output.write(clean(text))
            self._output.flush()

    def _check_written(self) -> None:
        descriptor = streams.descriptor_of(self._output)
        if descriptor is not None and descriptor.failure is not None and not descriptor.told:
            descriptor.told = True
            raise streams.output_error(descriptor.failure)


def form_of(arguments: list[str]) -> Form | None:
    """Return the form of JSON that a command line asks for, before it is parsed.

    Wrong usage, too, is then told as JSON. Help is for people.
    """
    form: Form | None = None
    for word in arguments[: _own_words(arguments)]:
        if word in ("-h", "--help", "-help"):
            return None
        name, equals, value = word.partition("=")
        if name in ("--json", "-json"):
            form = "lines" if value == "lines" else "document"
            if equals and value.lower() in ("false", "f", "0", "no", "off"):
                form = None
    return form


def as_switch(arguments: list[str]) -> list[str]:
    """Return a command line whose ``--json=lines`` is the switch that commands take."""
    end = _own_words(arguments)
    own = [
        "--json" if word in ("--json=lines", "-json=lines") else word for word in arguments[:end]
    ]
    return [*own, *arguments[end:]]


def _own_words(arguments: list[str]) -> int:
    """Return how many words at the beginning are ours, and no options of another program.

    These follow ``ssh`` and ``local run``, where those are the command, and ``--``.
    """
    command = ""
    for place, word in enumerate(arguments):
        if word in ("--", "__complete") or (command == "local" and word == "run"):
            return place
        before = arguments[place - 1] if place else ""
        if not command and word in COMMANDS and not re.fullmatch(_BEFORE_A_VALUE, before):
            command = word
        if command == "ssh":
            return place
    return len(arguments)


def begin(form: Form) -> None:
    """Put a document in the place of standard output; the program puts that back at its end."""
    told = io.StringIO() if form == "names" else sys.stderr  # the first is read by nobody
    stand_in: Any = Aside(Document(form, sys.stdout), told)
    sys.stdout = stand_in


def _named(result: Any) -> list[str]:
    """Return the names in a result: those of machines, else the ids of what has no name."""
    rows = result if isinstance(result, list) else [result]
    found = [row.get("Name") or row.get("Id") for row in rows if isinstance(row, dict)]
    return [str(each) for each in found if each]


def code_of(error: BaseException) -> str:
    """Return the word by which a program knows an error: the cloud's own, else its kind's name."""
    code = getattr(error, "code", None)
    if isinstance(code, str) and code:
        return code
    if type(error) is MachineError:
        return code_of(error.__cause__) if isinstance(error.__cause__, MachineError) else "Failed"
    return type(error).__name__.strip("_").removesuffix("Error") or "Failed"


def errors_of(error: MachineError, machine: str, written: Callable[[str], str]) -> list[Any]:
    """Return an error, or the errors that it sums up, as they stand in a document.

    ``machine`` is that of an error which does not say it; ``written`` puts our name into texts.
    """
    return [
        {
            "Code": code_of(each),
            "Message": written(each.message),
            "Hint": written(each.hint or ""),
            "Machine": each.machine or machine,
            **({"Details": written(each.shown_details)} if each.shown_details else {}),
        }
        for each in error.parts or (error,)
    ]
