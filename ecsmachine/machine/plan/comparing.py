"""What is other than a file wants it: of the options of a machine that is there.

An option that the file gives is compared with what the cloud and the engine say and with what is
recorded, or else with what was asked for when it was last given. One that it does not give shall be
as it is recorded: a variable of today's environment changes no machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ecsmachine.drivers import registry
from ecsmachine.drivers.changes import Observed
from ecsmachine.drivers.options import ChangeKind, OptionValue
from ecsmachine.machine import changes, engine_config
from ecsmachine.machine.create_request import CreateRequest, recorded
from ecsmachine.machine.model import Machine
from ecsmachine.machine.plan.plan import Difference, Kind
from ecsmachine.provision.base import AUTO

_KINDS = {
    ChangeKind.IN_PLACE: Kind.CHANGE,
    ChangeKind.WITH_RESTART: Kind.RESTART,
    ChangeKind.NEW_MACHINE: Kind.REPLACE,
}


def differences(
    record: Mapping[str, Any], wanted: CreateRequest, machine: Machine, seen: Observed | None
) -> list[Difference]:
    """Return what differs, of the machine's options, its engine's and its place in a swarm.

    ``record`` is what the journal has of the create, ``seen`` what the machine is now, as far as
    anybody can tell.
    """
    if record["DriverName"] != wanted.driver_name:
        return [Difference("driver", record["DriverName"], wanted.driver_name, Kind.REPLACE)]
    observed = seen.values if seen else {}
    return [
        *_of_options(record, wanted, machine, observed),
        *_of_machine(record, wanted, machine),
    ]


def _of_options(
    record: Mapping[str, Any],
    wanted: CreateRequest,
    machine: Machine,
    observed: Mapping[str, OptionValue],
) -> Iterator[Difference]:
    """Yield the differences of the driver's options, and of those of the engine."""
    known = changes.recorded(machine)
    asked = record["DriverOptions"]
    options = registry.options_of(wanted.driver_name)
    removable = {each.name for each in options if each.removable}
    exclusive = {each.name for each in options if each.exclusive}
    now = {**recorded(wanted)["DriverOptions"], **engine_config.recorded(wanted.engine)}
    for name, value in now.items():
        there = [each[name] for each in (observed, known) if name in each]
        if name in engine_config.FIELDS:
            if value == [AUTO] or not there:
                continue
        else:
            value = registry.comparable(wanted.driver_name, name, value)
            if not there and name in asked:
                there = [_asked(wanted, name, asked)]
        # what was cut off may have made what is recorded nowhere but in the journal
        cut_off = name in record.get("Changing", ())
        if not _counts(name, record, wanted):
            # what is recorded shall be so still; where nothing is, anything may be
            value = known.get(name, _asked(wanted, name, asked) if cut_off else None)
            if value is None or not (cut_off or (name in observed and value)):
                continue
        elif value in ("", None) and name not in removable:  # the cloud chooses
            continue
        other = next((each for each in there if each != value), value if cut_off else None)
        if other is None:
            continue
        kind = _KINDS.get(changes.how_to_change(machine, name, other, value))
        if kind is Kind.REPLACE and name in observed:
            if observed[name] == value:
                continue  # it is so already, and only not written down
            before = there[-1] if name in known else _asked(wanted, name, asked)
            by_file = before not in (None, value) and (
                changes.how_to_change(machine, name, before, value) is ChangeKind.NEW_MACHINE
            )
            yield Difference(name, other, value, kind, drift=not by_file)
        elif kind is not None:
            yield Difference(name, other, value, kind, exclusive=name in exclusive)


def _asked(wanted: CreateRequest, name: str, asked: Mapping[str, Any]) -> OptionValue:
    """Return what an option was when it was last asked for; None if it was not."""
    return registry.comparable(wanted.driver_name, name, asked[name]) if name in asked else None


def _of_machine(
    record: Mapping[str, Any], wanted: CreateRequest, machine: Machine
) -> Iterator[Difference]:
    now = recorded(wanted)
    for key, name in (("SwarmRole", "swarm-mode"), ("SwarmJoin", "swarm-join")):
        if (record.get(key) or "") != now[key]:
            yield Difference(name, record.get(key), now[key], Kind.CHANGE)
    if now["Provision"] and not record["Provision"]:
        yield Difference("provision", False, True, Kind.CHANGE)
    for name, before, after in (
        ("ssh-jump", record.get("SSHJump", ""), wanted.ssh_jump),
        ("engine-version", machine.engine.version, wanted.engine.version),
    ):
        if before != after and _counts(name, record, wanted):
            yield Difference(name, before, after, Kind.CHANGE)


def _counts(name: str, record: Mapping[str, Any], wanted: CreateRequest) -> bool:
    """Whether the file says what an option shall be, or did so when it was last applied."""
    return name in wanted.given or name in record.get("Given", ())
