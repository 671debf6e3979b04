"""Several machines examined at once, each in its own thread; and the rules that let us in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ecsmachine.drivers import registry
from ecsmachine.errors import MachineError
from ecsmachine.machine import several
from ecsmachine.machine.doctor import cloud, docker_client, engine, host, network
from ecsmachine.machine.doctor.examination import Finding, Outcome, examine
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.machine.engine_look import port_of
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store

STEPS = (*cloud.STEPS, *network.STEPS, *host.STEPS, *engine.STEPS, *docker_client.STEPS)
"""The whole way from here to an engine."""


def examine_machines(
    store: Store,
    names: Sequence[str],
    environment: Mapping[str, str],
    docker_folder: Path,
    told: Callable[[str, Finding], None],
) -> dict[str, list[Finding]]:
    """Examine machines at once; return the findings of each, by name in the order given.

    ``told`` hears of each finding as it comes, from several threads. A machine that cannot be
    loaded has that for its only finding.
    """
    loaded: dict[str, Machine] = {}
    findings: dict[str, list[Finding]] = {name: [] for name in names}
    for name in names:
        try:
            loaded[name] = store.load(name)
        except MachineError as error:
            found = Finding("store", Outcome.BROKEN, error.message, error.hint, error.details)
            findings[name].append(found)
            told(name, found)
    registry.share_lookups([machine.driver for machine in loaded.values()])

    def look(name: str) -> None:
        subject = Subject(loaded[name], environment, docker_folder)
        try:
            for finding in examine(STEPS, subject):
                findings[name].append(finding)
                told(name, finding)
        finally:
            subject.close()

    if loaded:
        several.for_each(loaded, look)
    return findings


def let_in(store: Store, name: str, network: str) -> str:
    """Let a network in at the ports of a machine's SSH and engine; return what has the rules.

    Raises :class:`MachineError` for a machine without a provider, or where another rule drops it.
    """
    machine = store.load(name)
    looks = registry.looks_of(machine.driver)
    if looks is None:
        raise machine.without("has no firewall rules here", hint="Check the firewall of its host.")
    ports = [machine.ssh_target().port, port_of(machine.driver.url())]
    where = looks.let_in(network, ports)
    return f"TCP {ports[0]} and {ports[1]} of {where} are open to {network}"
