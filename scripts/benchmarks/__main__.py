"""Measures what docs/performance.md promises, on local clouds of its own: a figure a line.

Every ratio is of runs that take turns; turns and requests are counted by relays, and do not
depend on the computer. A line is a function with ``@line`` in a module here.
"""

from __future__ import annotations

import argparse
import importlib

from ground import Ground
from lines import LINES


def main() -> None:
    """Print the lines of the groups that are asked for."""
    for module in ("everyday", "hosts", "creates", "many", "api"):
        importlib.import_module(module)
    groups = list(dict.fromkeys(each.group for each in LINES))
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"of: {', '.join(groups)} [default: all]"
    )
    parser.add_argument("--only", default="", help="the lines whose text holds this")
    parser.add_argument("--times", type=int, default=15, help="pairs of runs of a ratio")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(groups):
        parser.error(f"there is no group {', '.join(unknown)}; there is: {', '.join(groups)}")
    ground = Ground(arguments.times)
    try:
        for group in arguments.groups or groups:
            for each in LINES:
                if each.group == group and arguments.only in each.what:
                    try:
                        print(each.printed(each.measure(ground)), flush=True)
                    except LookupError:
                        print(f"{each.what:<62} (PEERS names no docker-machine)", flush=True)
    finally:
        ground.close()


if __name__ == "__main__":
    main()
