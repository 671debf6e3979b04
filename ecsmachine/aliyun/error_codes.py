"""What the error codes of Alibaba Cloud mean for us, and what to do about them.

One table: a code belongs to the first row that its beginning or its end fits. Nobody else compares
codes; they ask an :class:`~ecsmachine.aliyun.errors.ApiError` for its ``meaning``.

Source: the error codes in the references of ECS, VPC, SLB, RAM and STS, and what was met.
"""

from __future__ import annotations

import re
from enum import Enum, auto


class Meaning(Enum):
    """What a refusal means for us."""

    DRY_RUN_PASSED = auto()
    THROTTLED = auto()
    """Too soon after others; nothing was done."""
    PASSING = auto()
    """A fault of the server's own, which may be over at the next try."""
    BUSY = auto()
    """Something else is under way with the resource; later it may be done."""
    STATUS_ON_ITS_WAY = auto()
    """The same, told by its status; an earlier try whose answer was lost may have led there."""
    TOKEN_PROCESSING = auto()
    """An earlier request, perhaps one with this ClientToken, is still under way."""
    TOKEN_MISMATCH = auto()
    """An earlier request with this ClientToken asked for something else."""

    GONE = auto()
    """What the request names is not there."""
    EXISTS = auto()
    """What the request makes is there already."""
    IN_USE = auto()
    """Something else still uses the resource."""
    WRONG_STATUS = auto()
    """Its status does not allow it; on its way to another, it may soon."""
    PAID_IN_ADVANCE = auto()
    PROTECTED = auto()
    LOCKED = auto()
    EXPIRED = auto()
    OVERLAP = auto()
    """The network is not free, or not one that can be had."""

    OUT_OF_STOCK = auto()
    """A zone has none of it now; another zone may."""
    NO_DISK = auto()
    """The zone, or the instance type there, does not have disks of that category."""
    NO_ADDRESS = auto()
    """The VSwitch has no free address left."""
    UNKNOWN_TYPE = auto()
    """There is no such instance type, or not there."""
    INVALID_VALUE = auto()
    INVALID_PASSWORD = auto()
    QUOTA = auto()

    KEY_UNKNOWN = auto()
    SECRET_WRONG = auto()
    TOKEN_EXPIRED = auto()
    """The temporary access key is past its end; nothing was done."""
    TOKEN_WRONG = auto()
    TOKEN_MISSING = auto()
    CLOCK_WRONG = auto()
    NO_PERMISSION = auto()
    ACCOUNT_STATUS = auto()
    NO_BALANCE = auto()
    NO_REAL_NAME = auto()
    UNKNOWN_REGION = auto()
    NOT_THE_API = auto()
    OTHER = auto()


