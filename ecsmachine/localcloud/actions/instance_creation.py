"""Making instances: RunInstances and CreateInstance."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import time
from dataclasses import dataclass, replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.custom_images import images_of_account
from ecsmachine.localcloud.actions.images import MACHINE_OF
from ecsmachine.localcloud.actions.instance_charge import charge_of_request
from ecsmachine.localcloud.actions.launch_templates import with_template
from ecsmachine.localcloud.actions.metadata_options import metadata_options_of_request
from ecsmachine.localcloud.actions.security_groups import MAX_GROUPS_OF_INSTANCE, check_room
from ecsmachine.localcloud.actions.snapshots import check_source
from ecsmachine.localcloud.catalog.disk_categories import (
    CATEGORIES,
    PERFORMANCE_LEVELS,
    supported_categories,
)
from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.catalog.instance_types import InstanceType, find_instance_type
from ecsmachine.localcloud.catalog.regions import Region
from ecsmachine.localcloud.faults.requests import check_stock
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import minutes, timestamp
from ecsmachine.localcloud.protocol.devices import free_device, valid_device
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import mac_address, new_id
from ecsmachine.localcloud.protocol.names import (
    check,
    valid_description,
    valid_host_name,
    valid_name,
    valid_password,
)
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.addresses import (
    pick_private,
    pick_public,
    private_is_free,
    usable,
)
from ecsmachine.localcloud.state.model import Disk, Instance, SecurityGroup, Snapshot, VSwitch
from ecsmachine.localcloud.state.resources import (
    find_security_group,
    image_with_id,
    key_pair_named,
    status_now,
)
from ecsmachine.localcloud.state.tagging import put_tags, tags_of_request

MAX_AMOUNT = 100
MAX_DATA_DISKS = 16
MAX_USER_DATA_BYTES = 32 * 1024
MAX_INSTANCES = 1000
_NEVER_THERE = {
    "HpcClusterId": (
        "InvalidHpcClusterId.NotFound",
        "The specified HpcClusterId does not exist.",
    ),
    "DedicatedHostId": (
        "InvalidDedicatedHostId.NotFound",
        "The specified DedicatedHostId does not exist in our records.",
    ),
}
"""Parameters that name what the local cloud never has, and how each is refused."""
_SEQUENCE = re.compile(r"\[([0-9]*)(?:,([0-9]*))?\]")


@dataclass(frozen=True)
class DiskRequest:
    """A disk that is asked for with an instance."""

    kind: str
    category: str
    size_gib: int
    name: str
    description: str
    device: str
    performance_level: str
    encrypted: bool
    delete_with_instance: bool
    snapshot_id: str = ""


@dataclass(frozen=True)
class Place:
    """Where an instance goes."""

    region: Region
    vswitch: VSwitch
    groups: tuple[SecurityGroup, ...]


def run_instances(call: Call) -> Answer:
    """RunInstances: make several at once and start them; a launch template may say how."""
    call = with_template(call)
    parameters = call.parameters
    amount_error = ApiError("InvalidParameter.Amount", "The specified Amount is invalid.")
    amount = parameters.integer("Amount", 1, least=1, most=MAX_AMOUNT, error=amount_error)
    parameters.integer(
        "MinAmount",
        1,
        least=1,
        most=amount,
        error=ApiError(
            "InvalidMinAmount.Malformed", "The specified parameter MinAmount is not valid."
        ),
    )
    instances = _create(call, amount, start=True)
    return {
        "InstanceIdSets": {"InstanceIdSet": [instance.id for instance in instances]},
        "OrderId": "",
        "TradePrice": 0.0,
    }


def create_instance(call: Call) -> Answer:
    """CreateInstance: make one; it is Stopped and has no public address yet."""
    (instance,) = _create(call, 1, start=False)
    return {"InstanceId": instance.id, "OrderId": "", "TradePrice": 0.0}


def _create(call: Call, amount: int, *, start: bool) -> list[Instance]:
    parameters = call.parameters
    region = call.region
    for name, (code, message) in _NEVER_THERE.items():
        if parameters.given(name):
            raise ApiError(code, message, 404)
    parameters.choice("SecurityEnhancementStrategy", ("Active", "Deactive"))
    metadata_options = metadata_options_of_request(parameters)
    image = image_of_request(call)
    kind = _instance_type(call, image)
    credit_specification = parameters.choice(
        "CreditSpecification", ("Standard", "Unlimited"), "Standard"
    )
    networking = replace(call, parameters=_with_primary_interface(parameters))
    place = _place(networking, region)
    names = _names(parameters, "InstanceName", amount)
    host_names = _names(parameters, "HostName", amount)
    _check_names(parameters, names, host_names)
    password = password_of_request(parameters)
    public_key = public_key_of_request(call, region)
    bandwidth = _bandwidth(parameters)
    disks = _disks(call, kind, image)
    user_data = user_data_of_request(parameters)
    tags = tags_of_request(parameters)
    charge = charge_of_request(parameters)
    addresses = _wanted_address(networking, place, amount)
    if len(call.state.instances) + amount > MAX_INSTANCES:
        raise ApiError("QuotaExceed.AfterpayInstance", "Living afterpay instances quota exceeded.")
    for group in place.groups:
        check_room(call, group, amount)
    check_stock(call.faults, call.action, place.vswitch.zone, kind.id)
    made = []
    for number in range(amount):
        instance_id = new_id("i", region.id)
        instance = Instance(
            id=instance_id,
            region=region.id,
            zone=place.vswitch.zone,
            name=names[number] or instance_id,
            description=parameters.text("Description"),
            host_name=host_names[number] or f"iZ{instance_id[2:]}Z",
            image_id=image.id,
            instance_type=kind.id,
            vpc_id=place.vswitch.vpc_id,
            vswitch_id=place.vswitch.id,
            private_ip=addresses or pick_private(call.state, place.vswitch),
            security_group_ids=tuple(group.id for group in place.groups),
            status="Pending",
            created=minutes(),
            key_pair=parameters.text("KeyPairName"),
            public_key=public_key,
            public_ip=pick_public(call.state) if start and bandwidth > 0 else "",
            internet_charge_type=parameters.text("InternetChargeType", "PayByTraffic"),
            bandwidth_out=bandwidth,
            bandwidth_in=parameters.integer("InternetMaxBandwidthIn", 200, least=1, most=200),
            charge_type=charge.charge_type,
            period=charge.period,
            period_unit=charge.period_unit,
            auto_renew=parameters.boolean("AutoRenew"),
            expires=charge.expires,
            io_optimized=parameters.choice(
                "IoOptimized",
                ("none", "optimized"),
                "optimized",
                error=ApiError(
                    "InvalidIoOptimizedValue.ValueNotSupported", "IoOptimized value not supported."
                ),
            )
            == "optimized",
            serial_number=f"{instance_id[2:10]}-{mac_address().replace(':', '')}",
            network_interface_id=new_id("eni", region.id),
            mac=mac_address(),
            user_data=user_data,
            ram_role=parameters.text("RamRoleName"),
            resource_group_id=parameters.text("ResourceGroupId"),
            deletion_protection=parameters.boolean("DeletionProtection"),
            auto_release=charge.auto_release,
            spot_strategy=charge.spot_strategy,
            spot_price_limit=charge.spot_price_limit,
            spot_duration=charge.spot_duration,
            credit_specification=(credit_specification if kind.baseline_credit else ""),
            deployment_set_id=parameters.text("DeploymentSetId"),
            has_password=password is not None,
            login_as_non_root=parameters.boolean("ImageOptions.LoginAsNonRoot"),
            metadata_options=metadata_options,
            base_image_id=image.base_id,
            root_snapshot_id=image.snapshot_id,
            start_next=start,
            visible_at=time.time() + call.state.delays.invisible_s
            if call.state.delays.invisible_s
            else 0.0,
        )
        call.state.instances.put(instance)
        put_tags(call.state, "instance", instance.id, region.id, tags)
        # RunInstances tags all that it makes, CreateInstance the instance alone.
        its_tags = tags if start else {}
        put_tags(call.state, "eni", instance.network_interface_id, region.id, its_tags)
        for request in disks:
            disk = _put_disk(call, instance, request, image)
            put_tags(call.state, "disk", disk.id, region.id, its_tags)
        call.lifecycle.make(instance.id, password)
        made.append(instance)
    return made


def image_of_request(call: Call) -> Image:
    """Return the image of ``ImageId`` or ``ImageFamily``; raises their refusals."""
    parameters = call.parameters
    image_id, family = parameters.text("ImageId"), parameters.text("ImageFamily")
    if not image_id and not family:
        raise missing_parameter("ImageId")
    images = [*call.images, *images_of_account(call)]
    if image_id:
        image = image_with_id(images, image_id)
    else:
        image = next((item for item in images if item.family == family), None)
    if image is None:
        raise refusals.IMAGE_NOT_FOUND()
    return image


def _instance_type(call: Call, image: Image) -> InstanceType:
    kind = find_instance_type(call.parameters.require("InstanceType"))
    if kind is None:
        raise refusals.INSTANCE_TYPE()
    if MACHINE_OF[kind.architecture] != image.architecture:
        raise refusals.IMAGE_OF_TYPE()
    return kind


def _with_primary_interface(parameters: Parameters) -> Parameters:
    """Return the parameters with what ``NetworkInterface.1`` says of the primary interface."""
    interfaces = parameters.structs("NetworkInterface")
    if not interfaces:
        return parameters
    primary = interfaces[0]
    if len(interfaces) > 1 or primary.text("InstanceType", "Secondary") != "Primary":
        raise invalid_parameter("NetworkInterface", "Only a primary interface can be made here.")
    groups = primary.listed("SecurityGroupIds") or [primary.require("SecurityGroupId")]
    values = {
        "VSwitchId": primary.require("VSwitchId"),
        "PrivateIpAddress": primary.text("PrimaryIpAddress"),
        **{f"SecurityGroupIds.{number}": group for number, group in enumerate(groups, 1)},
    }
    for name in ("VSwitchId", "PrivateIpAddress", "SecurityGroupId", "SecurityGroupIds.1"):
        if parameters.given(name):
            raise ApiError(
                "InvalidParameter.Conflict",
                f"The specified parameter {name} conflicts with NetworkInterface.",
            )
    return Parameters({name: parameters.text(name) for name in parameters} | values)


def _place(call: Call, region: Region) -> Place:
    parameters = call.parameters
    several = parameters.listed("SecurityGroupIds")
    one = parameters.text("SecurityGroupId")
    if several and one:
        raise ApiError(
            "InvalidParameter.Conflict",
            "The specified parameter SecurityGroupId conflicts with SecurityGroupIds.",
        )
    ids = several or ([one] if one else [])
    if not ids:
        raise missing_parameter("SecurityGroupId")
    if len(ids) > MAX_GROUPS_OF_INSTANCE:
        raise invalid_parameter(
            "SecurityGroupIds", f"At most {MAX_GROUPS_OF_INSTANCE} are accepted."
        )
    groups = tuple(find_security_group(call.state, group_id) for group_id in dict.fromkeys(ids))
    if any(group.region != region.id for group in groups):
        raise ApiError(
            "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist.", 404
        )
    zone_id = parameters.text("ZoneId")
    if zone_id and all(zone.id != zone_id for zone in region.zones):
        raise refusals.ZONE_NOT_FOUND()
    vswitch = _vswitch(call, region, groups[0].vpc_id, zone_id)
    if status_now("Available", "Pending", vswitch.ready_at) != "Available":
        raise ApiError(
            "IncorrectVSwitchStatus",
            "The current status of virtual switch does not support this operation.",
        )
    if any(group.vpc_id != vswitch.vpc_id for group in groups):
        raise ApiError(
            "InvalidParameter.Mismatch",
            "Specified security group and virtual switch are not in the same VPC.",
        )
    if len({group.kind for group in groups}) > 1:
        raise ApiError(
            "InvalidSecurityGroupId.NotSame",
            "The specified security groups are not of the same type.",
        )
    return Place(region, vswitch, groups)


def _vswitch(call: Call, region: Region, vpc_id: str, zone_id: str) -> VSwitch:
    vswitch_id = call.parameters.text("VSwitchId")
    if vswitch_id:
        vswitch = call.state.vswitches.get(vswitch_id)
        if vswitch is None or vswitch.region != region.id:
            raise ApiError(
                "InvalidVSwitchId.NotFound", "Specified virtual switch does not exist.", 404
            )
        if zone_id not in ("", vswitch.zone):
            raise ApiError(
                "InvalidParameter.Mismatch",
                "Specified virtual switch is not in the specified zone.",
            )
        return vswitch
    # As in ECS: without a VSwitch the default one is taken, if the group is of that VPC.
    for vswitch in call.state.vswitches:
        if vswitch.is_default and vswitch.vpc_id == vpc_id and zone_id in ("", vswitch.zone):
            return vswitch
    raise missing_parameter("VSwitchId")


def _names(parameters: Parameters, key: str, amount: int) -> list[str]:
    name = parameters.text(key)
    if not name:
        return [""] * amount
    match = _SEQUENCE.search(name)
    if match is None:
        if amount > 1 and parameters.boolean("UniqueSuffix"):
            return [f"{name}{number:03d}" for number in range(1, amount + 1)]
        return [name] * amount
    start, digits = int(match[1] or 0), int(match[2] or 6)
    if (match[1] and match[2] is None) or start > 999999 or not 1 <= digits <= 6:
        raise ApiError(
            "InvalidInstanceName.CustomMalformed",
            "Customized section of instance or host name is invalid, please use valid format: "
            "[], [,], [m,], [,n], [m,n].",
        )
    return [
        f"{name[: match.start()]}{start + number:0{digits}d}{name[match.end() :]}"
        for number in range(amount)
    ]


def _check_names(parameters: Parameters, names: list[str], host_names: list[str]) -> None:
    for name in filter(None, names):
        check(
            valid_name(name),
            "InvalidInstanceName.Malformed",
            'The specified parameter "InstanceName" is not valid.',
        )
    for name in filter(None, host_names):
        check(
            valid_host_name(name),
            "InvalidHostName.Malformed",
            'The specified parameter "HostName" is not valid.',
        )
    description = parameters.text("Description")
    check(
        not description or valid_description(description),
        "InvalidDescription.Malformed",
        'The specified parameter "Description" is not valid.',
    )


def password_of_request(parameters: Parameters) -> str | None:
    """Return ``Password``, or None; raises its refusals."""
    password = parameters.text("Password")
    inherit = parameters.boolean("PasswordInherit")
    if password and inherit:
        raise ApiError(
            "InvalidPasswordParam.Mismatch",
            "The input password should be null when passwdInherit is true.",
        )
    if not password:
        return None
    check(
        valid_password(password),
        "InvalidPassword.Malformed",
        'The specified parameter "Password" is not valid.',
    )
    return password


def public_key_of_request(call: Call, region: Region) -> str:
    """Return the public key of ``KeyPairName``, or ""; raises its refusals."""
    name = call.parameters.text("KeyPairName")
    if not name:
        return ""
    pair = key_pair_named(call.state, region.id, name)
    if pair is None:
        raise ApiError(
            "InvalidKeyPairName.NotFound",
            'The specified parameter "KeyPairName" does not exist in our records.',
            404,
        )
    return pair.public_key


def _bandwidth(parameters: Parameters) -> int:
    parameters.choice(
        "InternetChargeType",
        ("PayByTraffic", "PayByBandwidth"),
        error=ApiError(
            "InvalidInternetChargeType.ValueNotSupported",
            "The specified InternetChargeType is not valid.",
        ),
    )
    return parameters.integer(
        "InternetMaxBandwidthOut",
        0,
        least=0,
        most=100,
        error=ApiError(
            "InvalidInternetMaxBandwidthOut.Malformed",
            "The specified parameter internetMaxBandwidthOut is not valid.",
        ),
    )


def user_data_of_request(parameters: Parameters) -> str:
    """Return ``UserData`` (base64); raises ``InvalidUserData`` refusals."""
    text = parameters.text("UserData")
    if not text:
        return ""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ApiError(
            "InvalidUserData.Base64FormatInvalid", "The specified UserData is not valid."
        ) from error
    if len(data) > MAX_USER_DATA_BYTES:
        raise ApiError(
            "InvalidUserData.SizeExceeded", 'The specified parameter "UserData" exceeds the size.'
        )
    return text


def _wanted_address(call: Call, place: Place, amount: int) -> str:
    address = call.parameters.text("PrivateIpAddress")
    if not address:
        return ""
    if amount > 1:
        raise ApiError(
            "InvalidParameter.Conflict",
            "PrivateIpAddress can be specified for one instance only.",
        )
    try:
        number = ipaddress.IPv4Address(address)
    except ValueError as error:
        raise ApiError(
            "InvalidPrivateIpAddress.Malformed", "Specified private IP address is malformed."
        ) from error
    if number not in ipaddress.IPv4Network(place.vswitch.cidr) or not usable(
        place.vswitch, address
    ):
        raise ApiError(
            "InvalidPrivateIpAddress",
            "Specified private IP address is not in the CIDR block of virtual switch.",
        )
    if not private_is_free(call.state, place.vswitch, address):
        raise ApiError(
            "InvalidPrivateIpAddress.Duplicated", "Specified private IP address is duplicated."
        )
    return address


def _disks(call: Call, kind: InstanceType, image: Image) -> list[DiskRequest]:
    parameters = call.parameters
    supported = supported_categories(kind)
    disks = [system_disk_of_request(parameters.struct("SystemDisk"), supported, image)]
    requests = parameters.structs("DataDisk")
    if len(requests) > MAX_DATA_DISKS or len(requests) + 1 > kind.disks:
        raise ApiError(
            "InstanceDiskNumber.LimitExceed",
            "The total number of specified disk in an instance exceeds.",
        )
    taken = {"/dev/xvda"}
    for request in requests:
        disk = _data_disk(call, request, supported, taken)
        taken.add(disk.device)
        disks.append(disk)
    return disks


def system_disk_of_request(
    request: Parameters, supported: tuple[str, ...], image: Image
) -> DiskRequest:
    """Return the system disk of a request; raises its refusals."""
    category = _category(request, supported, "InvalidSystemDiskCategory.ValueNotSupported")
    limits = CATEGORIES[category]
    size_error = ApiError(
        "InvalidSystemDiskSize.ValueNotSupported",
        "The specified parameter SystemDisk.Size is not valid.",
    )
    size = request.integer(
        "Size", max(40, image.size_gib), least=1, most=limits.system_max, error=size_error
    )
    if size < image.size_gib:
        raise ApiError(
            "InvalidSystemDiskSize.LessThanImageSize",
            "The specified parameter SystemDisk.Size is less than the image size.",
            404,
        )
    return DiskRequest(
        kind="system",
        category=category,
        size_gib=size,
        name=_disk_name(request),
        description=_disk_description(request),
        device="/dev/xvda",
        performance_level=_performance_level(request, category),
        encrypted=request.boolean("Encrypted"),
        delete_with_instance=True,
    )


def _data_disk(
    call: Call, request: Parameters, supported: tuple[str, ...], taken: set[str]
) -> DiskRequest:
    snapshot = _snapshot(call, request)
    category = _category(request, supported, "InvalidDataDiskCategory.ValueNotSupported")
    limits = CATEGORIES[category]
    level = _performance_level(request, category)
    least = max(limits.data_min, PERFORMANCE_LEVELS.get(level, 0))
    size_error = ApiError(
        "InvalidDataDiskSize.ValueNotSupported",
        "The specified DataDisk.n.Size beyond the permitted range, or the capacity of snapshot "
        "exceeds the size limit of the specified disk category.",
    )
    if snapshot is None and not request.given("Size"):
        raise size_error
    smallest = snapshot.size_gib if snapshot else 0
    default = max(least, smallest)
    size = request.integer("Size", default, least=least, most=limits.data_max, error=size_error)
    if size < smallest:
        raise size_error
    device = request.text("Device")
    if device:
        if not valid_device(device):
            raise ApiError(
                "InvalidDataDevice.Malformed",
                'The specified parameter "DataDisk.n.Device" is not valid.',
            )
        device = "/dev/xvd" + device[-1]
        if device in taken:
            raise refusals.DEVICE_IN_USE()
    return DiskRequest(
        kind="data",
        category=category,
        size_gib=size,
        name=_disk_name(request),
        description=_disk_description(request),
        device=device or free_device(taken),
        performance_level=level,
        encrypted=request.boolean("Encrypted"),
        delete_with_instance=request.boolean("DeleteWithInstance", True),
        snapshot_id=snapshot.id if snapshot else "",
    )


def _snapshot(call: Call, request: Parameters) -> Snapshot | None:
    snapshot_id = request.text("SnapshotId")
    if not snapshot_id:
        return None
    snapshot = call.state.snapshots.get(snapshot_id)
    if snapshot is None or not call.in_region(snapshot.region):
        raise ApiError(
            "InvalidDataDiskSnapshotId.NotFound",
            'The specified parameter "DataDisk.n.SnapshotId" is not valid.',
            404,
        )
    check_source(snapshot)
    return snapshot


def _category(request: Parameters, supported: tuple[str, ...], code: str) -> str:
    category = request.text("Category", supported[0])
    if category not in CATEGORIES:
        raise ApiError(code, f'The specified parameter "{request.name("Category")}" is not valid.')
    if category not in supported:
        raise refusals.DISK_CATEGORY_OF_TYPE()
    return category


def _performance_level(request: Parameters, category: str) -> str:
    level = request.text("PerformanceLevel")
    if category != "cloud_essd":
        if level:
            raise invalid_parameter(request.name("PerformanceLevel"))
        return ""
    if level and level not in PERFORMANCE_LEVELS:
        raise ApiError(
            "InvalidPerformanceLevel.Malformed",
            f"The specified parameter {request.name('PerformanceLevel')} is not valid.",
        )
    return level or "PL1"


def _disk_name(request: Parameters) -> str:
    name = request.text("DiskName")
    check(
        not name or valid_name(name),
        "InvalidDiskName.Malformed",
        'The specified parameter "SystemDisk.DiskName or DataDisk.n.DiskName" is not valid.',
    )
    return name


def _disk_description(request: Parameters) -> str:
    text = request.text("Description")
    check(
        not text or valid_description(text),
        "InvalidDiskDescription.Malformed",
        'The specified parameter "SystemDisk.DiskDescription" or "DataDisk.n.Description" '
        "is not valid.",
    )
    return text


def _put_disk(call: Call, instance: Instance, request: DiskRequest, image: Image) -> Disk:
    disk_id = new_id("d", instance.region)
    return call.state.disks.put(
        Disk(
            id=disk_id,
            region=instance.region,
            zone=instance.zone,
            name=request.name,
            description=request.description,
            kind=request.kind,
            category=request.category,
            size_gib=request.size_gib,
            status="In_use",
            created=timestamp(),
            instance_id=instance.id,
            device=request.device,
            image_id=image.id if request.kind == "system" else "",
            performance_level=request.performance_level,
            encrypted=request.encrypted,
            snapshot_id=request.snapshot_id,
            delete_with_instance=request.delete_with_instance,
            charge_type=instance.charge_type,
            attached=timestamp(),
            resource_group_id=instance.resource_group_id,
            serial_number=disk_id[2:],
        )
    )
