"""Pages of long lists: by number, or by token."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, TypeVar

from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.parameters import Parameters

T = TypeVar("T")


def page_by_number(
    parameters: Parameters, items: Sequence[T], *, size: int = 10, most: int = 100
) -> tuple[Sequence[T], dict[str, Any]]:
    """Return the page asked for with ``PageNumber`` and ``PageSize``, and the fields about it."""
    number = parameters.integer("PageNumber", 1, least=1)
    size = parameters.integer("PageSize", min(size, most), least=1, most=most)
    start = (number - 1) * size
    return items[start : start + size], {
        "TotalCount": len(items),
        "PageNumber": number,
        "PageSize": size,
    }


def page_by_token(
    parameters: Parameters,
    items: Sequence[T],
    *,
    size: int = 10,
    most: int = 100,
    results: tuple[int, int] | None = None,
) -> tuple[Sequence[T], dict[str, Any]]:
    """Return the page asked for with ``NextToken`` and ``MaxResults``, and the fields about it.

    ``NextToken`` is "" on the last page. With ``results``, a ``MaxResults`` that is outside of them
    counts as the nearest of the two; without, only 1 to ``most`` are accepted.
    """
    if results:
        size = min(max(parameters.integer("MaxResults", size), results[0]), results[1])
    else:
        size = parameters.integer("MaxResults", size, least=1, most=most)
    start = _offset(parameters)
    end = start + size
    token = base64.b64encode(f"offset:{end}".encode()).decode() if end < len(items) else ""
    return items[start:end], {"NextToken": token, "MaxResults": size, "TotalCount": len(items)}


def page(
    parameters: Parameters,
    items: Sequence[T],
    *,
    size: int = 10,
    most: int = 100,
    results: tuple[int, int] | None = None,
) -> tuple[Sequence[T], dict[str, Any]]:
    """Return a page by token where the request asks for that, else by number."""
    if parameters.given("NextToken") or parameters.given("MaxResults"):
        part, fields = page_by_token(parameters, items, size=size, most=most, results=results)
        return part, {
            "TotalCount": len(items),
            "PageNumber": 1,
            "PageSize": fields["MaxResults"],
            "NextToken": fields["NextToken"],
        }
    part, fields = page_by_number(parameters, items, size=size, most=most)
    return part, {**fields, "NextToken": ""}


def _offset(parameters: Parameters) -> int:
    token = parameters.text("NextToken")
    if not token:
        return 0
    try:
        kind, _, number = base64.b64decode(token, validate=True).decode().partition(":")
        if kind != "offset" or not number.isdigit():
            raise ValueError(token)
        return int(number)
    except ValueError as error:
        raise invalid_parameter("NextToken") from error
