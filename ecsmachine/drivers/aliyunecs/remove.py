"""Removing all that create made: what the journal lists, newest first."""

from __future__ import annotations

from ecsmachine.drivers.aliyunecs import instance, key_pair, security_group
from ecsmachine.drivers.aliyunecs.cloud import Cloud
from ecsmachine.drivers.aliyunecs.record import Record
from ecsmachine.drivers.base import DriverContext, Journal, Report, Resource
from ecsmachine.errors import MachineError


def remove(
    cloud: Cloud, journal: Journal, context: DriverContext, record: Record, report: Report
) -> None:
    """Remove what the journal lists; of a machine without one, what its configuration names.

    What is gone already is success. One resource that cannot be removed does not keep the
    others from being tried; then :class:`MachineError` says which are left.
    """
    failures: list[MachineError] = []
    for resource in journal.resources():
        try:
            _remove_resource(cloud, journal, context, record, resource, report)
        except MachineError as error:
            failures.append(error)
        else:
            journal.removed(resource)
    if not failures and record.instance_id and not journal.resources():
        _remove_recorded(cloud, record, report)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise MachineError(
            failures[0].message,
            hint=failures[0].hint,
            details="\n".join(error.message for error in failures[1:]),
        )


def _remove_resource(
    cloud: Cloud,
    journal: Journal,
    context: DriverContext,
    record: Record,
    resource: Resource,
    report: Report,
) -> None:
    if resource.kind == instance.KIND:
        there = instance.remove_resource(cloud, journal, resource, unprotect=False, report=report)
        if not there and resource.id is not None:
            _check_account(cloud, record, resource.id)
        record.instance_id = ""
    elif resource.kind == security_group.KIND:
        security_group.remove_group(cloud, resource, context)
    elif resource.kind == key_pair.KIND:
        key_pair.remove_key_pair(cloud, resource)
    else:
        raise MachineError(
            f"The journal lists a resource of an unknown kind: {resource.kind} {resource.id}",
            hint="It was written by a newer ecsmachine: upgrade.",
        )


def _remove_recorded(cloud: Cloud, record: Record, report: Report) -> None:
    """Remove the instance that the configuration names: Docker Machine keeps no journal."""
    there = instance.remove_instance(
        cloud, record.instance_id, seen=True, unprotect=False, report=report
    )
    if not there:
        _check_account(cloud, record, record.instance_id)
    record.instance_id = ""


def _check_account(cloud: Cloud, record: Record, instance_id: str) -> None:
    """Raise if an instance that is not there may only be another account's."""
    if not record.account_id:
        return
    account = cloud.sts.account_id()
    if account != record.account_id:
        raise MachineError(
            f"Instance {instance_id} belongs to account {record.account_id}, "
            f"but the credentials are of account {account}",
            hint="Use credentials of the account that the machine was made with.",
        )
