"""The data of the local cloud: every resource as a frozen value.

Values are replaced, never changed, so that a transaction can be rolled back. Times are
UTC in the form that the API prints (``2024-05-01T08:00:00Z``); sizes are GiB, bandwidths Mbps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ecsmachine.localcloud.catalog.images import ImageDisk

InstanceStatus = Literal["Pending", "Starting", "Running", "Stopping", "Stopped"]
DiskStatus = Literal["Creating", "Available", "In_use", "Attaching", "Detaching", "Reiniting"]
DiskKind = Literal["system", "data"]
SnapshotStatus = Literal["progressing", "accomplished", "failed"]
EipStatus = Literal["Available", "InUse"]
InterfaceStatus = Literal["Available", "Attaching", "InUse", "Detaching"]
InterfaceKind = Literal["Primary", "Secondary"]
ChargeType = Literal["PostPaid", "PrePaid"]
SpotStrategy = Literal["NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"]
StoppedMode = Literal["Not-applicable", "StopCharging", "KeepCharging"]
Switch = Literal["on", "off"]
Direction = Literal["ingress", "egress"]
SecurityGroupKind = Literal["normal", "enterprise"]
Policy = Literal["Accept", "Drop"]


@dataclass(frozen=True)
class Account:
    """The one account of a local cloud and its access key pair."""

    id: str
    access_key_id: str
    access_key_secret: str = field(repr=False)


@dataclass(frozen=True)
class Session:
    """A temporary key that AssumeRole gave out; ``id`` is its access key id.

    ``expires`` is in seconds since 1970.
    """

    id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    expires: float
    role_id: str
    role_name: str
    name: str


@dataclass(frozen=True)
class Vpc:
    """A virtual private cloud, with its router and its main route table.

    ``user_cidrs`` are networks that are reached over its routes though they are not private.
    """

    id: Annotated[str, "VpcId"]
    region: Annotated[str, "RegionId"]
    name: Annotated[str, "VpcName"]
    description: Annotated[str, "Description"]
    cidr: Annotated[str, "CidrBlock"]
    created: Annotated[str, "CreationTime"]
    vrouter_id: Annotated[str, "VRouterId"]
    route_table_id: str
    is_default: Annotated[bool, "IsDefault"] = False
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""
    ready_at: float = 0.0
    secondary_cidrs: tuple[str, ...] = ()
    user_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True)
class VSwitch:
    """A subnet of a VPC in one zone."""

    id: Annotated[str, "VSwitchId"]
    region: str
    zone: Annotated[str, "ZoneId"]
    vpc_id: Annotated[str, "VpcId"]
    name: Annotated[str, "VSwitchName"]
    description: Annotated[str, "Description"]
    cidr: Annotated[str, "CidrBlock"]
    created: Annotated[str, "CreationTime"]
    is_default: Annotated[bool, "IsDefault"] = False
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""
    ready_at: float = 0.0


@dataclass(frozen=True)
class RouteEntry:
    """An entry of a route table: kept are custom ones; those of the system lead to no instance."""

    id: Annotated[str, "RouteEntryId"]
    region: str
    route_table_id: Annotated[str, "RouteTableId"]
    cidr: Annotated[str, "DestinationCidrBlock"]
    next_hop_type: str
    next_hop_id: str
    name: Annotated[str, "RouteEntryName"]
    description: Annotated[str, "Description"]
    created: Annotated[str, "GmtModified"]
    ready_at: float = 0.0

    @property
    def kind(self) -> str:
        """Custom or System."""
        return "Custom" if self.next_hop_id else "System"


@dataclass(frozen=True)
class Rule:
    """One rule of a security group; ``direction`` is ingress or egress."""

    id: Annotated[str, "SecurityGroupRuleId"]
    direction: Annotated[Direction, "Direction"]
    protocol: Annotated[str, "IpProtocol"]
    port_range: Annotated[str, "PortRange"]
    policy: Annotated[Policy, "Policy"]
    priority: int
    cidr: str
    ipv6_cidr: str
    group_id: str
    source_port_range: Annotated[str, "SourcePortRange"]
    own_cidr: str
    own_ipv6_cidr: str
    description: Annotated[str, "Description"]
    created: Annotated[str, "CreateTime"]


@dataclass(frozen=True)
class SecurityGroup:
    """A security group and its rules."""

    id: Annotated[str, "SecurityGroupId"]
    region: str
    name: Annotated[str, "SecurityGroupName"]
    description: Annotated[str, "Description"]
    vpc_id: Annotated[str, "VpcId"]
    kind: Annotated[SecurityGroupKind, "SecurityGroupType"]
    created: Annotated[str, "CreationTime"]
    inner_access: Policy = "Accept"
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class KeyPair:
    """A public key by name; the private key is given out once and not kept."""

    name: Annotated[str, "KeyPairName"]
    region: str
    key_id: str
    fingerprint: Annotated[str, "KeyPairFingerPrint"]
    public_key: str
    created: Annotated[str, "CreationTime"]
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""


@dataclass(frozen=True)
class MetadataOptions:
    """How an instance reaches its metadata, in the words of DescribeInstances."""

    endpoint: Annotated[str, "HttpEndpoint"] = "enabled"
    tokens: Annotated[str, "HttpTokens"] = "optional"
    hop_limit: Annotated[int, "HttpPutResponseHopLimit"] = 1
    tags: Annotated[str, "InstanceMetadataTags"] = "disabled"


@dataclass(frozen=True)
class CpuOptions:
    """Threads a core and topology as they were asked for; 0 and "" are those of the type."""

    threads_per_core: int = 0
    topology: str = ""


@dataclass(frozen=True)
class Instance:
    """An instance; ``status`` is one of the words that DescribeInstances prints.

    ``made``: its guest exists. ``new_system_disk``: its system disk must be created again, from its
    image. ``start_next``: it starts when the present work (Pending, Stopping) has ended.
    ``address_reclaimed``: its public address was taken when it was stopped in economical mode, and
    it gets another one when it starts. Until ``visible_at`` (seconds since 1970) requests do not
    find it. For an instance from a custom image, ``base_image_id`` is the system image below it and
    ``root_snapshot_id`` the first content of its disk. ``auto_renew_period`` and its unit are
    returned as given. ``locks`` are reasons of
    ``OperationLocks``: financial, security or recycling. ``interface_name``,
    ``interface_description`` and ``secondary_ips`` are of its primary network interface.
    """

    id: Annotated[str, "InstanceId"]
    region: Annotated[str, "RegionId"]
    zone: Annotated[str, "ZoneId"]
    name: Annotated[str, "InstanceName"]
    description: Annotated[str, "Description"]
    host_name: Annotated[str, "HostName"]
    image_id: Annotated[str, "ImageId"]
    instance_type: Annotated[str, "InstanceType"]
    vpc_id: str
    vswitch_id: str
    private_ip: str
    security_group_ids: tuple[str, ...]
    status: Annotated[InstanceStatus, "Status"]
    created: Annotated[str, "CreationTime"]
    started: str = ""
    key_pair: str = ""
    public_key: str = ""
    public_ip: str = ""
    eip_id: str = ""
    internet_charge_type: Annotated[str, "InternetChargeType"] = "PayByTraffic"
    bandwidth_out: Annotated[int, "InternetMaxBandwidthOut"] = 0
    bandwidth_in: Annotated[int, "InternetMaxBandwidthIn"] = 200
    charge_type: Annotated[ChargeType, "InstanceChargeType"] = "PostPaid"
    period: int = 0
    period_unit: str = ""
    auto_renew: bool = False
    auto_renew_period: int = 0
    auto_renew_unit: str = ""
    never_renewed: bool = False
    expires: Annotated[str, "ExpiredTime"] = "2099-12-31T15:59Z"
    io_optimized: bool = True
    serial_number: Annotated[str, "SerialNumber"] = ""
    network_interface_id: str = ""
    mac: str = ""
    user_data: str = field(default="", repr=False)
    ram_role: str = ""
    resource_group_id: str = ""
    deletion_protection: bool = False
    auto_release: str = ""
    spot_strategy: SpotStrategy = "NoSpot"
    spot_price_limit: float = 0.0
    spot_duration: int = 0
    spot_interruption: str = ""
    stopped_mode: Annotated[StoppedMode, "StoppedMode"] = "Not-applicable"
    address_reclaimed: bool = False
    credit_specification: Annotated[str, "CreditSpecification"] = ""
    deployment_set_id: str = ""
    deployment_set_group: int = 0
    cpu_options: CpuOptions = CpuOptions()
    interface_name: str = ""
    interface_description: str = ""
    has_password: bool = False
    start_next: bool = False
    made: bool = False
    new_system_disk: bool = False
    visible_at: float = 0.0
    locks: tuple[str, ...] = ()
    login_as_non_root: bool = False
    metadata_options: MetadataOptions = MetadataOptions()
    base_image_id: str = ""
    root_snapshot_id: str = ""
    secondary_ips: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkInterface:
    """A network interface; ``instance_id`` is empty while it is attached to nothing.

    ``secondary_ips`` are its private addresses besides ``private_ip``. ``index`` is its number in
    the guest: 1 is eth1. The state's table has only secondary ones: the primary one is part of its
    :class:`Instance` (:mod:`ecsmachine.localcloud.state.interfaces`).
    """

    id: Annotated[str, "NetworkInterfaceId"]
    region: str
    zone: Annotated[str, "ZoneId"]
    vpc_id: Annotated[str, "VpcId"]
    vswitch_id: Annotated[str, "VSwitchId"]
    name: Annotated[str, "NetworkInterfaceName"]
    description: Annotated[str, "Description"]
    mac: Annotated[str, "MacAddress"]
    private_ip: Annotated[str, "PrivateIpAddress"]
    security_group_ids: tuple[str, ...]
    status: Annotated[InterfaceStatus, "Status"]
    created: Annotated[str, "CreationTime"]
    kind: Annotated[InterfaceKind, "Type"] = "Secondary"
    secondary_ips: tuple[str, ...] = ()
    instance_id: Annotated[str, "InstanceId"] = ""
    index: int = 0
    delete_on_release: Annotated[bool, "DeleteOnRelease"] = True
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """All its private addresses, the primary one first."""
        return (self.private_ip, *self.secondary_ips)


@dataclass(frozen=True)
class Disk:
    """A system or data disk; ``instance_id`` is empty while it is not attached.

    ``wipe``: it must be reset to ``restore_from`` (a snapshot), or else to its first content.
    ``snapshot_id``: the snapshot that it was created from.
    """

    id: Annotated[str, "DiskId"]
    region: Annotated[str, "RegionId"]
    zone: Annotated[str, "ZoneId"]
    name: Annotated[str, "DiskName"]
    description: Annotated[str, "Description"]
    kind: Annotated[DiskKind, "Type"]
    category: Annotated[str, "Category"]
    size_gib: Annotated[int, "Size"]
    status: Annotated[DiskStatus, "Status"]
    created: Annotated[str, "CreationTime"]
    instance_id: Annotated[str, "InstanceId"] = ""
    device: Annotated[str, "Device"] = ""
    image_id: Annotated[str, "ImageId"] = ""
    snapshot_id: Annotated[str, "SourceSnapshotId"] = ""
    performance_level: Annotated[str, "PerformanceLevel"] = ""
    encrypted: Annotated[bool, "Encrypted"] = False
    kms_key_id: Annotated[str, "KMSKeyId"] = ""
    provisioned_iops: Annotated[int, "ProvisionedIops"] = 0
    bursting_enabled: Annotated[bool, "BurstingEnabled"] = False
    auto_snapshot_policy_id: Annotated[str, "AutoSnapshotPolicyId"] = ""
    delete_with_instance: Annotated[bool, "DeleteWithInstance"] = True
    delete_auto_snapshot: Annotated[bool, "DeleteAutoSnapshot"] = True
    enable_auto_snapshot: Annotated[bool, "EnableAutoSnapshot"] = False
    multi_attach: bool = False
    charge_type: Annotated[ChargeType, "DiskChargeType"] = "PostPaid"
    attached: Annotated[str, "AttachedTime"] = ""
    detached: Annotated[str, "DetachedTime"] = ""
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""
    serial_number: Annotated[str, "SerialNumber"] = ""
    wipe: bool = False
    restore_from: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A copy of a disk; ``status`` is progressing, accomplished or failed.

    For a system disk, ``base_image_id`` is the system image of the disk.

    ``disk_kind``, ``size_gib`` and the encryption are the disk's when it was made. ``turn`` is the
    queue of its creation: that of the disk's instance, or of the disk. ``retention_days``: 0 means
    forever; otherwise it is removed at ``expires``. ``copied_from`` is the snapshot that it copies.
    """

    id: Annotated[str, "SnapshotId"]
    region: Annotated[str, "RegionId"]
    name: Annotated[str, "SnapshotName"]
    description: Annotated[str, "Description"]
    disk_id: Annotated[str, "SourceDiskId"]
    disk_kind: Annotated[DiskKind, "SourceDiskType"]
    size_gib: int
    status: Annotated[SnapshotStatus, "Status"]
    created: Annotated[str, "CreationTime"]
    modified: Annotated[str, "LastModifiedTime"]
    turn: str
    retention_days: Annotated[int, "RetentionDays"] = 0
    expires: str = ""
    encrypted: Annotated[bool, "Encrypted"] = False
    kms_key_id: Annotated[str, "KMSKeyId"] = ""
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""
    base_image_id: str = ""
    copied_from: Annotated[str, "SourceSnapshotId"] = ""


