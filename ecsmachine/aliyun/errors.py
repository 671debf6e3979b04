"""What can go wrong between us and Alibaba Cloud, in words that a person can act on."""

from __future__ import annotations

import re

from ecsmachine.errors import MachineError, UsageError

_HINTS: tuple[tuple[str, str], ...] = (
    (
        "InvalidAccessKeyId",
        "Check the access key id (--aliyunecs-access-key-id, ECS_ACCESS_KEY_ID); "
        "keys are listed at https://ram.console.aliyun.com.",
    ),
    (
        "SignatureDoesNotMatch",
        "Check the access key secret (--aliyunecs-access-key-secret, ECS_ACCESS_KEY_SECRET).",
    ),
    (
        "IncompleteSignature",
        "Check the access key secret (--aliyunecs-access-key-secret, ECS_ACCESS_KEY_SECRET).",
    ),
    (
        "InvalidSecurityToken",
        "The security token has expired or belongs to another access key: get a new one.",
    ),
    ("MissingSecurityToken", "This access key is a temporary one: give its security token too."),
    ("InvalidTimeStamp", "Set this computer's clock (for example with NTP)."),
    ("Forbidden", "Ask the owner of the account for this permission (RAM policy)."),
    ("NoPermission", "Ask the owner of the account for this permission (RAM policy)."),
    ("UnauthorizedOperation", "Ask the owner of the account for this permission (RAM policy)."),
    ("InvalidAccountStatus", "Look at the account in Alibaba Cloud's console: it may be in debt."),
    ("InsufficientBalance", "Top up the account."),
    ("Account.Arrearage", "Top up the account."),
    ("RealNameAuthenticationError", "Complete the account's real-name registration."),
    (
        "IdempotentParameterMismatch",
        'An earlier try asked for something else: use "ecsmachine rm", then create anew.',
    ),
    ("QuotaExceed", "Remove what is not needed, or ask for a higher quota in the Quota Center."),
    ("LimitExceed", "Remove what is not needed, or ask for a higher quota in the Quota Center."),
    (
        "OperationDenied.NoStock",
        "Take another zone (--aliyunecs-zone) or another type (--aliyunecs-instance-type).",
    ),
    (
        "Zone.NotOnSale",
        "Take another zone (--aliyunecs-zone) or another type (--aliyunecs-instance-type).",
    ),
    ("InvalidResourceType.NotSupported", "Take another type (--aliyunecs-instance-type)."),
    ("InvalidInstanceType", "Take another type (--aliyunecs-instance-type)."),
    ("InvalidPassword", "Choose another password (--aliyunecs-ssh-password, ECS_SSH_PASSWORD)."),
    (
        "InvalidOperation.DeletionProtection",
        "Switch its deletion protection off first: in the ECS console, or with "
        "ModifyInstanceAttribute.",
    ),
    (
        "InstanceLockedForSecurity",
        "The instance is locked: see why in Alibaba Cloud's console.",
    ),
    ("InstanceExpired", "Renew the instance, or top up the account, in Alibaba Cloud's console."),
    ("HTTP", "Check the API endpoint (--aliyunecs-api-endpoint, ECS_API_ENDPOINT)."),
    ("Throttling", "Wait a moment and try again."),
    ("ServiceUnavailable", "Wait a moment and try again."),
    ("InternalError", "Wait a moment and try again."),
)
"""What to do, by the beginning of the error code; the first that fits."""


_EARLIER_REQUEST = ("Idempotent", "LastTokenProcessing", "OperationFailed.LastTokenProcessing")
"""Beginnings of codes that speak of an earlier request with the same ClientToken."""


class ApiError(MachineError):
    """Alibaba Cloud refused a request.

    ``code`` and ``reason`` are the API's own words, ``request_id`` is what its support asks
    for, ``status`` is the HTTP status. ``maybe_done`` is whether an earlier try of the same call,
    which got no clear answer, may have been carried out.
    """

    def __init__(
        self,
        *,
        action: str,
        code: str,
        reason: str,
        request_id: str = "",
        status: int = 400,
        hint: str | None = None,
    ):
        self.action = action
        self.code = code
        # a refused signature comes with what was signed, the access key id among it
        self.reason = one_line(re.sub(r"(?is)\s*(server )?string to sign is.*", "", reason))
        self.request_id = request_id
        self.status = status
        self.maybe_done = False
        told = f": {self.reason.rstrip('. ')}" if self.reason else ""
        identified = f" (request {request_id})" if request_id else ""
        super().__init__(f"{action} failed: {code}{told}{identified}", hint=hint or hint_of(code))

    @property
    def is_throttling(self) -> bool:
        """Whether the request came too soon after others; nothing was done."""
        return self.code.startswith("Throttling")

    @property
    def is_passing(self) -> bool:
        """Whether the fault is the server's own, and may be over at the next try."""
        return (
            self.status >= 500
            or self.code in ("ServiceUnavailable", "InternalError")
            or self.code.endswith((".InternalError", ".ServiceUnavailable"))
        )

    @property
    def is_refusal(self) -> bool:
        """Whether the request was turned down for good, so that certainly nothing was made."""
        return not (
            self.maybe_done
            or self.is_throttling
            or self.is_passing
            or self.code.startswith(_EARLIER_REQUEST)
        )

    @property
    def is_expired_key(self) -> bool:
        """Whether the temporary access key is past its end; nothing was done."""
        return self.code in ("InvalidSecurityToken.Expired", "SecurityTokenExpired")

    @property
    def is_not_found(self) -> bool:
        """Whether the resource that the request named does not exist.

        An unknown access key or region says nothing about the resource.
        """
        return self.code.endswith((".NotFound", ".NotExist", ".NotExists")) and not (
            self.code.startswith(("InvalidAccessKeyId", "InvalidSecurityToken", "InvalidRegionId"))
        )


class ConnectionLostError(MachineError):
    """No answer came: the endpoint was not reached, or the connection broke.

    ``maybe_done`` is whether the request may have been carried out all the same.
    """

    def __init__(self, message: str, *, maybe_done: bool, hint: str | None = None):
        super().__init__(message, hint=hint)
        self.maybe_done = maybe_done


class MissingCredentialsError(UsageError):
    """There are no credentials wherever they were looked for."""


def hint_of(code: str) -> str | None:
    """Return what to do about an error code, if anything is known."""
    for beginning, hint in _HINTS:
        if code.startswith(beginning):
            return hint
    return None


def one_line(text: str) -> str:
    """Return ``text`` on one line, without characters that a terminal would act on."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()
