"""The drivers by name; a driver's module is imported when that driver is asked for.

Drivers of other people are found by Python's entry points, in the group ``ecsmachine.drivers``;
they are looked for when a name is asked for that is none of ours (docs/drivers.md).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecsmachine.documents.rules import has_controls
from ecsmachine.drivers.base import Driver, DriverContext
from ecsmachine.drivers.options import Option, OptionValue
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.suggestions import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ecsmachine.drivers.baking import BakedImages
    from ecsmachine.drivers.changes import Observed
    from ecsmachine.drivers.looks import CloudLooks
    from ecsmachine.drivers.tagged import TaggedResources

_GROUP = "ecsmachine.drivers"
_AT_ONCE = 32
"""How many machines are asked at the same time that no request can ask for together."""

_MODULES = {
    "aliyunecs": "ecsmachine.drivers.aliyunecs",
    "generic": "ecsmachine.drivers.generic",
    "none": "ecsmachine.drivers.none",
}
"""Where each driver is.

A module has ``OPTIONS``, ``new`` and ``load``. One whose cloud keeps tags has
``tagged_resources``, ``baked_images`` and ``regions`` as well, with ``ACCOUNT_OPTIONS``,
``REGION_OPTION`` and ``ADOPTION_OPTIONS``.
"""


class DriverNotFoundError(UsageError):
    """There is no driver of that name."""

    def __init__(self, name: str, *, given_as: str = ""):
        meant = did_you_mean(name, driver_names())
        super().__init__(
            f'Driver "{name}" not found',
            hint=f"{meant} Drivers are: {', '.join(driver_names())}. Docker Machine's plugins are "
            "not supported; ecsmachine's are Python packages.".lstrip(),
            given_as=given_as,
        )


def driver_names() -> tuple[str, ...]:
    """Return the names of all drivers, those of other packages included."""
    return tuple(sorted({*_MODULES, *_installed(tuple(sys.path))}))


def options_of(name: str) -> tuple[Option, ...]:
    """Return the option table of a driver."""
    options: tuple[Option, ...] = module_of(name).OPTIONS
    return options


def new(name: str, context: DriverContext, values: Mapping[str, OptionValue]) -> Driver:
    """Return the driver of a machine that is yet to be made.

    ``values`` holds a value for every option of the driver. Raises
    :class:`~ecsmachine.errors.UsageError` for one that cannot be.
    """
    for option in options_of(name):
        _check_value(option, values.get(option.name))
    driver: Driver = module_of(name).new(context, values)
    return driver


def load(name: str, context: DriverContext, config: Mapping[str, Any]) -> Driver:
    """Return the driver of a machine in the store, from the ``Driver`` object of its config.

    A machine whose driver is not here can be looked at and used, but not switched.
    """
    if name and name not in _MODULES and name not in _installed(tuple(sys.path)):
        from ecsmachine.drivers.unavailable import UnavailableDriver

        return UnavailableDriver(name, context, config)
    driver: Driver = module_of(name).load(context, config)
    return driver


def suggest_values(
    name: str, option: str, given: Mapping[str, str], environment: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return values that an option of a driver may have, each with a few words about it.

    ``given`` holds options that are on the command line already. Empty where nothing is known.
    """
    suggest = getattr(module_of(name), "suggest_values", None) if name in _MODULES else None
    return [] if suggest is None else list(suggest(option, given, environment))


def share_lookups(drivers: Iterable[Driver]) -> None:
    """Let machines that one request can ask for share it when their states are wanted.

    Asks nothing itself. After this, ``state()`` may be two seconds old.
    """
    by_name: dict[str, list[Driver]] = {}
    for driver in drivers:
        by_name.setdefault(driver.name, []).append(driver)
    for name, group in by_name.items():
        share = getattr(module_of(name), "share_lookups", None) if name in _MODULES else None
        if share is not None:
            share(group)


def observe_many(drivers: Sequence[Driver]) -> list[Observed | MachineError | None]:
    """Return what each machine is now, in few requests, or why that is not known.

    In the order of ``drivers``; None of a machine whose driver cannot tell.
    """
    from concurrent.futures import ThreadPoolExecutor

    found: dict[int, Observed | MachineError | None] = {}
    by_name: dict[str, list[Driver]] = {}
    for driver in drivers:
        by_name.setdefault(driver.name, []).append(driver)
    for name, group in by_name.items():
        together = getattr(module_of(name), "observe_many", None) if name in _MODULES else None
        if together is not None:
            answers: Iterable[Observed | MachineError | None] = together(group)
        else:
            with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(group))) as pool:
                answers = list(pool.map(_observe, group))
        found |= {id(each): seen for each, seen in zip(group, answers, strict=True)}
    return [found[id(driver)] for driver in drivers]


def comparable(name: str, option: str, value: OptionValue) -> OptionValue:
    """Return a value of an option of a driver in the form in which values are compared.

    Two values that mean the same are the same then. Raises
    :class:`~ecsmachine.errors.UsageError` for one that cannot be.
    """
    of_driver = getattr(module_of(name), "comparable", None) if name in _MODULES else None
    if of_driver is not None:
        found: OptionValue = of_driver(option, value)
        return found
    if isinstance(value, list):
        return sorted(set(value))
    return "" if value is None else value


