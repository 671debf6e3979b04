"""Error codes that can be had on demand: their HTTP status and message in ECS's references.

Those that the local cloud answers with by itself have them from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError

_QUOTAS = {
    "RunInstances": refusals.QUOTA_OF_INSTANCES,
    "CreateInstance": refusals.QUOTA_OF_INSTANCES,
    "CreateSecurityGroup": refusals.QUOTA_OF_SECURITY_GROUPS,
    "CreateVpc": refusals.QUOTA_OF_VPCS,
    "CreateVSwitch": refusals.QUOTA_OF_VSWITCHES,
    "AllocateEipAddress": refusals.QUOTA_OF_EIPS,
    "CreateKeyPair": refusals.QUOTA_OF_KEY_PAIRS,
    "ImportKeyPair": refusals.QUOTA_OF_KEY_PAIRS,
    "CreateDisk": refusals.QUOTA_OF_DISKS,
}


def refusal(fault: Fault, action: str) -> ApiError:
    """Return what a fault that refuses requests refuses this one with."""
    if fault.kind == "throttle":
        code = "Throttling.User"
    elif fault.kind == "quota":
        quota = _QUOTAS.get(action.partition("/")[0])
        code = quota.code if quota else "QuotaExceeded"
    elif fault.kind == "no-stock":
        code = "OperationDenied.NoStock"
    else:
        code = fault.code
    status, message = _known().get(code, (_usual_status(code), "The request is refused."))
    return ApiError(code, fault.message or message, fault.status or status)


def _known() -> Mapping[str, tuple[int, str]]:
    named = [item for item in vars(refusals).values() if isinstance(item, refusals.Refusal)]
    return {item.code: (item.status, item.message) for item in named[::-1]} | dict(refusals.known())


def _usual_status(code: str) -> int:
    if code.endswith(".NotFound"):
        return 404
    return 403 if code.startswith(("Forbidden", "OperationDenied")) else 400
