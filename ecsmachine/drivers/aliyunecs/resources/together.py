"""Requests of many threads about one thing each, made as one about many things."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ecsmachine.errors import MachineError

MOST_AT_ONCE = 100
"""How many ids DescribeInstances, DeleteInstances and DeleteKeyPairs take."""

_PAUSE_S = 0.2

T = TypeVar("T")
Ask = Callable[[list[str]], Mapping[str, T | MachineError]]
"""Is given what is asked for, and returns an answer to each, or why there is none."""


class Gathered(Generic[T]):
    """What several threads ask for, each for one thing, and again and again, asked for together.

    While one request is under way, and for a moment after it began, the others gather; the next
    one is about all of them. Who is alone asks at once.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._wanted: dict[str, None] = {}
        self._asking = 0
        self._begun = 0
        self._begun_at = 0.0
        self._answers: dict[str, tuple[int, T | MachineError | None]] = {}

    def ask(self, item: str, ask: Ask[T]) -> T | None:
        """Return what is answered for an item by a request that began after this call, or None.

        ``ask`` is called if it is this thread's turn. Raises what it raises, and an error that it
        returns for the item.
        """
        with self._guard:
            entered = self._begun
            self._wanted[item] = None
            self._asking += 1
        try:
            with self._turn:
                number, found = self._answers.get(item, (0, None))
                if number <= entered:
                    found = self._ask_for_all(item, ask)
        finally:
            with self._guard:
                self._asking -= 1
        if isinstance(found, MachineError):
            raise _own(found)
        return found

    def _ask_for_all(self, item: str, ask: Ask[T]) -> T | MachineError | None:
        if self._asking > 1:
            time.sleep(max(0.0, self._begun_at + _PAUSE_S - time.monotonic()))
        with self._guard:
            items = list(dict.fromkeys([item, *self._wanted]))[:MOST_AT_ONCE]
            for each in items:
                self._wanted.pop(each, None)
            self._begun += 1
            self._begun_at = time.monotonic()
            number = self._begun
        seen = ask(items)
        self._answers.update({each: (number, seen.get(each)) for each in items})
        return seen.get(item)


@dataclass
class _Tried:
    """How often something was begun, and how it ended the last time."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    begun: int = 0
    is_done: bool = False
    failure: MachineError | None = None


class Once:
    """What several threads want done, each once it is ready for it, and need be done only once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tried: dict[str, _Tried] = {}

    def do(self, what: str, do: Callable[[], bool]) -> None:
        """Do it unless it was done; wait for who is at it. Raises its error, each time anew.

        ``do`` returns whether it is done. If not, because of what another thread is still about to
        do, it is tried again for who comes later: a try that began before does not count for it.
        """
        with self._guard:
            tried = self._tried.setdefault(what, _Tried())
            begun_before = tried.begun
        with tried.turn:
            if not tried.is_done and tried.begun <= begun_before:
                tried.begun += 1
                try:
                    tried.is_done = do()
                except MachineError as error:
                    tried.is_done, tried.failure = True, error
                except BaseException:
                    tried.begun -= 1  # nobody may count on it
                    raise
        if tried.failure is not None:
            raise _own(tried.failure)


def by_halves(
    items: Sequence[str],
    ask: Callable[[list[str]], Mapping[str, T]],
    is_of_one: Callable[[MachineError], bool],
) -> dict[str, T | MachineError]:
    """Return what ``ask`` answers for each item; in place of one that it fails for, the error.

    One that fails must not keep the others: where ``is_of_one`` says that an error is that of an
    item, the halves are asked for anew.
    """
    try:
        return dict(ask(list(items)))
    except MachineError as error:
        if len(items) == 1 or not is_of_one(error):
            return dict.fromkeys(items, error)
    half = len(items) // 2
    return by_halves(items[:half], ask, is_of_one) | by_halves(items[half:], ask, is_of_one)


def _own(error: MachineError) -> MachineError:
    """Return an error for one thread alone: who raises it on may add to what it says."""
    own = type(error).__new__(type(error), *error.args)
    own.__dict__.update(error.__dict__)
    return own
