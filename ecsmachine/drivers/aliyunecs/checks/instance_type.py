"""Which instance type a machine is of: the one that was named, or the cheapest that can be had."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from ecsmachine.aliyun.ecs_values import InstanceType, Offer, Price
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError, ConnectionLostError
from ecsmachine.aliyun.rpc import Parameter
from ecsmachine.drivers.aliyunecs.options.settings import Settings
from ecsmachine.drivers.aliyunecs.options.suggestions import nearest_types, with_sizes
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.instance import spot_parameters
from ecsmachine.drivers.aliyunecs.resources.placement import Place
from ecsmachine.errors import PreCreateCheckError

T = TypeVar("T")

_NOT_OFFERED = (Meaning.UNKNOWN_TYPE, Meaning.OUT_OF_STOCK, Meaning.INVALID_VALUE, Meaning.GONE)
"""What the API says of an instance type or a zone that is not there."""

_MOST_PRICED = 12
"""How many types, the smallest that fit, are asked the price of."""

_MOST_TRIED = 3
"""How many types, the cheapest of those, are tried one after the other."""

_TIMES_LARGER = 4
"""Up to how many times the size that is asked for is looked for at first."""

_WITHDRAWN = frozenset(
    f"ecs.{family}"
    for family in (
        *("t1", "s1", "s2", "s3", "m1", "m2", "c1", "c2", "n1", "n2", "n4", "mn4", "xn4"),
        *("e3", "e4", "t5", "c4", "ce4", "cm4", "sn1", "sn2", "se1", "sn1ne", "sn2ne", "se1ne"),
    )
)
"""Families that Alibaba Cloud withdraws, region by region: taken if there is nothing else."""

_ENTRY_LEVELS = ("EntryLevel", "CreditEntryLevel")
"""Of types of one size, those of these levels (InstanceFamilyLevel) are the cheaper ones."""

_ARM = "ARM"


class Ask(Protocol):
    """Asks a question beside others, in a thread of its own."""

    def __call__(self, question: Callable[[], T]) -> Future[T]:
        """Begin to ask; the answer is in what is returned."""


@dataclass(frozen=True)
class Candidate:
    """An instance type, the system disks that zones offer with it, and what it alone costs."""

    kind: InstanceType
    offers: list[Offer]
    price: Price | None = None


def named_type(cloud: Cloud, settings: Settings, ask: Ask) -> list[Candidate]:
    """Return the instance type that the settings name.

    Raises :class:`PreCreateCheckError` if no zone (or not the named one) has it on offer.
    """
    offers = ask(lambda: _system_disks(cloud, settings, settings.instance_type))
    found = _type_of(cloud, settings.instance_type)
    if found is None or not any(offer.available for offer in offers.result()):
        raise not_offered(cloud, settings, found)
    _check_architecture(settings, found)
    return [Candidate(found, offers.result())]


def cheapest_types(
    cloud: Cloud,
    settings: Settings,
    ask: Ask,
    is_usable: Callable[[str], bool],
    *,
    begun_with: str = "",
) -> list[Candidate]:
    """Return the few cheapest types on offer that are as large as the settings ask for.

    ``is_usable`` is whether an instance can be in a zone. The type that an earlier create had
    ``begun_with`` comes first. Types whose price is not told come last, smallest first.

    Raises :class:`PreCreateCheckError` if there is none.
    """
    offers = ask(lambda: offers_of(cloud, settings, "InstanceType"))
    types = _fitting(cloud, settings, most=_TIMES_LARGER)
    in_stock = [offer for offer in offers.result() if offer.available]
    offered = {offer.value for offer in in_stock if is_usable(offer.zone)}
    if in_stock and not offered:
        raise no_vswitch("instance types", {offer.zone for offer in in_stock})
    smallest = _smallest(types, offered) or _smallest(_fitting(cloud, settings), offered)
    if not smallest:
        raise _none_fits(cloud, settings, offered)
    disks = [ask(partial(_system_disks, cloud, settings, kind.id)) for kind in smallest]
    prices = [ask(partial(_price, cloud, settings, kind)) for kind in smallest]
    found = [
        Candidate(kind, answer.result(), price.result())
        for kind, answer, price in zip(smallest, disks, prices, strict=True)
    ]
    # where none has the disks that are asked for, the first one's are told
    fitting = [each for each in found if _has_disks(settings, each, is_usable)] or found
    fitting.sort(
        key=lambda each: (
            each.kind.id != begun_with,
            _is_withdrawn(each.kind),
            each.price.amount if each.price else float("inf"),
        )
    )
    return fitting[:_MOST_TRIED]


def offers_of(
    cloud: Cloud,
    settings: Settings,
    resource: str,
    *,
    instance_type: str = "",
    system_disk_category: str = "",
) -> list[Offer]:
    """Return what the zones that the settings allow offer of a resource, as it is to be paid."""
    return cloud.ecs.offers(
        resource,
        zone=settings.zone,
        instance_type=instance_type,
        system_disk_category=system_disk_category,
        io_optimized="optimized" if settings.io_optimized else "none",
        charge_type=settings.charge_type,
        spot_strategy=settings.spot_strategy,
    )


def not_offered(
    cloud: Cloud, settings: Settings, found: InstanceType | None
) -> PreCreateCheckError:
    """Return the error for a type that no zone, or not the named one, offers."""
    name = settings.instance_type
    everywhere = cloud.ecs.offers(
        "InstanceType", charge_type=settings.charge_type, spot_strategy=settings.spot_strategy
    )
    zones = sorted({offer.zone for offer in everywhere if offer.available and offer.value == name})
    offered = {
        offer.value for offer in everywhere if offer.available and settings.zone in ("", offer.zone)
    }
    alternatives = nearest_types(found, name, cloud.ecs.instance_types(), offered)
    if found is None:
        return PreCreateCheckError(
            f'There is no instance type "{name}" in {_where(settings)} '
            "(--aliyunecs-instance-type, ECS_INSTANCE_TYPE)",
            hint=alternatives,
        )
    elsewhere = f"It is in: {', '.join(zones)}. " if zones and settings.zone else ""
    return PreCreateCheckError(
        f"The instance type {name} is not available in {_where(settings)} now",
        hint=elsewhere + alternatives,
    )


def no_vswitch(what: str, zones: Iterable[str]) -> PreCreateCheckError:
    """Return the error for a network that is in none of the zones that offer something."""
    return PreCreateCheckError(
        f"There is no VSwitch in a zone that offers {what}",
        hint=f"Make a VSwitch in one of: {', '.join(sorted(zones))}, or leave "
        "--aliyunecs-vpc-id (ECS_VPC_ID) out.",
    )


def machine_of(kind: InstanceType) -> str:
    """Return the architecture of a type in the words of images and options."""
    return "arm64" if kind.architecture.upper().startswith(_ARM) else "x86_64"


def chosen(candidates: Sequence[Candidate], place: Place) -> str:
    """Return, in a line, which type was chosen for a place, and what it alone costs."""
    found = next(each for each in candidates if each.kind.id == place.instance_type)
    costs = f", {found.price.amount:g} {found.price.currency} an hour" if found.price else ""
    return f"Instance type: {with_sizes([found.kind])} in zone {place.zone}{costs}"


def _system_disks(cloud: Cloud, settings: Settings, name: str) -> list[Offer]:
    """Return the system disks that each zone offers with an instance type."""
    try:
        return offers_of(cloud, settings, "SystemDisk", instance_type=name)
    except ApiError as error:
        if error.meaning not in _NOT_OFFERED:
            raise
        return []


def _type_of(cloud: Cloud, name: str) -> InstanceType | None:
    try:
        return next((each for each in cloud.ecs.instance_types([name]) if each.id == name), None)
    except ApiError as error:
        if error.meaning not in _NOT_OFFERED:
            raise
        return None


def _check_architecture(settings: Settings, found: InstanceType) -> None:
    if settings.architecture not in ("", machine_of(found)):
        raise PreCreateCheckError(
            f"The instance type {found.id} is {machine_of(found)}, not {settings.architecture}",
            hint="Leave --aliyunecs-instance-type or --aliyunecs-architecture out.",
        )


def _fitting(cloud: Cloud, settings: Settings, *, most: int = 0) -> list[InstanceType]:
    """Return the types that are large enough, and at most so many times larger; 0 for any size."""
    return list(
        cloud.ecs.instance_types(
            cpus=(settings.cpus, settings.cpus * most),
            memory_gib=(settings.memory_gib, settings.memory_gib * most),
            architecture=_ARM if settings.architecture == "arm64" else "X86",
        )
    )


def _smallest(types: Iterable[InstanceType], offered: Collection[str]) -> Sequence[InstanceType]:
    """Return the smallest types that are offered; cheap levels first among those of one size."""
    plain = [
        kind for kind in types if kind.id in offered and not kind.gpus and not kind.local_storage
    ]
    plain.sort(
        key=lambda kind: (
            _is_withdrawn(kind),
            kind.cpu_cores,
            kind.memory_gib,
            kind.level not in _ENTRY_LEVELS,
            kind.id,
        )
    )
    return plain[:_MOST_PRICED]


def _is_withdrawn(kind: InstanceType) -> bool:
    return kind.family in _WITHDRAWN


def _price(cloud: Cloud, settings: Settings, kind: InstanceType) -> Price | None:
    """Return the price of an hour of a type without disks; None if it is not told."""
    parameters: dict[str, Parameter] = {
        "InstanceType": kind.id,
        "ZoneId": settings.zone,
        **spot_parameters(settings),
    }
    try:
        return cloud.ecs.price("instance", parameters)
    except (ApiError, ConnectionLostError):
        return None


def _has_disks(settings: Settings, one: Candidate, is_usable: Callable[[str], bool]) -> bool:
    """Whether some zone offers the disks that the settings ask for with a type."""
    wanted = {settings.system_disk_category, settings.disk_category} - {""}
    by_zone: dict[str, set[str]] = {}
    for offer in one.offers:
        if offer.available and is_usable(offer.zone):
            by_zone.setdefault(offer.zone, set()).add(offer.value)
    return any(wanted <= there for there in by_zone.values())


def _none_fits(cloud: Cloud, settings: Settings, offered: Collection[str]) -> PreCreateCheckError:
    machine = settings.architecture or "x86_64"
    size = f"{settings.cpus} vCPU and {settings.memory_gib} GiB"
    wanted = InstanceType(
        "", "", settings.cpus, settings.memory_gib, _ARM if machine == "arm64" else "X86"
    )
    return PreCreateCheckError(
        f"No {machine} instance type with at least {size} is available in {_where(settings)} now "
        "(--aliyunecs-cpus, --aliyunecs-memory)",
        hint=nearest_types(wanted, "", cloud.ecs.instance_types(), offered),
    )


def _where(settings: Settings) -> str:
    return f"zone {settings.zone}" if settings.zone else f"region {settings.region}"
