# ruff: noqa: RUF009  (each call declares a field)
"""The options of the driver, each declared once, with the names and variables of the Go driver.

From a declaration follow the flag and its variable, its help, what is checked and completed, what
``config.json`` keeps of it, what RunInstances is told, and what a dry run shows. One more option
is one more field of :class:`Settings`; one that is kept has a line in :mod:`stored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecsmachine.drivers.aliyunecs.options import values as read
from ecsmachine.drivers.aliyunecs.options.declaration import (
    AT_CREATE,
    IN_PLACE,
    NEW_MACHINE,
    WITH_RESTART,
    Declaration,
)
from ecsmachine.drivers.aliyunecs.options.declaration import option as _option
from ecsmachine.drivers.aliyunecs.options.disk_categories import SIZES_GIB
from ecsmachine.drivers.aliyunecs.options.stored import FIELDS
from ecsmachine.drivers.base import PortRange
from ecsmachine.drivers.options import Option

if TYPE_CHECKING:
    from ecsmachine.aliyun.credentials import CredentialFlags


@dataclass(frozen=True)
class Settings:
    """What a machine shall be; "" and 0 where the cloud or the checks choose."""

    access_key_id: str = _option(
        "access-key-id",
        "Access key id",
        read.TEXT,
        credential=True,
        group="Account",
        changes=AT_CREATE,
    )
    access_key_secret: str = _option(
        "access-key-secret",
        "Access key secret (the variable is safer: flags can be seen in the process list)",
        read.TEXT,
        secret=True,
        credential=True,
        changes=AT_CREATE,
    )
    security_token: str = _option(
        "security-token",
        "Security token of a temporary access key",
        read.TEXT,
        secret=True,
        credential=True,
        changes=AT_CREATE,
    )
    profile: str = _option(
        "profile",
        'Profile of the "aliyun" command to take credentials from',
        read.TEXT,
        everyday=True,
        changes=AT_CREATE,
    )
    store_keys: bool = _option(
        "store-keys",
        "Keep the access key in clear in config.json, which only you can read, for later commands",
        read.FLAG,
        changes=AT_CREATE,
    )
    region: str = _option(
        "region",
        "Region",
        read.matching(r"[a-z0-9]+(-[a-z0-9]+)*", "a region such as cn-hangzhou"),
        "cn-hangzhou",
        group="Where",
        everyday=True,
        changes=NEW_MACHINE,
    )
    zone: str = _option(
        "zone",
        "Zone (default: the VSwitch's, else one that has the instance type)",
        read.IDENTIFIER,
        everyday=True,
        changes=NEW_MACHINE,
    )
    vpc_id: str = _option(
        "vpc-id",
        "VPC (default: the VSwitch's, else the region's default VPC, else a new one)",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    vswitch_id: str = _option(
        "vswitch-id",
        "VSwitch (default: one of the VPC, in a zone that has the instance type)",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    resource_group_id: str = _option(
        "resource-group-id",
        "Resource group of all new resources",
        read.IDENTIFIER,
        parameter="ResourceGroupId",
        planned=("ResourceGroup", "resource group"),
        changes=IN_PLACE,
    )
    api_endpoint: str = _option(
        "api-endpoint",
        "Address of the API, with http:// or https://, for every product",
        read.ENDPOINT,
        changes=NEW_MACHINE,
    )
    vpc_internal: bool = _option(
        "vpc-endpoint",
        "Reach the API from inside a VPC of the region, without the internet",
        read.FLAG,
        changes=IN_PLACE,
    )
    instance_type: str = _option(
        "instance-type",
        "Instance type (default: the cheapest available one that is large enough)",
        read.matching(
            r"[a-z0-9]+([.-][a-z0-9]+)*", "an instance type such as ecs.g6.large", optional=True
        ),
        group="Machine",
        everyday=True,
        changes=WITH_RESTART,
        priced=True,
    )
    cpus: int = _option(
        "cpus",
        "Minimum number of vCPUs, if no instance type is named",
        read.whole_number(1, 1024),
        2,
        changes=AT_CREATE,
    )
    memory_gib: int = _option(
        "memory",
        "Minimum memory in GiB, if no instance type is named",
        read.whole_number(1, 65536),
        4,
        changes=AT_CREATE,
    )
    architecture: str = _option(
        "architecture",
        "CPU architecture (default: the instance type's, else x86_64)",
        read.choice("x86_64", "arm64", optional=True),
        changes=AT_CREATE,
    )
    image_id: str = _option(
        "image-id",
        "Image (default: the newest system image of --aliyunecs-image-os)",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    image_family: str = _option(
        "image-family", "Image family; its newest image is used", read.TEXT, changes=NEW_MACHINE
    )
    image_os: str = _option(
        "image-os",
        'Operating system, such as "debian" or "ubuntu 22.04" (default: Ubuntu LTS, else Debian)',
        read.TEXT,
        everyday=True,
        changes=NEW_MACHINE,
    )
    host_name: str = _option(
        "host-name",
        "Host name (default: the machine's name)",
        read.HOST_NAME,
        planned=("HostName", "host name"),
        changes=IN_PLACE,
    )
    description: str = _option(
        "description",
        "Description of the instance",
        read.DESCRIPTION,
        parameter="Description",
        planned=("Description", "description"),
        changes=IN_PLACE,
    )
    ram_role: str = _option(
        "ram-role",
        "RAM role of the instance",
        read.IDENTIFIER,
        parameter="RamRoleName",
        planned=("RamRole", "RAM role"),
        changes=IN_PLACE,
    )
    user_data: bytes = _option(
        "user-data",
        "File with user data (a script or cloud-config), at most 32 KiB",
        read.USER_DATA,
        planned=("UserDataBytes", "user data"),
        changes=NEW_MACHINE,
    )
    io_optimized: bool = _option(
        "io-optimized",
        "I/O optimized: true or false",
        read.IO_OPTIMIZED,
        "true",
        changes=NEW_MACHINE,
    )
    auto_release_time: str = _option(
        "auto-release-time",
        "When ECS releases the instance: 2030-01-31T12:00:00Z, or 8h or 3d from now",
        read.AUTO_RELEASE_TIME,
        parameter="AutoReleaseTime",
        planned=("AutoReleaseTime", "released by ECS"),
        changes=IN_PLACE,
    )
    deletion_protection: bool = _option(
        "deletion-protection",
        'Protect the instance from being released, even by "rm"',
        read.FLAG,
        parameter="DeletionProtection",
        planned=("DeletionProtection", "protected"),
        changes=IN_PLACE,
    )
    tags: dict[str, str] = _option(
        "tag",
        "A tag of the instance, as key=value (repeatable)",
        read.TAGS,
        env="ECS_TAGS",
        planned=("Tags", "tags"),
        changes=IN_PLACE,
    )
    ssh_password: str = _option(
        "ssh-password",
        "Password of the user (8-30 characters of three kinds) (default: a new key)",
        read.SECRET,
        secret=True,
        group="Login",
        changes=AT_CREATE,
    )
    ssh_keypair: str = _option(
        "ssh-keypair",
        "Name of a key pair in ECS; needs --aliyunecs-ssh-keypath",
        read.TEXT,
        changes=NEW_MACHINE,
    )
    ssh_keypath: Path | None = _option(
        "ssh-keypath",
        "Private key to log in with; its public key is put on the host",
        read.FILE_PATH,
        private_key=True,
        everyday=True,
        changes=NEW_MACHINE,
    )
    ssh_key_per_machine: bool = _option(
        "ssh-key-per-machine",
        "With several machines, give each its own login key and key pair",
        read.FLAG,
        False,
        changes=AT_CREATE,
    )
    ssh_user: str = _option(
        "ssh-user",
        "User to log in as (with sudo, if not root): ecs-user, or a user of the image",
        read.matching(r"[a-z_][a-z0-9_.-]{0,31}", "a user's name"),
        "root",
        changes=NEW_MACHINE,
    )
    ssh_port: int = _option(
        "ssh-port", "SSH port of the image", read.whole_number(1, 65535), 22, changes=NEW_MACHINE
    )
    private_ip: str = _option(
        "private-ip",
        "Fixed private address, inside the VSwitch",
        read.PRIVATE_IP,
        env="ECS_VPC_PRIVATE_IP",
        parameter="PrivateIpAddress",
        group="Network",
        changes=NEW_MACHINE,
    )
    private_only: bool = _option(
        "private-address-only",
        "No public address; reach the machine at its private address",
        read.FLAG,
        env="ECS_PRIVATE_ADDR_ONLY",
        everyday=True,
        changes=NEW_MACHINE,
    )
    internet_charge_type: str = _option(
        "internet-charge-type",
        "How traffic is charged",
        read.choice("PayByTraffic", "PayByBandwidth"),
        "PayByTraffic",
        changes=IN_PLACE,
        priced=True,
    )
    allocate_eip: bool = _option(
        "allocate-eip",
        "Allocate an elastic IP address (EIP), released with the machine",
        read.FLAG,
        changes=IN_PLACE,
        priced=True,
    )
    eip: str = _option(
        "eip",
        "Existing elastic IP address (id or address); it is never released",
        read.IDENTIFIER,
        changes=IN_PLACE,
        priced=True,
        removable=True,
    )
    bandwidth_mbps: int = _option(
        "internet-max-bandwidth",
        "Outbound bandwidth in Mbps, 1 to 100; 0 for no public address",
        read.whole_number(0, 100),
        1,
        changes=IN_PLACE,
        priced=True,
    )
    security_group: str = _option(
        "security-group",
        "Name or id of the security group; created if missing",
        read.SECURITY_GROUP,
        "docker-machine",
        changes=IN_PLACE,
    )
    open_ports: tuple[PortRange, ...] = _option(
        "open-port",
        "Another port to open, such as 80, 8000-8100 or 53/udp (repeatable)",
        read.PORTS,
        env="ECS_OPEN_PORTS",
        everyday=True,
        changes=IN_PLACE,
    )
    source_cidrs: tuple[str, ...] = _option(
        "source-cidr",
        "Network that may connect (repeatable) (default: 0.0.0.0/0, everybody)",
        read.SOURCE_CIDRS,
        env="ECS_SOURCE_CIDRS",
        changes=IN_PLACE,
    )
    route_cidr: str = _option(
        "route-cidr",
        "Network whose traffic the VPC sends to the instance",
        read.ROUTE_CIDR,
        changes=IN_PLACE,
        removable=True,
    )
    slb_id: str = _option(
        "slb-id",
        "Load balancer to put the instance behind",
        read.IDENTIFIER,
        changes=IN_PLACE,
        removable=True,
    )
    system_disk_size_gib: int = _option(
        "system-disk-size",
        "Size of the system disk in GiB",
        read.whole_number(0, 65536),
        40,
        group="Machine",
        changes=IN_PLACE,
        priced=True,
    )
    system_disk_category: str = _option(
        "system-disk-category",
        "Category of the system disk (default: the best that the instance type supports)",
        read.choice(*SIZES_GIB, optional=True),
        changes=IN_PLACE,
        priced=True,
    )
    disk_size_gib: int = _option(
        "disk-size",
        "Size of a data disk for /var/lib/docker in GiB; 0 for none",
        read.whole_number(0, 65536),
        0,
        everyday=True,
        changes=IN_PLACE,
        priced=True,
    )
    disk_category: str = _option(
        "disk-category",
        "Category of the data disk (default: the best that the instance type supports)",
        read.choice(*SIZES_GIB, optional=True),
        changes=IN_PLACE,
        priced=True,
    )
    disk_file_system: Literal["ext4", "xfs"] = _option(
        "disk-fs",
        "File system of the data disk: ext4 or xfs",
        read.choice("ext4", "xfs"),
        "ext4",
        changes=NEW_MACHINE,
    )
    max_price: float = _option(
        "max-price",
        "Refuse to create a machine that costs more per hour, with disks and address",
        read.PRICE,
        prefix="",
        group="Money",
        everyday=True,
        changes=AT_CREATE,
    )
    auto_release: str = _option(
        "auto-release",
        "Have ECS release the machine this long after its creation, such as 8h or 3d",
        read.AUTO_RELEASE_TIME,
        prefix="",
        changes=AT_CREATE,
    )
    charge_type: str = _option(
        "charge-type",
        "PostPaid (pay as you go) or PrePaid (subscription)",
        read.choice("PostPaid", "PrePaid"),
        "PostPaid",
        parameter="InstanceChargeType",
        group="Money",
        everyday=True,
        changes=NEW_MACHINE,
    )
    period: int = _option(
        "period",
        "Length of the subscription in months (or weeks), with PrePaid",
        read.whole_number(1, 60),
        1,
        changes=AT_CREATE,
    )
    period_unit: str = _option(
        "period-unit",
        "Unit of the subscription's length",
        read.choice("Month", "Week"),
        "Month",
        changes=AT_CREATE,
    )
    auto_renew: bool = _option(
        "auto-renew",
        "Renew the subscription automatically, with PrePaid",
        read.FLAG,
        changes=AT_CREATE,
    )
    spot_strategy: str = _option(
        "spot-strategy",
        "Whether and how to use spot instances",
        read.choice("NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"),
        "NoSpot",
        everyday=True,
        changes=NEW_MACHINE,
    )
    spot_price_limit: float = _option(
        "spot-price-limit",
        "Highest price per hour, with SpotWithPriceLimit",
        read.SPOT_PRICE,
        changes=NEW_MACHINE,
    )
    spot_duration_h: int = _option(
        "spot-duration",
        "Hours for which a spot instance is guaranteed: 0 or 1",
        read.whole_number(0, 6),
        1,
        changes=AT_CREATE,
    )
    upgrade_kernel: bool = _option(
        "upgrade-kernel",
        "Does nothing",
        read.FLAG,
        deprecated="this option does nothing. Choose an image with the kernel that you need.",
        changes=AT_CREATE,
    )

    @property
    def credentials(self) -> CredentialFlags:
        """What was given of whose rights to use."""
        from ecsmachine.drivers.aliyunecs.options.wording import credential_flags

        return credential_flags(
            access_key_id=self.access_key_id,
            access_key_secret=self.access_key_secret,
            security_token=self.security_token,
            profile=self.profile,
        )

    @property
    def has_fixed_public_address(self) -> bool:
        """Whether the instance itself gets its public address, not an EIP."""
        return not self.private_only and not self.allocate_eip and not self.eip


DECLARATIONS: Mapping[str, Declaration] = {
    each.name: replace(declared, stored=None if declared.option.secret else FIELDS.get(each.name))
    for each in fields(Settings)
    for declared in (each.metadata["declaration"],)
}
"""What is declared of each field of the settings; the record's field of that name is its own."""

OPTIONS: tuple[Option, ...] = tuple(each.option for each in DECLARATIONS.values())
"""Every flag of ``create -d aliyunecs``."""
