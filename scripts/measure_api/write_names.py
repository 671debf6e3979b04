"""Writes the names of all official actions and parameters: official_names.txt of the local cloud.

    python scripts/measure_api/write_names.py --metadata FOLDER

``FOLDER`` is ``metadatas`` of https://github.com/aliyun/aliyun-openapi-meta (Apache License 2.0);
what the installed Python SDKs (of the same license) know besides is added.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import official

FILE = Path(__file__).parents[2] / "ecsmachine/localcloud/protocol/official_names.txt"
HEAD = """\
# The actions of ECS, VPC, SLB and STS with the names of their parameters, "!" before those that are
# required, "-" before those that ECS does nothing with. From aliyun-openapi-meta and the Python
# SDKs (Apache License 2.0), by scripts/measure_api/write_names.py.
"""


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata", type=Path, required=True)
    options = parser.parse_args()
    FILE.write_text(HEAD + "".join(f"{line}\n" for line in lines(options.metadata)))


def lines(metadata: Path) -> Iterator[str]:
    """Yield a line for each product, and below it one for each of its actions."""
    for version, product in official.PRODUCTS.items():
        models = official.models_of(version)
        actions = {name.removesuffix("Request") for name in dir(models) if name.endswith("Request")}
        actions = {name for name in actions if not name.endswith("Shrink")}
        actions |= {file.stem for file in (metadata / product).glob("*.json")}
        if actions:
            yield f"version {version} {product}"
        for action in sorted(actions):
            facts = official.facts(version, action, metadata)
            names = {
                re.sub(r"\.1(?=\.|$)", ".N", name): "-" if parameter.meaningless else ""
                for name, parameter in (facts.parameters if facts else {}).items()
                if name not in official.OF_OTHER_OWNERS
            }
            file = metadata / product / f"{action}.json"
            if file.exists():
                listed = json.loads(file.read_text())["parameters"]
                names |= dict.fromkeys(required(listed), "!")
            yield " ".join([action, *sorted(mark + name for name, mark in names.items())])


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
