"""What a machine has cost since it was made.

It is computed from the price at its create and from the commands given here since: traffic,
discounts, and what is done in the console, are not in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ecsmachine.drivers.capabilities import RunningCost

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.resources.cost import Cost


@dataclass(frozen=True)
class Ledger:
    """What a machine costs in an hour, and has cost: ``spent`` until ``since``, then ``rate``."""

    currency: str
    hour: float
    stopped_hour: float
    rate: float
    spent: float
    since: datetime

    def running(self, now: datetime | None = None) -> RunningCost:
        """Return what the machine costs now, and has cost until now."""
        hours = max(0.0, ((now or _now()) - self.since).total_seconds() / 3600)
        return RunningCost(self.currency, self.hour, self.rate, self.spent + self.rate * hours)

    def at_rate(self, *, charged: bool) -> Ledger:
        """Return the ledger from now on: charged in full, or for what a stopped machine keeps."""
        rate = self.hour if charged else self.stopped_hour
        if not self.rate or rate == self.rate:  # a subscription is paid already
            return self
        now = _now()
        return replace(self, rate=rate, spent=self.running(now).spent, since=now)

    def at_price(self, hour: float, stopped_hour: float) -> Ledger:
        """Return the ledger from now on, of a machine that costs something else from now on."""
        now = _now()
        is_stopped = self.rate == self.stopped_hour != self.hour
        rate = stopped_hour if is_stopped else hour
        spent = self.running(now).spent
        return Ledger(self.currency, hour, stopped_hour, rate, spent, now)

    def as_texts(self) -> dict[str, str]:
        """Return what ``config.json`` keeps."""
        return {
            "Currency": self.currency,
            "Hour": f"{self.hour:.6f}",
            "StoppedHour": f"{self.stopped_hour:.6f}",
            "Rate": f"{self.rate:.6f}",
            "Spent": f"{self.spent:.6f}",
            "Since": self.since.isoformat(timespec="seconds"),
        }


def begun_ledger(cost: Cost) -> Ledger:
    """Return the ledger of a machine that is asked for now."""
    paid = cost.price.amount if cost.hours != 1.0 else 0.0
    rate = 0.0 if paid else cost.hour
    return Ledger(cost.price.currency, cost.hour, cost.stopped_hour, rate, paid, _now())


def stored_ledger(texts: dict[str, str] | None) -> Ledger | None:
    """Return the ledger that ``config.json`` keeps; None if there is none that can be read."""
    if not texts:
        return None
    try:
        amounts = [float(texts[name]) for name in ("Hour", "StoppedHour", "Rate", "Spent")]
        since = datetime.fromisoformat(texts["Since"])
        if since.tzinfo is None or not all(math.isfinite(amount) for amount in amounts):
            return None
        hour, stopped_hour, rate, spent = amounts
        return Ledger(texts["Currency"], hour, stopped_hour, rate, spent, since)
    except (KeyError, ValueError):
        return None


def _now() -> datetime:
    return datetime.now(timezone.utc)
