"""The rows of ``ls``: a machine, and what it looks like now, as the fields of its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ecsmachine.cli.display.cleaning import one_line, without_passwords
from ecsmachine.cli.display.go_template import Record
from ecsmachine.cli.display.output import HEADINGS, Duration
from ecsmachine.drivers.base import State
from ecsmachine.drivers.capabilities import Expiring, Priced
from ecsmachine.errors import MachineError
from ecsmachine.machine.engine_look import host_of, port_of
from ecsmachine.machine.model import Machine, to_config
from ecsmachine.machine.probe import Probe


def swarm_masters(machines: Iterable[Machine]) -> dict[str, str]:
    """Return the names of the masters of classic Swarms, by the Swarm's discovery."""
    return {
        machine.swarm.discovery: machine.name
        for machine in machines
        if machine.swarm.master and machine.swarm.discovery
    }


def row(
    machine: Machine,
    probe: Probe,
    masters: Mapping[str, str],
    docker_host: str | None,
    warnings: Iterable[str] = (),
) -> Record:
    """Return the row of a machine; ``docker_host`` is what ``DOCKER_HOST`` names.

    ``warnings`` stand in the column of errors, after what the machine's error is.
    """
    state = probe.state.value
    if probe.state is State.TIMEOUT:
        return _record(
            machine.name,
            machine.driver.name,
            state,
            probe.response_time_s,
            **_money(machine, state),
        )
    running = probe.state is State.RUNNING and bool(probe.url)
    is_host = running and docker_host in (probe.url, machine.ssh_url)
    is_swarm = running and machine.swarm.master and swarm_url(machine, probe.url) == docker_host
    master = masters.get(machine.swarm.discovery, "")
    options = to_config(machine)["HostOptions"]
    return _record(
        machine.name,
        machine.driver.name,
        state,
        probe.response_time_s,
        Active="*" if is_host else "* (swarm)" if is_swarm else "-",
        ActiveHost=is_host,
        ActiveSwarm=is_swarm,
        URL=probe.url,
        SwarmOptions=Record(options["SwarmOptions"]),
        Swarm=f"{master} (master)" if master and machine.swarm.master else master,
        EngineOptions=Record(without_passwords(options["EngineOptions"])),
        Error=_one_line("; ".join(filter(None, (probe.error, *warnings)))),
        DockerVersion=probe.docker_version,
        **_money(machine, state),
    )


def _money(machine: Machine, state: str) -> dict[str, Any]:
    """Return what a machine costs and has cost, by its price at create, and when it ends.

    ``Charged`` is whether it is stopped, and costs as much as if it ran.
    """
    driver = machine.driver
    cost = driver.running_cost() if isinstance(driver, Priced) else None
    return {
        "Price": f"{cost.now:.4g} {cost.currency}" if cost else "",
        "Cost": f"~{cost.spent:.2f} {cost.currency}" if cost else "",
        "Charged": bool(
            cost and cost.now and cost.now >= cost.hour and state == State.STOPPED.value
        ),
        "Expires": driver.expires() if isinstance(driver, Expiring) else "",
    }


def damaged_row(name: str, error: MachineError) -> Record:
    """Return the row of a machine that cannot be loaded."""
    return _record(name, "not found", "Error", Error=_one_line(error.message))


def in_one_line(value: Any) -> Any:
    """Return a row, or a value in one, whose texts begin no line and no column."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Record):
        return Record({name: in_one_line(each) for name, each in value.items()})
    return [in_one_line(each) for each in value] if isinstance(value, list) else value


def swarm_url(machine: Machine, url: str) -> str:
    """Return the URL of the classic Swarm that the machine is master of."""
    return f"tcp://{host_of(url)}:{port_of(machine.swarm.host)}"


def _record(
    name: str, driver_name: str, state: str, response_time_s: float = 0.0, **fields: Any
) -> Record:
    blank = {
        **dict.fromkeys(HEADINGS, ""),
        "ActiveHost": False,
        "ActiveSwarm": False,
        "Charged": False,
    }
    return Record(
        {
            **blank,
            "SwarmOptions": None,
            "EngineOptions": None,
            "Name": name,
            "DriverName": driver_name,
            "State": state,
            # in whole milliseconds, as scripts take it apart: 24ms
            "ResponseTime": Duration.of_seconds(round(response_time_s, 3)),
            **fields,
        }
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
