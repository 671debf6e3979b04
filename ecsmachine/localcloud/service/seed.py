"""A seed: the content of a new cloud, as a dictionary or in a YAML or JSON file.

Instances and images have the parameters of RunInstances and CreateImage, with their official names;
missing values are chosen::

    instances:
      - InstanceName: web-[1,2]
        InstanceType: ecs.g6.large
        Amount: 3
        Tag: {role: web}
      - {InstanceName: old, Status: Stopped}
    images:
      - {ImageName: golden, ImageId: debian_12}
    stock:
      - {InstanceType: "ecs.g6.*", ZoneId: cn-hangzhou-i, Amount: 0}
    prices: {ecs.g6.large: 1.25}
    quotas: {instances: 10}
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ecsmachine.localcloud.catalog.instance_types import instance_types
from ecsmachine.localcloud.catalog.regions import regions
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.protocol.official import official_actions
from ecsmachine.localcloud.state.settings import QUOTAS, Offer, Stock
from ecsmachine.suggestions import did_you_mean, instead_of

_SECTIONS = ("instances", "images", "stock", "prices", "quotas")
_ECS = "2014-05-26"
_STATES = ("Running", "Stopped")
_MOST_BYTES = 1024 * 1024


class SeedError(LocalCloudError):
    """A seed cannot be used; the text says why, and where in it."""


@dataclass(frozen=True)
class Wanted:
    """A wanted instance or image: its place in the seed, and its parameters.

    ``values`` have the form of requests (``Tag.1.Key``); ``stopped`` is for instances.
    """

    place: str
    values: Mapping[str, str]
    stopped: bool = False


@dataclass(frozen=True)
class Seed:
    """A seed that was read and makes sense by itself."""

    instances: tuple[Wanted, ...]
    images: tuple[Wanted, ...]
    offer: Offer


def read_seed(given: Mapping[str, Any] | Path | str) -> Seed:
    """Return the seed in a dictionary or a file; raises :class:`SeedError`."""
    if isinstance(given, Mapping):
        return _seed(given, "the seed")
    if not isinstance(given, str | Path):
        raise SeedError(f"A seed is a dictionary or the name of a file, not {given!r}.")
    file = Path(given)
    try:
        with file.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SeedError(f"The seed {file} cannot be read: {error.strerror or error}") from None
    if len(text) > _MOST_BYTES:
        raise SeedError(f"The seed {file} is larger than 1 MiB.")
    data = _parsed(text, file)
    if not isinstance(data, Mapping):
        raise SeedError(f"{file}: a seed needs sections: {', '.join(_SECTIONS)}.")
    return _seed(data, str(file))


def _parsed(text: bytes, file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)  # which also reads JSON
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise SeedError(f"{file}{line}: it is not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SeedError(f"{file}: it is not YAML: {' '.join(str(error).split())}") from None


def _seed(data: Mapping[str, Any], name: str) -> Seed:
    _check_names(name, data, _SECTIONS, "section")
    try:
        text = json.dumps(data, sort_keys=True)
    except (TypeError, ValueError):
        raise SeedError(f"{name}: it holds values other than strings, numbers and lists.") from None
    instances = [
        _wanted(f"{name}: instances[{number}]", item, "RunInstances", ("Status",))
        for number, item in _items(name, data, "instances")
    ]
    images = [
        _wanted(f"{name}: images[{number}]", item, "CreateImage", ("ImageId",))
        for number, item in _items(name, data, "images")
    ]
    offer = Offer(
        digest=hashlib.sha256(text.encode()).hexdigest(),
        stock=tuple(
            _stock(f"{name}: stock[{number}]", item) for number, item in _items(name, data, "stock")
        ),
        prices={
            kind: _number(f"{name}: prices.{kind}", price)
            for kind, price in _pairs(name, data, "prices", [k.id for k in instance_types()])
        },
        quotas={
            what: _whole(f"{name}: quotas.{what}", number)
            for what, number in _pairs(name, data, "quotas", QUOTAS)
        },
    )
    return Seed(tuple(instances), tuple(images), offer)


def _items(name: str, data: Mapping[str, Any], section: str) -> list[tuple[int, Mapping[str, Any]]]:
    items = data.get(section) or []
    if not isinstance(items, list | tuple) or not all(isinstance(one, Mapping) for one in items):
        raise SeedError(f"{name}: {section} must be a list of mappings.")
    return list(enumerate(items))


def _pairs(
    name: str, data: Mapping[str, Any], section: str, known: Iterable[str]
) -> list[tuple[str, Any]]:
    pairs = data.get(section) or {}
    if not isinstance(pairs, Mapping):
        raise SeedError(f"{name}: {section} must be a mapping.")
    _check_names(f"{name}: {section}", pairs, known, "name")
    return list(pairs.items())


def _wanted(place: str, item: Mapping[str, Any], action: str, more: tuple[str, ...]) -> Wanted:
    official = official_actions(_ECS)[action]
    values = _flat(item)
    for given in values:
        if given not in more and not official.takes(given):
            names = {name.split(".")[0] for name in official.parameters} | {*more}
            raise SeedError(
                f"{place}: {action} has no parameter {given}.", hint=did_you_mean(given, names)
            )
    status = values.pop("Status", "Running") if "Status" in more else "Running"
    if status not in _STATES:
        raise SeedError(f"{place}: Status must be Running or Stopped, not {status}.")
    return Wanted(place, values, status == "Stopped")


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """Return values as a request has them: below ``Tag.1.Key`` and ``SystemDisk.Size``.

    Tags may be written as one object of names and values.
    """
    if name == "Tag" and isinstance(value, Mapping):
        value = [{"Key": key, "Value": text} for key, text in value.items()]
    flat: dict[str, str] = {}
    if isinstance(value, Mapping):
        for key, item in value.items():
            flat |= _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, start=1):
            flat |= _flat(item, f"{name}.{number}")
    elif isinstance(value, bool):
        flat[name] = "true" if value else "false"
    elif value is not None:
        flat[name] = str(value)
    return flat


def _stock(place: str, item: Mapping[str, Any]) -> Stock:
    _check_names(place, item, ("InstanceType", "ZoneId", "Amount"), "name")
    kind, zone = str(item.get("InstanceType", "*")), str(item.get("ZoneId", "*"))
    for what, pattern, known in (
        ("instance type", kind, [one.id for one in instance_types()]),
        ("zone", zone, [one.id for region in regions() for one in region.zones]),
    ):
        if not any(fnmatchcase(one, pattern) for one in known):
            raise SeedError(
                f"{place}: there is no {what} {pattern}.", hint=did_you_mean(pattern, known)
            )
    return Stock(kind, zone, _whole(f"{place}.Amount", item.get("Amount", 0)))


def _check_names(place: str, data: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    names = list(known)
    for given in data:
        if given not in names:
            hint = instead_of(str(given), names)
            raise SeedError(f"{place}: there is no {what} {given}.", hint=hint)


def _whole(place: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SeedError(f"{place} must be a whole number, 0 or more, not {value!r}.")
    return value


def _number(place: str, value: Any) -> float:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right or not math.isfinite(value) or value < 0:
        raise SeedError(f"{place} must be a number, 0 or more, not {value!r}.")
    return float(value)
