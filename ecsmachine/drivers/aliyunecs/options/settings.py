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
from ecsmachine.drivers.base import Option, PortRange

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
        "Zone; left out, the VSwitch's, else one that has the instance type",
        read.IDENTIFIER,
        everyday=True,
        changes=NEW_MACHINE,
    )
    vpc_id: str = _option(
        "vpc-id",
        "VPC; left out, the VSwitch's, else the region's default VPC, else one of our own",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    vswitch_id: str = _option(
        "vswitch-id",
        "VSwitch; left out, one of the VPC in a zone that has the instance type",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    resource_group_id: str = _option(
        "resource-group-id",
        "Resource group of all that is made",
        read.IDENTIFIER,
        parameter="ResourceGroupId",
        planned=("ResourceGroup", "resource group"),
        changes=NEW_MACHINE,
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
        "Instance type; left out, the cheapest on offer that is large enough",
        read.matching(
            r"[a-z0-9]+([.-][a-z0-9]+)*", "an instance type such as ecs.g6.large", optional=True
        ),
        group="Machine",
        everyday=True,
        changes=WITH_RESTART,
    )
    cpus: int = _option(
        "cpus",
        "Least number of vCPUs, where no instance type is named",
        read.whole(1, 1024),
        2,
        changes=AT_CREATE,
    )
    memory_gib: int = _option(
        "memory",
        "Least memory in GiB, where no instance type is named",
        read.whole(1, 65536),
        4,
        changes=AT_CREATE,
    )
    architecture: str = _option(
        "architecture",
        "x86_64 or arm64; left out, that of the instance type, else x86_64",
        read.choice("x86_64", "arm64", optional=True),
        changes=AT_CREATE,
    )
    image_id: str = _option(
        "image-id",
        "Image; left out, the newest system image of --aliyunecs-image-os",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    image_family: str = _option(
        "image-family", "Image family; its newest image is taken", read.TEXT, changes=NEW_MACHINE
    )
    image_os: str = _option(
        "image-os",
        'Operating system, such as "debian" or "ubuntu 22.04"; left out, Ubuntu LTS, else Debian',
        read.TEXT,
        everyday=True,
        changes=NEW_MACHINE,
    )
    host_name: str = _option(
        "host-name",
        "Host name; left out, the machine's name",
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
        changes=NEW_MACHINE,
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
        "When ECS itself releases the instance: 2030-01-31T12:00:00Z, or 8h or 3d from now",
        read.AUTO_RELEASE_TIME,
        parameter="AutoReleaseTime",
        planned=("AutoReleaseTime", "released by ECS"),
        changes=IN_PLACE,
    )
    deletion_protection: bool = _option(
        "deletion-protection",
        "Protect the instance from being released, by rm as well",
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
        "Password of the user (8-30 characters of three kinds); left out, a key is made",
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
        "Of several machines, give each a login key and a key pair of its own",
        read.FLAG,
        False,
        changes=AT_CREATE,
    )
    ssh_user: str = _option(
        "ssh-user",
        "User to log in as, with sudo if it is not root: ecs-user, or one that the image has",
        read.matching(r"[a-z_][a-z0-9_.-]{0,31}", "a user's name"),
        "root",
        changes=NEW_MACHINE,
    )
    ssh_port: int = _option(
        "ssh-port", "Port of SSH in the image", read.whole(1, 65535), 22, changes=NEW_MACHINE
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
        "No public address: the machine is reached at its private one",
        read.FLAG,
        env="ECS_PRIVATE_ADDR_ONLY",
        everyday=True,
        changes=NEW_MACHINE,
    )
    bandwidth_mbps: int = _option(
        "internet-max-bandwidth",
        "Outbound bandwidth in Mbps, 1 to 100; 0 for no public address",
        read.whole(0, 100),
        1,
        changes=IN_PLACE,
    )
    internet_charge_type: str = _option(
        "internet-charge-type",
        "PayByTraffic or PayByBandwidth",
        read.choice("PayByTraffic", "PayByBandwidth"),
        "PayByTraffic",
        changes=IN_PLACE,
    )
    allocate_eip: bool = _option(
        "allocate-eip",
        "Take an elastic address (EIP), released with the machine, in place of a fixed one",
        read.FLAG,
        changes=NEW_MACHINE,
    )
    eip: str = _option(
        "eip",
        "Elastic address that is there already (its id or address); it is not released",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    security_group: str = _option(
        "security-group",
        "Name (or id) of the security group; made if it is not there",
        read.SECURITY_GROUP,
        "docker-machine",
        changes=NEW_MACHINE,
    )
    open_ports: tuple[PortRange, ...] = _option(
        "open-port",
        "A further port to open, such as 80, 8000-8100 or 53/udp (repeatable)",
        read.PORTS,
        env="ECS_OPEN_PORTS",
        everyday=True,
        changes=IN_PLACE,
    )
    source_cidrs: tuple[str, ...] = _option(
        "source-cidr",
        "Who may connect, as a network (repeatable); left out, everybody: 0.0.0.0/0",
        read.SOURCE_CIDRS,
        env="ECS_SOURCE_CIDRS",
        changes=IN_PLACE,
    )
    route_cidr: str = _option(
        "route-cidr",
        "Network whose traffic the VPC sends to the instance",
        read.ROUTE_CIDR,
        changes=NEW_MACHINE,
    )
    slb_id: str = _option(
        "slb-id",
        "Load balancer to put the instance behind",
        read.IDENTIFIER,
        changes=NEW_MACHINE,
    )
    system_disk_size_gib: int = _option(
        "system-disk-size",
        "Size of the system disk in GiB",
        read.whole(0, 65536),
        40,
        group="Machine",
        changes=IN_PLACE,
    )
    system_disk_category: str = _option(
        "system-disk-category",
        "Category of the system disk; left out, the best that the type takes",
        read.choice(*SIZES_GIB, optional=True),
        changes=NEW_MACHINE,
    )
    disk_size_gib: int = _option(
        "disk-size",
        "Size of a data disk for /var/lib/docker in GiB; 0 for none",
        read.whole(0, 65536),
        0,
        everyday=True,
        changes=IN_PLACE,
    )
    disk_category: str = _option(
        "disk-category",
        "Category of the data disk; left out, the best that the type takes",
        read.choice(*SIZES_GIB, optional=True),
        changes=NEW_MACHINE,
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
        "Refuse to make a machine that costs more an hour, with its disks and address",
        read.PRICE,
        prefix="",
        group="Money",
        everyday=True,
        changes=AT_CREATE,
    )
    auto_release: str = _option(
        "auto-release",
        "Let ECS release the machine so long after it is made, such as 8h or 3d",
        read.AUTO_RELEASE_TIME,
        prefix="",
        changes=AT_CREATE,
    )
    charge_type: str = _option(
        "charge-type",
        "PostPaid (as you go) or PrePaid (a subscription)",
        read.choice("PostPaid", "PrePaid"),
        "PostPaid",
        parameter="InstanceChargeType",
        group="Money",
        everyday=True,
        changes=NEW_MACHINE,
    )
    period: int = _option(
        "period",
        "How many months (or weeks) are paid in advance, with PrePaid",
        read.whole(1, 60),
        1,
        changes=AT_CREATE,
    )
    period_unit: str = _option(
        "period-unit", "Month or Week", read.choice("Month", "Week"), "Month", changes=AT_CREATE
    )
    auto_renew: bool = _option(
        "auto-renew", "Renew the subscription by itself, with PrePaid", read.FLAG, changes=AT_CREATE
    )
    spot_strategy: str = _option(
        "spot-strategy",
        "NoSpot, SpotAsPriceGo or SpotWithPriceLimit",
        read.choice("NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"),
        "NoSpot",
        everyday=True,
        changes=NEW_MACHINE,
    )
    spot_price_limit: float = _option(
        "spot-price-limit",
        "Highest price an hour, with SpotWithPriceLimit",
        read.PRICE,
        changes=NEW_MACHINE,
    )
    spot_duration_h: int = _option(
        "spot-duration",
        "Hours that a spot instance is kept for sure: 0 or 1",
        read.whole(0, 6),
        1,
        changes=AT_CREATE,
    )
    upgrade_kernel: bool = _option(
        "upgrade-kernel",
        "Does nothing",
        read.FLAG,
        deprecated="this does nothing. Choose an image with the kernel that you need.",
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
