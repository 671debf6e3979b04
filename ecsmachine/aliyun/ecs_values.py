"""What ECS tells of its resources, and where an answer has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from ecsmachine.aliyun.regional import Tagged
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.reading import At
from ecsmachine.documents.rules import ADDRESS, ID, PROSE, REGION, Rule


class InstanceStatus(str, Enum):
    """The statuses of instances (DescribeInstances). A status that is not known is a text."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETED = "Deleted"


_PORT_RANGE = Rule(
    "a range of ports such as 22/22",
    lambda text: re.fullmatch(r"(-1|[0-9]{1,5})(/(-1|[0-9]{1,5}))?", text) is not None,
)


def _private_addresses(item: Fields) -> tuple[str, ...]:
    in_vpc = item.object("VpcAttributes").texts("PrivateIpAddress", "IpAddress", rule=ADDRESS)
    return tuple(in_vpc or item.texts("InnerIpAddress", "IpAddress", rule=ADDRESS))


def _locks(item: Fields) -> tuple[str, ...]:
    locks = item.objects("OperationLocks", "LockReason")
    return tuple(lock.text("LockReason", ID) for lock in locks)


def _os_name(item: Fields) -> str:
    return item.prose("OSNameEn") or item.prose("OSName")


def _snapshot_ids(item: Fields) -> tuple[str, ...]:
    disks = item.objects("DiskDeviceMappings", "DiskDeviceMapping")
    return tuple(each for each in (disk.text("SnapshotId", ID) for disk in disks) if each)


def _protocol(item: Fields) -> str:
    return item.text("IpProtocol", ID).lower()


@dataclass(frozen=True)
class Instance(Tagged):
    """An instance, as DescribeInstances shows it."""

    id: Annotated[str, At("InstanceId", ID, required=True)]
    name: Annotated[str, At("InstanceName", PROSE)]
    status: Annotated[str, At("Status", ID)]
    zone: Annotated[str, At("ZoneId", REGION)]
    instance_type: Annotated[str, At("InstanceType", ID)]
    image_id: Annotated[str, At("ImageId", ID)]
    vpc_id: Annotated[str, At("VpcAttributes.VpcId", ID)]
    vswitch_id: Annotated[str, At("VpcAttributes.VSwitchId", ID)]
    private_addresses: Annotated[tuple[str, ...], _private_addresses]
    public_addresses: Annotated[tuple[str, ...], At("PublicIpAddress.IpAddress", ADDRESS)]
    eip_address: Annotated[str, At("EipAddress.IpAddress", ADDRESS)]
    eip_allocation_id: Annotated[str, At("EipAddress.AllocationId", ID)]
    security_group_ids: Annotated[tuple[str, ...], At("SecurityGroupIds.SecurityGroupId", ID)]
    deletion_protection: Annotated[bool, At("DeletionProtection")]
    charge_type: Annotated[str, At("InstanceChargeType", ID)]
    expires: Annotated[str, At("ExpiredTime")]
    locks: Annotated[tuple[str, ...], _locks]
    internet_charge_type: Annotated[str, At("InternetChargeType", ID)] = ""
    internet_max_bandwidth_mbps: Annotated[int, At("InternetMaxBandwidthOut")] = 0
    key_pair_name: Annotated[str, At("KeyPairName")] = ""
    description: Annotated[str, At("Description", PROSE)] = ""
    resource_group_id: Annotated[str, At("ResourceGroupId", ID)] = ""
    stopped_mode: Annotated[str, At("StoppedMode", ID)] = ""
    host_name: Annotated[str, At("HostName", PROSE)] = ""
    auto_release: Annotated[str, At("AutoReleaseTime")] = ""
    spot_strategy: Annotated[str, At("SpotStrategy", ID)] = ""
    eip_bandwidth_mbps: Annotated[int, At("EipAddress.Bandwidth")] = 0

    @property
    def public_address(self) -> str:
        """The address on the internet: the fixed one, else the elastic one, else ""."""
        return self.public_addresses[0] if self.public_addresses else self.eip_address

    @property
    def private_address(self) -> str:
        """The address inside the cloud, or ""."""
        return self.private_addresses[0] if self.private_addresses else ""