def _observe(driver: Driver) -> Observed | MachineError | None:
    from ecsmachine.drivers.changes import Changeable

    if not isinstance(driver, Changeable):
        return None
    try:
        return driver.observed()
    except MachineError as error:
        return error


def looks_of(driver: Driver) -> CloudLooks | None:
    """Return what can be asked about the way to a machine; None if it has no provider."""
    looks = getattr(module_of(driver.name), "looks", None) if driver.name in _MODULES else None
    found: CloudLooks | None = None if looks is None else looks(driver)
    return found


def account_looks(
    name: str, context: DriverContext, values: Mapping[str, OptionValue]
) -> CloudLooks:
    """Return what can be asked about the way to an account, whose machine there need not be.

    ``values`` hold those of :func:`account_options_of`. Raises as :func:`new` does.
    """
    found: CloudLooks = _tagging_module(name).account_looks(context, values)
    return found


def account_options_of(name: str) -> tuple[Option, ...]:
    """Return the options of a driver that say where its machines are, and with whose rights.

    Raises :class:`~ecsmachine.errors.UsageError` if its machines carry no tags.
    """
    wanted = _tagging_module(name).ACCOUNT_OPTIONS
    return tuple(option for option in options_of(name) if option.name in wanted)


def adoption_options_of(name: str) -> tuple[Option, ...]:
    """Return the options of a driver that say how what is there already is logged in to."""
    wanted = _tagging_module(name).ADOPTION_OPTIONS
    return tuple(option for option in options_of(name) if option.name in wanted)


def region_option_of(name: str) -> str:
    """Return the name of the option that names a region."""
    option: str = _tagging_module(name).REGION_OPTION
    return option


def regions(name: str, context: DriverContext, values: Mapping[str, OptionValue]) -> list[str]:
    """Return all regions that the account may use."""
    found: list[str] = _tagging_module(name).regions(context, values)
    return found


def tagged_resources(
    name: str, context: DriverContext, values: Mapping[str, OptionValue], region: str = ""
) -> TaggedResources:
    """Return what carries our tags in a region; "" is the one that ``values`` name.

    ``values`` hold those of :func:`account_options_of`.
    """
    found: TaggedResources = _tagging_module(name).tagged_resources(context, values, region)
    return found


def baked_images(
    name: str, context: DriverContext, values: Mapping[str, OptionValue]
) -> BakedImages:
    """Return the images that ``bake`` has made, in the region that ``values`` name, if any.

    Raises :class:`~ecsmachine.errors.UsageError` for a driver without images.
    """
    module = module_of(name)
    if not hasattr(module, "baked_images"):
        raise UsageError(
            f"Machines of driver {name} cannot be baked", hint="Only aliyunecs machines can."
        )
    found: BakedImages = module.baked_images(context, values)
    return found


def _check_value(option: Option, value: OptionValue) -> None:
    """Raise :class:`UsageError` for a value of another kind, or that is not of one line."""
    kinds = {"string": str, "int": int, "bool": bool, "list": list}
    whole = isinstance(value, kinds[option.kind]) and not (
        option.kind == "int" and isinstance(value, bool)
    )
    if value is not None and not whole:
        raise UsageError(
            f"--{option.name}: its value is not of kind {option.kind}",
            hint="Give the option again.",
        )
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and has_controls(text) for text in texts):
        raise UsageError(
            f"--{option.name}: its value holds a line break or another control character",
            hint="Give it without that character.",
        )


def _tagging_module(name: str) -> Any:
    module = module_of(name)
    if not hasattr(module, "tagged_resources"):
        raise UsageError(
            f"Machines of driver {name} have no tags: there is nothing to look for",
            hint="Only resources made by aliyunecs can be found in their cloud.",
        )
    return module


def module_of(name: str) -> Any:
    """Return the module of a driver. Raises :class:`~ecsmachine.errors.MachineError`."""
    if name in _MODULES:
        return import_module(_MODULES[name])
    entry = _installed(tuple(sys.path)).get(name)
    if entry is None:
        raise DriverNotFoundError(name)
    return _loaded(entry)


@lru_cache(maxsize=1)
def _installed(search_path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Return the entry points of drivers in other packages on the search path, by name."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=_GROUP)}


def _loaded(entry: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises :class:`MachineError` if that fails, or what is there is no driver.
    """
    package = entry.dist.name if entry.dist else entry.value
    hint = f'The fault is in the Python package "{package}".'
    try:
        module = entry.load()
    except Exception as error:  # other people's code may raise what it likes
        raise MachineError(
            f'Driver "{entry.name}" cannot be loaded: {type(error).__name__}: {error}', hint=hint
        ) from error
    missing = [part for part in ("OPTIONS", "new", "load") if not hasattr(module, part)]
    if missing:
        raise MachineError(
            f'Driver "{entry.name}" lacks {" and ".join(missing)}: {entry.value}', hint=hint
        )
    return module
