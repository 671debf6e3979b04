"""What is looked at before anything is made or paid for, and what is chosen on the way.

Questions that do not depend on each other are asked at the same time; of several that fail, the
first in a fixed order is reported. What they find out goes into the plan, for create.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ecsmachine.aliyun.ecs_values import Image, KeyPair, Offer, SecurityGroup
from ecsmachine.aliyun.errors import ApiError, ConnectionLostError
from ecsmachine.aliyun.vpc import VSwitch
from ecsmachine.drivers.aliyunecs.checks.instance_type import (
    Ask,
    Candidate,
    cheapest_types,
    chosen,
    machine_of,
    named_type,
    no_vswitch,
    not_offered,
    offers_of,
)
from ecsmachine.drivers.aliyunecs.checks.price import priced
from ecsmachine.drivers.aliyunecs.options.disk_categories import PREFERENCE, check_disk_size
from ecsmachine.drivers.aliyunecs.options.settings import Settings
from ecsmachine.drivers.aliyunecs.options.suggestions import nearest
from ecsmachine.drivers.aliyunecs.resources import network
from ecsmachine.drivers.aliyunecs.resources.batch import FoundGroup
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.eip import find_eip
from ecsmachine.drivers.aliyunecs.resources.images import choose_image
from ecsmachine.drivers.aliyunecs.resources.instance import LOGIN_USER, run_parameters
from ecsmachine.drivers.aliyunecs.resources.load_balancer import find_load_balancer
from ecsmachine.drivers.aliyunecs.resources.placement import Place, Plan
from ecsmachine.drivers.aliyunecs.resources.route import find_route
from ecsmachine.drivers.aliyunecs.resources.security_group import (
    check_there,
    groups_named,
    with_rules,
)
from ecsmachine.drivers.base import DriverContext, Report
from ecsmachine.drivers.login_key import check_login_key
from ecsmachine.errors import MachineError, PreCreateCheckError

T = TypeVar("T")

_MOST_AT_ONCE = 32
"""How many questions are asked at the same time."""


def check(
    cloud: Cloud,
    context: DriverContext,
    settings: Settings,
    report: Report,
    *,
    own_instance_id: str = "",
    going: Mapping[str, str],
    begun_with: str = "",
) -> Plan:
    """Check all that can be checked for free, and return what was found and chosen.

    ``own_instance_id`` is the machine's instance, if an earlier create came that far, and
    ``begun_with`` the instance type that it had chosen. ``going`` are instances that go before the
    machine is made, with their private addresses.

    Raises :class:`PreCreateCheckError`.
    """
    public_key = (
        check_login_key(settings.ssh_keypath, "--aliyunecs-ssh-keypath", context.passphrases)
        if settings.ssh_keypath
        else ""
    )
    with _as_failed_check(), ThreadPoolExecutor(max_workers=_MOST_AT_ONCE) as pool:

        def ask(question: Callable[[], T]) -> Future[T]:
            return pool.submit(question)

        def ask_if(wanted: object, question: Callable[[], T]) -> Future[T | None]:
            return pool.submit(lambda: question() if wanted else None)

        regions = ask(cloud.ecs.region_ids)
        account = ask(lambda: _account_id(cloud))
        zones = ask_if(settings.zone, cloud.ecs.zone_ids)
        named = None
        if settings.instance_type:
            named = ask(lambda: named_type(cloud, settings, ask))
        image = ask(lambda: choose_image(cloud, settings))
        networks = ask(lambda: network.look(cloud, settings, context.store_id, ask))

        def groups_in(vpc_id: str) -> tuple[Future[list[SecurityGroup]], Future[FoundGroup | None]]:
            named = ask(lambda: groups_named(cloud, settings.security_group, vpc_id))
            return named, ask(lambda: with_rules(cloud, named.result()))

        groups = groups_in(settings.vpc_id) if settings.vpc_id else None
        cheapest = None
        if named is None:
            cheapest = ask(
                lambda: cheapest_types(
                    cloud,
                    settings,
                    ask,
                    lambda zone: networks.result().is_usable(zone),
                    begun_with=begun_with,
                )
            )
        pair_name = settings.ssh_keypair
        key_pair = ask_if(pair_name, lambda: cloud.ecs.key_pair(pair_name))
        holders = [each for each in (own_instance_id, *going) if each]
        eip = ask_if(settings.eip, lambda: find_eip(cloud, settings.eip, *holders))
        balancer = ask_if(settings.slb_id, lambda: find_load_balancer(cloud, settings.slb_id))

        _check_region(settings, regions.result())
        _check_zone(settings, zones.result())
        candidates = named.result() if named is not None else []
        _check_image(settings, image.result(), candidates)
        net = networks.result()
        routed = (net.vpc_id, settings.route_cidr)
        route = ask_if(all(routed), lambda: find_route(cloud, *routed, *holders))
        _check_key_pair(settings, key_pair.result())
        in_front = balancer.result()
        route.result()

        if groups is None and net.vpc_id:
            groups = groups_in(net.vpc_id)
        if cheapest is not None:
            candidates = cheapest.result()
            _check_image(settings, image.result(), candidates)
        places = _all_places(cloud, settings, net, candidates, ask)
        if not settings.instance_type:
            report(chosen(candidates, places[0]))
        found = groups[0].result() if groups is not None else []
        check_there(settings.security_group, found)
        plan = Plan(
            places=places,
            vpc_id=net.vpc_id,
            vpc_shared=net.shared,
            image=image.result(),
            group=None,
            eip=eip.result(),
            balancer_address=in_front.address if in_front else "",
            public_key=public_key,
            account_id=account.result(),
        )
        if not own_instance_id:
            # the private address of one that goes is free only then
            is_going = settings.private_ip in going.values()
            wanted = replace(settings, private_ip="") if is_going else settings
            tried = ask(partial(_dry_run, cloud, context, wanted, plan, found))
            plan = priced(cloud, settings, plan, ask)
            cost = plan.places[0].cost
            report(f"Price: {cost.words()}" if cost else "Price: unknown, ECS does not return it")
            plan = replace(plan, tried=tried.result())
        return replace(plan, group=groups[1].result() if groups else None)


@contextmanager
def _as_failed_check() -> Iterator[None]:
    """Let what goes wrong in the checks be a check that has failed."""
    try:
        yield
    except MachineError as error:
        if error.exit_code != MachineError.exit_code:  # wrong usage stays that
            raise
        raise PreCreateCheckError(error.message, hint=error.hint) from error


def _account_id(cloud: Cloud) -> str:
    """Return the account's id, or "" where it is not told: other checks name what is wrong."""
    try:
        return cloud.account_id
    except (ApiError, ConnectionLostError):
        return ""


