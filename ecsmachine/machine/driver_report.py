"""How the lines of a driver are told from the engine's own."""

from __future__ import annotations

from ecsmachine.drivers.base import Report


def driver_report(name: str, report: Report) -> Report:
    """Mark a driver's lines with the machine's name, as Docker Machine does."""
    return lambda line: report(f"({name}) {line}")
