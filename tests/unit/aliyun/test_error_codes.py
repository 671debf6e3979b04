from __future__ import annotations

import pytest

from ecsmachine.aliyun.error_codes import Meaning, meaning_of, what_is_missing
from ecsmachine.aliyun.errors import ApiError


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("Throttling.User", Meaning.THROTTLED),
        ("SystemBusy", Meaning.BUSY),
        ("OperationFailed.LastTokenProcessing", Meaning.TOKEN_PROCESSING),
        ("OperationFailed.IdempotentTokenProcessing", Meaning.TOKEN_PROCESSING),
        ("LastOrderProcessing", Meaning.TOKEN_PROCESSING),
        ("Idempotence.Processing", Meaning.TOKEN_PROCESSING),
        ("OperationDenied.CreatingConflict", Meaning.TOKEN_PROCESSING),
        ("IdempotentParameterMismatch", Meaning.TOKEN_MISMATCH),
        ("IdempotenceParamNotMatch", Meaning.TOKEN_MISMATCH),
        ("Rejected.Throttling", Meaning.THROTTLED),
        ("InvalidOperation.Conflict", Meaning.BUSY),
        ("OperationFailed.DistibuteLock", Meaning.BUSY),
        ("CreateVSwitch.IncorrectStatus.cbnStatus", Meaning.BUSY),
        ("DependencyViolation.SLBConfiguring", Meaning.BUSY),
        ("DiskCreatingSnapshot", Meaning.BUSY),
        ("IncorrectDiskStatus", Meaning.STATUS_ON_ITS_WAY),
        ("IncorrectEipStatus", Meaning.STATUS_ON_ITS_WAY),
        ("IncorrectDiskStatus.NeverAttached", Meaning.OTHER),
        ("InnerServiceFailed", Meaning.PASSING),
        ("InvalidInstanceId.NotFound", Meaning.GONE),
        ("InvalidSecurityGroupId.NotFound", Meaning.GONE),
        ("Forbidden.InstanceNotFound", Meaning.GONE),
        ("NoSuchResource", Meaning.GONE),
        ("InvalidRegion.NotFound", Meaning.UNKNOWN_REGION),
        ("Forbidden.RegionNotFound", Meaning.UNKNOWN_REGION),
        ("Abs.InvalidAccount.NotFound", Meaning.ACCOUNT_STATUS),
        ("InvalidUser.PassRoleForbidden", Meaning.NO_PERMISSION),
        ("PriceNotFound", Meaning.OUT_OF_STOCK),
        ("InvalidVpcZone.NotSupported", Meaning.OUT_OF_STOCK),
        ("InvalidHostPassword.Malformed", Meaning.INVALID_PASSWORD),
        ("InstanceNotReady", Meaning.WRONG_STATUS),
        ("ORDER.QUANTITY_INVALID", Meaning.QUOTA),
        ("InvalidAccessKeyId.NotFound", Meaning.KEY_UNKNOWN),
        ("InvalidRegionId.NotFound", Meaning.UNKNOWN_REGION),
        ("InvalidSecurityToken.Expired", Meaning.TOKEN_EXPIRED),
        ("InvalidSecurityToken.MismatchWithAccessKey", Meaning.TOKEN_WRONG),
        ("OperationDenied.NoStock", Meaning.OUT_OF_STOCK),
        ("InvalidInstanceType.ZoneNotSupported", Meaning.OUT_OF_STOCK),
        ("InstanceType.Offline", Meaning.OUT_OF_STOCK),
        ("Zone.NotOpen", Meaning.OUT_OF_STOCK),
        ("InvalidInstanceType.ValueNotSupported", Meaning.UNKNOWN_TYPE),
        ("InvalidInstanceType.NotSupportDiskCategory", Meaning.NO_DISK),
        ("InvalidSystemDiskCategory.ValueNotSupported", Meaning.NO_DISK),
        ("InvalidDiskCategory.ZoneNotSupported", Meaning.NO_DISK),
        ("CategoryNotSupported", Meaning.NO_DISK),
        ("InvalidVSwitchId.IpNotEnough", Meaning.NO_ADDRESS),
        ("QuotaExceeded.PrivateIpAddress", Meaning.NO_ADDRESS),
        ("DependencyViolation.VSwitch", Meaning.IN_USE),
        ("Forbbiden", Meaning.IN_USE),
        ("Forbbiden.SubUser", Meaning.NO_PERMISSION),
        ("Forbidden.VSwitch", Meaning.IN_USE),
        ("Forbidden.RAM", Meaning.NO_PERMISSION),
        ("Forbidden.RiskControl", Meaning.ACCOUNT_STATUS),
        ("InvalidAccountStatus.NotEnoughBalance", Meaning.NO_BALANCE),
        ("InvalidTimeStamp.Expired", Meaning.CLOCK_WRONG),
        ("IllegalTimestamp", Meaning.CLOCK_WRONG),
        ("IncorrectInstanceStatus.Initializing", Meaning.WRONG_STATUS),
        ("ChargeTypeViolation", Meaning.PAID_IN_ADVANCE),
        ("QuotaExceeded.Vpc", Meaning.QUOTA),
        ("SecurityGroupInstanceLimitExceed", Meaning.QUOTA),
        ("EniPerInstanceLimitExceeded", Meaning.QUOTA),
        ("OperationDenied.QuotaExceed", Meaning.QUOTA),
        ("HTTP404", Meaning.NOT_THE_API),
        ("SomethingNew", Meaning.OTHER),
    ],
)
def test_what_a_code_means(code: str, meaning: Meaning) -> None:
    assert meaning_of(code) is meaning


def test_an_unknown_code_of_the_servers_own_may_pass() -> None:
    assert meaning_of("SomethingNew", 503) is Meaning.PASSING


@pytest.mark.parametrize(
    ("code", "missing"),
    [("InvalidKeyPairName.NotFound", "KeyPairName"), ("DryRunOperation", ""), ("NotFound", "")],
)
def test_what_is_missing(code: str, missing: str) -> None:
    assert what_is_missing(code) == missing


@pytest.mark.parametrize(
    ("code", "status", "refusal"),
    [
        ("InvalidParameter", 400, True),
        ("Throttling", 400, False),
        ("IdempotentParameterMismatch", 400, False),
        ("IdempotenceParamNotMatch", 400, False),
        ("LastTokenProcessing", 400, False),
        ("InvalidParameter", 500, False),
    ],
)
def test_a_refusal_made_nothing(code: str, status: int, refusal: bool) -> None:
    error = ApiError(action="RunInstances", code=code, reason="", status=status)
    assert error.is_refusal is refusal
