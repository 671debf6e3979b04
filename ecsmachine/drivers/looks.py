"""What a provider can be asked about the way from here to its machines; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Admission:
    """Whether a machine's firewall at its provider lets somebody in at a port.

    ``lets_in`` is None where it cannot be known; ``told`` says by which rule. ``where`` is what has
    the rules.
    """

    lets_in: bool | None
    told: str
    where: str


class CloudLooks(Protocol):
    """What is between here and a machine at its provider. Each may raise ``MachineError``."""

    def credentials(self) -> str:
        """Return, in words, where the credentials are taken from; nobody is asked."""

    def clock_offset_s(self) -> float | None:
        """Return by how many seconds this computer's clock is ahead of the provider's."""

    def account(self) -> str:
        """Return whose the credentials are; raises if the machine is somebody else's."""

    def region(self) -> str:
        """Return the region and where its API is; raises if there is none such."""

    def admission(self, source: str | None, port: int) -> Admission:
        """Return whether the machine's rules let an address in at a TCP port.

        ``source`` is None where the own address is not known as the provider sees it.
        """

    def let_in(self, network: str, ports: list[int]) -> str:
        """Add rules that let a network in at TCP ports; return what has the rules."""