def _check_region(settings: Settings, regions: list[str]) -> None:
    if settings.region not in regions:
        raise PreCreateCheckError(
            f'There is no region "{settings.region}" (--aliyunecs-region, ECS_REGION)',
            hint=nearest(settings.region, regions, what="regions", most=40),
        )


def _check_zone(settings: Settings, zones: list[str] | None) -> None:
    if zones is not None and settings.zone not in zones:
        raise PreCreateCheckError(
            f'There is no zone "{settings.zone}" in region {settings.region} '
            "(--aliyunecs-zone, ECS_ZONE)",
            hint=nearest(settings.zone, zones, what="zones", most=40),
        )


def _check_image(settings: Settings, image: Image, candidates: Sequence[Candidate]) -> None:
    for each in candidates[:1] if image.architecture else ():
        of_type = machine_of(each.kind)
        of_image = "x86_64" if image.architecture == "i386" else image.architecture
        if of_type != of_image:
            raise PreCreateCheckError(
                f"The image {image.id} is for {image.architecture}, "
                f"but {each.kind.id} is {of_type}",
                hint="Choose another image or another instance type."
                if settings.instance_type
                else f"Choose another image, or give --aliyunecs-architecture {of_image}.",
            )
    if image.os_type and image.os_type.lower() != "linux":
        raise PreCreateCheckError(
            f"The image {image.id} holds {image.os_name or image.os_type}, not Linux",
            hint="Choose another with --aliyunecs-image-id (ECS_IMAGE_ID).",
        )
    if settings.ssh_user == LOGIN_USER and not image.supports_login_as_non_root:
        raise PreCreateCheckError(
            f"The image {image.id} has no user {LOGIN_USER} to log in as",
            hint="Leave --aliyunecs-ssh-user (ECS_SSH_USER) out, or choose another image.",
        )
    size = settings.system_disk_size_gib
    if size and size < image.size_gib:
        raise PreCreateCheckError(
            f"The system disk of {size} GiB is too small for the image {image.id}",
            hint=f"--aliyunecs-system-disk-size: at least {image.size_gib}.",
        )


def _check_key_pair(settings: Settings, found: KeyPair | None) -> None:
    if settings.ssh_keypair and found is None:
        raise PreCreateCheckError(
            f'There is no key pair "{settings.ssh_keypair}" in region {settings.region}',
            hint="Correct --aliyunecs-ssh-keypair, or leave it out: the public key is then "
            "imported.",
        )


def _all_places(
    cloud: Cloud,
    settings: Settings,
    net: network.Network,
    candidates: Sequence[Candidate],
    ask: Ask,
) -> tuple[Place, ...]:
    """Return where an instance of each candidate can go: of the first one first.

    Raises what is wrong with the first one if there is no place for any.
    """
    found = [ask(partial(_places, cloud, settings, net, each)) for each in candidates]
    places: list[Place] = []
    for each in found:
        failure = each.exception()
        if failure is None:
            places += each.result()
        elif not isinstance(failure, PreCreateCheckError):
            raise failure
    return tuple(places or found[0].result())


