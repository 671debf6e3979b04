"""How true the local cloud is to what Alibaba Cloud publishes of its API.

    python measure.py --metadata FOLDER                      # the table
    python measure.py --metadata FOLDER --details            # and every parameter and field by name
    python measure.py --metadata FOLDER --action RunInstances --details

``FOLDER`` is ``metadatas`` of https://github.com/aliyun/aliyun-openapi-meta. The Python SDKs
alibabacloud_{ecs20140526,vpc20160428,slb20140515,sts20150401} have to be installed beside
``ecsmachine[local]``. The actions are read from ``ecsmachine.localcloud.actions.PRODUCTS``.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import official
from answers import Fields, fields_of
from cloud import Probe, probed_cloud
from parameters import (
    HOWS,
    REQUIRED_HOWS,
    RefusedBaseError,
    required_verdicts,
    strange_names,
    verdicts,
)
from scene import furnish

from ecsmachine.localcloud.actions import PRODUCTS

ROWS = (
    "actions", "  with nothing official about them",
    "parameters",
    *(f"  {how}" for how in HOWS),
    "acted on, but not official",
    "required parameters", *(f"  {how}" for how in REQUIRED_HOWS),
    "fields of answers", "  filled", "  never filled", "  of a wrong type",
    "fields that no model has",
)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata", type=Path, required=True)
    parser.add_argument("--action", action="append", default=[])
    parser.add_argument("--details", action="store_true")
    parser.add_argument("--json", type=Path, help="write all that was found there")
    options = parser.parse_args()
    counts: dict[str, collections.Counter[str]] = {}
    everything: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, probed_cloud(Path(folder)) as probe:
        scene = furnish(probe)
        for version, actions in PRODUCTS.items():
            product = official.PRODUCTS[version]
            counts[product] = collections.Counter()
            for action in actions:
                if options.action and action not in options.action:
                    continue
                counts[product]["actions"] += 1
                facts = official.facts(version, action, options.metadata)
                if facts is None:
                    counts[product]["  with nothing official about them"] += 1
                    continue
                try:
                    found = _measure(probe, version, facts, scene)
                except RefusedBaseError as error:
                    counts[product]["  that no request of the scene gets through"] += 1
                    print(f"not measured, scene._bases needs a line: {error}", file=sys.stderr)
                    continue
                everything[f"{product} {action}"] = found
                _count(counts[product], found)
                if options.details:
                    _print_details(f"{product} {action}", found)
    _print_table(counts)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))


def _measure(probe: Probe, version: str, facts: official.ActionFacts, scene: Any) -> dict[str, Any]:
    fields = fields_of(probe, version, facts, scene) or Fields()
    return {
        "parameters": {
            verdict.parameter.name: [verdict.how, *sorted(verdict.codes)]
            for verdict in verdicts(probe, version, facts, scene)
        },
        "required": {
            verdict.parameter.name: [verdict.how, verdict.code]
            for verdict in required_verdicts(probe, version, facts, scene)
        },
        "strange": strange_names(probe, version, facts, scene),
        "filled": sorted(path for path, filled in fields.filled.items() if filled),
        "never filled": sorted(path for path, filled in fields.filled.items() if not filled),
        "wrong": fields.wrong,
        "unknown": sorted(fields.unknown),
    }


def _count(counter: collections.Counter[str], found: dict[str, Any]) -> None:
    counter["parameters"] += len(found["parameters"])
    counter.update(f"  {how}" for how, *_ in found["parameters"].values())
    counter["acted on, but not official"] += len(found["strange"])
    counter["required parameters"] += len(found["required"])
    counter.update(f"  {how}" for how, _ in found["required"].values())
    counter["  filled"] += len(found["filled"])
    counter["  never filled"] += len(found["never filled"])
    counter["fields of answers"] += len(found["filled"]) + len(found["never filled"])
    counter["  of a wrong type"] += len(found["wrong"])
    counter["fields that no model has"] += len(found["unknown"])


def _print_details(name: str, found: dict[str, Any]) -> None:
    print(name)
    for how in ("refused", "checked", "without effect", "passed over", "no meaning"):
        names = [
            " ".join([key, *codes])
            for key, (its, *codes) in found["parameters"].items()
            if its == how and key not in official.OF_OTHER_OWNERS
        ]
        if names:
            print(f"  {how}: {', '.join(names)}")
    for key, (how, code) in found["required"].items():
        if how != "MissingParameter":
            print(f"  without {key}: {how} {code}")
    if found["strange"]:
        print(f"  acted on, but not official: {', '.join(found['strange'])}")
    for what in ("never filled", "wrong", "unknown"):
        if found[what]:
            items = found[what].items() if isinstance(found[what], dict) else found[what]
            print(f"  {what}: {', '.join(map(str, items))}")


def _print_table(counts: dict[str, collections.Counter[str]]) -> None:
    products = [*counts, "all"]
    counts = {**counts, "all": sum(counts.values(), collections.Counter())}
    print(f"{'':34}" + "".join(f"{product:>9}" for product in products))
    for row in ROWS:
        print(f"{row:34}" + "".join(f"{counts[product][row]:9}" for product in products))


if __name__ == "__main__":
    main()
