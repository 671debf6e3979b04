"""Making a machine, or going on where the journal says that it stopped."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ecsmachine.aliyun.ecs import Instance
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.rpc import Parameter
from ecsmachine.drivers.aliyunecs import instance, key_pair, security_group
from ecsmachine.drivers.aliyunecs.cloud import Cloud
from ecsmachine.drivers.aliyunecs.placement import Place, Plan
from ecsmachine.drivers.aliyunecs.record import Record
from ecsmachine.drivers.aliyunecs.settings import Settings
from ecsmachine.drivers.base import DriverContext, Journal, Report
from ecsmachine.errors import MachineError

_GROUP_TRIES = 3
"""How often the security group may be removed by another machine's rm under our hands."""


def create(
    cloud: Cloud,
    journal: Journal,
    context: DriverContext,
    settings: Settings,
    plan: Plan,
    record: Record,
    report: Report,
    save: Callable[[], None],
) -> None:
    """Make the key pair, the security group and the instance, and fill in ``record``.

    ``save`` is called the moment that the instance's id is known, and when its addresses are.
    """
    record.account_id = plan.account_id
    with ThreadPoolExecutor(max_workers=1) as pool:
        public_key = pool.submit(_login_key, context, settings, plan)
        group_id = security_group.ensure_group(
            cloud, journal, context, settings, plan.vpc_id, report, found=plan.group
        )
        record.public_key = public_key.result()
    name = settings.ssh_keypair
    if not name and not settings.ssh_password:
        name = key_pair.ensure_key_pair(
            cloud,
            journal,
            context,
            record.public_key,
            resource_group_id=settings.resource_group_id,
        )
    record.ssh_key_pair_name = name
    record.security_group_id = group_id
    record.vpc_id = plan.vpc_id
    report("Creating ECS instance...")
    record.instance_id = _instance(cloud, journal, context, settings, plan, record, report)
    save()
    _note_running(cloud, journal, record)
    save()


def note(record: Record, found: Instance) -> None:
    """Write the instance's place and addresses into the record."""
    record.zone = found.zone or record.zone
    record.vpc_id = found.vpc_id or record.vpc_id
    record.vswitch_id = found.vswitch_id or record.vswitch_id
    record.private_ip_address = found.private_address or record.private_ip_address
    if record.private_ip_only:
        record.base.ip_address = found.private_address
    else:
        record.base.ip_address = found.public_address


def _instance(
    cloud: Cloud,
    journal: Journal,
    context: DriverContext,
    settings: Settings,
    plan: Plan,
    record: Record,
    report: Report,
) -> str:
    """Return the id of the instance, with a security group that is still there."""

    def parameters_for(place: Place) -> dict[str, Parameter]:
        return instance.run_parameters(
            context,
            settings,
            plan,
            place,
            security_group_id=record.security_group_id,
            key_pair=record.ssh_key_pair_name,
            tags=instance.create_tags(context, journal.create_id, settings),
        )

    for remaining in reversed(range(_GROUP_TRIES)):
        try:
            return instance.ensure_instance(
                cloud, journal, context, parameters_for, plan.places, report
            )
        except ApiError as error:
            if error.code != "InvalidSecurityGroupId.NotFound" or not remaining:
                raise
        # the last machine that used the group was removed, and the group with it
        gone = journal.find(security_group.KIND, region=cloud.region)
        if gone is not None:
            journal.removed(gone)
        record.security_group_id = security_group.ensure_group(
            cloud, journal, context, settings, plan.vpc_id, report
        )
    raise AssertionError("the last try returns or raises")


def _note_running(cloud: Cloud, journal: Journal, record: Record) -> None:
    found = instance.wait_until_running(cloud, record.instance_id)
    resource = journal.find(instance.KIND, region=cloud.region)
    if resource is not None:
        instance.note_seen(journal, resource)
    note(record, found)
    if record.disk_size:
        record.data_disk_serial = next(
            (disk.serial for disk in cloud.ecs.disks(instance_id=found.id) if disk.kind == "data"),
            "",
        )
    if not record.base.ip_address:
        raise MachineError(
            f"Instance {found.id} runs, but has no "
            f"{'private' if record.private_ip_only else 'public'} address",
            hint="Look at it in the ECS console.",
        )


def _login_key(context: DriverContext, settings: Settings, plan: Plan) -> str:
    """Put the private key into the machine's folder; return the public one."""
    if settings.ssh_keypath is not None:
        from ecsmachine.drivers.login_key import copy_login_key

        copy_login_key(settings.ssh_keypath, plan.public_key, context.directory)
        return plan.public_key
    from ecsmachine.ssh.keys import ensure_key_pair

    path: Path = context.directory / "id_rsa"
    return ensure_key_pair(path, f"ecsmachine-{context.machine_name}")
