"""Options that say the same in two ways, or that cannot be together: which of them counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ecsmachine.drivers.base import Alternative, Option, OptionValue


def pairs_of(
    options: Iterable[Option], values: Mapping[str, OptionValue]
) -> Iterator[tuple[Option, Option, Alternative]]:
    """Yield the options among ``values`` that meet, with what holds for the two."""
    by_name = {option.name: option for option in options}
    for name, option in by_name.items():
        for each in option.alternatives if name in values else ():
            if each.name in values and each.meets(values[name], values[each.name]):
                yield option, by_name[each.name], each
