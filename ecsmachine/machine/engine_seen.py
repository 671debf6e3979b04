"""Which options the engines of machines have now, as far as they tell (``GET /info``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import PROSE
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError
from ecsmachine.machine import engine_api
from ecsmachine.machine.engine_look import EngineConnectionError
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import is_without_engine
from ecsmachine.provision.base import AUTO, EngineOptions

_AT_ONCE = 32
_TIMEOUT_S = 5.0
_ALWAYS_INSECURE = ("127.0.0.0/8", "::1/128")


def engines_seen(machines: Iterable[Machine]) -> dict[str, dict[str, OptionValue]]:
    """Return what the engines say of their options, by machine; all are asked at once.

    An engine that does not answer is left out. Options are named as their flags.
    """
    asked = [each for each in machines if each.driver.url() and not is_without_engine(each)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(_ask, asked)
        return {
            machine.name: options
            for machine, options in zip(asked, answers, strict=True)
            if options is not None
        }


def _ask(machine: Machine) -> dict[str, OptionValue] | None:
    url = machine.driver.url()
    try:
        answer = engine_api.exchange(url, machine.auth, "GET", "/info", timeout_s=_TIMEOUT_S)
        if answer.status != 200:
            return None
        info = read_object(answer.body, EngineConnectionError)
        return options_in(info, machine.engine, machine.driver.name)
    except MachineError:
        return None


def options_in(info: Fields, known: EngineOptions, provider: str) -> dict[str, OptionValue]:
    """Return the options that an engine's answer tells, beside those that the store knows.

    What comes from the engine's own configuration file is left out, but for labels: those it
    cannot have beside ours.
    """
    own = f"provider={provider}"
    labels = [label for label in info.texts("Labels", rule=PROSE) if label != own]
    registries = info.object("RegistryConfig")
    mirrors = registries.texts("Mirrors", rule=PROSE)
    networks = registries.texts("InsecureRegistryCIDRs", rule=PROSE)
    insecure = [
        *(each for each in networks if each not in _ALWAYS_INSECURE),
        *(
            name
            for name, index in registries.objects_by_name("IndexConfigs").items()
            if index.has("Secure") and not index.flag("Secure")
        ),
    ]
    seen: dict[str, OptionValue] = {
        "engine-label": sorted(set(labels)),
        "engine-registry-mirror": _in_known_form(known.registry_mirror, mirrors, _without_slash),
        "engine-insecure-registry": _in_known_form(known.insecure_registry, insecure, str),
    }
    if known.storage_driver:
        seen["engine-storage-driver"] = info.text("Driver")
    return seen


def _in_known_form(
    known: Sequence[str], seen: Sequence[str], form: Callable[[str], str]
) -> list[str]:
    """Return those that are seen, written as the store has them; others only beside such."""
    there = {form(each) for each in seen}
    written = [each for each in known if each == AUTO or form(each) in there]
    if not known or AUTO in known:
        return sorted(set(written))
    more = there - {form(each) for each in known}
    return sorted({*written, *more})


def _without_slash(url: str) -> str:
    return url.rstrip("/")