@dataclass(frozen=True)
class CustomImage:
    """A custom image: ``snapshot_id`` of a system disk of ``base_image_id``.

    ``copied_from`` is the original of a copy; ``shared_with`` are other accounts that may use it.
    ``deprecated``: it no longer counts as the newest of its family. Declared features are returned;
    "" means those of the image below it.
    """

    id: str
    region: str
    name: str
    description: str
    family: str
    version: str
    base_image_id: str
    snapshot_id: str
    size_gib: int
    created: str
    resource_group_id: str = ""
    data_disks: tuple[ImageDisk, ...] = ()
    copied_from: str = ""
    shared_with: tuple[str, ...] = ()
    shared_at: dict[str, str] = field(default_factory=dict)
    deprecated: bool = False
    boot_mode: str = ""
    imds_support: str = ""
    nvme_support: str = ""
    license_type: str = ""


@dataclass(frozen=True)
class TemplateVersion:
    """A version of a launch template: parameters of RunInstances by their names."""

    number: Annotated[int, "VersionNumber"]
    description: Annotated[str, "VersionDescription"]
    created: Annotated[str, "CreateTime"]
    values: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class LaunchTemplate:
    """A launch template and its versions, oldest first."""

    id: Annotated[str, "LaunchTemplateId"]
    region: str
    name: Annotated[str, "LaunchTemplateName"]
    created: Annotated[str, "CreateTime"]
    modified: Annotated[str, "ModifiedTime"]
    default_version: Annotated[int, "DefaultVersionNumber"]
    latest_version: Annotated[int, "LatestVersionNumber"]
    versions: tuple[TemplateVersion, ...] = ()
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""