_TABLE: tuple[tuple[Meaning, tuple[str, ...]], ...] = (
    (Meaning.DRY_RUN_PASSED, ("DryRunOperation",)),
    (Meaning.THROTTLED, ("Throttling*", "*.Throttling", "FrequentPurchase*")),
    (
        Meaning.PASSING,
        (
            *("ServiceUnavailable*", "InternalError*", "*.InternalError", "*.ServiceUnavailable"),
            *("UnknownError*", "InnerServiceFailed*", "NodeControllerUnavailable*"),
        ),
    ),
    (
        Meaning.TOKEN_PROCESSING,
        (
            *("*TokenProcessing", "*TokenIsProcessing", "LastTokenProcessing*"),
            *("LastOrderProcessing*", "LastRequestProcessing*", "OperationDenied.CreatingConflict"),
            *("IdempotentProcessing*", "Idempotence.Processing*"),
        ),
    ),
    (Meaning.TOKEN_MISMATCH, ("Idempotent*", "Idempotence*")),
    (
        Meaning.STATUS_ON_ITS_WAY,
        (
            *("IncorrectRouteEntryStatus*", "IncorrectEipStatus*", "IncorrectVSwitchStatus*"),
            *("IncorrectVpcStatus*", "IncorrectStatus*", "InvalidStatus.RouteEntry*"),
            *("IncorrectHaVipStatus*", "InvalidBindingStatus*"),
            *("InvalidStatus.EcsStatusNotSupport", "InvalidStatus.EniStatusNotSupport"),
            *("IncorrectDiskStatus", "IncorrectDiskStatus.CreatingSnapshot"),
            *("IncorrectDiskStatus.Initializing", "IncorrectDiskStatus.Transferring"),
        ),
    ),
    (
        Meaning.BUSY,
        (
            "*.IncorrectStatus.cbnStatus",
            *("TaskConflict*", "OperationConflict*", "SystemBusy*", "OperationBusy*"),
            *("Operation.Conflict*", "InvalidOperation.Conflict*", "OperationFailed.EcsMigrating"),
            # the API itself spells it so
            *("OperationFailed.DistibuteLock*", "OperationFailed.NotifyCenCreate"),
            *("OperationDenied.OtherSubnetProcessing", "DependencyViolation.SLBConfiguring"),
            *(
                "DiskCreatingSnapshot*",
                "InvalidSnapshotId.NotReady",
                "OperationDenied.ImageCopying",
            ),
            *("ServiceIsConfiguring*", "ServiceIsStopping*", "BackendServer.configuring*"),
        ),
    ),
    (Meaning.KEY_UNKNOWN, ("InvalidAccessKeyId*",)),
    (Meaning.SECRET_WRONG, ("SignatureDoesNotMatch*", "IncompleteSignature*")),
    (Meaning.TOKEN_EXPIRED, ("InvalidSecurityToken.Expired", "SecurityTokenExpired")),
    (Meaning.TOKEN_WRONG, ("InvalidSecurityToken*",)),
    (Meaning.TOKEN_MISSING, ("MissingSecurityToken*",)),
    # an old clock makes some products say that there is no timestamp
    (Meaning.CLOCK_WRONG, ("InvalidTimeStamp*", "IllegalTimestamp*")),
    (
        Meaning.UNKNOWN_REGION,
        (
            *("InvalidRegionId*", "InvalidRegion.*", "Invalid.RegionId*"),
            *("Forbidden.RegionId", "Forbidden.RegionNotFound"),
        ),
    ),
    (
        Meaning.NO_BALANCE,
        (
            *("*.NotEnoughBalance", "InsufficientBalance*", "Account.Arrearage*"),
            *("PAY.INSUFFICIENT*", "DiskInArrears*"),
        ),
    ),
    (
        Meaning.ACCOUNT_STATUS,
        (
            *("InvalidAccountStatus*", "AccountForbidden*", "InvalidAccount.NotSupport*"),
            *("Forbidden.RiskControl*", "Forbidden.AccountClosed*", "RegionUnauthorized*"),
            *("SecurityRisk*", "PaymentMethodNotFound*", "BillingMethodNotFound*"),
            "Abs.InvalidAccount*",
        ),
    ),
    (Meaning.GONE, ("Forbidden.InstanceNotFound", "Forbidden.VpcNotFound")),
    (Meaning.NO_PERMISSION, ("Forbbiden.SubUser*",)),
    (
        Meaning.IN_USE,
        # the API itself spells it so
        (
            *("DependencyViolation*", "Forbbiden*", "Forbidden.VSwitch*"),
            *("InvalidOperation.InUse*", "InvalidOperation.InvalidEniState*"),
            *("ImageUsingByInstance*", "SnapshotCreatedImage*", "SnapshotCreatedDisk*"),
            "InvalidParameter.KeypairAlreadyAttachedInstance",
        ),
    ),
    (
        Meaning.NO_PERMISSION,
        (
            *("Forbidden*", "NoPermission*", "PermissionDenied*", "Unauthorized*"),
            *("InvalidUser.*", "InvalidUserData.Forbidden", "UserNotInTheWhiteList"),
        ),
    ),
    (Meaning.NO_REAL_NAME, ("RealNameAuthenticationError*",)),
    (
        Meaning.OUT_OF_STOCK,
        (
            *("OperationDenied.NoStock*", "OperationDenied.ZoneNotOnSale", "Zone.NotOnSale*"),
            *("ResourceNotAvailable", "InvalidResourceType.NotSupported*", "LackResource"),
            *("InvalidInstanceType.ZoneNotSupported", "InstanceType.Offline*", "Zone.NotOpen*"),
            *("OperationDenied.ZoneNotAllowed", "OperationDenied.ResourceControl"),
            *("InvalidVpcZone.NotSupported", "PriceNotFound"),
        ),
    ),
    (
        Meaning.NO_DISK,
        (
            *("InvalidSystemDiskCategory*", "InvalidDataDiskCategory*", "InvalidDiskCategory*"),
            *("CategoryNotSupported", "OperationDenied.ZoneSystemCategoryNotMatch"),
            *("InvalidInstanceType.NotSupportDiskCategory", "CategoryViolation*"),
            "OperationDenied.DiskTypeNotSupport",
        ),
    ),
    (Meaning.NO_ADDRESS, ("InvalidVSwitchId.IpNotEnough", "QuotaExceeded.PrivateIpAddress")),
    (Meaning.UNKNOWN_TYPE, ("InvalidInstanceType*", "ImageNotSupportInstanceType")),
    (
        Meaning.GONE,
        (
            *("*.NotFound", "*.NotExist", "*.NotExists", "InvalidLoadBalancerId*"),
            *("NoSuchResource*", "ResourceNotFound*", "VpcNotFound"),
        ),
    ),
    (Meaning.EXISTS, ("KeyPair.AlreadyExist",)),
    (
        Meaning.WRONG_STATUS,
        (
            *("IncorrectInstanceStatus*", "InvalidInstanceStatus*", "InstanceNotReady*"),
            "InvalidOperation.InvalidEcsState*",
        ),
    ),
    (
        Meaning.PAID_IN_ADVANCE,
        ("ChargeTypeViolation*", "InvalidChargeType*", "InvalidInstanceChargeType*"),
    ),
    (Meaning.PROTECTED, ("InvalidOperation.DeletionProtection*",)),
    (Meaning.LOCKED, ("InstanceLockedForSecurity*",)),
    (Meaning.EXPIRED, ("InstanceExpired*", "PrePaidInstance.Expired*")),
    (Meaning.OVERLAP, ("InvalidCidrBlock*",)),
    (Meaning.INVALID_PASSWORD, ("InvalidPassword*", "InvalidHostPassword*")),
    (Meaning.INVALID_VALUE, ("InvalidParam*", "InvalidZoneId*")),
    (
        Meaning.QUOTA,
        (
            *("QuotaExceed*", "LimitExceed*", "*LimitExceed", "*LimitExceeded"),
            *("*QuotaExceed", "*QuotaExceeded", "*CountExceeded"),
            "ORDER.QUANTITY_INVALID",
        ),
    ),
    (Meaning.NOT_THE_API, ("HTTP*",)),
)

_MISSING = re.compile(r"Invalid(\w+)\.NotFound")


def meaning_of(code: str, status: int = 400) -> Meaning:
    """Return what a code means; ``status`` is the HTTP status that it came with."""
    for meaning, patterns in _TABLE:
        if any(_fits(pattern, code) for pattern in patterns):
            return meaning
    return Meaning.PASSING if status >= 500 else Meaning.OTHER


def what_is_missing(code: str) -> str:
    """Return the parameter that names what is not there ("SecurityGroupId"), or ""."""
    found = _MISSING.fullmatch(code)
    return found[1] if found else ""


def _fits(pattern: str, code: str) -> bool:
    if pattern.startswith("*"):
        return code.endswith(pattern[1:])
    if pattern.endswith("*"):
        return code.startswith(pattern[:-1])
    return code == pattern
