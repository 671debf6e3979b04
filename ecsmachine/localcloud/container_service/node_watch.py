"""Which nodes of a cluster do not answer: asked again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ecsmachine.localcloud.container_service.engines import Engine
from ecsmachine.localcloud.work.supervisor import Threads

INTERVAL_S = 5.0
_MISSES = 3
"""How many times one after the other a node has to be silent until it counts as gone."""


class NodeWatch:
    """Remembers what nodes, by name, have answered. ``threads`` ask them."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self.silent: frozenset[str] = frozenset()
        self._misses: Counter[str] = Counter()
        self._begun = False

    def look(self, engines: Mapping[str, Engine]) -> bool:
        """Ask the engines of the nodes; blocks. Return whether another set of them is silent now.

        It is also when all have answered for the first time: who knows what they have been through.
        """
        answered = self._threads.map(lambda engine: engine.answers(), engines.values())
        answers = dict(zip(engines, answered, strict=True))
        for name, there in answers.items():
            self._misses[name] = 0 if there else self._misses[name] + 1
        silent = frozenset(name for name in answers if self._misses[name] >= _MISSES)
        changed = silent != self.silent & answers.keys()
        if not self._begun and all(answers.values()):
            self._begun = changed = True
        self.silent = silent
        return changed
