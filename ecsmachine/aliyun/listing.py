"""A list that comes in pages ends, whatever the cloud counts, repeats or promises."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ecsmachine.aliyun.errors import AnswerError
from ecsmachine.documents.fields import Fields

_MOST_PAGES = 1000
_MOST_BYTES = 128 << 20
_TIMEOUT_S = 600.0


class Listing:
    """What has come of a list so far; the size of a page is that of its JSON, in bytes."""

    def __init__(self, action: str, endpoint: str):
        self._action = action
        self._endpoint = endpoint
        self._deadline = time.monotonic() + _TIMEOUT_S
        self._pages = 0
        self._bytes = 0
        self._last: list[object] = []
        self._tokens: set[str] = set()

    def add(self, items: Sequence[Fields], size: int, next_token: str = "") -> None:
        """Take a page that is not the last one. Raises :class:`AnswerError` if there is no end."""
        self._pages += 1
        self._bytes += size
        page: list[object] = [item.values for item in items]
        if page == self._last or next_token in self._tokens:
            raise self._error("it repeats a page")
        if self._pages >= _MOST_PAGES or self._bytes > _MOST_BYTES:
            raise self._error("the list does not end")
        if time.monotonic() > self._deadline:
            raise self._error(f"the list did not end in {_TIMEOUT_S:.0f} s")
        self._last = page
        if next_token:
            self._tokens.add(next_token)

    def _error(self, reason: str) -> AnswerError:
        return AnswerError(self._action, self._endpoint, reason)
