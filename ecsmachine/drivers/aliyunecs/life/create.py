"""Making a machine, or going on where the journal says that it stopped."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ecsmachine.aliyun.ecs_values import Instance, InstanceStatus
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.rpc import Parameter
from ecsmachine.drivers.aliyunecs.life.power import start_if_stopped
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.resources import (
    eip,
    instance,
    key_pair,
    load_balancer,
    network,
    route,
    security_group,
)
from ecsmachine.drivers.aliyunecs.resources.asking import Making
from ecsmachine.drivers.aliyunecs.resources.batch import FoundGroup
from ecsmachine.drivers.aliyunecs.resources.ledger import begun_ledger, stored_ledger
from ecsmachine.drivers.aliyunecs.resources.placement import Place, Plan
from ecsmachine.drivers.aliyunecs.resources.tags import machine_tags
from ecsmachine.errors import MachineError

_SHARED_TRIES = 3
"""How often what is shared may be removed by another machine's rm under our hands."""


@dataclass(frozen=True)
class Creation(Making):
    """One create: where, for whom, and what was decided.

    ``record`` is filled in on the way; ``save`` writes it to the store.
    """

    plan: Plan
    record: Record
    save: Callable[[], None]


def create(creation: Creation) -> None:
    """Make the key pair, the network, the instance and what goes with it.

    ``save`` is called the moment that the instance's id is known, and when its addresses are.
    """
    record = creation.record
    record.account_id = creation.plan.account_id
    instance.forget_if_gone(creation.cloud, creation.journal)
    with ThreadPoolExecutor(max_workers=1) as pool:
        public_key = pool.submit(_login_key, creation)
        record.instance_id = _instance(creation, public_key)
    creation.save()
    _note_running(creation)
    _connect(creation)
    creation.save()
    if not record.base.ip_address:
        raise MachineError(
            f"Instance {record.instance_id} runs, but has no "
            f"{'private' if record.private_only else 'public'} address",
            hint="Check it in the ECS console.",
        )


def note_place(record: Record, place: Place) -> None:
    """Write into the record what is asked for now, and what it costs."""
    for name, value in _chosen(record, place).items():
        setattr(record, name, value)
    record.cost = begun_ledger(place.cost).as_texts() if place.cost else None


def _chosen(record: Record, place: Place) -> dict[str, str]:
    """Return what the checks chose where nobody did, by the record's names."""
    return {
        "instance_type": place.instance_type,
        "system_disk_category": place.system_disk_category,
        "disk_category": place.data_disk_category or record.disk_category,
    }


def note_charge(record: Record, found: Instance) -> None:
    """Write down what the instance is charged for from now on, if that has changed."""
    ledger = stored_ledger(record.cost)
    if ledger is not None:
        charged = found.stopped_mode != "StopCharging"
        record.cost = ledger.at_rate(charged=charged).as_texts()


def note(record: Record, found: Instance) -> None:
    """Write the instance's image, place, addresses and charge into the record."""
    note_charge(record, found)
    record.image_id = found.image_id or record.image_id
    record.zone = found.zone or record.zone
    record.vpc_id = found.vpc_id or record.vpc_id
    record.vswitch_id = found.vswitch_id or record.vswitch_id
    record.private_ip_address = found.private_address or record.private_ip_address
    if record.private_only:
        record.base.ip_address = found.private_address
    else:
        record.base.ip_address = found.public_address


def _instance(creation: Creation, public_key: Future[str]) -> str:
    """Return the id of the instance, in a network and a security group that are still there."""
    found = creation.plan.group
    for remaining in reversed(range(_SHARED_TRIES)):
        try:
            _ensure_network(creation, found)
            creation.record.public_key = public_key.result()
            return _ensure_instance(creation)
        except ApiError as error:
            if not remaining or not _was_removed(creation, error):
                raise
            found = creation.batch.group = None
    raise AssertionError("the last try returns or raises")


def _ensure_network(creation: Creation, found: FoundGroup | None) -> None:
    """Make what machines share, unless it is there: VPC and security group, which is ``found``."""
    record = creation.record
    record.vpc_id = creation.plan.vpc_id
    if creation.plan.vpc_shared:
        record.vpc_id = network.ensure_vpc(creation)
    record.security_group_id = security_group.ensure_group(creation, record.vpc_id, found=found)


