# ruff: noqa: RUF009  (each call declares a field)
"""The options of the driver, each declared once, with the names and variables of the Go driver.

From a declaration follow the flag and its variable, its help, what is checked and completed, what
``config.json`` keeps of it, what RunInstances is told, and what a dry run shows. A flag is called
like its field, unless it has a name of its own. One more option is one more field of
:class:`Settings`; one that is kept has a line in :mod:`stored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecsmachine.drivers.aliyunecs.options import values as read
from ecsmachine.drivers.aliyunecs.options.declaration import (
    AT_CREATE,
    IN_PLACE,
    WITH_RESTART,
    Declaration,
)
from ecsmachine.drivers.aliyunecs.options.declaration import option as _option
from ecsmachine.drivers.aliyunecs.options.disk_categories import SIZES_GIB
from ecsmachine.drivers.base import PortRange
from ecsmachine.drivers.options import Option

if TYPE_CHECKING:
    from ecsmachine.aliyun.credentials import CredentialFlags


@dataclass(frozen=True)
class Settings:
    """What a machine shall be; "" and 0 where the cloud or the checks choose."""

    access_key_id: str = _option(
        "Access key id",
        read.TEXT,
        credential=True,
        group="Account",
        changes=AT_CREATE,
    )
    access_key_secret: str = _option(
        "Access key secret (the variable is safer: flags can be seen in the process list)",
        read.TEXT,
        secret=True,
        credential=True,
        changes=AT_CREATE,
    )
    security_token: str = _option(
        "Security token of a temporary access key",
        read.TEXT,
        secret=True,
        credential=True,
        changes=AT_CREATE,
    )
    profile: str = _option(
        'Profile of the "aliyun" command to take credentials from',
        read.TEXT,
        everyday=True,
        changes=AT_CREATE,
    )
    store_keys: bool = _option(
        "Keep the access key in clear in config.json, which only you can read, for later commands",
        read.FLAG,
        changes=AT_CREATE,
    )
    region: str = _option(
        "Region",
        read.matching(r"[a-z0-9]+(-[a-z0-9]+)*", "a region such as cn-hangzhou"),
        "cn-hangzhou",
        group="Where",
        everyday=True,
    )
    zone: str = _option(
        "Zone (default: the VSwitch's, else one that has the instance type)",
        read.IDENTIFIER,
        everyday=True,
    )
    vpc_id: str = _option(
        "VPC (default: the VSwitch's, else the region's default VPC, else a new one)",
        read.IDENTIFIER,
    )
    vswitch_id: str = _option(
        "VSwitch (default: one of the VPC, in a zone that has the instance type)",
        read.IDENTIFIER,
    )
    resource_group_id: str = _option(
        "Resource group of all new resources",
        read.IDENTIFIER,
        parameter="ResourceGroupId",
        planned=("ResourceGroup", "resource group"),
        changes=IN_PLACE,
    )
    api_endpoint: str = _option(
        "Address of the API, with http:// or https://, for every product",
        read.ENDPOINT,
    )
    vpc_internal: bool = _option(
        "Reach the API from inside a VPC of the region, without the internet",
        read.FLAG,
        name="vpc-endpoint",
        changes=IN_PLACE,
    )
    instance_type: str = _option(
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
        "Minimum number of vCPUs, if no instance type is named",
        read.whole_number(1, 1024),
        2,
        changes=AT_CREATE,
    )
    memory_gib: int = _option(
        "Minimum memory in GiB, if no instance type is named",
        read.whole_number(1, 65536),
        4,
        name="memory",
        changes=AT_CREATE,
    )
    architecture: str = _option(
        "CPU architecture (default: the instance type's, else x86_64)",
        read.choice("x86_64", "arm64", optional=True),
        changes=AT_CREATE,
    )
    image_id: str = _option(
        "Image (default: the newest system image of --aliyunecs-image-os)",
        read.IDENTIFIER,
    )
    image_family: str = _option("Image family; its newest image is used", read.TEXT)
    image_os: str = _option(
        'Operating system, such as "debian" or "ubuntu 22.04" (default: Ubuntu LTS, else Debian)',
        read.TEXT,
        everyday=True,
    )
    host_name: str = _option(
        "Host name (default: the machine's name)",
        read.HOST_NAME,
        planned=("HostName", "host name"),
        changes=IN_PLACE,
    )
    description: str = _option(
        "Description of the instance",
        read.DESCRIPTION,
        parameter="Description",
        planned=("Description", "description"),
        changes=IN_PLACE,
    )
    ram_role: str = _option(
        "RAM role of the instance",
        read.IDENTIFIER,
        parameter="RamRoleName",
        planned=("RamRole", "RAM role"),
        changes=IN_PLACE,
        removable=True,
    )
    user_data: bytes = _option(
        "File with user data (a script or cloud-config), at most 32 KiB",
        read.USER_DATA,
        planned=("UserDataBytes", "user data"),
    )
    io_optimized: bool = _option(
        "I/O optimized: true or false",
        read.IO_OPTIMIZED,
        "true",
    )
    auto_release_time: str = _option(
        "When ECS releases the instance: 2030-01-31T12:00:00Z, or 8h or 3d from now",
        read.AUTO_RELEASE_TIME,
        parameter="AutoReleaseTime",
        planned=("AutoReleaseTime", "released by ECS"),
        changes=IN_PLACE,
    )
    deletion_protection: bool = _option(
        'Protect the instance from being released, even by "rm"',
        read.FLAG,
        parameter="DeletionProtection",
        planned=("DeletionProtection", "protected"),
        changes=IN_PLACE,
    )
    tags: dict[str, str] = _option(
        "A tag of the instance, as key=value (repeatable)",
        read.TAGS,
        name="tag",
        env="ECS_TAGS",
        planned=("Tags", "tags"),
        changes=IN_PLACE,
    )
    ssh_password: str = _option(
        "Password of the user (8-30 characters of three kinds) (default: a new key)",
        read.SECRET,
        secret=True,
        group="Login",
        changes=AT_CREATE,
    )
    ssh_keypair: str = _option(
        "Name of a key pair in ECS; needs --aliyunecs-ssh-keypath",
        read.TEXT,
    )
    ssh_keypath: Path | None = _option(
        "Private key to log in with; its public key is put on the host",
        read.FILE_PATH,
        private_key=True,
        everyday=True,
    )
    ssh_key_per_machine: bool = _option(
        "With several machines, give each its own login key and key pair",
        read.FLAG,
        False,
        changes=AT_CREATE,
    )
    ssh_user: str = _option(
        "User to log in as (with sudo, if not root): ecs-user, or a user of the image",
        read.matching(r"[a-z_][a-z0-9_.-]{0,31}", "a user's name"),
        "root",
    )
    ssh_port: int = _option("SSH port of the image", read.whole_number(1, 65535), 22)
    private_ip: str = _option(
        "Fixed private address, inside the VSwitch",
        read.PRIVATE_IP,
        env="ECS_VPC_PRIVATE_IP",
        exclusive=True,
        parameter="PrivateIpAddress",
        group="Network",
    )
    private_only: bool = _option(
        "No public address; reach the machine at its private address",
        read.FLAG,
        name="private-address-only",
        env="ECS_PRIVATE_ADDR_ONLY",
        everyday=True,
    )
    internet_charge_type: str = _option(
        "How traffic is charged",
        read.choice("PayByTraffic", "PayByBandwidth"),
        "PayByTraffic",
        changes=IN_PLACE,
        priced=True,
    )
    allocate_eip: bool = _option(
        "Allocate an elastic IP address (EIP), released with the machine",
        read.FLAG,
        changes=IN_PLACE,
        priced=True,
    )
    eip: str = _option(
        "Existing elastic IP address (id or address); it is never released",
        read.IDENTIFIER,
        changes=IN_PLACE,
        priced=True,
        removable=True,
        exclusive=True,
    )
    bandwidth_mbps: int = _option(
        "Outbound bandwidth in Mbps, 1 to 100; 0 for no public address",
        read.whole_number(0, 100),
        1,
        name="internet-max-bandwidth",
        changes=IN_PLACE,
        priced=True,
    )
    security_group: str = _option(
        "Name or id of the security group; created if missing",
        read.SECURITY_GROUP,
        "docker-machine",
        changes=IN_PLACE,
    )
    open_ports: tuple[PortRange, ...] = _option(
        "Another port to open, such as 80, 8000-8100 or 53/udp (repeatable)",
        read.PORTS,
        name="open-port",
        env="ECS_OPEN_PORTS",
        everyday=True,
        changes=IN_PLACE,
    )
    source_cidrs: tuple[str, ...] = _option(
        "Network that may connect (repeatable) (default: 0.0.0.0/0, everybody)",
        read.SOURCE_CIDRS,
        name="source-cidr",
        env="ECS_SOURCE_CIDRS",
        changes=IN_PLACE,
    )
    route_cidr: str = _option(
        "Network whose traffic the VPC sends to the instance",
        read.ROUTE_CIDR,
        changes=IN_PLACE,
        removable=True,
        exclusive=True,
    )
    slb_id: str = _option(
        "Load balancer to put the instance behind",
        read.IDENTIFIER,
        changes=IN_PLACE,
        removable=True,
    )
    system_disk_size_gib: int = _option(
        "Size of the system disk in GiB",
        read.whole_number(0, 65536),
        40,
        name="system-disk-size",
        group="Machine",
        changes=IN_PLACE,
        priced=True,
    )
    system_disk_category: str = _option(
        "Category of the system disk (default: the best that the instance type supports)",
        read.choice(*SIZES_GIB, optional=True),
        changes=IN_PLACE,
        priced=True,
    )
    disk_size_gib: int = _option(
        "Size of a data disk for /var/lib/docker in GiB; 0 for none",
        read.whole_number(0, 65536),
        0,
        name="disk-size",
        everyday=True,
        changes=IN_PLACE,
        priced=True,
    )
    disk_category: str = _option(
        "Category of the data disk (default: the best that the instance type supports)",
        read.choice(*SIZES_GIB, optional=True),
        changes=IN_PLACE,
        priced=True,
    )
    disk_file_system: Literal["ext4", "xfs"] = _option(
        "File system of the data disk: ext4 or xfs",
        read.choice("ext4", "xfs"),
        "ext4",
        name="disk-fs",
    )
    max_price: float = _option(
        "Refuse to create a machine that costs more per hour, with disks and address",
        read.PRICE,
        prefix="",
        group="Money",
        everyday=True,
        changes=AT_CREATE,
    )
    auto_release: str = _option(
        "Have ECS release the machine this long after its creation, such as 8h or 3d",
        read.AUTO_RELEASE_TIME,
        prefix="",
        changes=AT_CREATE,
    )
    charge_type: str = _option(
        "PostPaid (pay as you go) or PrePaid (subscription)",
        read.choice("PostPaid", "PrePaid"),
        "PostPaid",
        parameter="InstanceChargeType",
        group="Money",
        everyday=True,
    )
    period: int = _option(
        "Length of the subscription in months (or weeks), with PrePaid",
        read.whole_number(1, 60),
        1,
        changes=AT_CREATE,
    )
    period_unit: str = _option(
        "Unit of the subscription's length",
        read.choice("Month", "Week"),
        "Month",
        changes=AT_CREATE,
    )
    auto_renew: bool = _option(
        "Renew the subscription automatically, with PrePaid",
        read.FLAG,
        changes=AT_CREATE,
    )
    spot_strategy: str = _option(
        "Whether and how to use spot instances",
        read.choice("NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"),
        "NoSpot",
        everyday=True,
    )
    spot_price_limit: float = _option(
        "Highest price per hour, with SpotWithPriceLimit",
        read.SPOT_PRICE,
    )
    spot_duration_h: int = _option(
        "Hours for which a spot instance is guaranteed: 0 or 1",
        read.whole_number(0, 6),
        1,
        name="spot-duration",
        changes=AT_CREATE,
    )
    upgrade_kernel: bool = _option(
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
    each.name: each.metadata["declaration"](each.name) for each in fields(Settings)
}
"""What is declared of each field of the settings; the record's field of that name is its own."""

OPTIONS: tuple[Option, ...] = tuple(each.option for each in DECLARATIONS.values())
"""Every flag of ``create -d aliyunecs``."""
