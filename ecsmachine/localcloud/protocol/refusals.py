"""The refusals of the API: by code, and by name if more than one action has them.

Both are called to be raised: ``raise refusals.DISK_STATUS()``, ``raise refusals.of("NoNeedOfIt")``.
HTTP status and message of a code are in ``refusals.txt`` beside this module: code, status, message.
A word after ``#`` tells the messages of one code apart: ``DependencyViolation#members``. If a
message names the refused value, write an :class:`ApiError` in place
(``tests/unit/localcloud/test_refusals.py``). If nothing better is known, use the functions at the
end, which follow the API's naming.

Source: the error codes in the reference of each action (ECS, VPC, SLB).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ecsmachine.localcloud.protocol.errors import ApiError


@cache
def known() -> Mapping[str, tuple[int, str]]:
    """Return the HTTP status and the message of each code in ``refusals.txt``."""
    file = resources.files(__package__) / "refusals.txt"
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
    return {code: (int(status), message) for code, status, message in rows}


@dataclass(frozen=True)
class Refusal:
    """A code of the table, maybe with a word after ``#``."""

    code: str

    def __call__(self, status: int = 0) -> ApiError:
        """Return the error to raise; ``status`` is for a product that has another one."""
        usual, message = known()[self.code]
        return ApiError(self.code.partition("#")[0], message, status or usual)


def of(code: str) -> ApiError:
    """Return the refusal with that code, as the table has it."""
    return Refusal(code)()


# Unknown resources (each table of the state declares its own).
REGION_NOT_FOUND = Refusal("InvalidRegionId.NotFound")
CERTIFICATE_NOT_FOUND = Refusal("ServerCertificateId.NotFound")
ZONE_NOT_FOUND = Refusal("InvalidZoneId.NotFound")
INSTANCE_NOT_FOUND = Refusal("InvalidInstanceId.NotFound")
INTERFACE_NOT_FOUND = Refusal("InvalidEniId.NotFound")
DISK_NOT_FOUND = Refusal("InvalidDiskId.NotFound")
SNAPSHOT_NOT_FOUND = Refusal("InvalidSnapshotId.NotFound")
IMAGE_NOT_FOUND = Refusal("InvalidImageId.NotFound")
LAUNCH_TEMPLATE_NOT_FOUND = Refusal("InvalidLaunchTemplate.NotFound")
KEY_PAIR_NOT_FOUND = Refusal("InvalidKeyPairName.NotFound#several")
KEY_PAIR_NAME_NOT_FOUND = Refusal("InvalidKeyPairName.NotFound")
SECURITY_GROUP_NOT_FOUND = Refusal("InvalidSecurityGroupId.NotFound")
VPC_NOT_FOUND = Refusal("InvalidVpcId.NotFound")
VSWITCH_NOT_FOUND = Refusal("InvalidVSwitchId.NotFound")
ROUTE_ENTRY_NOT_FOUND = Refusal("InvalidRouteEntry.NotFound")
EIP_NOT_FOUND = Refusal("InvalidAllocationId.NotFound")
LOAD_BALANCER_NOT_FOUND = Refusal("InvalidLoadBalancerId.NotFound")
# The code is a sentence: so SLB has it.
SERVER_GROUP_NOT_FOUND = Refusal("The specified VServerGroupId does not exist")
COMMAND_NOT_FOUND = Refusal("InvalidCmdId.NotFound")
INVOCATION_NOT_FOUND = Refusal("InvalidInvokeId.NotFound")

# Refused because of the status.
INSTANCE_STATUS = Refusal("IncorrectInstanceStatus")
INSTANCE_STATUS_IN_VPC = Refusal("IncorrectInstanceStatus#in-vpc")
VSWITCH_STATUS = Refusal("IncorrectVSwitchStatus")
DISK_STATUS = Refusal("IncorrectDiskStatus")
CHARGE_TYPE = Refusal("ChargeTypeViolation")
SECURITY_LOCK = Refusal("InstanceLockedForSecurity")

# Beyond the quota of the account, or too much for one resource.
QUOTA_OF_INSTANCES = Refusal("QuotaExceed.AfterpayInstance")
QUOTA_OF_DISKS = Refusal("QuotaExceed.PostPaidDisk")
QUOTA_OF_SECURITY_GROUPS = Refusal("QuotaExceed.SecurityGroup")
QUOTA_OF_KEY_PAIRS = Refusal("QuotaExceed.KeyPair")
QUOTA_OF_VPCS = Refusal("QuotaExceeded.Vpc")
QUOTA_OF_VSWITCHES = Refusal("QuotaExceeded.VSwitch")
QUOTA_OF_EIPS = Refusal("QuotaExceeded.Eip")
QUOTA_OF_BACKENDS = Refusal("BackendServer.QuotaExceeded")
QUOTA_OF_DISKS_OF_INSTANCE = Refusal("InstanceDiskNumber.LimitExceed")

# Resources that do not fit together.
DEPENDENTS = Refusal("DependencyViolation")
NO_STOCK = Refusal("OperationDenied.NoStock")
IMAGE_OF_TYPE = Refusal("ImageNotSupportInstanceType")

# Authentication.
ACCESS_KEY = Refusal("InvalidAccessKeyId.NotFound")
SECURITY_TOKEN = Refusal("InvalidSecurityToken.MismatchWithAccessKey")

# Values that are malformed or not supported.
DISK_SIZE = Refusal("InvalidDiskSize.NotSupported")
BACKENDS = Refusal("InvalidBackendServers.NotExist")
INSTANCE_CHARGE_TYPE = Refusal("InvalidInstanceChargeType.NotFound")
INSTANCE_TYPE = Refusal("InvalidInstanceType.ValueNotSupported")
CIDR_BLOCK = Refusal("InvalidCidrBlock.Malformed")


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
