"""What the store keeps of an ECS machine: Docker Machine's names, and some of our own."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.base_fields import BaseFields, from_config

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
            **{json_name: getattr(self, name) for name, json_name in _FIELDS},
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
    base = from_config(context, config)
    known = {json_name for _, json_name in _FIELDS} | set(base.to_config())
    record = Record(
        base=base, unknown={key: value for key, value in config.items() if key not in known}
    )
    for name, json_name in _FIELDS:
        if config.get(json_name) is not None:
            setattr(record, name, config[json_name])
    record.public_key = _decoded(record.public_key)
    return record


def _encoded(public_key: str | None) -> str | None:
    """Return a public key as Docker Machine stores one: bytes, which are base64 in JSON."""
    return None if public_key is None else base64.b64encode(public_key.encode()).decode()


def _decoded(stored: str | None) -> str | None:
    # a key in OpenSSH's format has blanks, which base64 has not
    if stored is None or " " in stored:
        return stored
    return base64.b64decode(stored).decode(errors="replace")


_FIELDS = (
    ("id", "Id"),
    ("access_key", "AccessKey"),
    ("secret_key", "SecretKey"),
    ("ssh_password", "SSHPassword"),
    ("region", "Region"),
    ("image_id", "ImageID"),
    ("ssh_key_pair_name", "SSHKeyPairName"),
    ("ssh_private_key_path", "SSHPrivateKeyPath"),
    ("public_key", "PublicKey"),
    ("instance_id", "InstanceId"),
    ("instance_type", "InstanceType"),
    ("private_ip_address", "PrivateIPAddress"),
    ("security_group_id", "SecurityGroupId"),
    ("security_group_name", "SecurityGroupName"),
    ("reservation_id", "ReservationId"),
    ("vpc_id", "VpcId"),
    ("vswitch_id", "VSwitchId"),
    ("zone", "Zone"),
    ("private_ip_only", "PrivateIPOnly"),
    ("internet_max_bandwidth_out", "InternetMaxBandwidthOut"),
    ("internet_charge_type", "InternetChargeType"),
    ("route_cidr", "RouteCIDR"),
    ("slb_id", "SLBID"),
    ("slb_ip_address", "SLBIPAddress"),
    ("tags", "Tags"),
    ("disk_size", "DiskSize"),
    ("disk_fs", "DiskFS"),
    ("disk_category", "DiskCategory"),
    ("description", "Description"),
    ("io_optimized", "IoOptimized"),
    ("api_endpoint", "APIEndpoint"),
    ("system_disk_category", "SystemDiskCategory"),
    ("system_disk_size", "SystemDiskSize"),
    ("resource_group_id", "ResourceGroupId"),
    ("credential_source", "CredentialSource"),
    ("account_id", "AccountId"),
    ("vpc_internal", "VpcInternalEndpoint"),
    ("data_disk_serial", "DataDiskSerial"),
    ("host_name", "HostName"),
)
"""The fields and their names in ``config.json``; the last five are not Docker Machine's."""
