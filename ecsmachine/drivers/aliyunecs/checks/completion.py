"""What a shell may suggest for the options of this driver: regions, zones, types, categories.

The cloud is asked, with the credentials at hand, for two seconds at most; its answers are kept
for a day, without anything secret, so that a press of TAB costs one request a day.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.documents.fields import read_object
from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError
from ecsmachine.system.folders import caches

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud

Values = list[tuple[str, str]]

_PATIENCE_S = 2.0
_KEPT_S = 24 * 3600.0


def suggest_values(option: str, given: Mapping[str, str], environment: Mapping[str, str]) -> Values:
    """Return the values that an option may have, each with a few words about it."""
    ask = _ASKED.get(option)
    if ask is None:
        return []
    settings = {
        name: given.get(name) or environment.get(variable) or default
        for name, variable, default in (
            ("aliyunecs-region", "ECS_REGION", "cn-hangzhou"),
            ("aliyunecs-api-endpoint", "ECS_API_ENDPOINT", ""),
        )
    }
    place = json.dumps([option, *settings.values()])
    kept = _cache_path(place, environment)
    values = _read_cache(kept)
    if values is None:
        values = _answer_in_time(lambda: ask(_cloud(settings, given, environment)))
        if values:
            _write_cache(kept, values)
    return values


def _cloud(
    settings: Mapping[str, str], given: Mapping[str, str], environment: Mapping[str, str]
) -> Cloud:
    from ecsmachine.aliyun.access_key import ApiAddress
    from ecsmachine.aliyun.credentials import resolve
    from ecsmachine.drivers.aliyunecs.options.wording import credential_flags
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud

    flags = credential_flags(
        given.get("aliyunecs-access-key-id", ""), given.get("aliyunecs-access-key-secret", "")
    )
    address = ApiAddress(settings["aliyunecs-api-endpoint"])
    return Cloud(settings["aliyunecs-region"], resolve(flags, environment, sts=address), address)


def _answer_in_time(ask: Callable[[], Values]) -> Values:
    """Return the cloud's answer, or nothing if there is none in time."""
    found: Values = []

    def work() -> None:
        with contextlib.suppress(MachineError):
            found.extend(ask())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return [] if thread.is_alive() else found


def _types(cloud: Cloud) -> Values:
    return [
        (kind.id, f"{kind.cpu_cores} cores, {kind.memory_gib:g} GiB")
        for kind in cloud.ecs.instance_types()
    ]


_ASKED: dict[str, Callable[[Cloud], Values]] = {
    "aliyunecs-region": lambda cloud: [(region, "") for region in cloud.ecs.region_ids()],
    "aliyunecs-zone": lambda cloud: [(zone, "") for zone in cloud.ecs.zone_ids()],
    "aliyunecs-instance-type": _types,
}


def _cache_path(place: str, environment: Mapping[str, str]) -> Path | None:
    base = caches(environment)
    if not base:
        return None
    digest = hashlib.sha256(place.encode()).hexdigest()[:16]
    return Path(base) / "ecsmachine" / "completion" / f"{digest}.json"


def _read_cache(path: Path | None) -> Values | None:
    if path is None:
        return None
    try:
        if time.time() - path.stat().st_mtime > _KEPT_S:
            return None
        kept = read_object(read_file(path, MachineError), MachineError)
        return list(kept.mapping("Values").items())
    except (OSError, MachineError):
        return None


def _write_cache(path: Path | None, values: Values) -> None:
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{threading.get_native_id()}")
        fresh.write_text(json.dumps({"Values": dict(values)}))
        fresh.replace(path)
