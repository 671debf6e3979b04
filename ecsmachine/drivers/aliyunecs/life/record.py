"""What the store keeps of an ECS machine: Docker Machine's names, and some of our own."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecsmachine.aliyun.access_key import ApiAddress
from ecsmachine.aliyun.credentials import STORED, resolve
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS, Settings
from ecsmachine.drivers.aliyunecs.options.stored import FIELDS, StoredFields, values_of
from ecsmachine.drivers.aliyunecs.options.wording import credential_flags
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.base_fields import BaseFields, fields_of, from_config
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.system.files import file_exists


class Record(StoredFields):
    """The ``Driver`` object of ``config.json``; ``unknown`` is what it holds besides."""

    def __init__(
        self,
        base: BaseFields,
        unknown: Mapping[str, Any] | None = None,
        public_key: str | None = None,
        **values: Any,
    ):
        self.base = base
        self.unknown = dict(unknown or {})
        self.public_key = public_key
        for name, field in FIELDS.items():
            setattr(self, name, values.get(name, field.default))

    @property
    def address(self) -> ApiAddress:
        """Where the API is asked about the machine."""
        return ApiAddress(self.api_endpoint, self.vpc_internal)

    def to_config(self) -> dict[str, Any]:
        """Return the object as the store keeps it."""
        return {
            **self.unknown,
            **self.base.to_config(),
            **{field.name: getattr(self, name) for name, field in FIELDS.items()},
            "PublicKey": _encoded(self.public_key),
        }


def new_record(context: DriverContext, settings: Settings, credential_source: str) -> Record:
    """Return the record of a machine of which nothing is made yet."""
    record = Record(
        base=BaseFields(
            context.machine_name,
            context.store_path,
            ssh_user=settings.ssh_user,
            ssh_port=settings.ssh_port,
            ssh_key_path=context.directory / "id_rsa",
        ),
        id=secrets.token_hex(16),
        credential_source=credential_source,
    )
    for name in (name for name, each in DECLARATIONS.items() if each.stored):
        setattr(record, name, as_stored(getattr(settings, name)))
    return record


def as_stored(value: Any) -> Any:
    """Return the value of an option as Docker Machine stores one of its kind."""
    if isinstance(value, dict):
        return dict(value) or None
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value or "") if value is None or isinstance(value, Path) else value


def record_from_config(context: DriverContext, config: Mapping[str, Any]) -> Record:
    """Read the object; what is absent or null keeps its default, what is unknown is kept."""
    base = from_config(context, config)
    known = {field.name for field in FIELDS.values()} | {*base.to_config(), "PublicKey"}
    return Record(
        base=base,
        unknown={key: value for key, value in config.items() if key not in known},
        **values_of(fields_of(context, config)),
    )


def cloud_of_record(record: Record, context: DriverContext) -> Cloud:
    """Return the account and region of a machine in the store.

    Raises :class:`~ecsmachine.errors.MachineError` if there are no credentials.
    """
    credentials = resolve(
        credential_flags(record.access_key, record.secret_key, reference=STORED),
        context.environment,
        reference=record.credential_source,
        sts=record.address,
        warn=context.warn,
    )
    return Cloud(record.region, credentials, record.address, checkpoint=context.checkpoint)


def login_of(record: Record, key_path: Path, password: str | None) -> SSHTarget:
    """Return where and as whom to log in; ``password`` is that of the create that goes on."""
    # Docker Machine stores the password by which it puts the key on the host, and uses the key
    stored = None if file_exists(key_path) else record.ssh_password
    return SSHTarget(
        host=record.base.ip_address,
        port=record.base.ssh_port,
        user=record.base.ssh_user,
        key_path=key_path,
        password=password or stored or None,
    )


def _encoded(public_key: str | None) -> str | None:
    """Return a public key as Docker Machine stores one: bytes, which are base64 in JSON."""
    return None if public_key is None else base64.b64encode(public_key.encode()).decode()
