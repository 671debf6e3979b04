"""Writes what each official action requires: required_parameters.txt of the local cloud.

    python scripts/measure_api/write_required.py --metadata FOLDER

``FOLDER`` is ``metadatas`` of https://github.com/aliyun/aliyun-openapi-meta (Apache License 2.0).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import official

FILE = Path(__file__).parents[2] / "ecsmachine/localcloud/protocol/required_parameters.txt"
HEAD = """\
# The required parameters of the actions of ECS, VPC, SLB and STS: NAME, NAME.N for a list, and
# NAME.N.PART for what each item of a list needs. From aliyun-openapi-meta (Apache License 2.0),
# by scripts/measure_api/write_required.py.
"""


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata", type=Path, required=True)
    options = parser.parse_args()
    FILE.write_text(HEAD + "".join(f"{line}\n" for line in lines(options.metadata)))


def lines(metadata: Path) -> Iterator[str]:
    """Yield a line for each product, and below it one for each action that requires anything."""
    for version, product in official.PRODUCTS.items():
        files = sorted((metadata / product).glob("*.json"))
        if files:
            yield f"version {version}"
        for file in files:
            names = list(required(json.loads(file.read_text())["parameters"]))
            if names:
                yield " ".join([file.stem, *sorted(names, key=lambda name: name != "RegionId")])


def required(listed: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the names of required parameters, and of the required parts of any list."""
    for item in listed:
        repeated = item["type"] in ("RepeatList", "RepeatedList")
        name = f"{item['name']}.N" if repeated else item["name"]
        if item["required"]:
            yield name
        for part in item.get("sub_parameters") or ():
            if part["required"] and repeated:
                yield f"{name}.{part['name']}"


if __name__ == "__main__":
    main()
