"""What is known of machines, a line each: inspect, status, ip, url, active, prompt, version."""

from __future__ import annotations

import os

from ecsmachine import __version__
from ecsmachine.cli.arguments.context import Session, machine_names, one_machine_name
from ecsmachine.cli.display.cleaning import one_line, without_passwords
from ecsmachine.cli.display.printer import show, warn
from ecsmachine.cli.display.terminal import coloured_state
from ecsmachine.errors import MachineError, UsageError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable

    from ecsmachine.machine.model import Machine


def inspect(
    this: Session, *, name: str | None = None, format_: str = "", json: bool = False
) -> None:
    """Print what the store holds about a machine."""
    template = None
    if format_ and json:
        raise UsageError("--json cannot be used with --format", hint="Give one of them.")
    if format_:
        from ecsmachine.cli.display.go_template import Template

        template = Template(format_)
    from ecsmachine.machine.stored import certificates_last, stored_config, without_secrets

    name = one_machine_name(this, None if name is None else [name])
    config = stored_config(this.storage, name) or this.store.config(name)
    if not certificates_last(this.storage, name):
        _warn_of_ending_certificates(this, name)
    config = without_passwords(without_secrets(config))
    if template:
        show(template.render(config))
        return
    from ecsmachine.cli.display.output import print_json

    print_json(config)


def _warn_of_ending_certificates(this: Session, name: str) -> None:
    from ecsmachine.machine.certificate_ends import expiring

    try:
        auth = this.store.auth(name)
    except MachineError:
        return  # what is stored can be shown all the same
    for line in expiring(auth):
        warn(line)


def status(this: Session, *, names: list[str] | None = None, json: bool = False) -> None:
    """Print the state of machines."""
    _print_each(this, names, "State", _state, as_json=json)


def ip(this: Session, *, names: list[str] | None = None, json: bool = False) -> None:
    """Print the address of machines."""
    _print_each(this, names, "Address", _address, as_json=json)


def url(this: Session, *, names: list[str] | None = None, json: bool = False) -> None:
    """Print the URL of the engines of machines."""
    _print_each(this, names, "URL", _url, as_json=json)


def active(this: Session, *, timeout: int = 10, json: bool = False) -> None:
    """Print which machine ``DOCKER_HOST`` names, if it runs."""
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
                hint="Give its engine more time with --timeout SECONDS.",
            )
    raise MachineError(
        "No active host found",
        hint='"eval $(ecsmachine env NAME)" makes a running machine the active one.',
    )


def prompt(this: Session, *, json: bool = False) -> None:
    """Print the machine that ``DOCKER_HOST`` names, if it is of the store; nobody is asked."""
    name = _named_by_variables(this)
    if json:
        from ecsmachine.cli.display.output import print_json

        print_json({"Name": name})
    elif name:
        show(one_line(name))


def _named_by_variables(this: Session) -> str | None:
    docker_host = this.environment.get("DOCKER_HOST")
    if not docker_host:
        return None
    from ecsmachine.machine.names import is_machine, names_in

    name = this.environment.get("DOCKER_MACHINE_NAME", "")
    machines = os.path.join(this.storage, "machines")
    if name and os.path.basename(name) == name and is_machine(os.path.join(machines, name)):
        return name
    from ecsmachine.machine.stored import stored_machine

    for name in names_in(machines):
        machine = stored_machine(this.storage, name)
        if machine is not None and machine.url == docker_host:
            return name
    return None


def version(this: Session, *, name: str | None = None, json: bool = False) -> None:
    """Print our version, or that of a machine's engine."""
    if name is None:
        _print_one({"Version": __version__}, this.version_line(), as_json=json)
        return
    from ecsmachine.machine.engine_api import ask_version
    from ecsmachine.machine.probe import engine_answers

    name = one_machine_name(this, [name])
    machine = this.store.load(name)
    found = ask_version(_url(machine, engine_answers(machine)), machine.auth, timeout_s=20)
    _print_one({"Name": name, "DockerVersion": found}, found, as_json=json)


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
    describe: Callable[[Machine, bool], str],
    *,
    as_json: bool,
) -> None:
    """Print a line for each machine, in the order given; all are asked at once.

    ``describe`` is told whether the machine's engine answers where it was last. As JSON it is a
    list of objects with the keys Name and ``what``.
    """
    names = machine_names(this, names)
    lines: dict[str, str] = {}
    try:
        answers = None
        if len(names) == 1:
            answers = _look_at_engine(this, names[0], what, lines)
        if not lines:
            _describe_each(this, names, describe, answers, lines)
    finally:
        known = [name for name in names if name in lines]
        if as_json:
            from ecsmachine.cli.display.output import print_json

            print_json([{"Name": name, what: lines[name]} for name in known])
        else:
            for name in known:
                show(coloured_state(lines[name]) if what == "State" else one_line(lines[name]))


def _look_at_engine(this: Session, name: str, what: str, lines: dict[str, str]) -> bool | None:
    """Fill in the line of a machine whose engine answers: what the store says of it then holds.

    Returns whether it answers; None if that takes the whole machine to find out.
    """
    from ecsmachine.machine.stored import stored_machine

    machine = stored_machine(this.storage, name)
    if machine is None:
        return None
    from ecsmachine.machine.engine_look import PATIENCE_S, is_there

    if not is_there(machine.url, machine, timeout_s=PATIENCE_S):
        return False
    told = {"State": "Running", "Address": machine.address, "URL": machine.url}
    lines[name] = told[what]
    return True


def _describe_each(
    this: Session,
    names: list[str],
    describe: Callable[[Machine, bool], str],
    answers: bool | None,
    lines: dict[str, str],
) -> None:
    """Fill in the lines of machines; ``answers`` is whether the engine of a single one does."""
    from ecsmachine.machine.address import saving_new_addresses
    from ecsmachine.machine.probe import engine_answers
    from ecsmachine.machine.several import for_each

    machines: dict[str, Machine] = {}
    if len(names) > 1:
        from ecsmachine.drivers import registry

        for name in names:
            try:
                machines[name] = this.store.load(name)
            except MachineError:
                continue  # it is told of in its turn
        registry.share_lookups(machine.driver for machine in machines.values())

    def ask(name: str) -> None:
        machine = machines.get(name) or this.store.load(name)
        with saving_new_addresses(this.store, [machine]):
            # one engine answers sooner than the cloud; of several, the cloud needs one request
            known = engine_answers(machine) if answers is None and not machines else answers
            lines[name] = describe(machine, bool(known))

    for_each(names, ask)


def _state(machine: Machine, answers: bool) -> str:
    from ecsmachine.drivers.base import State

    return (State.RUNNING if answers else machine.driver.state()).value


def _address(machine: Machine, answers: bool) -> str:
    """Return the address as the provider knows it now; the known one if it does not answer."""
    from ecsmachine.drivers.base import State

    known = machine.driver.address()
    try:
        if not answers and machine.driver.state() is State.NOT_FOUND:
            machine.driver.refresh()  # which says why
    except MachineError as error:
        if not known:
            raise
        warn(f"{error.message}; this is the last known address of {machine.name}")
        return known
    if not machine.driver.address() and machine.driver.name != "none":
        raise MachineError(
            f'IP address is not set: machine "{machine.name}" has none',
            hint=f'"ecsmachine status {machine.name}" says whether it runs.',
        )
    return machine.driver.address()


def _url(machine: Machine, answers: bool) -> str:
    if answers:
        return machine.driver.url()
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
        return [url, machine.ssh_url]
    from ecsmachine.cli.display.rows import swarm_url

    return [url, swarm_url(machine, url), machine.ssh_url]
