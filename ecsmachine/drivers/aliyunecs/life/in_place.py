"""A machine that is there and gets other values of options: as it was found, and what it is
changed with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecsmachine.aliyun.ecs_values import Disk, Instance
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.base import DriverContext, Journal, Report
from ecsmachine.errors import MachineError


@dataclass(frozen=True)
class Subject:
    """A machine as it was found before its changes. ``disks`` returns those that it had then."""

    cloud: Cloud
    context: DriverContext
    record: Record
    found: Instance
    disks: Callable[[], Sequence[Disk]]

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.context.machine_name

    def refusal(self, reason: str, hint: str) -> MachineError:
        """Return the error for a change that cannot be made."""
        return MachineError(f'Machine "{self.name}" cannot be changed: {reason}', hint=hint)

    def check_not_prepaid(self, what: str) -> None:
        """Raise :class:`MachineError` for a subscription, of which that is a part."""
        if self.found.charge_type == "PrePaid":
            raise self.refusal(
                f"it is a subscription, and {what} with it", "Change it in the ECS console."
            )


@dataclass(frozen=True)
class Changing(Subject):
    """A machine that is changed; ``others`` may share its security group."""

    journal: Journal
    report: Report
    others: Callable[[], Sequence[Record]]
    save: Callable[[], None]
