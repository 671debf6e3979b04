"""``ls``: the machines of the store, and what each looks like now.

What it needs is imported when it needs it: ``ls -q`` reads names and nothing else.
"""

from __future__ import annotations

import os

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import show
from ecsmachine.cli.display.terminal import ColouredState, coloured_state
from ecsmachine.errors import MachineError, UsageError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable

    from ecsmachine.cli.display.filters import Filters
    from ecsmachine.cli.display.go_template import Record
    from ecsmachine.machine.model import Machine
    from ecsmachine.machine.probe import Probe

_COLUMNS = ("Name", "Active", "DriverName", "State", "URL", "Swarm", "DockerVersion", "Error")
_DEFAULT_TABLE = "table " + "\t".join(f"{{{{.{column}}}}}" for column in _COLUMNS)


def ls(
    this: Session,
    *,
    quiet: bool = False,
    filters: list[str] | None = None,
    timeout: int = 10,
    format_: str = "",
    json: bool = False,
    output: str = "",
    sort: str = "",
) -> None:
    """Print the machines: names alone, by a template, in chosen columns, or as JSON."""
    if (output or sort) and (quiet or (format_ and format_ != "json")):
        raise UsageError(
            "--output and --sort are for tables and JSON", hint="Leave out --quiet and --format."
        )
    wanted = None
    if filters:
        from ecsmachine.cli.display.filters import parse

        wanted = parse(filters)
    if quiet and not json:
        for name in sorted(_names(this, wanted, timeout)):  # as comm and join want them
            show(one_line(name))
        return
    plain = not (filters or json or format_ or output or sort)
    if plain and _show_only_machine(this):
        return
    if output or sort or ((json or format_ == "json") and not this.is_docker_machine):
        _show_machines(this, wanted, timeout, output, sort, as_json=json or format_ == "json")
        return
    show_rows = _as_json if json or format_ == "json" else _as_template(format_ or _DEFAULT_TABLE)
    rows = _rows(this, dict(this.store.machines()), wanted, timeout)
    show_rows(rows)
    charged = [f"{one['Name']} ({one['Price']} an hour)" for one in rows if one["Charged"]]
    if charged and not this.is_docker_machine:
        this.warn(
            f'Stopped, but still charged: {", ".join(charged)}. Start one and use "ecsmachine '
            'stop --no-charge", or "ecsmachine rm"'
        )


def _show_only_machine(this: Session) -> bool:
    """Print the table if there is one machine, whose engine answers; whether that is so."""
    from ecsmachine.machine.names import names_in
    from ecsmachine.machine.stored import certificates_last, stored_machine

    names = names_in(os.path.join(this.storage, "machines"))
    machine = stored_machine(this.storage, names[0]) if len(names) == 1 else None
    docker_host = this.environment.get("DOCKER_HOST", "")
    if machine is None or docker_host.startswith("ssh://"):
        return False
    from ecsmachine.machine.engine_look import PATIENCE_S, quick_version

    version = quick_version(machine.url, machine, timeout_s=PATIENCE_S)
    if version is None or not certificates_last(this.storage, machine.name):
        return False
    from ecsmachine.cli.display.output import HEADINGS, align

    found = {
        "Name": machine.name,
        "Active": "*" if docker_host == machine.url else "-",
        "DriverName": machine.driver_name,
        "State": "Running",
        "URL": machine.url,
        "Swarm": "",
        "DockerVersion": f"v{version}",
        "Error": "",
    }
    cells = {name: one_line(text) for name, text in found.items()}
    cells["State"] = coloured_state(cells["State"])
    show(align("\n".join("\t".join(row[each] for each in _COLUMNS) for row in (HEADINGS, cells))))
    return True


def _show_machines(
    this: Session,
    filters: Filters | None,
    timeout_s: float,
    output: str,
    sort: str,
    *,
    as_json: bool,
) -> None:
    """Print what is known of each machine beside what it looks like, without classic Swarm."""
    from ecsmachine.cli.display.facts import facts, no_facts
    from ecsmachine.cli.display.output import print_json, table
    from ecsmachine.cli.everyday import columns
    from ecsmachine.machine.model import Machine

    headings = columns.columns_of(output or "NAME,ACTIVE,DRIVER,STATE,URL,DOCKER,ERRORS")
    columns.in_order([], sort or "NAME")  # before anybody is asked
    seen = ("State", "URL", "DockerVersion", "ResponseTime", "Error", "Charged")
    machines = dict(this.store.machines())
    rows = []
    for row in _rows(this, machines, filters, timeout_s):
        machine = machines[row["Name"]]
        known = facts(machine) if isinstance(machine, Machine) else no_facts(row["Name"])
        told = {field: row[field] for field in seen}
        rows.append({**known, "Active": row["ActiveHost"], **told})
    rows = columns.in_order(rows, sort) if sort else rows
    if as_json:
        print_json(rows)
        return
    if "STATE" in headings:
        for one in rows:
            one["State"] = coloured_state(one_line(one["State"]))
    show(table([headings, *(columns.cells(one, headings) for one in rows)]))


