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
    """A field of the ``Driver`` object: its name, and how it is read; ``rule`` is of a text."""

    __slots__ = ("name", "read", "rule")

    def __init__(self, name: str, read: Callable[[Fields, str], Any], rule: Rule = ID):
        self.name = name
        self.read = read
        self.rule = rule

    def value(self, fields: Fields) -> Any:
        """Return the value. Raises the fault of ``fields``."""
        return self.read(fields, self.name)


def _text(name: str, rule: Rule = ID) -> StoredField:
    return StoredField(name, lambda fields, name: fields.text(name, rule), rule)


def _texts(name: str, rule: Rule) -> StoredField:
    return StoredField(name, lambda fields, name: fields.texts(name, rule=rule), rule)


def _choice(name: str, *choices: str) -> StoredField:
    return StoredField(name, lambda fields, name: fields.choice(name, choices, choices[0]))


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

FIELDS: dict[str, StoredField] = {
    "id": _text("Id", LINE),
    "access_key": _text("AccessKey", SECRET),
    "secret_key": _text("SecretKey", SECRET),
    "ssh_password": _text("SSHPassword", SECRET),
    "instance_id": _text("InstanceId"),
    "private_ip_address": _text("PrivateIPAddress", ADDRESS),
    "security_group_id": _text("SecurityGroupId"),
    "reservation_id": _text("ReservationId", LINE),
    "slb_ip_address": _text("SLBIPAddress", ADDRESS),
    "region": _text("Region", REGION),
    "zone": _text("Zone", REGION),
    "vpc_id": _text("VpcId"),
    "vswitch_id": _text("VSwitchId"),
    "resource_group_id": _text("ResourceGroupId"),
    "api_endpoint": _text("APIEndpoint", WEB_URL),
    "vpc_internal": StoredField("VpcInternalEndpoint", Fields.flag),
    "instance_type": _text("InstanceType"),
    "image_id": _text("ImageID"),
    "host_name": _text("HostName", HOST),
    "description": _text("Description", LINE),
    "io_optimized": StoredField("IoOptimized", Fields.flag),
    "tags": StoredField("Tags", Fields.mapping),
    "ssh_keypair": _text("SSHKeyPairName", LINE),
    "ssh_keypath": _text("SSHPrivateKeyPath", PATH),
    "private_only": StoredField("PrivateIPOnly", Fields.flag),
    "bandwidth_mbps": StoredField("InternetMaxBandwidthOut", Fields.number),
    "internet_charge_type": _text("InternetChargeType"),
    "security_group": _text("SecurityGroupName", LINE),
    "route_cidr": _text("RouteCIDR", LINE),
    "slb_id": _text("SLBID"),
    "system_disk_size_gib": StoredField("SystemDiskSize", Fields.number),
    "system_disk_category": _text("SystemDiskCategory"),
    "disk_size_gib": StoredField("DiskSize", Fields.number),
    "disk_category": _text("DiskCategory"),
    "disk_file_system": _choice("DiskFS", "ext4", "xfs"),
    "credential_source": _text("CredentialSource", LINE),
    "account_id": _text("AccountId"),
    "data_disk_serial": _text("DataDiskSerial"),
    "auto_release_time": _text("AutoReleaseTime", LINE),
    "cost": StoredField("Cost", Fields.mapping),
    "open_ports": _texts("OpenPorts", _PORTS),
    "source_cidrs": _texts("SourceCIDRs", CIDR),
}
"""The fields by the names that they have in the record; those of options are named as in settings.

Those that are not Docker Machine's are the last seven, VpcInternalEndpoint and HostName.
"""


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
