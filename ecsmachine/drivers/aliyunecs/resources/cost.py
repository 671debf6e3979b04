"""What a machine costs, as ECS tells it before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from ecsmachine.aliyun.ecs_values import Price

_INSTANCE, _ADDRESS = "instanceType", "bandwidth"
_PARTS = {_INSTANCE: "instance", "systemDisk": "system disk", "dataDisk": "data disk"}
_PARTS |= {_ADDRESS: "address"}
"""What DescribePrice calls the parts of a price (DetailInfos), and what we call them."""

_BOUND = "the elastic address is free of charge while bound"
"""Pay-as-you-go addresses that are bound to an instance in a VPC are charged no configuration fee.

Source: the billing overview of Elastic IP Address in Alibaba Cloud's help; no API tells the fee.
"""


@dataclass(frozen=True)
class Cost:
    """The price of a machine for so many ``hours``: 1, or those of a subscription."""

    price: Price
    hours: float = 1.0
    elastic: bool = False

    @property
    def hour(self) -> float:
        """What an hour costs."""
        return self.price.amount / self.hours

    @property
    def stopped_hour(self) -> float:
        """What an hour costs while the machine is stopped without charge: its disks.

        An elastic address costs then as well; a fixed one is given back.
        """
        parts = dict(self.price.parts)
        gone = parts.get(_INSTANCE, 0.0) + (0.0 if self.elastic else parts.get(_ADDRESS, 0.0))
        return max(0.0, self.hour - gone / self.hours)

    def words(self) -> str:
        """Say it in a line: all, and what of it is for what."""
        currency = self.price.currency
        parts = ", ".join(
            f"{_PARTS.get(name, name)} {amount:.4g}" for name, amount in self.price.parts if amount
        )
        said = f"{self.hour:.4g} {currency} an hour"
        if self.hours != 1.0:
            said = f"{self.price.amount:g} {currency} in advance, {said}"
        notes = [parts] * bool(parts) + [_BOUND] * self.elastic
        return f"{said} ({'; '.join(notes)})" if notes else said