def _names(this: Session, filters: Filters | None, timeout_s: float) -> list[str]:
    """Return the names that ``ls -q`` prints."""
    if filters is None or filters.need_names_alone:
        from ecsmachine.machine.names import names_in

        names = names_in(os.path.join(this.storage, "machines"))
        return [name for name in names if filters is None or filters.accept_name(name)]
    machines, _ = _accepted(dict(this.store.machines()), filters)
    if not filters.needs("state"):
        return list(machines)
    probes = _probes(this, machines, timeout_s)
    return [
        name
        for name in machines
        if filters.accept("state", probes[name].state.value if name in probes else "Error")
    ]


def _rows(
    this: Session,
    everything: dict[str, Machine | MachineError],
    filters: Filters | None,
    timeout_s: float,
) -> list[Record]:
    """Return the rows of those machines of the store that pass the filters."""
    from concurrent.futures import ThreadPoolExecutor

    from ecsmachine.cli.display.rows import damaged_row, row
    from ecsmachine.drivers.base import State
    from ecsmachine.machine.model import Machine

    machines, masters = _accepted(everything, filters)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # read while the engines are waited for
        ending = pool.submit(_ending_certificates, machines)
        probes = _probes(this, machines, timeout_s)
        warnings = ending.result()
    docker_host = this.environment.get("DOCKER_HOST")
    rows = [
        row(machine, probes[name], masters, docker_host, warnings[name])
        if isinstance(machine, Machine)
        else damaged_row(name, machine)
        for name, machine in machines.items()
    ]
    for one in rows:
        one["Error"] = this.as_called(one["Error"])
    if this.is_docker_machine:
        for one in rows:
            if one["State"] == State.RUNNING.value and one["DockerVersion"] == "Unknown":
                one["Error"] = f"Unable to query docker version: {one['Error']}"
    return [one for one in rows if filters is None or filters.accept("state", one["State"])]


def _accepted(
    everything: dict[str, Machine | MachineError], filters: Filters | None
) -> tuple[dict[str, Machine | MachineError], dict[str, str]]:
    """Return the machines that pass every filter but that of the state, and all Swarms' masters.

    A Swarm has the same master whether or not that passes.
    """
    from ecsmachine.cli.display.rows import swarm_masters
    from ecsmachine.machine.model import Machine

    masters = swarm_masters(one for one in everything.values() if isinstance(one, Machine))
    if filters is None:
        return everything, masters

    def accepted(name: str, machine: Machine | MachineError) -> bool:
        if not filters.accept_name(name):
            return False
        if not isinstance(machine, Machine):
            return not any(filters.needs(key) for key in ("driver", "label", "swarm"))
        return (
            filters.accept("driver", machine.driver.name)
            and filters.accept_labels(machine.engine.labels)
            and filters.accept("swarm", masters.get(machine.swarm.discovery, ""))
        )

    passing = {name: machine for name, machine in everything.items() if accepted(name, machine)}
    return passing, masters


def _probes(
    this: Session, machines: dict[str, Machine | MachineError], timeout_s: float
) -> dict[str, Probe]:
    from ecsmachine.machine.address import saving_new_addresses
    from ecsmachine.machine.model import Machine
    from ecsmachine.machine.probe import probe_all

    loaded = [one for one in machines.values() if isinstance(one, Machine)]
    with saving_new_addresses(this.store, loaded):
        return probe_all(loaded, timeout_s=timeout_s)


def _ending_certificates(machines: dict[str, Machine | MachineError]) -> dict[str, list[str]]:
    """Return what is to be said of the certificates of each machine."""
    from ecsmachine.machine.certificate_ends import expiring
    from ecsmachine.machine.model import Machine

    return {
        name: expiring(machine.auth)
        for name, machine in machines.items()
        if isinstance(machine, Machine)
    }


def _as_json(rows: list[Record]) -> None:
    from ecsmachine.cli.display.output import print_json

    print_json(rows)


def _as_template(form: str) -> Callable[[list[Record]], None]:
    """Return what prints rows by a template, with a head if it begins with ``table``."""
    from ecsmachine.cli.display.go_template import Record, Template
    from ecsmachine.cli.display.output import HEADINGS, align
    from ecsmachine.cli.display.rows import in_one_line

    table = form.startswith("table")
    if form.strip() == "table":
        form = _DEFAULT_TABLE
    text = form.removeprefix("table").strip(" ")
    template = Template(text.replace("\\t", "\t").replace("\\n", "\n"))

    def show_rows(rows: list[Record]) -> None:
        rows = [in_one_line(one) for one in rows]
        if table:
            for one in rows:
                one["State"] = ColouredState(one["State"])
        lines = [template.render(one) for one in ([Record(HEADINGS), *rows] if table else rows)]
        if lines:
            text = "\n".join(lines)
            show(align(text) if table else text)

    return show_rows
