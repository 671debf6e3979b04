"""Asking for a resource over the journal: written down before, and again after the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.base import Journal, Resource


def known_or_intended(journal: Journal, kind: str, **details: str) -> Resource:
    """Return the resource that the journal lists, with or without id, else write one down."""
    return journal.find(kind, **details) or journal.intend(kind, **details)


@contextmanager
def forgotten_if_refused(journal: Journal, resource: Resource) -> Iterator[None]:
    """Strike a resource off the journal if the API turns the request for it down.

    After any other failure it stays: it may have been made.
    """
    try:
        yield
    except ApiError as error:
        if error.is_refusal and error.code != "IdempotentParameterMismatch":
            journal.removed(resource)
        raise
