"""The account that a machine belongs to, and the credentials that are used for it."""

from __future__ import annotations

from ecsmachine.aliyun.access_key import Credentials
from ecsmachine.aliyun.credentials import STORED, provider_of, resolve, source_name
from ecsmachine.aliyun.errors import MissingCredentialsError
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.options.wording import credential_flags
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.capabilities import CredentialUse
from ecsmachine.errors import MachineError


def use(record: Record, context: DriverContext) -> CredentialUse:
    """Return what is recorded, and what would be taken now, without asking the cloud."""
    if record.secret_key:
        return CredentialUse("", source_name(STORED), record.account_id)
    try:
        found = resolve(
            credential_flags(),
            context.environment,
            reference=record.credential_source,
            sts=record.address,
        )
    except MissingCredentialsError:
        taken = ""
    else:
        taken = source_name(found.reference)
    return CredentialUse(record.credential_source, taken, record.account_id)


def check(cloud: Cloud, record: Record) -> CredentialUse:
    """Ask STS whose the credentials are (GetCallerIdentity).

    Raises :class:`MachineError` if they are not of the account that the machine was made with.
    """
    account = cloud.account_id
    if record.account_id and account != record.account_id:
        raise MachineError(
            f"The credentials of {source_name(cloud.credentials.reference)} are of account "
            f"{account}, but the machine is of account {record.account_id}",
            hint='Choose others with "ecsmachine credentials set".',
        )
    recorded = "" if record.secret_key else record.credential_source
    return CredentialUse(recorded, source_name(cloud.credentials.reference), account)


def change(
    record: Record, context: DriverContext, reference: str, *, check: bool, store_keys: bool
) -> Cloud:
    """Let the machine take its credentials from ``reference``, and drop keys in the store.

    Returns the cloud as it is reached with them. With ``check`` they must be of the account that
    the machine was made with; a machine that has none yet gets theirs. With ``store_keys`` the
    store gets a copy of the key, for Docker Machine. Raises :class:`MachineError`, and changes
    nothing then.
    """
    reference = reference or record.credential_source or "environment"
    credentials = provider_of(reference, context.environment, sts=record.address)
    cloud = Cloud(record.region, credentials, record.address)
    kept = lasting_key(cloud) if store_keys else Credentials("", "")
    if check:
        account = cloud.account_id
        if record.account_id and account != record.account_id:
            raise MachineError(
                f"{source_name(reference)[0].upper()}{source_name(reference)[1:]} is of account "
                f'{account}, but machine "{context.machine_name}" is of account '
                f"{record.account_id}",
                hint="Use credentials of that account.",
            )
        record.account_id = account
    record.credential_source = reference
    record.access_key, record.secret_key = kept.access_key_id, kept.access_key_secret
    return cloud


def lasting_key(cloud: Cloud) -> Credentials:
    """Return the access key for the store. Raises :class:`MachineError` for a temporary one."""
    key = cloud.credentials.current()
    if key.security_token:
        raise MachineError(
            f"The key of {source_name(cloud.credentials.reference)} is temporary, and would be "
            "useless later",
            hint="Use a permanent access key.",
        )
    return key


def warn_of_keys_not_kept(record: Record, context: DriverContext) -> None:
    """Say that a key which was given as an option is not there for the commands that follow."""
    if not use(record, context).taken:
        context.warn(
            f'The access key of "{context.machine_name}" is not stored, and later commands '
            "need it, rm too: give it in ECS_ACCESS_KEY_ID and ECS_ACCESS_KEY_SECRET, or create "
            "with --aliyunecs-store-keys"
        )


def check_account(cloud: Cloud, record: Record, instance_id: str) -> None:
    """Raise if an instance that is not there may only be another account's."""
    if not record.account_id:
        return
    account = cloud.account_id
    if account != record.account_id:
        raise MachineError(
            f"Instance {instance_id} belongs to account {record.account_id}, "
            f"but the credentials are of account {account}",
            hint="Use credentials of the account that made the machine.",
        )
