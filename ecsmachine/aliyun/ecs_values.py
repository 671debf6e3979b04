"""What ECS tells of its resources, and how it is read from an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecsmachine.aliyun.regional import tags_of
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.rules import ADDRESS, ID, REGION


@dataclass(frozen=True)
class Instance:
    """An instance, as DescribeInstances shows it."""

    id: str
    name: str
    status: str
    zone: str
    instance_type: str
    image_id: str
    vpc_id: str
    vswitch_id: str
    private_addresses: tuple[str, ...]
    public_addresses: tuple[str, ...]
    eip_address: str
    eip_allocation_id: str
    security_group_ids: tuple[str, ...]
    deletion_protection: bool
    charge_type: str
    expires: str
    locks: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    internet_charge_type: str = ""
    internet_max_bandwidth_mbps: int = 0
    key_pair_name: str = ""
    description: str = ""
    resource_group_id: str = ""

    @property
    def public_address(self) -> str:
        """The address on the internet: the fixed one, else the elastic one, else ""."""
        return self.public_addresses[0] if self.public_addresses else self.eip_address

    @property
    def private_address(self) -> str:
        """The address inside the cloud, or ""."""
        return self.private_addresses[0] if self.private_addresses else ""


@dataclass(frozen=True)
class Image:
    """An image of a system disk; ``size_gib`` is the least that the disk must have."""

    id: str
    name: str
    family: str
    platform: str
    os_name: str
    os_type: str
    architecture: str
    size_gib: int
    created: str
    status: str
    supports_login_as_non_root: bool


@dataclass(frozen=True)
class InstanceType:
    """A size of instance."""

    id: str
    family: str
    cpu_cores: int
    memory_gib: float
    architecture: str


@dataclass(frozen=True)
class Offer:
    """Something that a zone offers: an instance type, or a disk category with its sizes."""

    zone: str
    value: str
    available: bool
    min_size_gib: int | None = None
    max_size_gib: int | None = None


@dataclass(frozen=True)
class SecurityGroup:
    """A security group."""

    id: str
    name: str
    vpc_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True)
class Permission:
    """A rule of a security group. ``port_range`` is like ``22/22``; ``-1/-1`` is all.

    The source is a network, or (``source_group_id``) the members of a security group.
    """

    protocol: str
    port_range: str
    source_cidr: str
    policy: str = "Accept"
    direction: str = "ingress"
    priority: int = 1
    source_group_id: str = ""
    description: str = ""


@dataclass(frozen=True)
class KeyPair:
    """A public key by name."""

    name: str
    fingerprint: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True)
class Disk:
    """A disk; ``serial`` is its serial number as the instance sees it."""

    id: str
    kind: str
    category: str
    size_gib: int
    serial: str
    instance_id: str
    name: str = ""
    status: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True)
class NetworkInterface:
    """An elastic network interface; ``instance_id`` is what it is attached to, or ""."""

    id: str
    name: str
    status: str
    instance_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True)
class Price:
    """What something costs, in an hour if nothing else is said."""

    amount: float
    currency: str


def read_instance(item: Fields) -> Instance:
    """Return an instance as DescribeInstances tells it."""
    vpc, eip = item.object("VpcAttributes"), item.object("EipAddress")
    private = vpc.texts("PrivateIpAddress", "IpAddress", rule=ADDRESS) or item.texts(
        "InnerIpAddress", "IpAddress", rule=ADDRESS
    )
    return Instance(
        id=item.required("InstanceId", ID),
        name=item.prose("InstanceName"),
        status=item.text("Status", ID),
        zone=item.text("ZoneId", REGION),
        instance_type=item.text("InstanceType", ID),
        image_id=item.text("ImageId", ID),
        vpc_id=vpc.text("VpcId", ID),
        vswitch_id=vpc.text("VSwitchId", ID),
        private_addresses=tuple(private),
        public_addresses=tuple(item.texts("PublicIpAddress", "IpAddress", rule=ADDRESS)),
        eip_address=eip.text("IpAddress", ADDRESS),
        eip_allocation_id=eip.text("AllocationId", ID),
        security_group_ids=tuple(item.texts("SecurityGroupIds", "SecurityGroupId", rule=ID)),
        deletion_protection=item.flag("DeletionProtection"),
        charge_type=item.text("InstanceChargeType", ID),
        expires=item.text("ExpiredTime"),
        locks=tuple(
            lock.text("LockReason", ID) for lock in item.objects("OperationLocks", "LockReason")
        ),
        tags=tags_of(item),
        created=item.text("CreationTime"),
        internet_charge_type=item.text("InternetChargeType", ID),
        internet_max_bandwidth_mbps=item.number("InternetMaxBandwidthOut"),
        key_pair_name=item.text("KeyPairName"),
        description=item.prose("Description"),
        resource_group_id=item.text("ResourceGroupId", ID),
    )


def read_image(item: Fields) -> Image:
    """Return an image as DescribeImages tells it."""
    return Image(
        id=item.required("ImageId", ID),
        name=item.prose("ImageName"),
        family=item.text("ImageFamily", ID),
        platform=item.prose("Platform"),
        os_name=item.prose("OSNameEn") or item.prose("OSName"),
        os_type=item.text("OSType", ID),
        architecture=item.text("Architecture", ID),
        size_gib=item.number("Size"),
        created=item.text("CreationTime"),
        status=item.text("Status", ID),
        supports_login_as_non_root=item.flag("LoginAsNonRootSupported"),
    )


def read_instance_type(item: Fields) -> InstanceType:
    """Return a type as DescribeInstanceTypes tells it."""
    return InstanceType(
        id=item.required("InstanceTypeId", ID),
        family=item.text("InstanceTypeFamily", ID),
        cpu_cores=item.number("CpuCoreCount"),
        memory_gib=item.decimal("MemorySize"),
        architecture=item.text("CpuArchitecture", ID, "X86"),
    )
