"""Writes what docs/emulator.md says of the code: actions, those that are missing, parameters.

``python scripts/emulator_page.py`` writes between the page's marks; ``--check`` says whether the
page is as it would be written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ecsmachine.localcloud.actions import PRODUCT_NAMES, PRODUCTS
from ecsmachine.localcloud.actions.call import Action
from ecsmachine.localcloud.actions.listing import Listing
from ecsmachine.localcloud.actions.unsupported import unsupported, without_effect
from ecsmachine.localcloud.protocol.official import (
    OF_OTHER_OWNERS,
    OfficialAction,
    official_actions,
)

PAGE = Path(__file__).parents[1] / "docs" / "emulator.md"


def main() -> int:
    """Write the page, or check it; return the exit code."""
    old = PAGE.read_text()
    new = _written(old)
    if "--check" in sys.argv[1:]:
        if new != old:
            print(f"{PAGE} is not as the code is: python scripts/emulator_page.py writes it")
        return int(new != old)
    PAGE.write_text(new)
    return 0


def _written(page: str) -> str:
    for name, lines in (
        ("actions", _there()),
        ("missing", _missing()),
        ("refused", _parameters(unsupported, "| not supported | refused parameters |")),
        ("accepted", _parameters(without_effect, "| why | accepted parameters |")),
    ):
        begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
        text = begin + "\n".join(lines).replace("\\", "\\\\") + end
        page, count = re.subn(f"{begin}.*?{end}", text, page, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{PAGE} has the marks of {name} {count} times")
    return page


def _there() -> Iterator[str]:
    """Yield a table with a row for each product and each kind of resource."""
    yield from ("| product | resource | actions |", "|---|---|---|")
    for version, product in PRODUCTS.items():
        for resource, actions in _by_resource(product).items():
            yield f"| {PRODUCT_NAMES[version]} {version} | {resource} | {', '.join(actions)} |"


def _by_resource(product: Mapping[str, Action]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, action in product.items():
        listing = getattr(action, "__self__", None)
        told_in = listing.view if isinstance(listing, Listing) else getattr(action, "func", action)
        module = told_in.__module__.rpartition(".")[2]
        words = module.replace("instance_", "instances: ").replace("_", " ")
        found.setdefault(words, []).append(name)
    return found


def _missing() -> Iterator[str]:
    """Yield a table with the official actions of each product that are not here."""
    yield from ("| product | actions that are not supported |", "|---|---|")
    for version, product in PRODUCTS.items():
        names = sorted(official_actions(version).keys() - product.keys())
        if names:
            yield f"| {PRODUCT_NAMES[version]} {version} | {', '.join(names)} |"


def _parameters(
    find: Callable[[str, OfficialAction], Mapping[str, str]], head: str
) -> Iterator[str]:
    """Yield a table with what is said of parameters, and of which ones of which actions."""
    yield from (head, "|---|---|")
    rows: dict[str, list[str]] = {}
    for version, product in PRODUCTS.items():
        for action, official in official_actions(version).items():
            if action not in product:
                continue
            names: dict[str, list[str]] = {}
            for name, text in sorted(find(action, official).items()):
                if name not in official.idle and name not in OF_OTHER_OWNERS:
                    names.setdefault(text, []).append(f"`{name}`")
            for text, each in names.items():
                rows.setdefault(text, []).append(f"{action} {', '.join(each)}")
    for text, told in sorted(rows.items()):
        yield f"| {text} | {'; '.join(dict.fromkeys(told))} |"


if __name__ == "__main__":
    sys.exit(main())
