"""The ports that members of a swarm open to each other, and to nobody else."""

from __future__ import annotations

from collections.abc import Sequence

from ecsmachine.drivers.base import PortRange, Report, driver_report
from ecsmachine.drivers.capabilities import MemberPorts
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import no_address

MANAGEMENT_PORT = 2377
PORTS = (
    PortRange("tcp", MANAGEMENT_PORT, MANAGEMENT_PORT),
    PortRange("tcp", 7946, 7946),
    PortRange("udp", 7946, 7946),
    PortRange("udp", 4789, 4789),
)
"""The ports that nodes of a swarm need: management, gossip, and overlay networks."""


def open_ports(machine: Machine, others: Sequence[Machine], report: Report) -> None:
    """Let the members of a swarm, and nobody else, reach each other at its ports."""
    if isinstance(machine.driver, MemberPorts):
        machine.driver.open_between(
            [other.driver for other in others], PORTS, driver_report(machine.name, report)
        )


def close_ports(machine: Machine, others: Sequence[Machine], report: Report) -> None:
    """Take from a machine what :func:`open_ports` let it and the others do."""
    if isinstance(machine.driver, MemberPorts):
        machine.driver.close_between(
            [other.driver for other in others], PORTS, driver_report(machine.name, report)
        )


def inner_address(machine: Machine) -> str:
    """Return the address that other machines of the same network reach it at."""
    addresses = machine.driver.addresses()
    if not addresses:
        raise no_address(machine)
    return addresses[-1]
