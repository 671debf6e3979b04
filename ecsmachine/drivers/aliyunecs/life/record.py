"""What the store keeps of an ECS machine: Docker Machine's names, and some of our own."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ecsmachine.documents.fields import Fields
from ecsmachine.documents.rules import ADDRESS, HOST, ID, LINE, PATH, REGION, SECRET, WEB_URL, Rule
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.base_fields import BaseFields, fields_of, from_config

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.options.settings import Settings


@dataclass
class Record:
    """The ``Driver`` object of ``config.json``.

    ``access_key``, ``secret_key`` and ``ssh_password`` are there only if Docker Machine wrote
    them: they are its machine's only credentials, and are kept as they were found. We write none.
    """

    base: BaseFields
    id: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    ssh_password: str = field(default="", repr=False)
    region: str = "cn-hangzhou"
    image_id: str = ""
    ssh_key_pair_name: str = ""
    ssh_private_key_path: str = ""
    public_key: str | None = None
    instance_id: str = ""
    instance_type: str = ""
    private_ip_address: str = ""
    security_group_id: str = ""
    security_group_name: str = ""
    reservation_id: str = ""
    vpc_id: str = ""
    vswitch_id: str = ""
    zone: str = ""
    private_ip_only: bool = False
    internet_max_bandwidth_out: int = 0
    internet_charge_type: str = ""
    route_cidr: str = ""
    slb_id: str = ""
    slb_ip_address: str = ""
    tags: dict[str, str] | None = None
    disk_size: int = 0
    disk_fs: str = "ext4"
    disk_category: str = ""
    description: str = ""
    io_optimized: bool = True
    api_endpoint: str = ""
    system_disk_category: str = ""
    system_disk_size: int = 0
    resource_group_id: str = ""
    credential_source: str = ""
    account_id: str = ""
    vpc_internal: bool = False
    data_disk_serial: str = ""
    host_name: str = ""
    unknown: dict[str, Any] = field(default_factory=dict, repr=False)

    def to_config(self) -> dict[str, Any]:
        """Return the object as the store keeps it."""
        return {
            **self.unknown,
            **self.base.to_config(),
            **{json_name: getattr(self, name) for name, json_name, _ in _FIELDS},
            "PublicKey": _encoded(self.public_key),
        }


def new_record(context: DriverContext, settings: Settings, credential_source: str) -> Record:
    """Return the record of a machine of which nothing is made yet."""
    return Record(
        base=BaseFields(
            context.machine_name,
            context.store_path,
            ssh_user=settings.ssh_user,
            ssh_port=settings.ssh_port,
            ssh_key_path=context.directory / "id_rsa",
        ),
        id=secrets.token_hex(16),
        region=settings.region,
        image_id=settings.image_id,
        ssh_key_pair_name=settings.ssh_keypair,
        ssh_private_key_path=str(settings.ssh_keypath or ""),
        instance_type=settings.instance_type,
        security_group_name=settings.security_group,
        vpc_id=settings.vpc_id,
        vswitch_id=settings.vswitch_id,
        zone=settings.zone,
        private_ip_only=settings.private_only,
        internet_max_bandwidth_out=settings.bandwidth_mbps,
        internet_charge_type=settings.internet_charge_type,
        route_cidr=settings.route_cidr,
        slb_id=settings.slb_id,
        tags=dict(settings.tags) or None,
        disk_size=settings.disk_size_gib,
        disk_fs=settings.disk_file_system,
        disk_category=settings.disk_category,
        description=settings.description,
        io_optimized=settings.io_optimized,
        api_endpoint=settings.api_endpoint,
        system_disk_category=settings.system_disk_category,
        system_disk_size=settings.system_disk_size_gib,
        resource_group_id=settings.resource_group_id,
        credential_source=credential_source,
        vpc_internal=settings.vpc_internal,
        host_name=settings.host_name,
    )


def record_from_config(context: DriverContext, config: Mapping[str, Any]) -> Record:
    """Read the object; what is absent or null keeps its default, what is unknown is kept."""
    fields = fields_of(context, config)
    base = from_config(context, config)
    known = {json_name for _, json_name, _ in _FIELDS} | {*base.to_config(), "PublicKey"}
    record = Record(
        base=base, unknown={key: value for key, value in config.items() if key not in known}
    )
    for name, json_name, read in _FIELDS:
        if fields.has(json_name):
            setattr(record, name, read(fields, json_name))
    record.public_key = _public_key(fields)
    return record


def _encoded(public_key: str | None) -> str | None:
    """Return a public key as Docker Machine stores one: bytes, which are base64 in JSON."""
    return None if public_key is None else base64.b64encode(public_key.encode()).decode()


def _public_key(fields: Fields) -> str | None:
    stored = fields.optional("PublicKey")
    # a key in OpenSSH's format has blanks, which base64 has not
    if stored is None or " " in stored:
        return stored
    try:
        key = base64.b64decode(stored, validate=True).decode()
    except ValueError:
        key = "\0"
    if not LINE.fits(key.strip()):
        raise fields.error("PublicKey", " is not a public key")
    return key


def _text(rule: Rule) -> Callable[[Fields, str], str]:
    return lambda fields, name: fields.text(name, rule)


def _file_system(fields: Fields, name: str) -> str:
    return fields.choice(name, ("ext4", "xfs"), "ext4")


_line, _id, _region, _address = _text(LINE), _text(ID), _text(REGION), _text(ADDRESS)
_path, _url, _secret = _text(PATH), _text(WEB_URL), _text(SECRET)

_FIELDS: tuple[tuple[str, str, Callable[[Fields, str], Any]], ...] = (
    ("id", "Id", _line),
    ("access_key", "AccessKey", _secret),
    ("secret_key", "SecretKey", _secret),
    ("ssh_password", "SSHPassword", _secret),
    ("region", "Region", _region),
    ("image_id", "ImageID", _id),
    ("ssh_key_pair_name", "SSHKeyPairName", _line),
    ("ssh_private_key_path", "SSHPrivateKeyPath", _path),
    ("instance_id", "InstanceId", _id),
    ("instance_type", "InstanceType", _id),
    ("private_ip_address", "PrivateIPAddress", _address),
    ("security_group_id", "SecurityGroupId", _id),
    ("security_group_name", "SecurityGroupName", _line),
    ("reservation_id", "ReservationId", _line),
    ("vpc_id", "VpcId", _id),
    ("vswitch_id", "VSwitchId", _id),
    ("zone", "Zone", _region),
    ("private_ip_only", "PrivateIPOnly", Fields.flag),
    ("internet_max_bandwidth_out", "InternetMaxBandwidthOut", Fields.number),
    ("internet_charge_type", "InternetChargeType", _id),
    ("route_cidr", "RouteCIDR", _line),
    ("slb_id", "SLBID", _id),
    ("slb_ip_address", "SLBIPAddress", _address),
    ("tags", "Tags", Fields.mapping),
    ("disk_size", "DiskSize", Fields.number),
    ("disk_fs", "DiskFS", _file_system),
    ("disk_category", "DiskCategory", _id),
    ("description", "Description", _line),
    ("io_optimized", "IoOptimized", Fields.flag),
    ("api_endpoint", "APIEndpoint", _url),
    ("system_disk_category", "SystemDiskCategory", _id),
    ("system_disk_size", "SystemDiskSize", Fields.number),
    ("resource_group_id", "ResourceGroupId", _id),
    ("credential_source", "CredentialSource", _line),
    ("account_id", "AccountId", _id),
    ("vpc_internal", "VpcInternalEndpoint", Fields.flag),
    ("data_disk_serial", "DataDiskSerial", _id),
    ("host_name", "HostName", _text(HOST)),
)
"""The fields, their names in ``config.json``, and how they are read there.

The last five are not Docker Machine's.
"""
