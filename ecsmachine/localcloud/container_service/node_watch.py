"""Which nodes of a cluster do not answer: asked again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from ecsmachine.localcloud.container_service.engines import Engine

INTERVAL_S = 5.0
_MISSES = 3
"""How many times one after the other a node has to be silent until it counts as gone."""

_SIDE_BY_SIDE = 8


class NodeWatch:
    """Remembers what nodes, by name, have answered. :meth:`look` is called by one thread."""

    def __init__(self) -> None:
        self.silent: frozenset[str] = frozenset()
        self._misses: Counter[str] = Counter()
        self._begun = False

    def look(self, engines: Mapping[str, Engine]) -> bool:
        """Ask the engines of the nodes; return whether another set of them is silent now.

        It is also when all have answered for the first time: who knows what they have been through.
        """
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            answered = pool.map(lambda engine: engine.answers(), engines.values())
            answers = dict(zip(engines, answered, strict=True))
        for name, there in answers.items():
            self._misses[name] = 0 if there else self._misses[name] + 1
        silent = frozenset(name for name in answers if self._misses[name] >= _MISSES)
        changed = silent != self.silent & answers.keys()
        if not self._begun and all(answers.values()):
            self._begun = changed = True
        self.silent = silent
        return changed
