"""The refusals that more than one action answers with, by name.

A refusal is called to be raised: ``raise refusals.DISK_STATUS()``.

A code and its message stand once in the local cloud: what only one action answers with stands
there as an :class:`ApiError`, and what a second one needs moves here
(``tests/unit/localcloud/test_refusals.py``). Where nothing better is known, take the functions at
the end, which follow the API's own way of naming.

Source: the error codes in the reference of each action (ECS, VPC, SLB).
"""

from __future__ import annotations

from dataclasses import dataclass

from ecsmachine.localcloud.protocol.errors import ApiError


@dataclass(frozen=True)
class Refusal:
    """A code, its message and the HTTP status."""

    code: str
    message: str
    status: int = 400

    def __call__(self, status: int = 0) -> ApiError:
        """Return the error to raise; ``status`` is for a product that has another one."""
        return ApiError(self.code, self.message, status or self.status)


# What is not there (each table of the state says which of them is its own).
REGION_NOT_FOUND = Refusal(
    "InvalidRegionId.NotFound", "The specified RegionId does not exist.", 404
)
ZONE_NOT_FOUND = Refusal("InvalidZoneId.NotFound", "The specified zone does not exist.", 404)
INSTANCE_NOT_FOUND = Refusal(
    "InvalidInstanceId.NotFound", "The specified InstanceId does not exist.", 404
)
INTERFACE_NOT_FOUND = Refusal(
    "InvalidEniId.NotFound", "The specified NetworkInterfaceId is not found.", 404
)
DISK_NOT_FOUND = Refusal("InvalidDiskId.NotFound", "The specified disk does not exist.", 404)
SNAPSHOT_NOT_FOUND = Refusal(
    "InvalidSnapshotId.NotFound", "The specified snapshot does not exist.", 404
)
IMAGE_NOT_FOUND = Refusal("InvalidImageId.NotFound", "The specified ImageId does not exist.", 404)
LAUNCH_TEMPLATE_NOT_FOUND = Refusal(
    "InvalidLaunchTemplate.NotFound", "The specified LaunchTemplate is not found.", 404
)
KEY_PAIR_NOT_FOUND = Refusal(
    "InvalidKeyPair.NotFound", "The specified KeyPairName does not exist.", 404
)
KEY_PAIR_NAME_NOT_FOUND = Refusal(
    # Of a key pair that an instance is to be made with.
    "InvalidKeyPairName.NotFound",
    'The specified parameter "KeyPairName" does not exist in our records.',
    404,
)
SECURITY_GROUP_NOT_FOUND = Refusal(
    "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist.", 404
)
VPC_NOT_FOUND = Refusal("InvalidVpcId.NotFound", "Specified VPC does not exist.", 404)
VSWITCH_NOT_FOUND = Refusal("InvalidVSwitchId.NotFound", "VSwitch not exist.", 404)
ROUTE_ENTRY_NOT_FOUND = Refusal("InvalidRouteEntry.NotFound", "Route entry not exists.")
EIP_NOT_FOUND = Refusal("InvalidAllocationId.NotFound", "Specified allocation ID is not found", 404)
LOAD_BALANCER_NOT_FOUND = Refusal(
    "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist.", 404
)
SERVER_GROUP_NOT_FOUND = Refusal(
    # The code is a sentence: so SLB has it.
    "The specified VServerGroupId does not exist",
    "The specified VServerGroupId does not exist.",
)
COMMAND_NOT_FOUND = Refusal(
    "InvalidCmdId.NotFound", "The specified command ID does not exist.", 404
)
INVOCATION_NOT_FOUND = Refusal(
    "InvalidInvokeId.NotFound", "The specified invoke ID does not exist.", 404
)

# What its status does not allow.
INSTANCE_STATUS = Refusal(
    "IncorrectInstanceStatus",
    "The current status of the resource does not support this operation.",
    403,
)
INSTANCE_STATUS_IN_VPC = Refusal(
    "IncorrectInstanceStatus", "Current instance status does not support this operation."
)
VSWITCH_STATUS = Refusal(
    "IncorrectVSwitchStatus",
    "The current status of virtual switch does not support this operation.",
)
DISK_STATUS = Refusal(
    "IncorrectDiskStatus", "The current disk status does not support this operation.", 403
)
CHARGE_TYPE = Refusal(
    "ChargeTypeViolation", "The operation is not permitted due to charge type of the instance.", 403
)
SECURITY_LOCK = Refusal("InstanceLockedForSecurity", "The instance is locked due to security.", 403)
DEVICE_IN_USE = Refusal("InvalidDevice.InUse", "The specified device has been occupied.", 403)

