"""The flags of the driver, with the names and variables of the Go driver, and our own."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.drivers.base import Option

_PREFIX = "aliyunecs-"

_CREDENTIALS = (
    Option("access-key-id", "Access key id", env="ECS_ACCESS_KEY_ID", default="", credential=True),
    Option(
        "access-key-secret",
        "Access key secret (the variable is safer: flags can be seen in the process list)",
        env="ECS_ACCESS_KEY_SECRET",
        default="",
        secret=True,
        credential=True,
    ),
    Option(
        "security-token",
        "Security token of a temporary access key",
        env="ECS_SECURITY_TOKEN",
        default="",
        secret=True,
        credential=True,
    ),
    Option(
        "profile",
        'Profile of the "aliyun" command to take credentials from',
        env="ECS_PROFILE",
        default="",
    ),
)

_PLACE = (
    Option("region", "Region", env="ECS_REGION", default="cn-hangzhou"),
    Option(
        "zone",
        "Zone; left out, the VSwitch's, else one that has the instance type",
        env="ECS_ZONE",
        default="",
    ),
    Option(
        "vpc-id",
        "VPC; left out, the VSwitch's, else the region's default VPC, else one of our own",
        env="ECS_VPC_ID",
        default="",
    ),
    Option(
        "vswitch-id",
        "VSwitch; left out, one of the VPC in a zone that has the instance type",
        env="ECS_VSWITCH_ID",
        default="",
    ),
    Option(
        "resource-group-id",
        "Resource group of all that is made",
        env="ECS_RESOURCE_GROUP_ID",
        default="",
    ),
    Option(
        "api-endpoint",
        "Address of the API, with http:// or https://, for every product",
        env="ECS_API_ENDPOINT",
        default="",
    ),
    Option(
        "vpc-endpoint",
        "Reach the API from inside a VPC of the region, without the internet",
        env="ECS_VPC_ENDPOINT",
        kind="bool",
        default=False,
    ),
)

_INSTANCE = (
    Option("instance-type", "Instance type", env="ECS_INSTANCE_TYPE", default="ecs.n4.small"),
    Option(
        "image-id",
        "Image; left out, the newest system image of --aliyunecs-image-os",
        env="ECS_IMAGE_ID",
        default="",
    ),
    Option(
        "image-family",
        "Image family; its newest image is taken",
        env="ECS_IMAGE_FAMILY",
        default="",
    ),
    Option(
        "image-os",
        'Operating system, such as "debian" or "ubuntu 22.04"; left out, Ubuntu LTS, else Debian',
        env="ECS_IMAGE_OS",
        default="",
    ),
    Option("description", "Description of the instance", env="ECS_DESCRIPTION", default=""),
    Option(
        "host-name",
        "Host name; left out, the machine's name",
        env="ECS_HOST_NAME",
        default="",
    ),
    Option("tag", "A tag of the instance, as key=value (repeatable)", env="ECS_TAGS", kind="list"),
    Option("ram-role", "RAM role of the instance", env="ECS_RAM_ROLE", default=""),
    Option(
        "user-data",
        "File with user data (a script or cloud-config), at most 32 KiB",
        env="ECS_USER_DATA",
        default="",
    ),
    Option(
        "io-optimized",
        "I/O optimized: true or false",
        env="ECS_IO_OPTIMIZED",
        default="true",
    ),
    Option(
        "deletion-protection",
        "Protect the instance from being released, by rm as well",
        env="ECS_DELETION_PROTECTION",
        kind="bool",
        default=False,
    ),
    Option(
        "auto-release-time",
        "When ECS itself releases the instance: 2030-01-31T12:00:00Z, or 8h or 3d from now",
        env="ECS_AUTO_RELEASE_TIME",
        default="",
    ),
)

_LOGIN = (
    Option(
        "ssh-password",
        "Password of the user (8-30 characters of three kinds); left out, a key is made",
        env="ECS_SSH_PASSWORD",
        default="",
        secret=True,
    ),
    Option(
        "ssh-keypair",
        "Name of a key pair in ECS; needs --aliyunecs-ssh-keypath",
        env="ECS_SSH_KEYPAIR",
        default="",
    ),
    Option(
        "ssh-keypath",
        "Private key to log in with; its public key is put on the host",
        env="ECS_SSH_KEYPATH",
        default="",
    ),
    Option(
        "ssh-user",
        "User to log in as, with sudo if it is not root: ecs-user, or one that the image has",
        env="ECS_SSH_USER",
        default="root",
    ),
    Option("ssh-port", "Port of SSH in the image", env="ECS_SSH_PORT", kind="int", default=22),
)

_NETWORK = (
    Option(
        "private-ip",
        "Fixed private address, inside the VSwitch",
        env="ECS_VPC_PRIVATE_IP",
        default="",
    ),
    Option(
        "private-address-only",
        "No public address: the machine is reached at its private one",
        env="ECS_PRIVATE_ADDR_ONLY",
        kind="bool",
        default=False,
    ),
    Option(
        "internet-max-bandwidth",
        "Outbound bandwidth in Mbps, 1 to 100; 0 for no public address",
        env="ECS_INTERNET_MAX_BANDWIDTH",
        kind="int",
        default=1,
    ),
    Option(
        "internet-charge-type",
        "PayByTraffic or PayByBandwidth",
        env="ECS_INTERNET_CHARGE_TYPE",
        default="PayByTraffic",
    ),
    Option(
        "allocate-eip",
        "Take an elastic address (EIP), released with the machine, in place of a fixed one",
        env="ECS_ALLOCATE_EIP",
        kind="bool",
        default=False,
    ),
    Option(
        "eip",
        "Elastic address that is there already (its id or address); it is not released",
        env="ECS_EIP",
        default="",
    ),
    Option(
        "security-group",
        "Name (or id) of the security group; made if it is not there",
        env="ECS_SECURITY_GROUP",
        default="docker-machine",
    ),
    Option(
        "open-port",
        "A further port to open, such as 80, 8000-8100 or 53/udp (repeatable)",
        env="ECS_OPEN_PORTS",
        kind="list",
    ),
    Option(
        "source-cidr",
        "Who may connect, as a network (repeatable); left out, everybody: 0.0.0.0/0",
        env="ECS_SOURCE_CIDRS",
        kind="list",
    ),
    Option(
        "route-cidr",
        "Network whose traffic the VPC sends to the instance",
        env="ECS_ROUTE_CIDR",
        default="",
    ),
    Option(
        "slb-id",
        "Load balancer to put the instance behind",
        env="ECS_SLB_ID",
        default="",
    ),
)

_DISKS = (
    Option(
        "system-disk-size",
        "Size of the system disk in GiB",
        env="ECS_SYSTEM_DISK_SIZE",
        kind="int",
        default=40,
    ),
    Option(
        "system-disk-category",
        "Category of the system disk; left out, the best that the type takes",
        env="ECS_SYSTEM_DISK_CATEGORY",
        default="",
    ),
    Option(
        "disk-size",
        "Size of a data disk for /var/lib/docker in GiB; 0 for none",
        env="ECS_DISK_SIZE",
        kind="int",
        default=0,
    ),
    Option(
        "disk-category",
        "Category of the data disk; left out, the best that the type takes",
        env="ECS_DISK_CATEGORY",
        default="",
    ),
    Option(
        "disk-fs", "File system of the data disk: ext4 or xfs", env="ECS_DISK_FS", default="ext4"
    ),
)

_PAYMENT = (
    Option(
        "charge-type",
        "PostPaid (as you go) or PrePaid (a subscription)",
        env="ECS_CHARGE_TYPE",
        default="PostPaid",
    ),
    Option(
        "period",
        "How many months (or weeks) are paid in advance, with PrePaid",
        env="ECS_PERIOD",
        kind="int",
        default=1,
    ),
    Option("period-unit", "Month or Week", env="ECS_PERIOD_UNIT", default="Month"),
    Option(
        "auto-renew",
        "Renew the subscription by itself, with PrePaid",
        env="ECS_AUTO_RENEW",
        kind="bool",
        default=False,
    ),
    Option(
        "spot-strategy",
        "NoSpot, SpotAsPriceGo or SpotWithPriceLimit",
        env="ECS_SPOT_STRATEGY",
        default="NoSpot",
    ),
    Option(
        "spot-price-limit",
        "Highest price an hour, with SpotWithPriceLimit",
        env="ECS_SPOT_PRICE_LIMIT",
        default="",
    ),
    Option(
        "spot-duration",
        "Hours that a spot instance is kept for sure: 0 or 1",
        env="ECS_SPOT_DURATION",
        kind="int",
        default=1,
    ),
)

_DEAD = (
    Option(
        "upgrade-kernel",
        "Does nothing",
        env="ECS_UPGRADE_KERNEL",
        kind="bool",
        default=False,
        deprecated="this does nothing. Choose an image with the kernel that you need.",
    ),
)


OPTIONS: tuple[Option, ...] = tuple(
    replace(option, name=_PREFIX + option.name)
    for group in (_CREDENTIALS, _PLACE, _INSTANCE, _LOGIN, _NETWORK, _DISKS, _PAYMENT, _DEAD)
    for option in group
)
"""Every flag of ``create -d aliyunecs``."""