def _places(
    cloud: Cloud, settings: Settings, net: network.Network, candidate: Candidate
) -> tuple[Place, ...]:
    """Return where the instance can go: zones that offer the type and have a VSwitch."""
    settings = replace(settings, instance_type=candidate.kind.id)
    by_zone = _by_zone(candidate.offers)
    data_by_zone: dict[str, list[Offer]] | None = None
    places: list[Place] = []
    failure: PreCreateCheckError | None = None
    for zone, vswitch in net.candidates(sorted(by_zone), settings.zone):
        try:
            if zone not in by_zone:
                raise not_offered(cloud, replace(settings, zone=zone), candidate.kind)
            _check_private_ip(settings, vswitch)
            system = _disk_category("system", settings, by_zone[zone])
            data = ""
            if settings.disk_size_gib:
                if data_by_zone is None:
                    beside = {
                        "instance_type": candidate.kind.id,
                        "system_disk_category": system,
                    }
                    data_by_zone = _by_zone(offers_of(cloud, settings, "DataDisk", **beside))
                data = _disk_category("data", settings, data_by_zone.get(zone, []))
            places.append(
                Place(
                    candidate.kind.id,
                    zone,
                    vswitch.id if vswitch else "",
                    system,
                    data,
                    shared=vswitch is not None and net.is_shared(vswitch),
                )
            )
        except PreCreateCheckError as error:
            failure = failure or error
    if places:
        return tuple(places)
    raise failure or no_vswitch(settings.instance_type, by_zone)


def _by_zone(offers: list[Offer]) -> dict[str, list[Offer]]:
    by_zone: dict[str, list[Offer]] = {}
    for offer in offers:
        if offer.available:
            by_zone.setdefault(offer.zone, []).append(offer)
    return by_zone


def _check_private_ip(settings: Settings, vswitch: VSwitch | None) -> None:
    if not settings.private_ip:
        return
    if vswitch is None:
        raise PreCreateCheckError(
            f"There is no VSwitch yet that could hold the private address {settings.private_ip}",
            hint="Name the VSwitch that contains it: --aliyunecs-vswitch-id (ECS_VSWITCH_ID).",
        )
    if ipaddress.IPv4Address(settings.private_ip) not in ipaddress.IPv4Network(vswitch.cidr):
        raise PreCreateCheckError(
            f"The private address {settings.private_ip} is not in VSwitch {vswitch.id} "
            f"({vswitch.cidr})",
            hint="Correct --aliyunecs-private-ip (ECS_VPC_PRIVATE_IP).",
        )


def _disk_category(kind: str, settings: Settings, offers: list[Offer]) -> str:
    """Return the category of a disk, asked for or chosen, if the zone offers it in that size."""
    wanted = settings.system_disk_category if kind == "system" else settings.disk_category
    size_gib = settings.system_disk_size_gib if kind == "system" else settings.disk_size_gib
    offered = {offer.value: offer for offer in offers if offer.available}
    if not wanted:
        wanted = next(
            (each for each in PREFERENCE if each in offered), next(iter(sorted(offered)), "")
        )
    if wanted not in offered:
        flag = "system-disk-category" if kind == "system" else "disk-category"
        raise PreCreateCheckError(
            f"A {kind} disk of category {wanted or 'any'} is not available for "
            f"{settings.instance_type} here",
            hint=f"--aliyunecs-{flag}: there is {', '.join(sorted(offered)) or 'none'}.",
        )
    if size_gib:
        check_disk_size(
            "system" if kind == "system" else "data",
            wanted,
            size_gib,
            PreCreateCheckError,
            least_gib=offered[wanted].min_size_gib,
            most_gib=offered[wanted].max_size_gib,
        )
    return wanted


def _dry_run(
    cloud: Cloud,
    context: DriverContext,
    settings: Settings,
    plan: Plan,
    groups: Sequence[SecurityGroup],
) -> bool:
    """Let ECS itself check the request, if what it names is there already; return whether it has.

    A place that lacks something is followed by the next, as in a create.
    """
    group = _group_to_try(cloud, plan, groups)
    for number, place in enumerate(plan.places, start=1):
        if not group or not place.vswitch_id:
            continue
        try:
            cloud.ecs.dry_run_instance(
                run_parameters(
                    context,
                    settings,
                    plan,
                    place,
                    security_group_id=group,
                    key_pair=settings.ssh_keypair,
                    tags=settings.tags,
                )
            )
            return True
        except ApiError as error:
            if error.lacking and number < len(plan.places):
                continue
            # the group was another machine's, and went with it
            if error.missing == "SecurityGroupId":
                return False
            raise
    return False


def _group_to_try(cloud: Cloud, plan: Plan, groups: Sequence[SecurityGroup]) -> str:
    if groups:
        return groups[0].id
    if not plan.vpc_id:
        return ""
    return next((group.id for group in cloud.ecs.security_groups(vpc_id=plan.vpc_id)), "")
