"""The commands that show machines: ls, inspect, status, ip, url, active, version.

What they need is imported when they need it: ``ls -q`` reads names and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import Session, machine_names, one_machine_name, session
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import show, warn
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.cli.display.filters import Filters
    from ecsmachine.cli.display.go_template import Record
    from ecsmachine.machine.model import Machine
    from ecsmachine.machine.probe import Probe

_DEFAULT_TABLE = (
    "table {{.Name}}\t{{.Active}}\t{{.DriverName}}\t{{.State}}\t{{.URL}}\t{{.Swarm}}"
    "\t{{.DockerVersion}}\t{{.Error}}"
)
_Name = Annotated[
    str, typer.Argument(metavar="NAME", help='Name of a machine; "default" if none is given')
]
_Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help='Names of machines; "default" if none is given'),
]
_Timeout = Annotated[
    int, typer.Option("--timeout", "-t", min=1, help="How long a machine may take, in seconds")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON")]


def ls(
    ctx: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print names alone")] = False,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="KEY=VALUE",
            help="Show machines by name (a regular expression), driver, state, label or swarm "
            "(repeatable)",
        ),
    ] = None,
    timeout: _Timeout = 10,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="TEMPLATE",
            help='A Go template, "table TEMPLATE" for one with a head, or "json"',
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json")] = False,
    orphans: Annotated[
        bool,
        typer.Option("--orphans", help="List what is left in the cloud of machines no longer here"),
    ] = False,
) -> None:
    """List machines.

    Fields of templates: Name Active ActiveHost ActiveSwarm DriverName State URL SwarmOptions
    Swarm EngineOptions Error DockerVersion ResponseTime.

    Example: ecsmachine ls --filter state=Running -f '{{.Name}}: {{.URL}}'
    """
    wanted = None
    if filters:
        from ecsmachine.cli.display.filters import parse

        wanted = parse(filters)
    this = session(ctx)
    if orphans:
        _list_orphans(this, as_json=json or format_ == "json")
        return
    if quiet:
        for name in _names(this, wanted, timeout):
            show(one_line(name))
        return
    show_rows = _as_json if json or format_ == "json" else _as_template(format_ or _DEFAULT_TABLE)
    show_rows(_rows(this, wanted, timeout))


def inspect(
    ctx: typer.Context,
    name: _Name = "",
    format_: Annotated[
        str, typer.Option("--format", "-f", metavar="TEMPLATE", help="A Go template")
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, as is done without --format anyway")
    ] = False,
) -> None:
    """Print what is stored of a machine, as JSON; secrets are left out.

    Example: ecsmachine inspect -f '{{.Driver.IPAddress}}' dev1
    """
    template = None
    if format_ and json:
        raise UsageError("--json does not go with --format", hint="Give one of them.")
    if format_:
        from ecsmachine.cli.display.go_template import Template

        template = Template(format_)
    from ecsmachine.machine.model import without_secrets

    this = session(ctx)
    config = without_secrets(this.store.config(_one_name(this, name)))
    _warn_of_ending_certificates(this, name)
    if template:
        show(template.render(config))
        return
    from ecsmachine.cli.display.output import print_json

    print_json(config)


def _warn_of_ending_certificates(this: Session, name: str) -> None:
    from ecsmachine.machine.certificate_ends import expiring

    try:
        machine = this.store.load(_one_name(this, name))
    except MachineError:
        return  # what is stored can be shown all the same
    for line in expiring(machine.auth):
        warn(line)


def status(ctx: typer.Context, names: _Names = None, json: _Json = False) -> None:
    """Print the state of machines: Running, Stopped, …

    Example: ecsmachine status dev1
    """
    _print_each(
        session(ctx), names, "State", lambda machine: machine.driver.state().value, as_json=json
    )


def ip(ctx: typer.Context, names: _Names = None, json: _Json = False) -> None:
    """Print the address of machines.

    Example: ecsmachine ip dev1
    """
    _print_each(session(ctx), names, "IPAddress", _address, as_json=json)


def url(ctx: typer.Context, names: _Names = None, json: _Json = False) -> None:
    """Print the URL of the engines of machines that run.

    Example: ecsmachine url dev1
    """
    _print_each(session(ctx), names, "URL", _url, as_json=json)


def active(ctx: typer.Context, timeout: _Timeout = 10, json: _Json = False) -> None:
    """Print which machine is active: the one that DOCKER_HOST names and that runs.

    Example: ecsmachine active
    """
    this = session(ctx)
    docker_host = this.environment.get("DOCKER_HOST")
    if docker_host:
        from ecsmachine.drivers.base import State
        from ecsmachine.machine.model import Machine
        from ecsmachine.machine.probe import probe_all

        # only a machine of that URL can be it: no other need be asked
        machines = [
            machine
            for _, machine in this.store.machines()
            if isinstance(machine, Machine) and docker_host in _urls(machine)
        ]
        probes = probe_all(machines, timeout_s=timeout)
        for machine in machines:
            running = probes[machine.name].state is State.RUNNING
            if running and docker_host in _urls(machine):
                _print_one({"Name": machine.name}, machine.name, as_json=json)
                return
        if any(probe.state is State.TIMEOUT for probe in probes.values()):
            raise MachineError(
                "Error getting active host: timeout",
                hint="Allow its engine more time with --timeout SECONDS.",
            )
    raise MachineError(
        "No active host found",
        hint='"eval $(ecsmachine env NAME)" makes a machine that runs the active one.',
    )


def version(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The machine whose engine is asked")
    ] = "",
    json: _Json = False,
) -> None:
    """Print the version of ecsmachine, or of a machine's engine.

    Example: ecsmachine version dev1
    """
    if not name:
        from ecsmachine import __version__

        _print_one({"Version": __version__}, session(ctx).version_line(), as_json=json)
        return
    from ecsmachine.machine.engine_api import ask_version

    machine = session(ctx).store.load(name)
    found = ask_version(_url(machine), machine.auth, timeout_s=20).version
    _print_one({"Name": name, "DockerVersion": found}, found, as_json=json)


def _list_orphans(this: Session, *, as_json: bool) -> None:
    from ecsmachine.cli.commands.orphans import orphan_rows, orphan_table
    from ecsmachine.cli.display.output import print_json

    rows = orphan_rows(this, this.environment)
    if as_json:
        print_json(rows)
    else:
        show(orphan_table(rows))


def _names(this: Session, filters: Filters | None, timeout_s: float) -> list[str]:
    """Return the names that ``ls -q`` prints."""
    if filters is None or filters.need_names_alone:
        from ecsmachine.machine.names import names_in

        names = names_in(this.storage_path / "machines")
        return [name for name in names if filters is None or filters.accept_name(name)]
    machines = _accepted(this, filters)
    if not filters.needs("state"):
        return list(machines)
    probes = _probes(this, machines, timeout_s)
    return [
        name
        for name in machines
        if filters.accept_state(probes[name].state.value if name in probes else "Error")
    ]


def _rows(this: Session, filters: Filters | None, timeout_s: float) -> list[Record]:
    from ecsmachine.cli.display.rows import damaged_row, row, swarm_masters
    from ecsmachine.drivers.base import State
    from ecsmachine.machine.model import Machine

    machines = _accepted(this, filters)
    masters = swarm_masters(one for one in machines.values() if isinstance(one, Machine))
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
    if this.is_docker_machine:
        for one in rows:
            if one["State"] == State.RUNNING.value and one["DockerVersion"] == "Unknown":
                one["Error"] = f"Unable to query docker version: {one['Error']}"
    return [one for one in rows if filters is None or filters.accept_state(one["State"])]


def _accepted(this: Session, filters: Filters | None) -> dict[str, Machine | MachineError]:
    """Return the machines that pass every filter but that of the state."""
    everything = dict(this.store.machines())
    if filters is None:
        return everything
    from ecsmachine.cli.display.rows import swarm_masters
    from ecsmachine.machine.model import Machine

    masters = swarm_masters(one for one in everything.values() if isinstance(one, Machine))

    def accepted(name: str, machine: Machine | MachineError) -> bool:
        if not filters.accept_name(name):
            return False
        if not isinstance(machine, Machine):
            return not any(filters.needs(key) for key in ("driver", "label", "swarm"))
        return (
            filters.accept_driver(machine.driver.name)
            and filters.accept_labels(machine.engine.labels)
            and filters.accept_swarm(masters.get(machine.swarm.discovery, ""))
        )

    return {name: machine for name, machine in everything.items() if accepted(name, machine)}


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
    from ecsmachine.cli.display.go_template import Template
    from ecsmachine.cli.display.output import align
    from ecsmachine.cli.display.rows import HEADINGS, in_one_line
    from ecsmachine.cli.display.terminal import ColouredState

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
        lines = [template.render(one) for one in ([HEADINGS, *rows] if table else rows)]
        if lines:
            text = "\n".join(lines)
            show(align(text) if table else text)

    return show_rows


def _print_one(value: dict[str, str], line: str, *, as_json: bool) -> None:
    if not as_json:
        show(one_line(line))
        return
    from ecsmachine.cli.display.output import print_json

    print_json(value)


def _print_each(
    this: Session,
    names: list[str] | None,
    what: str,
    describe: Callable[[Machine], str],
    *,
    as_json: bool,
) -> None:
    """Print a line for each machine, in the order given; all are asked at once.

    As JSON it is a list of objects with the keys Name and ``what``.
    """
    from ecsmachine.cli.display.terminal import coloured_state
    from ecsmachine.machine.address import saving_new_addresses
    from ecsmachine.machine.operations import for_each

    names = machine_names(this, names)
    lines: dict[str, str] = {}

    def ask(name: str) -> None:
        machine = this.store.load(name)
        with saving_new_addresses(this.store, [machine]):
            lines[name] = describe(machine)

    try:
        for_each(names, ask)
    finally:
        known = [name for name in names if name in lines]
        if as_json:
            from ecsmachine.cli.display.output import print_json

            print_json([{"Name": name, what: lines[name]} for name in known])
        else:
            for name in known:
                show(coloured_state(lines[name]) if what == "State" else one_line(lines[name]))


def _one_name(this: Session, name: str) -> str:
    return one_machine_name(this, [name] if name else None)


def _address(machine: Machine) -> str:
    """Return the address as the provider knows it now; the known one if it does not answer."""
    known = machine.driver.address()
    try:
        machine.driver.refresh()
    except MachineError as error:
        if not known:
            raise
        warn(f"{error.message}; the address of {machine.name} is the one known before")
        return known
    if not machine.driver.address():
        raise MachineError(
            f'IP address is not set: machine "{machine.name}" has none',
            hint=f'"ecsmachine status {machine.name}" says whether it runs.',
        )
    return machine.driver.address()


def _url(machine: Machine) -> str:
    from ecsmachine.drivers.base import State
    from ecsmachine.machine.probe import NotRunningError

    state = machine.driver.state()
    if state is not State.RUNNING or not machine.driver.url():
        message = f'Host is not running: machine "{machine.name}" has no URL'
        raise NotRunningError(machine, state, message)
    return machine.driver.url()


def _urls(machine: Machine) -> list[str]:
    """Return the URLs by which ``DOCKER_HOST`` may name a machine."""
    url = machine.driver.url()
    if not url or not machine.swarm.master:
        return [url]
    from ecsmachine.cli.display.rows import swarm_url

    return [url, swarm_url(machine, url)]
