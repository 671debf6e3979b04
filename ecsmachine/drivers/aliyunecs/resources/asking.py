"""Asking the cloud: over the journal, until something is accepted, is so or is gone.

What is asked for is written down before, and again after the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.options.settings import Settings
from ecsmachine.drivers.aliyunecs.resources.batch import Batch
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.together import Gathered, by_halves
from ecsmachine.drivers.base import (
    DriverContext,
    Journal,
    Report,
    Resource,
)
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

UNSEEN_S = 3.0
"""How long what was made a moment ago may not be found, in seconds."""

_UNUSED_TIMEOUT_S = 15.0
"""How long something that is still in use is tried to be removed, in seconds."""

_UNDER_WAY_S = 10.0
"""How long is looked for the end of what a request without an answer may have begun."""

_UNSEEN_TIMEOUT_S = 2.0
"""How long is looked for what a request without an answer may have made, in seconds."""


@dataclass(frozen=True)
class Making:
    """What all that a machine consists of is made with: where, for whom, as its user wants it.

    ``batch`` is what it has in common with other machines that are made now.
    """

    cloud: Cloud
    journal: Journal
    context: DriverContext
    settings: Settings
    report: Report
    batch: Batch


def find_or_intend(journal: Journal, kind: str, **details: str) -> Resource:
    """Return the resource that the journal lists, with or without id, else write one down."""
    return journal.find(kind, **details) or journal.intend(kind, **details)


@contextmanager
def forget_if_refused(
    journal: Journal, resource: Resource, *, asked_before: bool = False
) -> Iterator[None]:
    """Strike a resource off the journal if the API turns the request for it down.

    After any other failure it stays: it may have been made. So it does if it was ``asked_before``,
    by a process that did not live to see the answer.
    """
    try:
        yield
    except ApiError as error:
        if error.is_refusal and not asked_before:
            journal.removed(resource)
        raise


def _removing(ask: Callable[[], None]) -> None:
    """Ask for something's end, and again if a try without an answer may have begun it."""
    try:
        ask()
    except ApiError as error:
        if not error.may_be_so:
            raise
        ask()  # now it is waited for, until it is not found


def is_gone(error: ApiError, spent_s: float, patience_s: float) -> bool:
    """Whether "not found" means that it is not there any more.

    What was made a moment ago may not be found yet: for ``patience_s`` that is no answer. Raises
    the error if it is another one.
    """
    if not error.is_not_found:
        raise error
    return spent_s >= patience_s


def delete(ask: Callable[[], None], *, patience_s: float = 0.0) -> None:
    """Have something removed; gone already is success, as :func:`is_gone` has it."""
    for spent_s in polls(patience_s):
        try:
            _removing(ask)
            return
        except ApiError as error:
            if is_gone(error, spent_s, patience_s):
                return


def delete_together(
    gathered: Gathered[None],
    resource_id: str,
    delete_one: Callable[[str], None],
    delete_many: Callable[[list[str]], None],
) -> None:
    """Have something removed, in one request with what other threads have removed.

    A refusal may be of one of them alone: then they are asked for apart. Raises what is refused.
    """

    def ask(ids: list[str]) -> dict[str, None]:
        if len(ids) == 1:
            delete_one(ids[0])
        else:
            delete_many(ids)
        return {}

    def is_of_one(error: MachineError) -> bool:
        return isinstance(error, ApiError) and error.is_refusal

    gathered.ask(resource_id, lambda ids: by_halves(ids, ask, is_of_one))


def delete_unused(
    ask: Callable[[], None], is_used: Callable[[float], bool], patience_s: float
) -> bool:
    """Have something removed unless it is in use; gone already is success, as with :func:`delete`.

    Returns whether it is gone.

    ``is_used`` is told how long it was tried, and may look at what keeps it. Raises the refusal of
    what is used by nothing, and cannot be removed.
    """
    refusal: ApiError | None = None
    for spent_s in polls(_UNUSED_TIMEOUT_S):
        try:
            _removing(ask)
            return True
        except ApiError as error:
            if error.meaning is not Meaning.IN_USE:
                if is_gone(error, spent_s, patience_s):
                    return True
                continue
            refusal = error
        if is_used(spent_s):
            return False
    if refusal is not None:
        raise refusal
    return True


def ids_of(resource: Resource, look: Callable[[], list[str]]) -> list[str]:
    """Return the id of a resource of a journal.

    Without one, those that ``look`` finds of what a request without an answer may have made.
    """
    if resource.id is not None:
        return [resource.id]
    for _ in polls(_UNSEEN_TIMEOUT_S):
        found = look()
        if found:
            return found
    return []


T = TypeVar("T")

_TIMEOUT_S = 60.0
_CHECK_FROM_S = 3.0


def until_accepted(
    timeout_s: float, call: Callable[[], T], may_pass: Callable[[ApiError, float], bool]
) -> T:
    """Return what ``call`` gives; tried again for a while if it is refused with what may pass.

    ``may_pass`` is told the refusal, and how long it was tried. Raises the last refusal.
    """
    refusal: ApiError | None = None
    for spent_s in polls(timeout_s):
        try:
            return call()
        except ApiError as error:
            if not may_pass(error, spent_s):
                raise
            refusal = error
    assert refusal is not None  # noqa: S101  (at least one try was made)
    raise refusal


def ask_once(ask: Callable[[], None], is_so: Callable[[], bool]) -> None:
    """Ask for a change that is refused where it is so already.

    After a connection that broke it was asked for again, and may have been made before, or be
    under way: then it is looked for before it is asked for anew.
    """
    for timeout_s in (_UNDER_WAY_S, 0.0):
        try:
            ask()
            return
        except ApiError as error:
            refusal = error
        for _ in polls(timeout_s if refusal.may_be_so else 0.0):
            if is_so():
                return
        if not refusal.may_be_so:
            break
    raise refusal


def wait_for(
    what: str, look: Callable[[], T | None], *, check: Callable[[], None] = lambda: None
) -> T:
    """Return the first result of ``look`` that is not None.

    What ``check`` raises, after some seconds and then after each look, ends the wait: it cannot
    come. Raises :class:`MachineError` naming ``what`` when the time is up.
    """
    for spent_s in polls(_TIMEOUT_S):
        result = look()
        if result is not None:
            return result
        if spent_s >= _CHECK_FROM_S:
            check()
    raise MachineError(
        f"{what}: not so after {_TIMEOUT_S:.0f} s", hint="Check it in the Alibaba Cloud console."
    )