@dataclass(frozen=True)
class Eip:
    """An elastic public address, bound to an instance or not."""

    id: Annotated[str, "AllocationId"]
    region: Annotated[str, "RegionId"]
    address: Annotated[str, "IpAddress"]
    status: EipStatus
    created: Annotated[str, "AllocationTime"]
    bandwidth: int = 5
    internet_charge_type: Annotated[str, "InternetChargeType"] = "PayByBandwidth"
    charge_type: Annotated[ChargeType, "ChargeType"] = "PostPaid"
    name: Annotated[str, "Name"] = ""
    description: Annotated[str, "Description"] = ""
    isp: Annotated[str, "ISP"] = "BGP"
    instance_id: Annotated[str, "InstanceId"] = ""
    instance_type: Annotated[str, "InstanceType"] = ""
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""
    ready_at: float = 0.0
    expires: Annotated[str, "ExpiredTime"] = ""


@dataclass(frozen=True)
class TagSet:
    """The tags of one resource; ``id`` is ``TYPE/RESOURCE``."""

    id: str
    region: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenUse:
    """A ClientToken, its request and its answer."""

    id: str
    fingerprint: str
    answer: str
    used_at: float


@dataclass(frozen=True)
class Removal:
    """A guest (``kind`` instance) or the file of a disk or snapshot that is still to be removed.

    A file is removed when its turn comes in the queue of ``instance_id``, and so after the guest;
    the addresses stay taken until then.
    """

    id: str
    kind: Literal["instance", "disk", "snapshot"]
    instance_id: str
    private_ip: str = ""
    public_ip: str = ""
    secondary_ips: tuple[str, ...] = ()
