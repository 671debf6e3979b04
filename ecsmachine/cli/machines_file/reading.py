"""From the text of a file to machines: read, expanded and looked at together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.cli.machines_file.keys import OWN, keys_of, secrets_of
from ecsmachine.cli.machines_file.values import Values
from ecsmachine.cli.machines_file.variables import Variables, without_references
from ecsmachine.cli.settings.keys import holds_secret
from ecsmachine.cli.settings.layers import TYPED
from ecsmachine.documents.text import read_file
from ecsmachine.documents.yaml_text import (
    LONGEST_YAML,
    Problems,
    check_tags,
    entries_in,
    is_null,
    line_of,
    nodes_in,
    parse_yaml,
    text_in,
)
from ecsmachine.drivers import registry
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import validate_name
from ecsmachine.machine.plan.wanted import Setup
from ecsmachine.suggestions import did_you_mean, instead_of

if TYPE_CHECKING:
    from ecsmachine.documents.yaml_text import Node

FILE = "ecsmachine.yaml"
_SECTIONS = ("defaults", "machines")
_MOST = 1000
"""How many machines a file may name."""

_Entries = Mapping[str, tuple[int, "Node"]]


@dataclass(frozen=True)
class Declared:
    """A machine of a file, before its options are what ``create`` asks for.

    ``flags`` are the options that the file gives, ``lines`` where they stand, by name, and
    ``strengths`` how strongly: what stands at the machine is stronger than the defaults.
    """

    name: str
    group: str
    line: int
    driver_name: str
    flags: Mapping[str, OptionValue]
    lines: Mapping[str, int]
    strengths: Mapping[str, int]
    provision: bool = True
    setup: Setup = field(default_factory=Setup)


def read(path: Path, environment: Mapping[str, str]) -> tuple[list[Declared], Problems]:
    """Return the machines of a file, and what is wrong with it so far.

    Raises :class:`MachineError` if it cannot be read at all.
    """
    problems = Problems(_shown(path))

    def fault(reason: str) -> MachineError:
        return MachineError(f"{problems.path} cannot be read: {reason}")

    try:
        content = read_file(path, fault, longest=LONGEST_YAML, pipes=True)
    except FileNotFoundError:
        raise MachineError(
            f"There is no {problems.path}",
            hint="Write one (docs/machines-file.md), or name another with -f.",
        ) from None
    return read_text(content, path.parent, environment, problems), problems


def read_text(
    content: bytes, folder: Path, environment: Mapping[str, str], problems: Problems
) -> list[Declared]:
    """Return the machines of a text; what is wrong with it is noted."""
    root = parse_yaml(content, problems)
    if root is None:
        if not problems.found:
            problems.add(1, "it is empty", "Write machines: with a name for each.")
        return []
    check_tags(root, problems)
    _check_no_secrets(root, problems)
    sections = entries_in(root, problems)
    if sections is None:
        problems.add(line_of(root), "it is not an object", "Write machines: with a name for each.")
        return []
    for name, (line, _) in sections.items():
        if name not in _SECTIONS and not name.startswith("x-"):
            hint = did_you_mean(name, _SECTIONS) or "Use defaults or machines."
            problems.add(line, f"{name} is not known", hint)
    defaults = _section(sections, "defaults", problems)
    machines = _section(sections, "machines", problems)
    if "machines" not in sections:
        problems.add(line_of(root), "it has no machines", "Write machines: with a name for each.")
    secret = {option.env for option in secrets_of("aliyunecs").values() if option.env}
    values = Values(folder, Variables(environment, secret, problems), problems)
    reading = _Reading(values, problems, defaults, environment.get("MACHINE_DRIVER") or "aliyunecs")
    found = [
        each for name, (line, node) in machines.items() for each in reading.group(name, line, node)
    ]
    reading.check_defaults()
    _check_names(found, problems)
    return _with_joins(found, problems)


class _Reading:
    """Reads the machines of a file."""

    def __init__(self, values: Values, problems: Problems, defaults: _Entries, driver_name: str):
        self._values = values
        self._problems = problems
        self._defaults = defaults
        self._driver_name = driver_name
        self._drivers: dict[str, None] = {}
        self._count = 0

    def group(self, name: str, line: int, node: Node) -> Iterator[Declared]:
        """Yield the machines that an entry stands for."""
        own = {} if is_null(node) else entries_in(node, self._problems)
        if own is None:
            self._problems.add(line_of(node), f"{name} is not an object", f"Write {name}: {{}}.")
            return
        given = {**self._defaults, **own}
        driver_name = self._driver_name
        if "driver" in given:
            driver_name = self._values.text("driver", given["driver"][1]) or driver_name
        if driver_name not in registry.driver_names():
            at = given["driver"][0] if "driver" in given else line
            drivers = registry.driver_names()
            hint = instead_of(driver_name, drivers)
            self._problems.add(at, f'driver: there is no "{driver_name}"', hint)
            return
        self._drivers[driver_name] = None
        for key, (at, _) in own.items():
            self._check_key(key, at, [driver_name])
        count = self._values.number("count", given["count"][1], 0) if "count" in given else None
        known = keys_of(driver_name)
        flags: dict[str, OptionValue] = {}
        lines: dict[str, int] = {}
        strengths: dict[str, int] = {}
        # of an option in two spellings, that of the machine itself wins over the default
        for source in (self._defaults, own):
            seen: dict[str, str] = {}
            for key, (at, value) in source.items():
                option = known.get(key)
                if option is None:
                    continue
                if option.name in seen:
                    self._problems.add(at, f"{key} repeats {seen[option.name]}", "Give one.")
                seen[option.name] = key
                flags[option.name] = self._values.of_option(option, key, value)
                lines[option.name] = at
                strengths[option.name] = TYPED + (source is not own)
        provision = (
            self._values.flag("provision", given["provision"][1]) if "provision" in given else None
        )
        setup = Setup(
            self._values.copies(given["copy"][1]) if "copy" in given else (),
            tuple(self._values.texts("run", given["run"][1]) or ()) if "run" in given else (),
        )
        names = (
            [name]
            if "count" not in given
            else [f"{name}-{at + 1}" for at in range(min(count or 0, _MOST))]
        )
        if self._count <= _MOST < self._count + (count or len(names)):
            self._problems.add(line, f"these are more than {_MOST} machines", "Count fewer.")
        self._count += count or len(names)
        for each in names:
            yield Declared(
                *(each, name, line, driver_name, flags, lines, strengths),
                *(provision is not False, setup),
            )

    def check_defaults(self) -> None:
        """Note defaults that no machine of the file could have."""
        for key, (line, _) in self._defaults.items():
            self._check_key(key, line, list(self._drivers) or [self._driver_name])

    def _check_key(self, key: str, line: int, drivers: list[str]) -> None:
        if key in OWN or any(key in keys_of(driver) for driver in drivers):
            return
        for driver in drivers:
            secret = secrets_of(driver).get(key)
            if secret is not None:
                self._problems.add(
                    line,
                    f"{key} does not belong in a file",
                    f"Set {secret.env} instead."
                    if secret.env
                    else "Give secrets in the environment.",
                )
                return
        known = [*OWN, *(each for driver in drivers for each in keys_of(driver))]
        plain = key.replace("_", "-").removeprefix(f"{drivers[0]}-")
        hint = did_you_mean(plain, known)
        self._problems.add(
            line, f"{key} is not known", hint or '"ecsmachine create --help --all" shows options.'
        )


def _check_no_secrets(root: Node, problems: Problems) -> None:
    """Note the lines whose text holds a secret; one that is in a variable may be named."""
    for each in nodes_in(root):
        text = text_in(each)
        if text is not None and holds_secret(without_references(text)):
            problems.add(
                line_of(each),
                "this text holds a secret, and does not belong in a file",
                "Put the secret into a variable, and write ${NAME} here.",
            )


def _section(sections: _Entries, name: str, problems: Problems) -> _Entries:
    if name not in sections:
        return {}
    line, node = sections[name]
    found = entries_in(node, problems)
    if found is None:
        example = "region: cn-hangzhou" if name == "defaults" else "dev1: {}"
        hint = f"Write {name}: {{{example}}}, or {name}: {{}} for none."
        problems.add(line, f"{name} is not a mapping of names", hint)
    return found or {}


def _check_names(machines: Iterable[Declared], problems: Problems) -> None:
    there: dict[str, Declared] = {}
    for each in machines:
        try:
            validate_name(each.name)
        except MachineError as error:
            problems.add(each.line, error.message, error.hint or "")
        other = there.setdefault(each.name, each)
        if other is not each:
            problems.add(
                each.line, f"{each.name} is a machine of line {other.line} as well", "Rename one."
            )


def _with_joins(machines: list[Declared], problems: Problems) -> list[Declared]:
    """Return machines whose ``swarm-join`` names a machine, where the file may name a group.

    The first of a group that is to join itself begins the swarm, and so does the first of
    several managers that join none.
    """
    first: dict[str, str] = {}
    for each in machines:
        first.setdefault(each.group, each.name)
    names = {each.name for each in machines}
    found: list[Declared] = []
    for each in machines:
        join = each.flags.get("swarm-join")
        if not isinstance(join, str) or not join:
            begins = each.flags.get("swarm-mode") == "manager" and first[each.group] != each.name
            join = each.group if begins else ""
        if not join:
            found.append(each)
            continue
        name = join if join in names else first.get(join, join)
        if name == each.name:
            if each.name == each.group:
                problems.add(each.lines["swarm-join"], f"{name} joins itself", "Leave it out.")
            name = ""
        found.append(replace(each, flags={**each.flags, "swarm-join": name}))
    _check_circles(found, problems)
    return found


def _check_circles(machines: list[Declared], problems: Problems) -> None:
    joins = {each.name: str(each.flags.get("swarm-join") or "") for each in machines}
    told: set[str] = set()
    for each in machines:
        way, at = {each.name: None}, joins[each.name]
        while at in joins and at not in way:
            way[at] = None
            at = joins[at]
        if at and at == each.name and at not in told:
            told.update(way)
            line = each.lines.get("swarm-join", each.line)
            problems.add(line, f"swarm-join forms a circle: {' → '.join([*way, at])}")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
