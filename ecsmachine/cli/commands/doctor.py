"""``ecsmachine doctor``: what is wrong between here and the engines of machines."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session, existing_machine_names, session
from ecsmachine.cli.arguments.driver_options import values_for
from ecsmachine.cli.arguments.options import AsJson
from ecsmachine.cli.commands.docker_context import docker_of
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import document, finish, say, show
from ecsmachine.cli.display.terminal import coloured
from ecsmachine.drivers import registry
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.several import raise_failures

if TYPE_CHECKING:
    from ecsmachine.drivers.looks import CloudLooks
    from ecsmachine.machine.doctor.examination import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}
_PROVIDER = "aliyunecs"
"""The driver whose account is checked if no machine names one."""


class BrokenError(MachineError):
    """Something between here and an engine is broken."""


def doctor(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Names of machines; this computer and all machines if none is given",
        ),
    ] = None,
    let_in: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="First open the ports of SSH and the engine to this address or network",
        ),
    ] = "",
    json: AsJson = False,
) -> None:
    """Find what is wrong between here and an engine, step by step.

    Only --let-in changes anything. The exit code is 1 if something is broken.

    \b
    Examples:
      ecsmachine doctor dev1
      ecsmachine doctor --let-in 203.0.113.7 dev1
    """
    this = session(ctx)
    if let_in:
        _let_in(this, names, let_in)
    chosen = existing_machine_names(this, names) if names else this.store.names()
    here = [] if names else _examine_here(this, chosen)
    if here and not json:
        _show_findings(this, "This computer", here)
    machines = _examine(this, chosen, whole=bool(names))
    if json:
        _print_json(this, here, machines)
    _raise_if_broken(here, machines)


def _let_in(this: Session, names: list[str] | None, address: str) -> None:
    from ecsmachine.machine.doctor.machines import let_in

    if not names:
        raise UsageError("--let-in needs machine names", hint="Name them.")
    try:
        network = str(ipaddress.IPv4Network(address, strict=False))
    except ValueError:
        raise UsageError(
            f'--let-in: "{address}" is neither an address nor a network',
            hint="Write it as 203.0.113.7 or 203.0.113.0/24.",
        ) from None
    for name in existing_machine_names(this, names):
        say(let_in(this.store, name, network))


def _examine_here(this: Session, names: Iterable[str]) -> list[Finding]:
    from ecsmachine.machine.doctor.examination import examine
    from ecsmachine.machine.doctor.this_computer import STEPS, ThisComputer

    def account() -> CloudLooks:
        values = values_for(this, registry.account_options_of(_PROVIDER))
        return registry.account_looks(_PROVIDER, this.store.context(""), values)

    has_machines = any(_is_of_provider(this, name) for name in names)
    return list(examine(STEPS, ThisComputer(this.store, account, has_machines)))


def _is_of_provider(this: Session, name: str) -> bool:
    try:
        return this.store.load(name).driver.name == _PROVIDER
    except MachineError:
        return False


def _examine(this: Session, names: list[str], *, whole: bool) -> dict[str, list[Finding]]:
    """Examine machines, and show what was found; where not ``whole``, what is not in order.

    One that is named alone is shown as it is examined.
    """
    from ecsmachine.machine.doctor.machines import examine_machines

    is_alone = whole and len(names) == 1 and document() is None

    def told(name: str, finding: Finding) -> None:
        if is_alone:
            _show_finding(this, finding)
            finish()

    if is_alone:
        show(names[0])
    found = examine_machines(this.store, names, this.environment, docker_of(this).path, told)
    for name, findings in found.items():
        if not is_alone and document() is None:
            _show_findings(this, name, findings, whole=whole)
    return found


def _show_findings(
    this: Session, name: str, findings: list[Finding], *, whole: bool = True
) -> None:
    show(name)
    shown = [each for each in findings if whole or each.outcome in ("warning", "broken")]
    for finding in shown:
        _show_finding(this, finding)
    if not shown:
        show(f"  {coloured('ok', 'green')}{'':10}all {len(findings)} steps")


def _show_finding(this: Session, finding: Finding) -> None:
    """Print a finding on a line, and below it what mends it and what a host says of it."""
    outcome = finding.outcome.value
    blanks = " " * (12 - len(outcome))
    colour = _COLOURS.get(outcome)
    word = coloured(outcome, colour) if colour else outcome
    show(f"  {word}{blanks}{finding.step:21} {one_line(finding.told)}".rstrip())
    if finding.hint:
        show(f"{'':14}{one_line(this.as_called(finding.hint))}")
    for line in (finding.details or "").splitlines():
        show(f"{'':14}| {one_line(line)}")


def _print_json(this: Session, here: list[Finding], machines: dict[str, list[Finding]]) -> None:
    from ecsmachine.cli.display.output import print_json

    print_json(
        {
            "Here": [_row(this, each) for each in here],
            "Machines": [
                {"Name": name, "Steps": [_row(this, each) for each in findings]}
                for name, findings in machines.items()
            ],
        }
    )


def _row(this: Session, finding: Finding) -> dict[str, Any]:
    return {
        "Step": finding.step,
        "Outcome": finding.outcome.value,
        "Found": finding.told,
        "Hint": this.as_called(finding.hint or ""),
        "Mend": [this.as_called(each) for each in finding.mend],
        "Details": finding.details or "",
    }


def _raise_if_broken(here: list[Finding], machines: dict[str, list[Finding]]) -> None:
    """Raise the first thing that is broken of each machine; it is what the others follow from."""
    failures = []
    for name, findings in machines.items():
        broken = next((each for each in findings if each.outcome == "broken"), None)
        if broken is not None:
            failures.append((name, _error(f'Machine "{name}"', broken, name)))
    raise_failures(failures, len(machines))
    for each in here:
        if each.outcome == "broken":
            raise _error("This computer", each)


def _error(what: str, finding: Finding, machine: str = "") -> BrokenError:
    error = BrokenError(f"{what}: {finding.step}: {finding.told}", hint=finding.hint)
    error.machine = machine
    return error
