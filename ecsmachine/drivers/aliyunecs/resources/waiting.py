"""Waiting for the cloud: until it is not busy, until something is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

T = TypeVar("T")

_BUSY = (Meaning.BUSY, Meaning.TOKEN_PROCESSING)


def when_not_busy(call: Callable[[], T], *, timeout_s: float = 60.0) -> T:
    """Return what ``call`` gives, trying again while the API says that a resource is busy."""
    refusal: ApiError | None = None
    for _ in polls(timeout_s):
        try:
            return call()
        except ApiError as error:
            if error.meaning not in _BUSY:
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
