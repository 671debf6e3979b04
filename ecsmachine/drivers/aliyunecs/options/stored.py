"""What ``config.json`` keeps of an ECS machine: each field, its name there, and how it is read.

Every-day commands check a machine's configuration by this table without loading the driver.
"""

from __future__ import annotations

from ecsmachine.documents.fields import Fields
from ecsmachine.documents.rules import (
    ADDRESS,
    CIDR,
    HOST,
    ID,
    LINE,
    PATH,
    REGION,
    SECRET,
    WEB_URL,
    Rule,
)

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class StoredField:
    """A field of the ``Driver`` object: its name, how it is read, and what it is where absent.

    ``rule`` is of a text.
    """

    __slots__ = ("default", "name", "read", "rule")

    def __init__(
        self, name: str, read: Callable[[Fields, str], Any], default: Any, rule: Rule = ID
    ):
        self.name = name
        self.read = read
        self.default = default
        self.rule = rule

    def value(self, fields: Fields) -> Any:
        """Return the value. Raises the fault of ``fields``."""
        return self.read(fields, self.name)


def _value(name: str, read: Callable[[Fields, str], Any], default: Any) -> Any:
    return StoredField(name, read, default)


def _text(name: str, rule: Rule = ID, default: str | None = "") -> Any:
    return StoredField(name, lambda fields, name: fields.text(name, rule), default, rule)


def _texts(name: str, rule: Rule) -> Any:
    return StoredField(name, lambda fields, name: fields.texts(name, rule=rule), None)


def _choice(name: str, *choices: str) -> Any:
    first = choices[0]
    return StoredField(name, lambda fields, name: fields.choice(name, choices, first), first)


def _is_port_range(text: str) -> bool:
    ports, _, protocol = text.partition("/")
    first, _, last = ports.partition("-")
    numbers = [each for each in (first, last or first) if each.isascii() and each.isdecimal()]
    return (
        len(numbers) == 2
        and 1 <= int(numbers[0][:6]) <= int(numbers[1][:6]) <= 65535
        and protocol in ("", "udp")
    )


_PORTS = Rule("a port such as 80, 8000-8100 or 53/udp", _is_port_range)


class StoredFields:
    """The fields of the ``Driver`` object; those of options are named as in the settings.

    Those that are not Docker Machine's are the last ten, VpcInternalEndpoint and HostName.
    ``access_key``, ``secret_key`` and ``ssh_password`` are there only if Docker Machine wrote
    them: they are its machine's only credentials, and are kept as they were found. We write keys
    only for ``--aliyunecs-store-keys`` and ``credentials set --store-keys``.
    The last five are None of a machine that was made before they were kept.
    """

    id: str = _text("Id", LINE)
    access_key: str = _text("AccessKey", SECRET)
    secret_key: str = _text("SecretKey", SECRET)
    ssh_password: str = _text("SSHPassword", SECRET)
    instance_id: str = _text("InstanceId")
    private_ip_address: str = _text("PrivateIPAddress", ADDRESS)
    security_group_id: str = _text("SecurityGroupId")
    reservation_id: str = _text("ReservationId", LINE)
    slb_ip_address: str = _text("SLBIPAddress", ADDRESS)
    region: str = _text("Region", REGION, "cn-hangzhou")
    zone: str = _text("Zone", REGION)
    vpc_id: str = _text("VpcId")
    vswitch_id: str = _text("VSwitchId")
    resource_group_id: str = _text("ResourceGroupId")
    api_endpoint: str = _text("APIEndpoint", WEB_URL)
    vpc_internal: bool = _value("VpcInternalEndpoint", Fields.flag, False)
    instance_type: str = _text("InstanceType")
    image_id: str = _text("ImageID")
    host_name: str = _text("HostName", HOST)
    description: str = _text("Description", LINE)
    io_optimized: bool = _value("IoOptimized", Fields.flag, True)
    tags: dict[str, str] | None = _value("Tags", Fields.mapping, None)
    ssh_keypair: str = _text("SSHKeyPairName", LINE)
    ssh_keypath: str = _text("SSHPrivateKeyPath", PATH)
    private_only: bool = _value("PrivateIPOnly", Fields.flag, False)
    bandwidth_mbps: int = _value("InternetMaxBandwidthOut", Fields.number, 0)
    internet_charge_type: str = _text("InternetChargeType")
    security_group: str = _text("SecurityGroupName", LINE)
    route_cidr: str = _text("RouteCIDR", LINE)
    slb_id: str = _text("SLBID")
    system_disk_size_gib: int = _value("SystemDiskSize", Fields.number, 0)
    system_disk_category: str = _text("SystemDiskCategory")
    disk_size_gib: int = _value("DiskSize", Fields.number, 0)
    disk_category: str = _text("DiskCategory")
    disk_file_system: str = _choice("DiskFS", "ext4", "xfs")
    credential_source: str = _text("CredentialSource", LINE)
    account_id: str = _text("AccountId")
    data_disk_serial: str = _text("DataDiskSerial")
    auto_release_time: str = _text("AutoReleaseTime", LINE)
    cost: dict[str, str] | None = _value("Cost", Fields.mapping, None)
    open_ports: list[str] | None = _texts("OpenPorts", _PORTS)
    source_cidrs: list[str] | None = _texts("SourceCIDRs", CIDR)
    allocate_eip: bool | None = _value("AllocateEIP", Fields.flag, None)
    eip: str | None = _text("EIP", ID, None)
    ram_role: str | None = _text("RamRole", ID, None)


FIELDS: dict[str, StoredField] = {
    name: each for name, each in vars(StoredFields).items() if isinstance(each, StoredField)
}
"""The fields by their names in the record."""


def values_of(fields: Fields) -> dict[str, Any]:
    """Return the values that are there, by the record's names. Raises the fault of ``fields``."""
    values = {name: field.value(fields) for name, field in FIELDS.items() if fields.has(field.name)}
    return {**values, "public_key": _public_key(fields)}


def _public_key(fields: Fields) -> str | None:
    stored = fields.optional("PublicKey")
    # a key in OpenSSH's format has blanks, which base64 has not
    if stored is None or " " in stored:
        return stored
    import base64

    try:
        key = base64.b64decode(stored, validate=True).decode()
    except ValueError:
        key = "\0"
    if not LINE.fits(key.strip()):
        raise fields.error("PublicKey", " is not a public key")
    return key