# What is beyond the account's quota, or too much for one resource.
QUOTA_OF_INSTANCES = Refusal(
    "QuotaExceed.AfterpayInstance", "Living afterpay instances quota exceeded."
)
QUOTA_OF_DISKS = Refusal("QuotaExceed.PostPaidDisk", "Living postPaid disks quota exceeded.", 403)
QUOTA_OF_SECURITY_GROUPS = Refusal(
    "QuotaExceed.SecurityGroup", "The maximum number of security groups is reached.", 403
)
QUOTA_OF_KEY_PAIRS = Refusal("QuotaExceed.KeyPair", "The key pair quota exceeds.", 403)
QUOTA_OF_VPCS = Refusal("QuotaExceeded.Vpc", "VPC quota exceeded.")
QUOTA_OF_VSWITCHES = Refusal("QuotaExceeded.VSwitch", "Virtual switch quota exceeded.")
QUOTA_OF_EIPS = Refusal("QuotaExceeded.Eip", "Elastic IP address quota exceeded.")
QUOTA_OF_BACKENDS = Refusal(
    "BackendServer.QuotaExceeded", "The quota of backend servers is exceeded."
)
QUOTA_OF_DISKS_OF_INSTANCE = Refusal(
    "InstanceDiskNumber.LimitExceed", "The total number of specified disk in an instance exceeds."
)

# What does not go together.
DEPENDENTS = Refusal("DependencyViolation", "Specified object has dependent resources.")
DISK_CATEGORY_OF_TYPE = Refusal(
    "InvalidDiskCategory.NotSupported",
    "The specified disk category is not support the specified instance type.",
    403,
)
NO_STOCK = Refusal(
    "OperationDenied.NoStock",
    "The requested resource is sold out in the specified zone; try other types of resources "
    "or other regions and zones.",
    403,
)
IMAGE_OF_TYPE = Refusal(
    "ImageNotSupportInstanceType",
    "The specified image don't support the InstanceType instance.",
    403,
)

# Who asks, and how.
ACCESS_KEY = Refusal("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
SECURITY_TOKEN = Refusal(
    "InvalidSecurityToken.MismatchWithAccessKey",
    "Specified SecurityToken mismatch with the AccessKey.",
)


# What is not formed as it has to be, or none of what there is.
DISK_SIZE = Refusal("InvalidDiskSize.NotSupported", "The specified disk size is not supported.")
BACKENDS = Refusal("InvalidBackendServers.NotExist", "The specified backend server does not exist.")
INSTANCE_CHARGE_TYPE = Refusal(
    "InvalidInstanceChargeType.NotFound",
    "The InstanceChargeType does not exist in our records",
    404,
)
INSTANCE_TYPE = Refusal(
    "InvalidInstanceType.ValueNotSupported",
    "The specified InstanceType does not exist or beyond the permitted range.",
)
CIDR_BLOCK = Refusal("InvalidCidrBlock.Malformed", "Specified CIDR block is not valid.")


def not_found(name: str) -> ApiError:
    """Return the refusal of something that is not there, and never is here."""
    return ApiError(f"Invalid{name}.NotFound", f"The specified {name} does not exist.", 404)


def malformed(name: str) -> ApiError:
    """Return the refusal of a value that is not formed as it has to be."""
    return ApiError(f"Invalid{name}.Malformed", f'The specified parameter "{name}" is not valid.')


def conflicting(name: str, other: str) -> ApiError:
    """Return the refusal of two parameters of which a request may have one."""
    return ApiError(
        "InvalidParameter.Conflict", f"The specified parameter {name} conflicts with {other}."
    )


def not_supported(name: str) -> ApiError:
    """Return the refusal of a value that is none of those that there are."""
    return ApiError(
        f"Invalid{name}.ValueNotSupported", f"The specified value of {name} is not supported."
    )