def _was_removed(creation: Creation, error: ApiError) -> bool:
    """Whether something is missing that goes with the last machine that uses it: it is made anew.

    A key pair of that kind is struck off the journal.
    """
    if error.missing in instance.KEY_PAIR_MISSING:
        return key_pair.forget_shared(creation)
    if error.missing == "VSwitchId":
        return creation.journal.find(network.VSWITCH_KIND) is not None
    return error.missing == "SecurityGroupId" or (
        error.missing == "VpcId" and creation.plan.vpc_shared
    )


def _ensure_instance(creation: Creation) -> str:
    """Return the id of the instance, with its key pair."""
    cloud, journal, record = creation.cloud, creation.journal, creation.record
    settings = creation.settings
    record.ssh_keypair = settings.ssh_keypair
    if not settings.ssh_keypair and not settings.ssh_password:
        record.ssh_keypair = key_pair.ensure_key_pair(creation, record.public_key or "")
    creation.report("Creating ECS instance...")
    known = journal.find(instance.KIND, region=cloud.region)
    if known is None or known.id is None:
        # a host key that is pinned is that of an earlier instance, which is gone
        (creation.context.directory / "known_hosts").unlink(missing_ok=True)

    def parameters_for(place: Place) -> dict[str, Parameter]:
        if any(getattr(record, name) != value for name, value in _chosen(record, place).items()):
            note_place(record, place)
            creation.save()
        vswitch_id = place.vswitch_id
        if place.shared or not vswitch_id:
            vswitch_id = network.ensure_vswitch(creation, record.vpc_id, place.zone)
        return instance.run_parameters(
            creation.context,
            creation.settings,
            creation.plan,
            replace(place, vswitch_id=vswitch_id),
            security_group_id=record.security_group_id,
            key_pair=record.ssh_keypair,
            tags={**settings.tags, **machine_tags(creation.context, journal.create_id)},
        )

    return instance.ensure_instance(
        cloud, journal, parameters_for, creation.plan.places, creation.report
    )


def _note_running(creation: Creation) -> None:
    """Wait until the instance runs; write down its addresses and its data disk."""
    cloud, record = creation.cloud, creation.record
    resource = creation.journal.find(instance.KIND, region=cloud.region)
    if resource is not None and "seen" in resource.details:
        start_if_stopped(cloud, record.instance_id)  # since an earlier process made it
    found = instance.wait_until(cloud, record.instance_id, InstanceStatus.RUNNING)
    if resource is not None:
        instance.mark_seen(creation.journal, resource)
    note(record, found)
    if record.disk_size_gib:
        record.data_disk_serial = next(
            (disk.serial for disk in cloud.ecs.disks(instance_id=found.id) if disk.kind == "data"),
            "",
        )


def _connect(creation: Creation) -> None:
    """Give the instance its elastic address, its route and its load balancer, as asked for."""
    cloud, journal, settings = creation.cloud, creation.journal, creation.settings
    record, report = creation.record, creation.report
    if settings.allocate_eip or settings.eip:
        record.base.ip_address = eip.ensure_eip(creation, record.instance_id, creation.plan.eip)
    if settings.route_cidr:
        route.ensure_route(
            cloud, journal, record.vpc_id, settings.route_cidr, record.instance_id, report
        )
    if settings.slb_id:
        load_balancer.ensure_backend(cloud, journal, settings.slb_id, record.instance_id, report)
        record.slb_ip_address = creation.plan.balancer_address


def _login_key(creation: Creation) -> str:
    """Put the private key into the machine's folder; return the public one."""
    context, settings = creation.context, creation.settings
    if settings.ssh_keypath is not None:
        from ecsmachine.drivers.login_key import copy_login_key

        copy_login_key(
            settings.ssh_keypath, creation.plan.public_key, context.directory, context.passphrases
        )
        return creation.plan.public_key
    from ecsmachine.ssh.keys import ensure_key_pair

    path: Path = context.directory / "id_rsa"
    return ensure_key_pair(path, f"ecsmachine-{context.machine_name}", creation.batch.new_key_pair)
