"""Faults of the API: what happens to a request before and after its work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ecsmachine.localcloud.faults.book import Entry, FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.faults.unseen import Unseen
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.parameters import Parameters

LOG = logging.getLogger("ecsmachine.localcloud")


class ConnectionCutError(Exception):
    """The request's connection is to be cut, without an answer."""


@dataclass
class _Bucket:
    """Requests that may pass now: it holds a second's worth, and fills at the rate."""

    tokens: float
    filled: float


class RequestFaults:
    """The faults of one cloud's API. Real ECS throttles whom it knows: so this comes after
    the signature was checked, and refusals for it come first.
    """

    def __init__(self, book: FaultBook) -> None:
        self._book = book
        self._unseen = Unseen(book)
        self._buckets: dict[int, _Bucket] = {}

    def strike(self, action: str, region: str) -> list[Entry]:
        """Count the request for a region, and return the faults that strike it."""
        return self._book.strike(
            lambda fault: (
                fault.target == "request"
                and fault.kind not in ("no-stock", "throttle")
                and fault.matches_action(action)
                and fault.matches_region(region)
            )
        )

    async def before(
        self, action: str, region: str, parameters: Parameters, struck: list[Entry]
    ) -> None:
        """Apply the faults before the work.

        Raises :class:`ConnectionCutError`, or the refusal as an
        :class:`~ecsmachine.localcloud.protocol.errors.ApiError`.
        """
        for entry in struck:
            LOG.info("fault %d (%s) strikes %s", entry.id, entry.fault.kind, action)
            if entry.fault.kind == "delay":
                await asyncio.sleep(entry.fault.seconds)
        if any(entry.fault.kind == "cut-before" for entry in struck):
            raise ConnectionCutError
        self._throttle(action, region)
        for entry in struck:
            if entry.fault.kind in ("error", "quota"):
                raise refusal(entry.fault, action)
        self._unseen.check(action, parameters)

    @contextmanager
    def answering(self, struck: list[Entry]) -> Iterator[None]:
        """Lose the answer of the work in the block if it is to be lost, also a refusal.

        Raises :class:`ConnectionCutError`.
        """
        try:
            yield
        except ApiError:
            _cut_after(struck)
            raise

    def after(self, action: str, answer: Mapping[str, Any], struck: list[Entry]) -> dict[str, Any]:
        """Apply the faults after the work, and return the answer.

        Raises :class:`ConnectionCutError`.
        """
        for entry in struck:
            if entry.fault.kind == "eventual-consistency":
                self._unseen.hide(action, answer, entry)
        _cut_after(struck)
        return self._unseen.without(answer)

    def _throttle(self, action: str, region: str) -> None:
        now = time.monotonic()
        meant = self._book.meant(
            lambda fault: (
                fault.kind == "throttle"
                and fault.matches_action(action)
                and fault.matches_region(region)
            )
        )
        for entry in meant:
            rate = entry.fault.rate
            room = max(1.0, rate)
            bucket = self._buckets.setdefault(entry.id, _Bucket(room, now))
            bucket.tokens = min(room, bucket.tokens + (now - bucket.filled) * rate)
            bucket.filled = now
            if bucket.tokens < 1:
                self._book.count(entry.id)
                raise refusal(entry.fault, action)
            bucket.tokens -= 1


def _cut_after(struck: list[Entry]) -> None:
    if any(entry.fault.kind == "cut-after" for entry in struck):
        raise ConnectionCutError


def sold_out(book: FaultBook, zone: str, instance_type: str) -> bool:
    """Return whether a fault says that an instance type cannot be had in a zone."""
    return bool(
        book.meant(
            lambda fault: (
                fault.kind == "no-stock"
                and fault.probability >= 1
                and fault.matches_type(zone, instance_type)
            )
        )
    )


def check_stock(book: FaultBook, action: str, zone: str, instance_type: str) -> None:
    """Raise ``OperationDenied.NoStock`` if a fault strikes this request for an instance."""

    def could(fault: Fault) -> bool:
        return fault.kind == "no-stock" and fault.matches_type(zone, instance_type)

    for entry in book.strike(could):
        raise refusal(entry.fault, action)


_QUOTAS = {
    "RunInstances": refusals.QUOTA_OF_INSTANCES,
    "CreateInstance": refusals.QUOTA_OF_INSTANCES,
    "CreateSecurityGroup": refusals.QUOTA_OF_SECURITY_GROUPS,
    "CreateVpc": refusals.QUOTA_OF_VPCS,
    "CreateVSwitch": refusals.QUOTA_OF_VSWITCHES,
    "AllocateEipAddress": refusals.QUOTA_OF_EIPS,
    "CreateKeyPair": refusals.QUOTA_OF_KEY_PAIRS,
    "ImportKeyPair": refusals.QUOTA_OF_KEY_PAIRS,
    "CreateDisk": refusals.QUOTA_OF_DISKS,
}


def refusal(fault: Fault, action: str) -> ApiError:
    """Return the error with which a fault refuses this request."""
    if fault.kind == "throttle":
        code = "Throttling.User"
    elif fault.kind == "quota":
        quota = _QUOTAS.get(action.partition("/")[0])
        code = quota.code if quota else "QuotaExceeded"
    elif fault.kind == "no-stock":
        code = "OperationDenied.NoStock"
    else:
        code = fault.code
    status, message = refusals.known().get(code, (_usual_status(code), "The request is refused."))
    return ApiError(code, fault.message or message, fault.status or status)


def _usual_status(code: str) -> int:
    if code.endswith(".NotFound"):
        return 404
    return 403 if code.startswith(("Forbidden", "OperationDenied")) else 400