@dataclass(frozen=True)
class Image(Tagged):
    """An image of a system disk; ``size_gib`` is the least that the disk must have.

    ``snapshot_ids`` are the snapshots that one of an account's own is made of.
    """

    id: Annotated[str, At("ImageId", ID, required=True)]
    name: Annotated[str, At("ImageName", PROSE)]
    family: Annotated[str, At("ImageFamily", ID)]
    platform: Annotated[str, At("Platform", PROSE)]
    os_name: Annotated[str, _os_name]
    os_type: Annotated[str, At("OSType", ID)]
    architecture: Annotated[str, At("Architecture", ID)]
    size_gib: Annotated[int, At("Size")]
    status: Annotated[str, At("Status", ID)]
    supports_login_as_non_root: Annotated[bool, At("LoginAsNonRootSupported")]
    snapshot_ids: Annotated[tuple[str, ...], _snapshot_ids] = ()


@dataclass(frozen=True)
class Snapshot(Tagged):
    """A snapshot of a disk."""

    id: Annotated[str, At("SnapshotId", ID, required=True)]
    name: Annotated[str, At("SnapshotName", PROSE)]
    status: Annotated[str, At("Status", ID)]


@dataclass(frozen=True)
class InstanceType:
    """A size of instance."""

    id: Annotated[str, At("InstanceTypeId", ID, required=True)]
    family: Annotated[str, At("InstanceTypeFamily", ID)]
    cpu_cores: Annotated[int, At("CpuCoreCount")]
    memory_gib: Annotated[float, At("MemorySize")]
    architecture: Annotated[str, At("CpuArchitecture", ID)] = "X86"
    level: Annotated[str, At("InstanceFamilyLevel", ID)] = ""
    gpus: Annotated[int, At("GPUAmount")] = 0
    local_storage: Annotated[str, At("LocalStorageCategory", ID)] = ""


@dataclass(frozen=True)
class Offer:
    """Something that a zone offers: an instance type, or a disk category with its sizes."""

    zone: str
    value: str
    available: bool
    min_size_gib: int | None = None
    max_size_gib: int | None = None


@dataclass(frozen=True)
class SecurityGroup(Tagged):
    """A security group."""

    id: Annotated[str, At("SecurityGroupId", ID, required=True)]
    name: Annotated[str, At("SecurityGroupName")]
    vpc_id: Annotated[str, At("VpcId", ID)]


@dataclass(frozen=True)
class Permission:
    """A rule of a security group. ``port_range`` is like ``22/22``; ``-1/-1`` is all.

    The source is a network, the members of a security group (``source_group_id``), or the networks
    of a prefix list.
    """

    protocol: Annotated[str, _protocol]
    port_range: Annotated[str, At("PortRange", _PORT_RANGE)]
    source_cidr: Annotated[str, At("SourceCidrIp")]
    policy: Annotated[str, At("Policy", ID)] = "Accept"
    direction: Annotated[str, At("Direction", ID)] = "ingress"
    priority: Annotated[int, At("Priority")] = 1
    source_group_id: Annotated[str, At("SourceGroupId", ID)] = ""
    prefix_list_id: Annotated[str, At("SourcePrefixListId", ID)] = ""
    description: Annotated[str, At("Description", PROSE)] = ""


@dataclass(frozen=True)
class KeyPair(Tagged):
    """A public key by name."""

    name: Annotated[str, At("KeyPairName")]


@dataclass(frozen=True)
class Disk(Tagged):
    """A disk; ``serial`` is its serial number as the instance sees it."""

    id: Annotated[str, At("DiskId", ID, required=True)]
    kind: Annotated[str, At("Type", ID)]
    category: Annotated[str, At("Category", ID)]
    size_gib: Annotated[int, At("Size")]
    serial: Annotated[str, At("SerialNumber", ID)]
    instance_id: Annotated[str, At("InstanceId", ID)]
    name: Annotated[str, At("DiskName", PROSE)] = ""
    status: Annotated[str, At("Status", ID)] = ""
    resource_group_id: Annotated[str, At("ResourceGroupId", ID)] = ""


@dataclass(frozen=True)
class NetworkInterface(Tagged):
    """An elastic network interface; ``instance_id`` is what it is attached to, or ""."""

    id: Annotated[str, At("NetworkInterfaceId", ID, required=True)]
    name: Annotated[str, At("NetworkInterfaceName", PROSE)]
    status: Annotated[str, At("Status", ID)]
    instance_id: Annotated[str, At("InstanceId", ID)]


@dataclass(frozen=True)
class Price:
    """What something costs, in an hour if nothing else is said, and ``parts`` of it by name."""

    amount: float
    currency: str
    parts: tuple[tuple[str, float], ...] = ()
