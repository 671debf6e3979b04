"""From the machines of a file to the creates that would make them; their options are checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.create_options import options_of_create, request_of
from ecsmachine.cli.machines_file.keys import key_of
from ecsmachine.cli.machines_file.reading import Declared, read
from ecsmachine.documents.yaml_text import Problems
from ecsmachine.drivers import registry
from ecsmachine.drivers.capabilities import ManyAtOnce
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.create_request import CreateRequest
from ecsmachine.machine.plan.wanted import Wanted
from ecsmachine.suggestions import did_you_mean

_FLAG = re.compile(r"--([a-z][a-z0-9-]*)(?: \([A-Z_]+\))?:? ?")

_GIVEN_SECRETS = re.compile(r"give --\S+-access-key-id and --\S+, ")
"""What a hint says of flags that have no key."""

_PLACE = ("region", "vpc-id", "vswitch-id")
"""How the names of options end that say where what only one machine can have is."""


def wanted_by(this: Session, path: Path) -> list[Wanted]:
    """Return the machines that a file wants, in its order.

    Raises :class:`~ecsmachine.errors.MachineError` with all that is wrong with it, in one.
    """
    machines, problems = read(path, this.environment)
    found: list[Wanted] = []
    names = {each.name for each in machines}
    checked: dict[tuple[str, str], None] = {}
    for each in machines:
        # machines of one entry differ in their names alone, and so does what is wrong with them
        if (each.group, str(each.flags.get("swarm-join"))) not in checked:
            checked[each.group, str(each.flags.get("swarm-join"))] = None
            several = sum(other.group == each.group for other in machines) > 1
            _check_options(this, each, problems, several=several)
        join = str(each.flags.get("swarm-join") or "")
        if join and join not in names and not this.store.exists(join):
            problems.add(
                each.lines.get("swarm-join", each.line),
                f'swarm-join: there is no machine "{join}", in the file or in the store',
                did_you_mean(join, names),
            )
        if problems.found:
            continue
        request = _request_of(this, each, each.flags, str(path))
        found.append(Wanted(request, each.group, each.setup))
    if not problems.found:
        _check_exclusive(machines, found, problems)
    problems.check()
    return found


def _check_exclusive(
    machines: Iterable[Declared], wanted: Iterable[Wanted], problems: Problems
) -> None:
    """Note what only one machine can have, and several of the file want."""
    given: dict[tuple[object, ...], str] = {}
    for machine, each in zip(machines, wanted, strict=True):
        values = each.request.driver_values
        place = sorted((name, str(is_)) for name, is_ in values.items() if name.endswith(_PLACE))
        for option in registry.options_of(machine.driver_name):
            value = values.get(option.name)
            if not (option.exclusive and value):
                continue
            first = given.setdefault((option.name, value, *place), machine.name)
            if first != machine.name:
                problems.add(
                    machine.lines.get(option.name, machine.line),
                    f"{key_of(option, machine.driver_name)}: {value} fits only one machine, and "
                    f"{first} has it",
                    "Leave it out of one of them.",
                )


def _request_of(
    this: Session, machine: Declared, flags: Mapping[str, OptionValue], file: str
) -> CreateRequest:
    def warn(line: str) -> None:
        this.warn(f"{machine.group}: {_as_keys(line, _keys(machine.driver_name))}")

    request = request_of(
        this,
        machine.name,
        machine.driver_name,
        flags,
        strengths=machine.strengths,
        warn=warn,
        file=file,
    )
    return replace(request, provision=machine.provision)


def _keys(driver_name: str) -> dict[str, str]:
    """Return the keys of a file, by the flags that they stand for."""
    return {"no-provision": "provision: false"} | {
        option.name: key_of(option, driver_name) for option in options_of_create(driver_name)
    }


def _check_options(this: Session, machine: Declared, problems: Problems, *, several: bool) -> None:
    """Note every option whose value cannot be: after each the others are looked at without it.

    With ``several`` other machines have the same options.
    """
    from ecsmachine.machine.create import validate

    flags = dict(machine.flags)
    keys = _keys(machine.driver_name)
    for _ in range(len(flags) + 1):
        try:
            request = _request_of(this, machine, flags, "")
            validate(request)
            driver = this.store.new_driver(
                machine.driver_name, machine.name, request.driver_values, to_be_made=False
            )
            if several and isinstance(driver, ManyAtOnce):
                driver.check_several()
            if request.ssh_jump:
                this.store.jump(request.ssh_jump)
            return
        except UsageError as error:
            found = _FLAG.match(error.message)
            name = found[1] if found else ""
            line = machine.lines.get(name, machine.line)
            reason = error.message[found.end() :] if found and name in keys else error.message
            where = f"{keys[name]}: " if name in keys else ""
            hint = _GIVEN_SECRETS.sub("", error.hint or "")
            problems.add(line, where + _as_keys(reason, keys), _as_keys(hint, keys))
            if flags.pop(name, None) is None:
                return


def in_keys(error: MachineError, wanted: Iterable[Wanted]) -> None:
    """Let an error about the machines of a file name their drivers' flags as its keys."""
    keys: dict[str, str] = {}
    for driver_name in {each.request.driver_name for each in wanted}:
        own = registry.options_of(driver_name)
        keys |= {option.name: key_of(option, driver_name) for option in own}
    for each in (error, *error.parts):
        each.message = _as_keys(each.message, keys)
        each.hint = each.hint and _as_keys(each.hint, keys)
        each.details = each.details and _as_keys(each.details, keys)


def _as_keys(text: str, keys: dict[str, str]) -> str:
    """Return a text that names flags with the keys of a file in their place."""

    def named(found: re.Match[str]) -> str:
        return keys.get(found[1], found[0])

    return re.sub(r"--([a-z][a-z0-9-]*)", named, text)
