"""Error codes that can be had on demand: their HTTP status and message in ECS's references."""

from __future__ import annotations

from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.protocol.errors import ApiError

_KNOWN = {
    "Throttling": (400, "Request was denied due to request throttling."),
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "Throttling.Api": (400, "Request was denied due to api flow control."),
    "ServiceUnavailable": (
        503,
        "The request has failed due to a temporary failure of the server.",
    ),
    "InternalError": (
        500,
        "The request processing has failed due to some unknown error, exception or failure.",
    ),
    "UnknownError": (500, "The request processing has failed due to some unknown error."),
    "Forbidden.RAM": (
        403,
        "User not authorized to operate on the specified resource, "
        "or this API doesn't support RAM.",
    ),
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "InvalidAccessKeyId.Inactive": (400, "Specified access key is disabled."),
    "InvalidAccountStatus.NotEnoughBalance": (
        403,
        "Your account does not have enough balance.",
    ),
    "InvalidSecurityToken.Expired": (400, "Specified SecurityToken is expired."),
    "OperationDenied.NoStock": (
        403,
        "The requested resource is sold out in the specified zone; try other types of resources "
        "or other regions and zones.",
    ),
    "OperationConflict": (409, "The operation conflicts with another one that is under way."),
    "IncorrectInstanceStatus": (
        403,
        "The current status of the resource does not support this operation.",
    ),
    "QuotaExceed.AfterpayInstance": (400, "Living afterpay instances quota exceeded."),
    "QuotaExceed.SecurityGroup": (403, "The maximum number of security groups is reached."),
    "QuotaExceeded.Vpc": (400, "VPC quota exceeded."),
    "QuotaExceeded.VSwitch": (400, "VSwitch quota exceeded."),
    "QuotaExceeded.Eip": (400, "Elastic IP address quota exceeded."),
    "QuotaExceed.KeyPair": (403, "The maximum number of key pairs is reached."),
    "QuotaExceed.PostPaidDisk": (403, "Living postPaid disks quota exceeded."),
}
_QUOTAS = {
    "RunInstances": "QuotaExceed.AfterpayInstance",
    "CreateInstance": "QuotaExceed.AfterpayInstance",
    "CreateSecurityGroup": "QuotaExceed.SecurityGroup",
    "CreateVpc": "QuotaExceeded.Vpc",
    "CreateVSwitch": "QuotaExceeded.VSwitch",
    "AllocateEipAddress": "QuotaExceeded.Eip",
    "CreateKeyPair": "QuotaExceed.KeyPair",
    "ImportKeyPair": "QuotaExceed.KeyPair",
    "CreateDisk": "QuotaExceed.PostPaidDisk",
}


def refusal(fault: Fault, action: str) -> ApiError:
    """Return what a fault that refuses requests refuses this one with."""
    if fault.kind == "throttle":
        code = "Throttling.User"
    elif fault.kind == "quota":
        code = _QUOTAS.get(action.partition("/")[0], "QuotaExceeded")
    elif fault.kind == "no-stock":
        code = "OperationDenied.NoStock"
    else:
        code = fault.code
    status, message = _KNOWN.get(code, (_usual_status(code), "The request is refused."))
    return ApiError(code, fault.message or message, fault.status or status)


def _usual_status(code: str) -> int:
    if code.endswith(".NotFound"):
        return 404
    return 403 if code.startswith(("Forbidden", "OperationDenied")) else 400
