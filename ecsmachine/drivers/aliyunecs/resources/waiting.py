"""Waiting for the cloud: asked often at first, then less, until a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.errors import MachineError

T = TypeVar("T")

_BUSY = (
    "IncorrectRouteEntryStatus",
    "IncorrectEipStatus",
    "IncorrectVSwitchStatus",
    "IncorrectVpcStatus",
    "IncorrectStatus",
    "InvalidStatus.RouteEntry",
    "TaskConflict",
    "OperationConflict",
    "OperationFailed.LastTokenProcessing",
    "LastTokenProcessing",
    "IdempotentProcessing",
    "SystemBusy",
    "ServiceIsConfiguring",
    "ServiceIsStopping",
    "BackendServer.configuring",
)
"""Beginnings of error codes that say: not now, something else is under way."""


def polls(
    timeout_s: float, *, first_pause_s: float = 0.1, longest_pause_s: float = 2.5
) -> Iterator[float]:
    """Yield the seconds since the beginning, once for each look, until the time is up.

    At least one look is made, and a last one when the time is up; the pause between two grows
    from the first to the longest.
    """
    begun = time.monotonic()
    pause_s = first_pause_s
    while True:
        spent_s = time.monotonic() - begun
        yield spent_s
        remaining_s = timeout_s - (time.monotonic() - begun)
        if remaining_s <= 0:
            return
        time.sleep(min(pause_s, remaining_s))
        pause_s = min(pause_s * 1.5, longest_pause_s)


def when_not_busy(call: Callable[[], T], *, timeout_s: float = 60.0) -> T:
    """Return what ``call`` gives, trying again while the API says that a resource is busy."""
    refusal: ApiError | None = None
    for _ in polls(timeout_s):
        try:
            return call()
        except ApiError as error:
            if not error.code.startswith(_BUSY):
                raise
            refusal = error
    assert refusal is not None  # noqa: S101  (at least one try was made)
    raise refusal


def wait_for(what: str, look: Callable[[], T | None], *, timeout_s: float = 60.0) -> T:
    """Return the first result of ``look`` that is not None.

    Raises :class:`MachineError` naming ``what`` when the time is up.
    """
    for _ in polls(timeout_s):
        result = look()
        if result is not None:
            return result
    raise MachineError(
        f"{what}: not so after {timeout_s:.0f} s", hint="Look at it in Alibaba Cloud's console."
    )
